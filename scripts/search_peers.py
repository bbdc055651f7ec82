"""What the yardstick compares: our search, the paper's, and peers from the literature, behind one small interface."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any, Protocol

import numpy as np
from preference_peers import PEERS

from washi_latent.core import Search, SearchSettings, TextureModel, concentration_for_angle
from washi_latent.core.preference import survey
from washi_latent.core.search import compared, default_settings
from washi_latent.core.sphere import angles_between


class Player(Protocol):
    """A method in play."""

    can_stay: bool
    """Whether staying where one is may be chosen; methods that fit a model to choices show the last choice among the options."""

    def show(self) -> np.ndarray:
        """(K, H, W, C) pictures to choose from."""
        ...

    def choose(self, position: int | None) -> None:
        """What was chosen; None: stay."""
        ...


class SearchPlayer:
    """`Search` as an artist uses it.

    Args:
        model, seed, size: what is searched, and how large pictures are.
        first, after: settings.
        shrink: factor of the radius at every step, down to `least` (the paper's schedule: 7 to 1).
        choose_shown: replaces the search's own choice of what is shown: (candidates, rng) -> indices.
    """

    can_stay = True

    def __init__(
        self,
        model: TextureModel,
        seed: int,
        size: int | None,
        first: SearchSettings,
        after: SearchSettings,
        shrink: float = 1.0,
        least: float = 1.0,
        shown: Callable[[np.ndarray, np.random.Generator], np.ndarray] | None = None,
    ) -> None:
        self.search = Search(model, seed=seed, settings=first, settings_after=after, size=size, threads=1)
        self._after, self._shrink, self._least, self._shown = after, shrink, least, shown
        self._rng = np.random.default_rng([seed, 5])

    def show(self) -> np.ndarray:
        if self._shown is None:
            candidates = self.search.sample()
            self._indices = candidates.representatives.indices
            return candidates.images[self._indices]
        latents = self.search.latents()
        self._indices = self._shown(latents, self._rng)
        return self.search.model.generate(latents[self._indices], self.search._edge(), 0)

    def choose(self, position: int | None) -> None:
        if self._shrink < 1 and self.search.state.node.parent >= 0:
            self._after = replace(self._after, radius=max(self._after.radius * self._shrink, self._least))
        if position is None:
            self.search.others()  # before anything is adjusted: that nothing was nearer tells, too
            self.search.adjust(self._after)
        else:
            self.search.pick(int(self._indices[position]), self._after)


class GlobalRandom:
    """Eight textures of the prior at every step."""

    can_stay = True

    def __init__(self, model: TextureModel, seed: int, size: int | None) -> None:
        self._model, self._size, self._rng = model, size, np.random.default_rng(seed)

    def show(self) -> np.ndarray:
        return self._model.generate(self._rng.normal(size=(8, self._model.latent_dim)), self._size)

    def choose(self, position: int | None) -> None:
        pass


def _random_eight(latents: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    return rng.permutation(len(latents))[:8]


def _medoids_of(points: np.ndarray, seed: int) -> np.ndarray:
    from sklearn.cluster import KMeans

    fitted = KMeans(8, n_init=4, random_state=seed).fit(points)
    return ((points[:, None] - fitted.cluster_centers_) ** 2).sum(-1).argmin(0)


def _latent_means(latents: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    return _medoids_of(latents, int(rng.integers(2**31)))


class PixelMeans(SearchPlayer):
    """Representatives by k-means on pixels."""

    def show(self) -> np.ndarray:
        images = self.search.model.generate(self.search.latents(), self.search._edge(), 0)
        self._indices = _medoids_of(compared(images).reshape(len(images), -1), int(self._rng.integers(2**31)))
        return images[self._indices]


class Momentum(SearchPlayer):
    """The light points along the mean of the steps so far, each counting half of the one after it; the first, from the origin, leads nowhere."""

    FADING, WIDTH = 0.5, np.radians(65)
    """How much a step counts after another one; the mean angle of the light around the momentum (without any it is 90 degrees)."""

    _momentum: np.ndarray | float = 0.0

    def choose(self, position: int | None) -> None:
        super().choose(position)
        node = self.search.state.node
        if position is None or node.parent <= 0:
            return
        self._momentum = np.asarray(node.direction) + self.FADING * self._momentum
        self._after = replace(self._after, direction="last", concentration=concentration_for_angle(self.WIDTH, len(node.center)))
        self.search._change(direction=tuple((self._momentum / np.linalg.norm(self._momentum)).tolist()), settings=self._after)


class DifferenceKept(SearchPlayer):
    """The radius with which candidates differ by a wanted amount, as those of the step before tell.

    There, how much a candidate's features differ from those of where the search stands is taken as a power of how far off it is; the next radius
    is where that reaches `WANTED`.
    """

    WANTED = 0.42
    """Of how much two random textures differ: what the farthest candidates of the default radius do (geometric mean over washi-sheet)."""

    NARROWEST, WIDEST = 0.2, 1.6
    """Radius, in those of the prior's shell."""

    def show(self) -> np.ndarray:
        pictures = super().show()
        candidates, node = self.search.sample(), self.search.state.node
        if candidates.seen is not None and candidates.seen.here is not None:
            space, shell = survey(self.search.model, 0), self.search.model.info.prior_radius
            near = node.settings.samples - round(node.settings.samples * node.settings.elsewhere)
            # How far off they were before they came to the shell, in its radii.
            away = np.tan(np.minimum(angles_between(candidates.latents[:near], node.center), np.radians(80)))
            apart = np.linalg.norm(space(candidates.seen.features[:near]) - space(candidates.seen.here), axis=1) / (2 * space.typical)
            power, level = np.polyfit(np.log(away), np.log(apart + 1e-6), 1)
            radius = np.exp((np.log(self.WANTED) - level) / max(float(power), 0.2))
            self._after = replace(self._after, radius=float(np.clip(radius, self.NARROWEST, self.WIDEST)) * shell)
        return pictures


def paper(model: TextureModel, seed: int, size: int | None, on_shell: bool = False, count: int = 8, **changes: Any) -> SearchPlayer:
    """Algorithm 1: r from 7 down to 1, uniform at first and then all but uniform (kappa 1), SSIM vectors of all, PCA, k-means."""
    first = SearchSettings(radius=7.0, concentration=0.0, method="paper", shell=on_shell, representatives=count)
    return SearchPlayer(model, seed, size, first, replace(first, concentration=1.0), **{"shrink": 0.8, **changes})


def default(model: TextureModel, seed: int, size: int | None, make: type[SearchPlayer] = SearchPlayer, **settings: Any) -> SearchPlayer:
    """The search as it comes, or a variant of it."""
    first, after = default_settings(model)
    return make(model, seed, size, replace(first, **settings), replace(after, **settings))


def old(
    model: TextureModel, seed: int, size: int | None, make: type[SearchPlayer] = SearchPlayer, method: str = "coverage", count: int = 8, **changes: Any
) -> SearchPlayer:
    """Radius 5 around the pick, on the shell."""
    first = SearchSettings(radius=7.0, method=method, representatives=count)  # type: ignore[arg-type]
    return make(model, seed, size, first, replace(first, radius=5.0, direction="any"), **changes)


Factory = Callable[[TextureModel, int, "int | None"], Player]
METHODS: dict[str, Factory] = {
    "ours": default,
    "ours, 8 shown": lambda m, s, e: default(m, s, e, representatives=8),
    "ours, 16 shown": lambda m, s, e: default(m, s, e, representatives=16),
    "ours with momentum": lambda m, s, e: default(m, s, e, Momentum),
    "ours, radius by difference": lambda m, s, e: default(m, s, e, DifferenceKept),
    "paper": paper,
    "paper, 12 shown": lambda m, s, e: paper(m, s, e, count=12),
    "paper, radius 7 kept": lambda m, s, e: paper(m, s, e, shrink=1.0),
    "paper, on the shell": lambda m, s, e: paper(m, s, e, on_shell=True),
    "coverage, radius 5": old,
    "all 50, radius 5": lambda m, s, e: old(m, s, e, count=50),
    "random 8 of 50": lambda m, s, e: old(m, s, e, shown=_random_eight),
    "k-means on latents": lambda m, s, e: old(m, s, e, shown=_latent_means),
    "k-means on pixels": lambda m, s, e: old(m, s, e, make=PixelMeans),
    "global random": GlobalRandom,
    **PEERS,
}
