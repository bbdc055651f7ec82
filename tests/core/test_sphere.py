"""Directions against quadrature, closed forms and properties."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from washi_latent.core import WashiError, angle_for_concentration, concentration_for_angle, sample_directions, sample_sphere
from washi_latent.core.sphere import angles_between

# Angle between a sample and the mean direction in R^100 (quadrature): concentration, mean, 5%, 95%.
TABLE = [(50, 1.1412, 1.0045, 1.2823), (200, 0.6711, 0.5913, 0.7534), (1000, 0.3113, 0.2751, 0.3485), (0, 1.5708, 1.4054, 1.7361)]
MEANS = [(0, 1.5708), (1, 1.5607), (10, 1.4711), (50, 1.1412), (100, 0.9008), (200, 0.6711), (1000, 0.3113), (1e4, 0.0992), (1e8, 0.0010)]


@pytest.mark.parametrize(("kappa", "mean", "low", "high"), TABLE)
def test_angles_in_100_dimensions_follow_the_table(kappa: float, mean: float, low: float, high: float) -> None:
    direction = np.eye(100)[1]
    angles = angles_between(sample_directions(direction, kappa, 20_000, np.random.default_rng(0)), direction)
    assert angles.mean() == pytest.approx(mean, abs=0.01)
    assert np.quantile(angles, 0.05) == pytest.approx(low, abs=0.01)
    assert np.quantile(angles, 0.95) == pytest.approx(high, abs=0.01)


@pytest.mark.parametrize(("kappa", "mean"), MEANS)
def test_mean_angle_by_quadrature(kappa: float, mean: float) -> None:
    assert angle_for_concentration(kappa, 100) == pytest.approx(mean, abs=6e-5)


@pytest.mark.parametrize("kappa", [0.0, 1e-3, 1.0, 30.0, 1e4, 1e10])
def test_mean_angle_in_three_dimensions_has_its_closed_form(kappa: float) -> None:
    # cos(angle) is exponential on [-1, 1]: integrate its quantile function.
    u = (np.arange(400_000) + 0.5) / 400_000
    one_minus_cos = 2 * u if kappa == 0 else -np.log1p(-u * -np.expm1(-2 * kappa)) / kappa
    expected = (2 * np.arcsin(np.sqrt(np.clip(one_minus_cos / 2, 0, 1)))).mean()
    assert angle_for_concentration(kappa, 3) == pytest.approx(expected, rel=2e-4)


@given(dim=st.sampled_from([2, 3, 10, 100, 512, 2048]), exponent=st.floats(-6, 10), axis=st.booleans(), seed=st.integers(0, 99))
@settings(max_examples=60, deadline=None)
def test_samples_are_unit_vectors_at_about_the_mean_angle(dim: int, exponent: float, axis: bool, seed: int) -> None:
    rng = np.random.default_rng(seed)
    kappa = 10.0**exponent
    mean = np.eye(dim)[0] if axis else rng.normal(size=dim)
    directions = sample_directions(mean, kappa, 200, rng)
    assert directions.shape == (200, dim)
    np.testing.assert_allclose(np.linalg.norm(directions, axis=1), 1, atol=1e-12)
    expected = angle_for_concentration(kappa, dim)
    spread = angles_between(directions, mean)
    assert abs(spread.mean() - expected) < 6 * max(spread.std(), 1e-9) / math.sqrt(200) + 1e-9


@given(dim=st.sampled_from([2, 3, 100, 2048]), exponent=st.floats(-3, 9.9))
@settings(max_examples=40, deadline=None)
def test_concentration_and_angle_are_inverse(dim: int, exponent: float) -> None:
    kappa = 10.0**exponent
    assert concentration_for_angle(angle_for_concentration(kappa, dim), dim) == pytest.approx(kappa, rel=1e-5)


def test_angle_falls_with_concentration() -> None:
    for dim in (2, 3, 100, 2048):
        angles = [angle_for_concentration(k, dim) for k in np.geomspace(1e-2, 1e10, 60)]
        assert (np.diff(angles) < 0).all()


def test_directions_around_an_axis_are_symmetric() -> None:
    directions = sample_directions([1.0, 0, 0], 5, 40_000, np.random.default_rng(3))
    assert np.abs(directions[:, 1:].mean(0)).max() < 0.012
    assert abs(np.corrcoef(directions[:, 1:].T)[0, 1]) < 0.02


def test_points_lie_on_their_sphere() -> None:
    center = np.arange(5.0)
    points = sample_sphere(center, 7.0, np.ones(5), 3.0, 50, np.random.default_rng(0))
    np.testing.assert_allclose(np.linalg.norm(points - center, axis=1), 7, atol=1e-12)


def test_same_seed_same_directions() -> None:
    a, b = (sample_directions(np.ones(9), 4.0, 6, np.random.default_rng(8)) for _ in range(2))
    np.testing.assert_array_equal(a, b)
    assert sample_directions(np.ones(9), 4.0, 0, np.random.default_rng(0)).shape == (0, 9)


@pytest.mark.parametrize(
    ("mean", "kappa", "count"),
    [
        ([0, 0, 0], 1, 5),
        ([1, np.nan], 1, 5),
        ([[1, 2]], 1, 5),
        ([1.0], 1, 5),
        ([1, 0], -1, 5),
        ([1, 0], np.nan, 5),
        ([1, 0], 1e11, 5),
        ([1, 0], 1, -1),
        (np.ones(3000), 1, 5),
    ],
)
def test_bad_input_is_one_sentence(mean: object, kappa: float, count: int) -> None:
    with pytest.raises(WashiError) as caught:
        sample_directions(mean, kappa, count, np.random.default_rng(0))
    assert "\n" not in str(caught.value)


def test_bad_spheres_and_angles_are_refused() -> None:
    rng = np.random.default_rng(0)
    for center, radius in (([0, 0, 0], 1.0), ([0, np.inf], 1.0), ([0, 0], 0.0), ([0, 0], np.nan)):
        with pytest.raises(WashiError):
            sample_sphere(center, radius, [1, 0], 1.0, 3, rng)
    for angle in (-0.1, 0.0, 2.0, np.nan):
        with pytest.raises(WashiError):
            concentration_for_angle(angle, 100)
    assert concentration_for_angle(math.pi / 2, 100) == 0
