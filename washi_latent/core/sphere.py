"""Points on the n-sphere around a place in latent space: the light of Algorithm 1 (Satoh, section 3).

Directions follow a von Mises-Fisher distribution: a mean direction, and a concentration that says how narrow the light is.
To a person the concentration says nothing; the mean angle to the mean direction does. Both ways are here.
"""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import ArrayLike, NDArray

from .errors import WashiError

MAX_CONCENTRATION = 1e10
MAX_DIMENSION = 2048

Vector = NDArray[np.float64]


def sample_directions(mean_direction: ArrayLike, concentration: float, count: int, rng: np.random.Generator) -> NDArray[np.float64]:
    """Draw unit vectors from a von Mises-Fisher distribution.

    The tangent-normal decomposition x = (1 - t) mu + sqrt(t (2 - t)) v, v uniform on the directions orthogonal to mu
    (Mardia and Jupp 2000, section 9.1.3): it needs no rotation that could fail where mu is an axis. t = 1 - cos(angle) is
    drawn by Wood's rejection (1994), written for t itself so that nothing cancels at large concentrations.

    Args:
        mean_direction: (dim,), any length above 0; dim 2 to 2048.
        concentration: kappa, 0 (uniform on the sphere) to 1e10.
        count: how many, 0 or more.
        rng: source of randomness.

    Returns:
        (count, dim) float64, each row of length 1.

    Raises:
        WashiError: a mean direction of length 0, not finite or of the wrong shape; a concentration or count out of range.
    """
    mean = _unit(mean_direction)
    kappa = _concentration(concentration)
    if count < 0:
        raise WashiError(f"{count} directions can't be drawn: ask for 0 or more")
    t = _sample_one_minus_cosine(kappa, len(mean), count, rng)
    tangent = rng.standard_normal((count, len(mean)))
    for _ in range(2):  # the second pass takes away what rounding left of the first
        tangent -= np.outer(tangent @ mean, mean)
    tangent /= np.linalg.norm(tangent, axis=1, keepdims=True)
    directions = np.outer(1 - t, mean) + np.sqrt(t * (2 - t))[:, None] * tangent
    return directions / np.linalg.norm(directions, axis=1, keepdims=True)


def sample_sphere(
    center: ArrayLike, radius: float, mean_direction: ArrayLike, concentration: float, count: int, rng: np.random.Generator
) -> NDArray[np.float64]:
    """Draw points p = r v + c on the sphere around a centre (Algorithm 1, step 2).

    Args:
        center: (dim,) where the search stands.
        radius: r, above 0.
        mean_direction, concentration, count, rng: as in `sample_directions`.

    Returns:
        (count, dim) float64.

    Raises:
        WashiError: as `sample_directions`; a radius that is not above 0; a centre of another dimension or not finite.
    """
    directions = sample_directions(mean_direction, concentration, count, rng)
    middle = np.asarray(center, np.float64)
    if middle.shape != directions.shape[1:] or not np.isfinite(middle).all():
        raise WashiError(f"the centre has shape {middle.shape} or is not finite: give {directions.shape[1]} finite numbers")
    if not (math.isfinite(radius) and radius > 0):
        raise WashiError(f"the radius is {radius}: give a number above 0")
    return radius * directions + middle


def angle_for_concentration(concentration: float, dim: int) -> float:
    """The mean angle between a von Mises-Fisher sample and the mean direction.

    Gauss-Legendre quadrature of the density exp(kappa cos a) sin(a)^(dim - 2), over the part of [0, pi] that holds it.

    Args:
        concentration: 0 to 1e10.
        dim: dimension of the space, 2 to 2048.

    Returns:
        radians, from pi / 2 (concentration 0) down to about 1e-5.
    """
    kappa = _concentration(concentration)
    _check_dimension(dim)
    return _mean_angle(kappa, dim)


def concentration_for_angle(radians: float, dim: int) -> float:
    """The concentration whose samples lie at this mean angle: the inverse of `angle_for_concentration`.

    Args:
        radians: above the angle of the largest concentration, at most pi / 2 (0 is returned there).
        dim: dimension of the space, 2 to 2048.

    Raises:
        WashiError: an angle that no concentration from 0 to 1e10 has.
    """
    _check_dimension(dim)
    smallest = _mean_angle(MAX_CONCENTRATION, dim)
    if not (smallest <= radians <= math.pi / 2 + 1e-12):
        raise WashiError(
            f"a mean angle of {math.degrees(radians):.6g} degrees can't be had in {dim} dimensions: choose {math.degrees(smallest):.3g} to 90 degrees"
        )
    if radians >= math.pi / 2 - 1e-12:
        return 0.0
    low, high = math.log(1e-12), math.log(MAX_CONCENTRATION)
    for _ in range(90):  # bisection: the angle falls with the concentration everywhere
        middle = (low + high) / 2
        low, high = (middle, high) if _mean_angle(math.exp(middle), dim) > radians else (low, middle)
    return math.exp((low + high) / 2)


def angles_between(directions: ArrayLike, mean_direction: ArrayLike) -> NDArray[np.float64]:
    """Angles of rows (N, dim) to a direction, radians, accurate at small angles too (Kahan's formula)."""
    rows = np.atleast_2d(np.asarray(directions, np.float64))
    rows = rows / np.linalg.norm(rows, axis=1, keepdims=True)
    mean = _unit(mean_direction)
    return 2 * np.arctan2(np.linalg.norm(rows - mean, axis=1), np.linalg.norm(rows + mean, axis=1))


def _sample_one_minus_cosine(kappa: float, dim: int, count: int, rng: np.random.Generator) -> Vector:
    m = dim - 1
    b = m / (2 * kappa + math.sqrt(4 * kappa * kappa + m * m))
    s = 2 * b / (1 + b)  # 1 - x0 of Wood's envelope
    result = np.empty(count)
    done = 0
    while done < count:
        n = max(16, int((count - done) * 1.6))
        z = rng.beta(m / 2, m / 2, n)
        t = 2 * b * z / (1 - (1 - b) * z)
        accept = kappa * (s - t) + m * np.log((s + t - s * t) / (s * (2 - s))) >= np.log(rng.random(n))
        kept = t[accept][: count - done]
        result[done : done + len(kept)] = kept
        done += len(kept)
    return np.clip(result, 0, 2)


def _mean_angle(kappa: float, dim: int) -> float:
    power = dim - 2
    cosine = 2 * kappa / (power + math.hypot(power, 2 * kappa)) if kappa > 0 else 0.0
    mode = 0.0 if power == 0 and kappa > 0 else math.acos(min(1.0, cosine))
    sine = math.sin(mode)
    # acos loses small angles: sin^2 = power cos / kappa at the mode.
    if kappa > 0 and power > 0 and mode < 1e-3:
        mode = sine = math.sqrt(power * cosine / kappa)
    curvature = kappa * cosine + (power / (sine * sine) if power else 0.0)
    width = 1 / math.sqrt(curvature) if curvature > 0 else math.inf
    low, high = max(0.0, mode - 14 * width), min(math.pi, mode + 14 * width)
    nodes, weights = _LEGENDRE
    angle = low + (high - low) * (nodes + 1) / 2
    log_density = -2 * kappa * (np.sin(angle / 2) ** 2 - math.sin(mode / 2) ** 2)
    if power:
        log_density = log_density + power * (np.log(np.sin(angle)) - math.log(sine))
    density = np.exp(log_density) * weights
    return float((density * angle).sum() / density.sum())


_LEGENDRE: tuple[Vector, Vector] = np.polynomial.legendre.leggauss(400)  # type: ignore[no-untyped-call]


def _unit(direction: ArrayLike) -> Vector:
    vector = np.asarray(direction, np.float64)
    if vector.ndim != 1:
        raise WashiError(f"a mean direction of shape {vector.shape} was given: give one vector")
    _check_dimension(len(vector))
    if not np.isfinite(vector).all() or not vector.any():
        raise WashiError("the mean direction has length 0 or is not finite: give a vector that points somewhere")
    vector = vector / np.abs(vector).max()
    return vector / np.linalg.norm(vector)


def _concentration(concentration: float) -> float:
    kappa = float(concentration)
    if not 0 <= kappa <= MAX_CONCENTRATION:
        raise WashiError(f"the concentration is {concentration}: choose 0 to {MAX_CONCENTRATION:.0e}")
    return kappa


def _check_dimension(dim: int) -> None:
    if not 2 <= dim <= MAX_DIMENSION:
        raise WashiError(f"{dim} dimensions are out of range: the search works in 2 to {MAX_DIMENSION}")
