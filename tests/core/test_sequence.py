"""Sequences: targets met, neighbours even, positions increasing, what cannot be done said."""

from __future__ import annotations

from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest
from conftest import DIM
from hypothesis import given, settings
from hypothesis import strategies as st

from washi_latent.core import TextureModel, WashiError, interpolate, mssim, slerp
from washi_latent.core.progress import ignore
from washi_latent.core.search import compared, compared_textures
from washi_latent.core.sequence import _even, _Line


def pairs(count: int) -> list[tuple[np.ndarray, np.ndarray]]:
    rng = np.random.default_rng(0)
    return [(rng.normal(size=DIM), rng.normal(size=DIM)) for _ in range(count)]


def test_similarity_spacing_meets_its_targets(model: TextureModel) -> None:
    residuals, flagged = [], 0
    for a, b in pairs(12):
        sequence = interpolate(model, a, b, 10, "similarity")
        assert (np.diff(sequence.positions) > 0).all()
        inner = np.abs(sequence.residuals[1:-1])
        residuals.extend(inner)
        wrong = [s != "ok" for s in sequence.status[1:-1]]
        flagged += sum(wrong)
        # Every texture that is further than its interval says so.
        assert all(w == (r > h) for w, r, h in zip(wrong, inner, sequence.half_width[1:-1], strict=True))
        steps = np.diff(sequence.targets)
        np.testing.assert_allclose(steps, steps[0], atol=1e-9)
    assert np.quantile(residuals, 0.95) <= 0.005
    assert flagged == sum(r > 0.003 + 1e-9 for r in residuals)


def test_even_spacing_makes_neighbours_equally_different(model: TextureModel) -> None:
    ratios = []
    for a, b in pairs(12):
        sequence = interpolate(model, a, b, 10, "even")
        assert (np.diff(sequence.positions) > 0).all()
        own = [1 - mssim(x, y) for x, y in zip(sequence.images, sequence.images[1:], strict=False)]
        assert sequence.metrics.neighbour_step_ratio == pytest.approx(max(own) / min(own), rel=1e-3)
        ratios.append(sequence.metrics.neighbour_step_ratio)
    assert np.median(ratios) <= 1.1


class Leap:
    """A model that is all but still nearly everywhere, and changes within a thousandth of the way."""

    latent_dim = DIM

    def __init__(self, model: TextureModel) -> None:
        self.info, self._ends = model.info, model.generate(np.stack([np.full(DIM, -0.6), np.full(DIM, 0.6)]))

    def generate(self, latents, size=None, seed=0, progress=None):
        place = np.atleast_2d(np.asarray(latents, np.float64))[:, 0]
        share = (0.02 * place + 0.49 * (1 + np.tanh((place - 0.337) * 3000)))[:, None, None, None]
        return ((1 - share) * self._ends[0] + share * self._ends[1]).astype(np.float32)


def test_even_spacing_finds_a_change_within_a_thousandth_of_the_way(model: TextureModel) -> None:
    start, end = np.zeros(DIM), np.eye(DIM)[0]
    sequence = interpolate(Leap(model), start, end, 10, "even", "lerp")
    assert (np.diff(sequence.positions) > 0).all()
    assert sequence.metrics.neighbour_step_ratio <= 1.3


class Curve:
    """Stands in for a way through latent space: a smooth curve of points, some of which turn back on themselves."""

    def __init__(self, seed: int) -> None:
        self.waves = np.arange(1, 7)
        self.weights = np.random.default_rng(seed).normal(size=(6, 2, 3)) / self.waves[:, None, None]

    def at(self, positions: np.ndarray) -> np.ndarray:
        angles = np.pi * np.outer(positions, self.waves)
        return np.cos(angles) @ self.weights[:, 0] + np.sin(angles) @ self.weights[:, 1]

    def differences(self, positions: np.ndarray) -> np.ndarray:
        points = self.at(positions)
        return ((points[:, None] - points[None]) ** 2).sum(-1)

    def steps(self, positions: np.ndarray) -> np.ndarray:
        return np.diag(self.differences(positions), 1)


@pytest.mark.parametrize("count", [3, 6, 14])
def test_even_spacing_finds_its_way_round(count: int) -> None:
    """Where a way turns back, the step after the next may have no place of its own: the whole row is spread anew."""
    ratios = []
    for seed in range(50):
        curve = Curve(seed)
        positions = _even(curve, count)[0]  # type: ignore[arg-type] - all that it asks of a line
        assert (np.diff(positions) > 0).all()
        assert positions[[0, -1]].tolist() == [0, 1]
        steps = curve.steps(positions)
        ratios.append(steps.max() / np.median(steps))
    assert max(ratios) <= 1.5
    assert np.median(ratios) <= 1.03


def test_ends_are_the_ends(model: TextureModel) -> None:
    (a, b), *_ = pairs(1)
    for path in ("slerp", "lerp"):
        sequence = interpolate(model, a, b, 3, "even", path)  # type: ignore[arg-type]
        np.testing.assert_allclose(sequence.latents[[0, -1]], [a, b], atol=1e-12)
        assert sequence.positions[[0, -1]].tolist() == [0, 1]
        np.testing.assert_allclose(sequence.images[0], model.generate(a)[0], atol=1e-6)


def test_key_points_are_passed(model: TextureModel) -> None:
    (a, b), (c, _) = pairs(2)
    sequence = interpolate(model, a, b, 4, "similarity", between=[c])
    assert sequence.keys == (0, 5, 10)
    assert len(sequence.positions) == 11
    np.testing.assert_allclose(sequence.latents[5], c, atol=1e-12)
    assert (np.diff(sequence.positions) > 0).all()


def test_another_reference_may_rise(model: TextureModel) -> None:
    (a, b), *_ = pairs(1)
    sequence = interpolate(model, a, b, 6, "similarity", reference=b)
    assert sequence.similarities[-1] == pytest.approx(1, abs=1e-5)
    assert (np.diff(sequence.targets) > 0).all()
    assert sequence.metrics.flagged == sum(s != "ok" for s in sequence.status)
    assert np.abs(sequence.residuals).max() <= 0.005


def test_ends_too_alike_are_said(model: TextureModel) -> None:
    (a, _), *_ = pairs(1)
    for spacing in ("similarity", "even"):
        sequence = interpolate(model, a, a, 5, spacing)  # type: ignore[arg-type]
        assert sequence.message
        assert (np.diff(sequence.positions) > 0).all()
    flagged = interpolate(model, a, a, 5, "similarity")
    assert flagged.metrics.flagged == 5


def test_a_jump_is_flagged(model: TextureModel) -> None:
    class Switch:
        info, latent_dim = model.info, model.latent_dim

        def generate(self, latents: np.ndarray, size: object = None, seed: int = 0, progress: object = None) -> np.ndarray:
            on = (np.atleast_2d(latents)[:, 0] > 0.5)[:, None, None, None]
            noise = np.random.default_rng(0).random((2, 32, 32, 3), dtype=np.float32)
            return np.where(on, noise[0], noise[1])

    a, b = np.zeros(DIM), np.eye(DIM)[0]
    sequence = interpolate(Switch(), a, b, 5, "similarity", "lerp")  # type: ignore[arg-type]
    assert sequence.metrics.flagged == 5
    assert sequence.message
    assert (np.diff(sequence.positions) > 0).all()


def test_hidden_rise_is_measured(model: TextureModel) -> None:
    class Wave:
        info, latent_dim = model.info, model.latent_dim

        def generate(self, latents: np.ndarray, size: object = None, seed: int = 0, progress: object = None) -> np.ndarray:
            t = np.atleast_2d(latents)[:, 0][:, None, None, None]
            noise = np.random.default_rng(0).random((32, 32, 3), dtype=np.float32)
            return (0.5 + (t + 0.25 * np.sin(t * 6 * np.pi)) * 0.4 * (noise - 0.5)).astype(np.float32)

    sequence = interpolate(Wave(), np.zeros(DIM), np.eye(DIM)[0], 6, "similarity", "lerp")  # type: ignore[arg-type]
    assert sequence.metrics.hidden_rise > 0.01
    assert (np.diff(sequence.positions) > 0).all()


@given(st.lists(st.floats(-5, 5), min_size=6, max_size=6), st.lists(st.floats(-5, 5), min_size=6, max_size=6))
@settings(max_examples=80, deadline=None)
def test_slerp_keeps_ends_and_norms(a: list[float], b: list[float]) -> None:
    points = slerp(a, b, np.linspace(0, 1, 5))
    np.testing.assert_allclose(points[[0, -1]], [a, b], atol=1e-7)
    norms = np.linalg.norm([a, b], axis=1)
    assert (np.linalg.norm(points, axis=1) <= norms.max() + 1e-7).all()


def test_slerp_moves_by_equal_angles() -> None:
    points = slerp([1.0, 0, 0], [0, 2.0, 0], np.linspace(0, 1, 7))
    unit = points / np.linalg.norm(points, axis=1, keepdims=True)
    np.testing.assert_allclose(np.arccos((unit[:-1] * unit[1:]).sum(1)), np.pi / 12, atol=1e-9)
    np.testing.assert_allclose(np.linalg.norm(points, axis=1), np.linspace(1, 2, 7))


@pytest.mark.parametrize(
    "changes", [{"count": 0}, {"count": 10**6}, {"spacing": "odd"}, {"path": "spiral"}, {"tolerance": 0.0}, {"end": np.zeros(3)}, {"end": np.full(DIM, np.nan)}]
)
def test_bad_input_is_refused(model: TextureModel, changes: dict[str, object]) -> None:
    with pytest.raises(WashiError) as caught:
        interpolate(model, **{"start": np.zeros(DIM), "end": np.ones(DIM), "count": 3, **changes})  # type: ignore[arg-type]
    assert "\n" not in str(caught.value)


def test_draws_itself(model: TextureModel, tmp_path: Path) -> None:
    (a, b), *_ = pairs(1)
    for spacing in ("similarity", "even"):
        interpolate(model, a, b, 4, spacing).draw(tmp_path / f"{spacing}.png")  # type: ignore[arg-type]
        assert (tmp_path / f"{spacing}.png").read_bytes()[:4] == b"\x89PNG"


def test_a_sequence_without_any_change_is_even(model: TextureModel) -> None:
    still = interpolate(model, np.ones(DIM), np.ones(DIM), 3)
    assert still.metrics.neighbour_step_ratio == still.metrics.reference_step_ratio == 1


@pytest.mark.parametrize("size", [None, 64, 96, 256, (48, 256), (256, 96)])
def test_what_is_compared_of_large_textures_is_made_without_the_rest(size: object, sheet_model: TextureModel) -> None:
    latents = np.random.default_rng(0).normal(size=(3, DIM))
    expected = compared(sheet_model.generate(latents, size, 2))  # type: ignore[arg-type]
    made = compared_textures(sheet_model, latents, size, 2)  # type: ignore[arg-type]
    np.testing.assert_allclose(made, expected, atol=1e-6)


def test_a_map_that_grows_is_the_map_made_at_once(model: TextureModel) -> None:
    a, b = np.random.default_rng(1).normal(size=(2, DIM))
    few, more = np.linspace(0, 1, 6), np.sort(np.concatenate([np.linspace(0, 1, 6), [0.05, 0.33, 0.34]]))

    def line() -> _Line:
        return _Line(model, lambda t: (1 - t[:, None]) * a + t[:, None] * b, a, None, 0, ignore, 1)

    growing = line()
    for positions in (few, more, more, few, np.linspace(0, 1, 4)):
        np.testing.assert_allclose(growing.differences(positions), line().differences(positions), atol=1e-7)


@pytest.mark.parametrize("count", [2, 16, 17, 18, 40])
def test_neighbours_are_compared_one_to_the_next(count: int, model: TextureModel) -> None:
    pictures = np.random.default_rng(count).random((count, 16, 16, 3), dtype=np.float32)
    line = _Line(model, lambda t: np.zeros((len(t), DIM)), np.zeros(DIM), None, 0, ignore, 1)
    expected = [1 - mssim(x, y) for x, y in pairwise(pictures)]
    np.testing.assert_allclose(line.neighbours(pictures), expected, atol=1e-6)
