"""What an artist may have in mind, as far as the picks tell; and which textures are worth showing then.

Every pick compares: the texture that was taken is nearer to what is in mind than each of those that were shown beside it.
What is in mind is a point in the space of texture features, normally distributed before anything is known, and choices follow
a softmax of squared distances: a multinomial logistic regression, whose posterior is found by Newton's method and taken as
normal (Laplace). Relevance feedback of this kind is Bayesian image retrieval's (Cox, Miller, Minka, Papathomas and Yianilos
2000, PicHunter); here it chooses among textures that a model makes while one looks.

A model's textures are not spread normally: they come in kinds, with room between. So half of what may be in mind is taken from that
posterior, half from textures of the model itself, those of its atlas or of the survey, each as often as the picks make it likely.

Shown are the textures that leave the nearest one to what may be in mind as near as possible, on average over these wishes:
a facility location problem, as covering all candidates is, but it covers wishes instead.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING
from weakref import WeakKeyDictionary

import numpy as np
from numpy.typing import ArrayLike, NDArray

from .errors import WashiError
from .models import TextureModel
from .progress import Progress, ignore, part
from .texture_features import FEW, GROUPS, WEIGHTS, texture_features
from .threads import cores, in_pieces, one_blas_thread

if TYPE_CHECKING:
    from .search import Model

Vectors = NDArray[np.float64]

PREVIEW_EDGE = 64
"""Pixels an edge of what features are measured on, where the model makes any size."""

SURVEY_SAMPLES = 256
DRAWS = 96
UNCERTAINTY = 0.06
"""How far choices stray from the features' own order: the softmax's temperature, in typical differences."""

SURVEYED, LENIENCE = 0.5, 3.0
"""Share of wishes that are textures of the survey; and how much farther choices may stray from the order of these: the survey is
coarse, and what is in mind lies between its textures."""

REACH = 5.0

_surveys: WeakKeyDictionary[Model, dict[int, FeatureSpace]] = WeakKeyDictionary()
_NEWTON_STEPS, _LONGEST_STEP = 40, 1.0
_REMEMBERED = 512


@dataclass(frozen=True)
class Comparison:
    """One choice.

    Attributes:
        options: features (`texture_features`) of what was shown and of where the search stood.
        chosen: position of what was taken.
    """

    options: tuple[tuple[float, ...], ...]
    chosen: int

    def __post_init__(self) -> None:
        sizes = {len(option) for option in self.options}
        if sizes != {sum(GROUPS.values())} or not 0 <= self.chosen < len(self.options):
            raise WashiError("this is no comparison of textures: options have other features, or none of them was chosen")


@dataclass(frozen=True, eq=False)
class Seen:
    """What was shown at a place, as far as a pick there teaches something.

    Attributes:
        features: (N, F) of all candidates. shown: (K,) indices of the representatives.
        here: (F,) of the texture where the search stands; None at the beginning, where there is none yet.
    """

    features: NDArray[np.float32]
    shown: NDArray[np.intp]
    here: NDArray[np.float32] | None = None

    def comparison(self, picked: int | None) -> Comparison | None:
        """What it tells that a candidate was picked, or with None that nothing was and the search stays; None: it tells nothing."""
        indices = list(dict.fromkeys([*self.shown.tolist(), *([] if picked is None else [picked])]))
        options = [self.features[i] for i in indices] + ([] if self.here is None else [self.here])
        chosen = len(options) - 1 if picked is None else indices.index(picked)
        if len(options) < 2 or (picked is None and self.here is None):
            return None
        # Sixteen bits are enough, and a search of many steps stays small.
        return Comparison(tuple(tuple(np.asarray(option, np.float16).astype(float).tolist()) for option in options), chosen)


@dataclass(frozen=True, eq=False)
class FeatureSpace:
    """Texture features of a model, in its own units: deviations among its textures, groups of features weighed.

    Attributes:
        mean, scale: (F,). points: (N, F) coordinates of random textures of the model. covariance: (F, F) of them.
    """

    mean: Vectors
    scale: Vectors
    points: Vectors
    covariance: Vectors
    _told: dict[Comparison, NDArray[np.float32]] = field(default_factory=dict, repr=False)

    @classmethod
    def of(cls, features: ArrayLike) -> FeatureSpace:
        """The space of a model's random textures, given their features (N, F)."""
        values = np.asarray(features, np.float64)
        weight = np.concatenate([np.full(size, np.sqrt(size) / WEIGHTS[name]) for name, size in GROUPS.items()])
        mean, scale = values.mean(0), (values.std(0) + 1e-3) * weight
        points = (values - mean) / scale
        return cls(mean, scale, points, np.atleast_2d(np.cov(points.T)) + 1e-4 * np.eye(points.shape[1]))

    def __call__(self, features: ArrayLike) -> Vectors:
        """Coordinates of features (..., F); Euclidean distance is what counts."""
        return (np.asarray(features, np.float64) - self.mean) / self.scale

    def within_reach(self, point: Vectors) -> Vectors:
        """A point (F,), coordinates that no texture of the model comes near brought to `REACH` deviations: all textures lack those alike."""
        limit = REACH * np.sqrt(np.diag(self.covariance))
        return np.clip(point, -limit, limit)

    @property
    def typical(self) -> float:
        """Typical distance of a random texture from what is in mind."""
        return float(np.sqrt(np.trace(self.covariance) / 2))


@dataclass(frozen=True, eq=False)
class Belief:
    """What may be in mind: a normal distribution of coordinates, mean (F,) and covariance (F, F)."""

    mean: Vectors
    covariance: Vectors

    def draw(self, count: int, rng: np.random.Generator) -> Vectors:
        """(count, F) wishes."""
        return rng.multivariate_normal(self.mean, self.covariance, count, method="cholesky")


def wishes(space: FeatureSpace, comparisons: Sequence[Comparison], rng: np.random.Generator, anchor: ArrayLike | None = None) -> Vectors:
    """What may be in mind after some comparisons, (DRAWS, F) coordinates.

    Args:
        space, comparisons, anchor: as `believe` takes them. Where there is an anchor, all wishes are of that belief.
        rng: source of randomness.
    """
    surveyed = round(DRAWS * SURVEYED) if anchor is None else 0
    believed = believe(space, comparisons, anchor).draw(DRAWS - surveyed, rng)
    weights = likelihoods(space, comparisons)
    return np.concatenate([believed, space.points[rng.choice(len(weights), surveyed, p=weights)]])


def likelihoods(space: FeatureSpace, comparisons: Sequence[Comparison]) -> Vectors:
    """(N,) how likely it is that each of the space's points, and no other point, is in mind after some comparisons."""
    logs = np.zeros(len(space.points))
    for comparison in comparisons:
        # Steps of one search share all but their last comparison.
        if (told := space._told.get(comparison)) is None:
            told = _Options.of(space(comparison.options), comparison.chosen, LENIENCE * space.typical).log_likelihood(space.points).astype(np.float32)
            if len(space._told) >= _REMEMBERED:
                space._told.clear()
            space._told[comparison] = told
        logs += told
    weights = np.exp(logs - logs.max())
    return weights / weights.sum()


def survey(model: Model, noise_seed: int, progress: Progress = ignore) -> FeatureSpace:
    """The feature space of a model, from `SURVEY_SAMPLES` of its textures; remembered as long as the model lives."""
    known = _surveys.setdefault(model, {})
    if noise_seed not in known:
        known[noise_seed] = FeatureSpace.of(features_of(model, survey_latents(model.latent_dim), noise_seed, progress))
    return known[noise_seed]


def survey_latents(dim: int) -> Vectors:
    """(SURVEY_SAMPLES, dim) latents of the textures that a survey looks at; its points are in the same order."""
    return np.random.default_rng(2000).standard_normal((SURVEY_SAMPLES, dim))


@one_blas_thread()
def features_of(model: Model, latents: ArrayLike, noise_seed: int, progress: Progress = ignore) -> NDArray[np.float32]:
    """Features (N, F) of latents (N, dim), by small pictures of them, 64 at a time."""
    points = np.asarray(latents, np.float64)
    size = PREVIEW_EDGE if model.info.size is None else None
    few = 64
    threads = (model.threads if isinstance(model, TextureModel) else None) or cores()
    parts = []
    for first in range(0, len(points), few):
        pictures = model.generate(points[first : first + few], size, noise_seed, part(progress, first / len(points), min(1.0, (first + few) / len(points))))
        parts.append(in_pieces(texture_features, pictures, few=FEW, threads=threads))
    return np.concatenate(parts)


def believe(space: FeatureSpace, comparisons: Sequence[Comparison], anchor: ArrayLike | None = None) -> Belief:
    """What may be in mind after some comparisons.

    Args:
        space: of the model.
        comparisons: in any order.
        anchor: (F,) features of a texture that was gone to without a comparison, a favourite say: it is expected near there.

    Returns:
        The posterior.
    """
    prior, start = space.covariance, np.zeros(len(space.mean))
    if anchor is not None:
        prior, start = prior / 4, space(anchor)
    certain = np.linalg.inv(prior)
    seen = [_Options.of(space(c.options), c.chosen, space.typical) for c in comparisons]
    mean, precision = start, certain
    for _ in range(_NEWTON_STEPS):
        gradient, precision = -certain @ (mean - start), certain.copy()
        for options in seen:
            slope, curve = options.slopes(mean)
            gradient, precision = gradient + slope, precision + curve
        step = np.linalg.solve(precision, gradient)
        mean = mean + step * min(1.0, _LONGEST_STEP / max(float(np.linalg.norm(step)), 1e-12))
        if np.linalg.norm(step) < 1e-6:
            break
    covariance = np.linalg.inv(precision)
    return Belief(mean, (covariance + covariance.T) / 2)


@dataclass(frozen=True, eq=False)
class _Options:
    """A comparison's options around their mean: (K, F), their squared norms, which was chosen, and the temperature."""

    centered: Vectors
    squares: Vectors
    chosen: int
    temperature: float

    @classmethod
    def of(cls, points: Vectors, chosen: int, typical: float) -> _Options:
        centered = points - points.mean(0)
        spread = float(np.sqrt((centered**2).sum(1).mean()))
        return cls(centered, (points**2).sum(1), chosen, UNCERTAINTY * typical * spread + 1e-9)

    def log_likelihood(self, points: Vectors) -> Vectors:
        """(N,) of the choice, if what is in mind is each of some points (N, F)."""
        utility = (2 * points @ self.centered.T - self.squares) / (2 * self.temperature)
        utility -= utility.max(1, keepdims=True)
        return utility[:, self.chosen] - np.log(np.exp(utility).sum(1))

    def slopes(self, mean: Vectors) -> tuple[Vectors, Vectors]:
        """Gradient and negative Hessian of the choice's log likelihood."""
        utility = (2 * self.centered @ mean - self.squares) / (2 * self.temperature)
        weight = np.exp(utility - utility.max())
        weight /= weight.sum()
        expected = weight @ self.centered
        around = self.centered - expected
        return (self.centered[self.chosen] - expected) / self.temperature, (around.T * weight) @ around / self.temperature**2


def most_useful(points: Vectors, wishes: Vectors, count: int, here: Vectors | None = None) -> NDArray[np.intp]:
    """Which textures to show, greedily: the mean distance of a wish to the nearest texture shown becomes smallest.

    Args:
        points: (N, F) coordinates of the candidates. wishes: (S, F). count: how many, at most N.
        here: (F,) of the texture that the artist has already.

    Returns:
        (count,) indices, the most useful first.
    """
    distance = np.linalg.norm(wishes[:, None] - points[None], axis=-1)
    nearest = np.full(len(wishes), np.inf) if here is None else np.linalg.norm(wishes - here, axis=1)
    chosen: list[int] = []
    for _ in range(count):
        total = np.minimum(distance, nearest[:, None]).mean(0)
        total[chosen] = np.inf
        chosen.append(int(total.argmin()))
        nearest = np.minimum(nearest, distance[:, chosen[-1]])
    return np.asarray(chosen, np.intp)
