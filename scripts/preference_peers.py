"""Peers that fit a Gaussian process to choices, on a subspace of the latent space: sequential line search (Koyama, Sato, Sakamoto and
Igarashi 2017), sequential gallery (Koyama, Sato and Goto 2020) and preferential Bayesian optimization with Thompson sampling
(Gonzalez, Dai, Damianou and Lawrence 2017; Brochu 2010).

Own, small versions after the papers: goodness values of what was compared by maximum a posteriori under a softmax of choices
(Bradley, Terry and Luce), a Gaussian process through them, expected improvement over random points. Their authors search 6 to 20
dimensions. So do these: the `DIMENSIONS` directions of the latent space that change textures most (by regression of texture
features on latents, over the same random textures that our search surveys), around a random latent that stays as it is otherwise.
Kernel widths are fixed, not fitted.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from scipy.stats import norm

from washi_latent.core import TextureModel
from washi_latent.core.preference import survey, survey_latents

DIMENSIONS, LIMIT = 12, 2.5
WIDTH, NOISE, TEMPERATURE = 2.5, 1e-3, 0.3


class Subspace:
    """Points (N, DIMENSIONS) in [-LIMIT, LIMIT] to latents (N, dim) and pictures."""

    def __init__(self, model: TextureModel, seed: int, size: int | None) -> None:
        space = survey(model, 0)
        latents = survey_latents(model.latent_dim)
        slopes = np.linalg.solve(latents.T @ latents + 30 * np.eye(model.latent_dim), latents.T @ space.points)
        self._basis = np.linalg.svd(slopes, full_matrices=False)[0][:, :DIMENSIONS]
        rest = np.random.default_rng([seed, 9]).standard_normal(model.latent_dim)
        self._rest = rest - self._basis @ (self._basis.T @ rest)
        self._model, self._size = model, size

    def pictures(self, points: np.ndarray) -> np.ndarray:
        return self._model.generate(self._rest + points @ self._basis.T, self._size)


class Goodness:
    """A Gaussian process of how good points are, from choices among them."""

    def __init__(self) -> None:
        self.points = np.zeros((0, DIMENSIONS))
        self._choices: list[tuple[np.ndarray, int]] = []

    def add(self, points: np.ndarray, chosen: int) -> None:
        first = len(self.points)
        self.points = np.vstack([self.points, points])
        self._choices.append((np.arange(first, first + len(points)), chosen))
        self._fit()

    def _fit(self) -> None:
        kernel = _kernel(self.points, self.points) + NOISE * np.eye(len(self.points))
        self._inverse = np.linalg.inv(kernel)
        values = np.zeros(len(self.points))
        for _ in range(25):
            gradient, hessian = -self._inverse @ values, self._inverse.copy()
            for members, chosen in self._choices:
                share = np.exp((values[members] - values[members].max()) / TEMPERATURE)
                share /= share.sum()
                gradient[members] -= share / TEMPERATURE
                gradient[members[chosen]] += 1 / TEMPERATURE
                hessian[np.ix_(members, members)] += (np.diag(share) - np.outer(share, share)) / TEMPERATURE**2
            step = np.linalg.solve(hessian, gradient)
            values += step
            if np.abs(step).max() < 1e-5:
                break
        self._weights, self.best = self._inverse @ values, float(values.max())

    def at(self, points: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Mean and deviation at points."""
        cross = _kernel(points, self.points)
        variance = 1 - np.einsum("ij,jk,ik->i", cross, self._inverse, cross)
        return cross @ self._weights, np.sqrt(np.maximum(variance, 1e-9))

    def expected_improvement(self, points: np.ndarray) -> np.ndarray:
        mean, deviation = self.at(points)
        z = (mean - self.best) / deviation
        return deviation * (z * norm.cdf(z) + norm.pdf(z))

    def draw(self, points: np.ndarray, count: int, rng: np.random.Generator) -> np.ndarray:
        """(count, N) functions drawn at points."""
        cross = _kernel(points, self.points)
        covariance = _kernel(points, points) - cross @ self._inverse @ cross.T + 1e-6 * np.eye(len(points))
        return cross @ self._weights + rng.standard_normal((count, len(points))) @ np.linalg.cholesky(covariance).T


def _kernel(a: np.ndarray, b: np.ndarray) -> np.ndarray:
    """Matern 5/2."""
    distance = np.sqrt(5) * np.linalg.norm(a[:, None] - b[None], axis=-1) / (WIDTH * np.sqrt(DIMENSIONS) / 2)
    return (1 + distance + distance**2 / 3) * np.exp(-distance)


class _Fitted:
    """What the three share: the best point so far is always among those shown, so nobody needs to stay."""

    can_stay = False

    def __init__(self, model: TextureModel, seed: int, size: int | None) -> None:
        self._space, self._rng, self._good = Subspace(model, seed, size), np.random.default_rng([seed, 3]), Goodness()
        self._here = np.zeros(DIMENSIONS)

    def show(self) -> np.ndarray:
        self._points = self._proposed()
        return self._space.pictures(self._points)

    def choose(self, position: int | None) -> None:
        assert position is not None
        self._here = self._points[position]
        points, chosen = self._compared(position)
        self._good.add(points, chosen)

    def _compared(self, position: int) -> tuple[np.ndarray, int]:
        return self._points, position

    def _pool(self, count: int = 400) -> np.ndarray:
        anywhere = self._rng.standard_normal((count, DIMENSIONS))
        near = self._here + 0.5 * self._rng.standard_normal((count // 2, DIMENSIONS))
        return np.clip(np.vstack([anywhere, near]), -LIMIT, LIMIT)

    def _promising(self) -> np.ndarray:
        pool = self._pool()
        return pool[self._good.expected_improvement(pool).argmax()] if len(self._good.points) else pool[0]

    def _proposed(self) -> np.ndarray:
        raise NotImplementedError


class LineSearch(_Fitted):
    """Sequential line search: a slider from the best point to the most promising one, a quarter beyond; 11 positions of it are looked at."""

    def _proposed(self) -> np.ndarray:
        self._ends = self._here.copy(), self._promising()
        t = np.linspace(0, 1.25, 11)[:, None]
        return np.clip((1 - t) * self._ends[0] + t * self._ends[1], -LIMIT, LIMIT)

    def _compared(self, position: int) -> tuple[np.ndarray, int]:
        return np.vstack([self._points[position], *self._ends]), 0


class Gallery(_Fitted):
    """Sequential gallery: a 5 x 5 grid of a plane around the best point, through the two most promising directions."""

    def _proposed(self) -> np.ndarray:
        one = self._promising() - self._here
        pool = self._pool() - self._here
        across = pool - np.outer(pool @ one / max(one @ one, 1e-9), one)
        other = across[self._good.expected_improvement(self._here + across).argmax()] if len(self._good.points) else across[0]
        steps = np.linspace(-1, 1, 5)
        grid = np.array([u * one + v * other for u in steps for v in steps])
        return np.clip(self._here + grid, -LIMIT, LIMIT)

    def _compared(self, position: int) -> tuple[np.ndarray, int]:
        corners = [i for i in (0, 4, 12, 20, 24) if i != position]
        return self._points[[position, *corners]], 0


class Thompson(_Fitted):
    """Preferential Bayesian optimization: the best of each of seven drawn functions, beside the best point so far."""

    def _proposed(self) -> np.ndarray:
        pool = self._pool()
        if not len(self._good.points):
            return pool[:8]
        best = self._good.draw(pool, 7, self._rng).argmax(1)
        return np.vstack([self._here, pool[best]])


PEERS: dict[str, Any] = {"sequential line search": LineSearch, "sequential gallery": Gallery, "preferential BO": Thompson}
