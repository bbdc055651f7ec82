"""Fields: groups that are drawn when a paper asks for them, pieces, and what lies nearest."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from scipy import ndimage
from scipy.integrate import quad
from scipy.spatial import cKDTree

from washi_latent.core import fields as module
from washi_latent.core.fields import FIELD_NAMES, GROUPS, _ridge, bands_of_noise, draw_fields, metal_tone
from washi_latent.core.shapes import leaves, specks, stamp
from washi_latent.core.strokes import SplatPen

TILE = np.random.default_rng(0).integers(0, 255, (4, 64, 64), np.uint8)
SEED = 3
IN_GROUPS = {name for names in GROUPS.values() for name in names}


def indices(names: Any) -> list[int]:
    return [FIELD_NAMES.index(name) for name in names]


@pytest.mark.parametrize("margin", [0, 5])
def test_a_group_drawn_later_is_as_drawn_with_all_others(margin: int) -> None:
    whole = draw_fields(96, 128, SEED, TILE, np.float16, margin=margin)
    drawn = draw_fields(96, 128, SEED, TILE, np.float16, margin=margin, groups=["drops"], threads=1)
    shown = [*(name for name in FIELD_NAMES if name not in IN_GROUPS), "drops"]
    for groups in ((), ("metal",), ("lines", "creases"), ("strands", "drops")):
        if groups:
            assert draw_fields(96, 128, SEED, TILE, np.float16, margin=margin, groups=groups, into=drawn) is drawn
        shown += [name for group in groups for name in GROUPS[group]]
        expected = np.zeros_like(whole)
        expected[indices(shown)] = whole[indices(shown)]
        np.testing.assert_array_equal(drawn, expected)
    np.testing.assert_array_equal(drawn, whole)
    for names in GROUPS.values():
        assert np.abs(whole[indices(names)]).max() > 0


def test_only_the_fields_of_named_groups_are_touched() -> None:
    given = np.full((len(FIELD_NAMES), 64, 64), 7, np.float32)
    draw_fields(64, 64, 0, TILE, groups=("metal",), into=given)
    others = [name for name in FIELD_NAMES if name not in GROUPS["metal"]]
    assert (given[indices(others)] == 7).all()
    assert (given[indices(GROUPS["metal"])] != 7).any((1, 2)).all()


def test_tone_is_of_bark_and_leaf_only() -> None:
    drawn = dict(zip(FIELD_NAMES, draw_fields(256, 256, 2, TILE), strict=True))
    sunken = np.maximum.reduce([drawn[name] for name in ("slivers", "specks_few", "specks_many", "leaves")])
    assert (drawn["tone"] > 0).any()
    assert (drawn["tone"][sunken == 0] == 0).all()
    assert (drawn["rank"] > 0).sum() == (sunken > 0).sum()
    metal = np.maximum(drawn["flakes"], drawn["dust"])
    assert ((drawn["metal_rank"] > 0) == (metal > 0)).all()


def test_tones_of_metal_are_even() -> None:
    ranks = (np.arange(5000, dtype=np.float32) + 0.5) / 5000
    tones = metal_tone(ranks)
    assert tones.dtype == np.float32
    assert 0 <= tones.min() <= tones.max() < 1
    assert np.histogram(tones, 10, (0, 1))[0] == pytest.approx(500, abs=40)
    assert abs(np.corrcoef(ranks, tones)[0, 1]) < 0.05


@pytest.mark.parametrize(
    "wrong", [{"groups": ["gold"]}, {"into": np.zeros((len(FIELD_NAMES), 64, 65), np.float32)}, {"into": np.zeros((len(FIELD_NAMES), 64, 64), np.float16)}]
)
def test_other_groups_and_arrays_are_refused(wrong: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match=r"group|fields"):
        draw_fields(64, 64, 0, TILE, **wrong)


def test_the_two_nearest_are_those_of_a_search_of_all() -> None:
    """In a crowd, too, where a block has more centres near it than are compared."""
    drawing = module._Drawing(101, 150, 0)
    rng = np.random.default_rng(1)
    centers = np.concatenate([rng.random((12, 2)) * drawing.edges, np.array([5.0, 5.0]) + 0.3 * rng.random((60, 2))])
    warp = [0.2 * rng.standard_normal((51, 75)).astype(np.float32) for _ in range(2)]
    distances, numbers = drawing.nearest(centers, warp)
    y, x = np.meshgrid(np.arange(51) * 0.2, np.arange(75) * 0.2, indexing="ij")
    points = np.stack([x + warp[0], y + warp[1]], -1)
    expected, nearest = cKDTree(centers, boxsize=drawing.edges).query(points % drawing.edges, k=2)
    for which in range(2):
        np.testing.assert_allclose(distances[which], expected[..., which], rtol=2e-6, atol=2e-5)
        assert (numbers[which] == nearest[..., which]).mean() > 0.999


@pytest.mark.parametrize("angle", [0.0, 0.3, 0.785, 1.2])
def test_a_fibre_has_no_beads(angle: float, monkeypatch: pytest.MonkeyPatch) -> None:
    """It looks as one of ten times as many points does."""
    along = np.array([np.cos(angle), np.sin(angle)]) * 13.6
    drawn = []
    for step in (SplatPen._STEP, 0.1):
        monkeypatch.setattr(SplatPen, "_STEP", step)
        pen = SplatPen((96, 96))
        pen.draw((np.array([20.3, 20.6]) + np.arange(6)[:, None] * along)[None])
        places = np.linspace(0.5, 4.5, 200)[:, None] * along + (20.3, 20.6)
        drawn.append(ndimage.map_coordinates(ndimage.gaussian_filter(pen.take(), 0.8), places.T[::-1], order=1))
    assert (drawn[0] / drawn[1]).std() < 0.02


def test_noise_has_its_wavelength_and_deviation() -> None:
    for shape in ((256, 256), (255, 128), (128, 33)):
        noise = bands_of_noise(shape, [(0.5, 12.0, 0.3)], np.random.default_rng(0))
        assert noise.shape == shape
        assert noise.mean() == pytest.approx(0, abs=1e-5)
        assert noise.std() == pytest.approx(0.5, rel=1e-4)
        power = np.abs(np.fft.fft2(noise)) ** 2
        frequency = np.hypot(np.fft.fftfreq(shape[0])[:, None], np.fft.fftfreq(shape[1])[None])
        near = power[(frequency > 1 / 24) & (frequency < 1 / 6)].sum() / power.sum()
        assert near > 0.98
    # As strong down as across, and as strong where a frequency has no twin.
    many = [np.abs(np.fft.fft2(bands_of_noise((64, 64), [(1.0, 3.0, 1.0)], np.random.default_rng(i)))) ** 2 for i in range(60)]
    power = np.mean(many, 0)
    assert power[16:24, 0].mean() == pytest.approx(power[0, 16:24].mean(), rel=0.25)
    assert power[32, 0] == pytest.approx(power[0, 32], rel=0.6)


@pytest.mark.parametrize("shape", [specks, leaves])
@pytest.mark.parametrize("soft", [False, True])
def test_pieces_cover_their_area_over_the_border_too(shape: Any, soft: bool) -> None:
    rng = np.random.default_rng(0)
    outlines = (shape(rng, 40, 0.4) if shape is specks else shape(rng, 40)) / 0.1
    x, y = outlines[..., 0], outlines[..., 1]
    areas = np.abs((x * np.roll(y, -1, 1) - y * np.roll(x, -1, 1)).sum(1)) / 2
    rims = np.linalg.norm(outlines - np.roll(outlines, 1, 1), axis=-1).sum(1)
    total = 0.0
    for outline in outlines:
        cover, mark = np.zeros((120, 130), np.float32), np.zeros((120, 130), np.float32)
        stamp(cover, (outline + np.array([129.5, 0.3]))[None], np.array([0.8]), [(mark, np.array([0.25]))], soft)
        assert ((mark > 0) == (cover > 0)).all()
        assert cover.max() <= 0.801
        total += float(cover.sum()) / 0.8
    # Pillow fills the pixels that an outline runs through, too, an eighth of a pixel wide here.
    assert areas.sum() < total < areas.sum() + 0.25 * rims.sum()


def test_a_crease_is_averaged_over_a_pixel() -> None:
    """A sharper line, read at points, would be a row of dots; what it weighs stays."""
    gaps = np.array([0.0, 0.05, 0.19, 0.21, 0.6], np.float32)
    wanted = [quad(lambda u: np.exp(-abs(u) / 0.16), gap - 0.2, gap + 0.2, points=[0])[0] / 0.4 for gap in gaps]
    np.testing.assert_allclose(_ridge(gaps, 0.16), wanted, rtol=1e-4)


def test_no_piece_lies_on_one_of_another_kind() -> None:
    """What shows the one must not show a scrap of the other: only rims may meet."""
    fields = dict(zip(FIELD_NAMES, draw_fields(512, 512, SEED, TILE), strict=True))
    bark = np.maximum.reduce([fields["slivers"], fields["specks_few"], fields["specks_many"]])
    for one, other in ((bark, fields["leaves"]), (fields["slivers"], fields["specks_many"]), (fields["flakes"], fields["dust"])):
        assert min((one > 0.4).mean(), (other > 0.4).mean()) > 5e-4
        assert ((one > 0.4) & (other > 0.4)).sum() <= 2


def test_what_is_hidden_yet_bites_into_nothing_that_shows(monkeypatch: pytest.MonkeyPatch) -> None:
    """The body of a piece that appeared is as it would be without those that come after it; many lie on each other here."""
    laid: list[tuple[Any, ...]] = []
    monkeypatch.setattr(module, "LEAVES_PER_CM2", 6.0)
    monkeypatch.setattr(module, "stamp", lambda *arguments: (laid.append(arguments), stamp(*arguments)))
    fields = dict(zip(FIELD_NAMES, draw_fields(512, 512, SEED, TILE, threads=1), strict=True))
    outlines, density, (rank, *_), soft = next((pieces, dense, marks, soft) for _, pieces, dense, marks, soft, _ in laid if pieces.shape[1] == 60)
    first = rank[1] < 0.3
    alone, solid = np.zeros((2, 512, 512), np.float32)
    stamp(alone, outlines[first], density[first], soft=soft)
    stamp(solid, outlines[first], np.ones(first.sum()))
    body = ndimage.minimum_filter(solid, 3, mode="wrap") == 1  # what lies under a rim may show through it
    assert body.mean() > 0.05
    assert (fields["rank"][body] < 0.3).all()
    np.testing.assert_array_equal(fields["leaves"][body], alone[body])
