"""The simulation: periodic, seeded, physical."""

from __future__ import annotations

import numpy as np
import pytest

pytest.importorskip("skia")

from washi_latent.core import WashiError
from washi_latent.core.fields import FIELD_NAMES, draw_fields, gate
from washi_latent.core.maps import linear
from washi_latent.core.shapes import flakes, stamp_quads
from washi_latent.core.strokes import SplatPen
from washi_latent.training.pairs import sheet_from_fields
from washi_latent.training.washi import (
    DYES,
    KINDS,
    FibrePen,
    draw_parameters,
    encode_srgb,
    fibre_tile,
    fold,
    kubelka_munk,
    random_kind,
    synthesize,
)


@pytest.mark.parametrize("kind", [*KINDS, "kozo+unryu+ai"])
def test_every_kind_is_a_sheet(kind: str) -> None:
    sheet = synthesize(kind, 96, seed=4)
    for channel, shape in ((sheet.color, (96, 96, 3)), (sheet.height, (96, 96)), (sheet.opacity, (96, 96)), (sheet.scan(), (96, 96, 3))):
        assert channel.shape == shape
        assert channel.dtype == np.float32
        assert np.isfinite(channel).all()
        assert channel.min() >= 0
        assert channel.max() <= 1
    assert 0.001 < sheet.height.std() < 0.2
    assert sheet.opacity.std() > 0.003


def test_same_seed_same_sheet() -> None:
    a, b, c = (synthesize("chiri", 64, seed) for seed in (1, 1, 2))
    np.testing.assert_array_equal(a.color, b.color)
    assert np.abs(a.color - c.color).mean() > 1e-3


@pytest.mark.parametrize("kind", ["kozo", "unryu", "rakusui", "momigami"])
def test_sheets_are_periodic(kind: str) -> None:
    ranks = []
    for seed in range(10):
        height = synthesize(kind, 96, seed).height
        for axis in (0, 1):
            lines = np.abs(np.roll(height, -1, axis) - height).mean(1 - axis)
            ranks.append((lines < lines[-1]).mean())
    assert np.mean(ranks) == pytest.approx(0.5, abs=0.27)  # four standard errors of 20 ranks


def test_more_paper_lets_less_light_pass() -> None:
    thin, thick = (np.mean([synthesize(k, 64, s).opacity.mean() for s in range(4)]) for k in ("tengujo", "momigami"))
    assert thin < 0.3 < thick


def test_opacity_follows_from_the_same_fibres_as_relief() -> None:
    sheet = synthesize("kozo", 192, 0)
    fine = [c - np.roll(c, 3, 0) for c in (sheet.height, sheet.opacity)]
    assert np.corrcoef(fine[0].ravel(), fine[1].ravel())[0, 1] > 0.3


def test_dyes_colour_as_their_names_say() -> None:
    means = {kind: np.mean([synthesize(kind, 48, s).color.mean((0, 1)) for s in range(3)], 0) for kind in DYES}
    assert means["ai"].argmax() == 2
    assert means["bengara"].argmax() == 0
    assert means["kihada"].argmin() == 2
    assert means["uguisu"].argmax() == 1
    assert np.ptp(means["sumi"]) < 0.06


def test_kubelka_munk_has_its_limits() -> None:
    # Without absorption R = SX / (1 + SX) over black and R + T = 1; endless, R = 1 + K/S - sqrt((K/S)^2 + 2 K/S).
    reflected, through = kubelka_munk(1e-5, np.array([0.5, 1.0, 2.0]), 0.0)
    np.testing.assert_allclose(reflected, np.array([0.5, 1.0, 2.0]) / np.array([1.5, 2.0, 3.0]), atol=3e-3)
    np.testing.assert_allclose(reflected + through, 1, atol=5e-3)
    assert kubelka_munk(0.2, 60.0, 0.0)[0] == pytest.approx(1.2 - np.sqrt(1.2**2 - 1), abs=1e-6)


def test_srgb_goes_there_and_back() -> None:
    x = np.linspace(0, 1, 100)
    np.testing.assert_allclose(linear(encode_srgb(x)), x, atol=1e-6)
    assert encode_srgb(0.214)[()] == pytest.approx(0.5, abs=2e-3)


@pytest.mark.parametrize("make", [FibrePen, lambda n: SplatPen((n, n))], ids=["skia", "numpy"])
def test_a_pen_draws_a_fibres_length_wherever_it_lies(make: type) -> None:
    for place in (32.3, 0.0, 63.9):
        pen = make(64)
        pen.draw(np.array([[[place - 10.0, place], [place + 10.0, place + 0.4]]]))
        drawn = pen.take()
        assert drawn.sum() == pytest.approx(20, rel=0.06)
        assert pen.take().sum() == 0


def test_fold_brings_margins_home() -> None:
    image = np.arange(64.0).reshape(8, 8)
    assert fold(image, 2).sum() == image.sum()
    assert fold(np.ones((8, 8)), 2).tolist() == (np.full((4, 4), 4.0)).tolist()


def test_fields_make_the_sheet_that_they_say() -> None:
    fields = draw_fields(96, 96, 1, fibre_tile(size=128))
    assert fields.shape == (len(FIELD_NAMES), 96, 96)
    assert np.isfinite(fields).all()
    rng = np.random.default_rng(0)
    for kind in ("kozo", "rakusui+ai", "sunago", "momigami"):
        sheet = sheet_from_fields(fields, draw_parameters(kind, rng))
        assert sheet.shape == (96, 96, 5)
        assert sheet.min() >= 0
        assert sheet.max() <= 1


def test_random_kinds_are_all_reached() -> None:
    rng = np.random.default_rng(0)
    drawn = {part for _ in range(600) for part in random_kind(rng).split("+")}
    assert drawn == set(KINDS)


@pytest.mark.parametrize(
    "arguments", [("paper", 96, 0, 0.1), ("", 96, 0, 0.1), ("kozo", 8, 0, 0.1), ("kozo", 10**6, 0, 0.1), ("kozo", 96, -1, 0.1), ("kozo", 96, 0, 0.0)]
)
def test_bad_input_is_refused(arguments: tuple[str, int, int, float]) -> None:
    with pytest.raises(WashiError) as caught:
        synthesize(*arguments)
    assert "\n" not in str(caught.value)


def test_one_piece_cuts_no_hole_into_another() -> None:
    """A leaf shows whole where metal dust that does not show lies on it."""
    fields = dict(zip(FIELD_NAMES, draw_fields(256, 256, 3, fibre_tile(size=128)), strict=True))
    inside = (fields["leaves"] > 0.5) & (fields["dust"] > 0.3)
    assert inside.any()
    everywhere = gate(1.0, fields["rank"])
    assert (fields["leaves"] * everywhere)[inside].min() > 0.5
    alone = fields["rank"][(fields["leaves"] > 0.5) & (fields["dust"] == 0) & (fields["flakes"] == 0)].max()
    assert (fields["leaves"] * gate(float(alone), fields["rank"]))[inside].min() > 0.5


def test_small_pieces_cover_as_much_as_they_measure() -> None:
    """Each piece of dust has its area, lies where it was put, over the border too, and shows its own mark."""
    rng = np.random.default_rng(4)
    for place in ((20.3, 11.8), (39.9, 0.2), (0.4, 29.7)):
        outline = flakes(rng, 1, 0.3)[0] / 0.1
        x, y = outline.T
        area = abs(np.dot(x, np.roll(y, 1)) - np.dot(y, np.roll(x, 1))) / 2
        cover, mark = np.zeros((30, 40), np.float32), np.zeros((30, 40), np.float32)
        stamp_quads(cover, (outline + place)[None], np.array([0.5]), [(mark, np.array([0.25]))])
        assert cover.sum() == pytest.approx(0.5 * area, rel=0.08)
        assert cover.max() <= 0.5
        assert set(np.unique(mark)) == {0.0, 0.25}
        assert (cover[mark == 0] == 0).all()
        middle = np.roll(cover, (15 - int(place[1]), 20 - int(place[0])), (0, 1))
        rows, columns = np.indices(middle.shape) + 0.5
        for axis, wanted in ((columns, place[0] % 1 + 20), (rows, place[1] % 1 + 15)):
            assert (axis * middle).sum() / middle.sum() == pytest.approx(wanted + outline.mean(0)[int(axis is rows)], abs=0.25)


def test_a_denser_piece_hides_a_fainter_one() -> None:
    square = np.array([[[4.0, 4.0], [10.0, 4.0], [10.0, 10.0], [4.0, 10.0]]] * 2)
    for order in ((0.4, 0.9), (0.9, 0.4)):
        cover, mark = np.zeros((32, 32), np.float32), np.zeros((32, 32), np.float32)
        stamp_quads(cover, square, np.array(order), [(mark, np.array(order))])
        assert cover[4:10, 4:10] == pytest.approx(0.9)
        assert mark[4:10, 4:10] == pytest.approx(0.9)
