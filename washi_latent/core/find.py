"""Latents whose texture looks like a picture: search from a picture instead of from a word.

Nothing is trained for it, so it works with every model. Textures of the model are compared with the picture by features that a
shift leaves as they are (`texture_features`): first many from everywhere, those of the model's atlas if it has one, then rounds of
children. Half of the children lie between the best textures so far, as in an evolution strategy with recombination (Beyer and Schwefel
2002), half where a linear model of the textures near by leads (Gauss and Newton's step); all stray less from round to round.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike, NDArray

from .atlas import atlas_of
from .errors import WashiError
from .images import resize, rgb, square
from .preference import PREVIEW_EDGE, FeatureSpace, features_of, survey, survey_latents
from .progress import Progress, ignore, part
from .search import Model
from .texture_features import GROUPS, texture_features
from .threads import one_blas_thread

Latents = NDArray[np.float64]

EVERYWHERE, ROUNDS, CHILDREN = 256, 28, 24
NEAR = 1024
"""Textures of an atlas that are near enough to be of use."""
PARENTS = (16, 4)
"""Textures that children come from, in the first round and in the last: many basins at first."""
STRAY = (0.6, 0.12)
"""How far a child strays from between its parents, in parts of the shell's radius, in the first round and in the last."""
SHELL = 1.7
"""Half the thickness of the shell that holds 98 of 100 points of a normal distribution, in any dimension."""
NEIGHBOURS, RIDGE = 250, 20.0
COLOR = 1.25
"""How much more the mean colour counts than in a search: a picture tells its colour surely, and it is what one sees first."""
_COUNTS = np.repeat([COLOR if name == "color" else 1.0 for name in GROUPS], list(GROUPS.values()))


@one_blas_thread()
def find_latents(model: Model, picture: ArrayLike, count: int = 8, progress: Progress = ignore, noise_seed: int = 0, seed: int = 0) -> Latents:
    """Find textures that look like a picture.

    Args:
        model: what is searched.
        picture: (H, W, 3), (H, W, 1) or (H, W) in [0, 1]; its middle square counts, shrunk to the size of the model's previews.
        count: how many latents come back, 1 to `EVERYWHERE`.
        progress: is told the share done; what it raises ends the work.
        noise_seed: which sheet of each paper.
        seed: the same seed gives the same latents.

    Returns:
        (count, dim) latents, the most alike first.

    Raises:
        WashiError: a picture of another shape or smaller than 16 pixels, a count out of range.
    """
    if not 1 <= count <= EVERYWHERE:
        raise WashiError(f"{count} latents were asked for: choose 1 to {EVERYWHERE}")
    wanted = picture_features(picture, preview_edge(model))
    rng = np.random.default_rng(seed)
    atlas = atlas_of(model)
    space = atlas.space if atlas else survey(model, noise_seed, part(progress, 0, 0.25))
    target = sought(space, wanted)
    begun = 0.0 if atlas and noise_seed == 0 else 0.1 if atlas else 0.5

    def coordinates(latents: Latents, first: float, last: float) -> Latents:
        return counted(space(features_of(model, latents, noise_seed, part(progress, first, last))))

    known = counted(space.points)
    if atlas:
        near = np.argsort(np.linalg.norm(known - target, axis=1), kind="stable")[: NEAR if noise_seed == 0 else EVERYWHERE]
        tried = atlas.latents[near]
        # Of another sheet of each paper the atlas only says where to look.
        points = known[near] if noise_seed == 0 else coordinates(tried, 0, begun)
    else:
        anywhere = rng.standard_normal((EVERYWHERE, model.latent_dim))
        tried = np.concatenate([survey_latents(model.latent_dim), anywhere])
        points = np.concatenate([known, coordinates(anywhere, 0.25, begun)])
    shares = np.linspace(begun, 1, ROUNDS + 1)
    for turn in range(ROUNDS):
        order = np.argsort(np.linalg.norm(points - target, axis=1), kind="stable")
        children = _children(tried[order], points[order], target, turn / (ROUNDS - 1), model.info.prior_radius, rng)
        tried = np.concatenate([tried, children])
        points = np.concatenate([points, coordinates(children, *shares[turn : turn + 2])])
    progress(1.0)
    return tried[np.argsort(np.linalg.norm(points - target, axis=1), kind="stable")[:count]]


def _children(tried: Latents, points: Latents, target: Latents, share: float, radius: float, rng: np.random.Generator) -> Latents:
    """(CHILDREN, dim): half of them between the best and around, half where a linear model of the nearest textures leads.

    Args:
        tried: latents, the best first. points: their coordinates. target: wanted ones.
        share: of the rounds that are done. radius: of the prior's shell.
    """
    parents = tried[: round(PARENTS[0] * (PARENTS[1] / PARENTS[0]) ** share)]
    half = CHILDREN // 2
    weights = rng.dirichlet(np.linspace(1.5, 0.2, len(parents)), half)
    between = _with_norm(weights @ parents, weights @ np.linalg.norm(parents, axis=1))
    chosen = rng.integers(len(parents), size=CHILDREN - half)
    led = tried[chosen] + rng.uniform(0.3, 1.2, (len(chosen), 1)) * ((target - points[chosen]) @ _leading(tried[:NEIGHBOURS], points[:NEIGHBOURS]))
    middle = np.concatenate([between, led])
    stray = STRAY[0] * (STRAY[1] / STRAY[0]) ** share * rng.uniform(0.3, 1, (CHILDREN, 1))
    noise = rng.standard_normal(middle.shape)
    moved = middle + stray * radius * noise / np.linalg.norm(noise, axis=1, keepdims=True)
    return _with_norm(moved, np.clip(np.linalg.norm(moved, axis=1), radius - SHELL, radius + SHELL))


def _leading(latents: Latents, points: Latents) -> Latents:
    """(F, dim): the least change of a latent that changes coordinates as wanted, by ridge regression on textures near by."""
    around, changes = latents - latents.mean(0), points - points.mean(0)
    slopes = np.linalg.solve(around.T @ around + RIDGE * np.eye(latents.shape[1]), around.T @ changes)
    unexplained = np.diag(((changes - around @ slopes) ** 2).mean(0) + 1e-4)
    return np.linalg.solve(slopes.T @ slopes + unexplained, slopes.T)


def _with_norm(points: Latents, norms: Latents) -> Latents:
    """Points (N, dim) brought to these distances (N,) from the origin."""
    return points * (norms / np.maximum(np.linalg.norm(points, axis=1), 1e-12))[:, None]


def counted(coordinates: Latents) -> Latents:
    """Coordinates (..., F) of a `FeatureSpace` as they count where a picture is looked for."""
    return coordinates * _COUNTS


def sought(space: FeatureSpace, features: ArrayLike) -> Latents:
    """(..., F) what textures are compared with, as `counted` gives theirs, where pictures of these features (..., F) are looked for."""
    return counted(space.within_reach(space(features)))


def preview_edge(model: Model) -> int:
    """Pixels an edge of the pictures that textures are compared by."""
    return PREVIEW_EDGE if model.info.size is None else min(model.info.size)


def picture_features(picture: ArrayLike, edge: int) -> NDArray[np.float32]:
    """Features (F,) of a picture's middle square, brought to so many pixels.

    Raises:
        WashiError: another shape, a picture smaller than 16 pixels, values that are not numbers.
    """
    array = np.asarray(picture, np.float32)
    if array.ndim not in (2, 3) or min(array.shape[:2]) < 16 or not np.isfinite(array).all():
        raise WashiError(f"a picture of shape {array.shape} can't be looked for: give (H, W, 3) of numbers, 16 pixels or more each way")
    return texture_features(resize(square(rgb(array)), edge, edge)[None])[0]
