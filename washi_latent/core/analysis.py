"""What a model can do: directions that change one thing, how fast textures change with angle, what regions its space has.

Everything is measured on small pictures of random latents, so that it works with every model and takes seconds.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from .errors import WashiError
from .kinds import Kind, read_kinds
from .preference import PREVIEW_EDGE, FeatureSpace, most_useful
from .progress import Progress, ignore, part
from .search import SAME_FEATURES, Model, compared
from .similarity import gray, mssim_matrix
from .sphere import sample_directions
from .texture_features import texture_features
from .threads import in_pieces

Array = NDArray[np.float32]
Latents = NDArray[np.float64]

SAMPLES = 1000
LEAST_AGREEMENT = 0.2
"""Directions that foretell their property worse than this (correlation on textures that were not fitted) are left out."""

MOST_ALIKE = 0.85
"""Of two directions whose cosine is larger only the one that agrees better is kept."""

KEPT = ("brightness", "redness", "yellowness")
"""What directions of structure keep as it is, for a person sees colour before all else; directions of colour keep the brightness."""

ANGLES = (5, 10, 15, 20, 30, 45, 60, 75, 90)


@dataclass(frozen=True, eq=False)
class Direction:
    """A direction of latent space that changes one property of textures.

    Attributes:
        name: what it changes, a key of `PROPERTIES`.
        vector: (dim,) of length 1; along it there is more of it.
        agreement: correlation of the place along it with the property, on textures that were not used to find it, 0 to 1.
        change: deviations by which the property changes from one end of the shell to the other.
    """

    name: str
    vector: Latents
    agreement: float
    change: float


@dataclass(frozen=True, eq=False)
class Region:
    """A kind of texture that the model makes.

    Attributes:
        latent: (dim,) of the texture that stands for it. share: of the prior, 0 to 1. members: (M,) indices of samples.
        traits: the properties that set it apart, as (name, deviations from the mean), the strongest first.
    """

    latent: Latents
    share: float
    members: NDArray[np.intp]
    traits: tuple[tuple[str, float], ...]


@dataclass(frozen=True, eq=False)
class KindRegion:
    """Where a kind of washi lies, by its examples.

    Attributes:
        kind: as the bundle names it. images: (K, H, W, C) of its K examples. place: (K, 2) of them on the map.
        regions: (K,) indices of the regions of `Analysis` that they lie in.
    """

    kind: Kind
    images: Array
    place: Latents
    regions: NDArray[np.intp]


@dataclass(frozen=True, eq=False)
class Analysis:
    """What was found out about a model.

    Attributes:
        latents: (N, dim) samples of the prior. images: (N, H, W, C). place: (N, 2) where a map shows them: principal components
            of the texture features.
        explained: share of the variance that the map's two axes show.
        directions: the strongest first. regions: the largest first.
        angles: degrees. mssim, features: (angles, pairs) similarity of two textures of the shell at that angle.
        kinds: of washi that the model's bundle names, in its order; none where it names none.
    """

    latents: Latents
    images: Array
    place: Latents
    explained: float
    directions: tuple[Direction, ...]
    regions: tuple[Region, ...]
    angles: tuple[int, ...]
    mssim: Array
    features: Array
    kinds: tuple[KindRegion, ...]


def analyse(model: Model, noise_seed: int = 0, regions: int = 8, pairs: int = 24, seed: int = 0, progress: Progress = ignore) -> Analysis:
    """Analyse a model.

    Args:
        model: any.
        noise_seed: which sheet of each paper.
        regions: into how many the space is divided, 1 or more; into fewer where fewer textures differ.
        pairs: of textures at each angle, 2 or more.
        seed: of all that is drawn.
        progress: is told the share done.

    Raises:
        WashiError: counts out of range, a damaged file of kinds, a model that makes one texture only.
    """
    if not (1 <= regions <= 50 and 2 <= pairs <= 1000):
        raise WashiError(f"{regions} regions and {pairs} pairs were asked for: choose 1 to 50 regions and 2 to 1000 pairs")
    kinds = read_kinds(model.info)
    latents = np.random.default_rng(seed).standard_normal((SAMPLES, model.latent_dim))
    images = _previews(model, latents, noise_seed, part(progress, 0, 0.55))
    properties = measure(images, model.info.channels)
    space = FeatureSpace.of(texture_features(images))
    if np.ptp(space.points, axis=0).max() < SAME_FEATURES:
        raise WashiError(
            f"the model {model.info.name} makes one and the same texture, whatever the latent: there is nothing to analyse; train it anew, with other pictures or another seed"
        )
    values, vectors = np.linalg.eigh(space.covariance)
    axes = vectors[:, :-3:-1]
    found = _regions(latents, space.points, properties, regions)
    return Analysis(
        latents,
        images,
        space.points @ axes,
        float(values[-2:].sum() / values.sum()),
        _directions(latents, properties),
        found,
        ANGLES,
        *_by_angle(model, noise_seed, pairs, seed, space, part(progress, 0.55, 0.9)),
        _kind_regions(model, noise_seed, kinds, space, axes, found, part(progress, 0.9, 1)),
    )


def named_directions(model: Model, noise_seed: int = 0, progress: Progress = ignore) -> tuple[Direction, ...]:
    """Directions of latent space that change one property each, the strongest first; found from samples, in seconds.

    Args:
        model: any.
        noise_seed: which sheet of each paper.
        progress: is told the share done.
    """
    latents = np.random.default_rng(0).standard_normal((SAMPLES, model.latent_dim))
    images = _previews(model, latents, noise_seed, part(progress, 0, 0.9))
    found = _directions(latents, measure(images, model.info.channels, part(progress, 0.9, 1)))
    progress(1.0)
    return found


def along(latent: ArrayLike, direction: ArrayLike, amount: ArrayLike, prior_radius: float) -> Latents:
    """A latent moved along a direction, or along several at once, at the distance from the origin that it had.

    From the origin, which has no distance to keep, it goes as far as the amounts say, to the shell at most.

    Args:
        latent: (dim,).
        direction: (dim,), or (K, dim) for several; of length 1.
        amount: a number, or (K,), -1 to 1, in parts of the shell's radius.
        prior_radius: of the shell.

    Raises:
        WashiError: not an amount for each direction, or directions of another space.
    """
    start = np.asarray(latent, np.float64)
    directions, amounts = np.atleast_2d(np.asarray(direction, np.float64)), np.atleast_1d(np.asarray(amount, np.float64))
    if directions.shape != (len(amounts), len(start)):
        raise WashiError(
            f"{len(amounts)} amounts and directions of shape {np.shape(direction)} were given for a latent of {len(start)} numbers: "
            f"give as many directions as amounts, of {len(start)} numbers each"
        )
    moved = start + prior_radius * (amounts @ directions)
    length = float(np.linalg.norm(moved))
    kept = float(np.linalg.norm(start)) or min(length, prior_radius)
    return moved * (kept / length) if length > 0 else moved


def measure(images: ArrayLike, channels: tuple[str, ...], progress: Progress = ignore) -> dict[str, Latents]:
    """Properties (N,) of textures (N, H, W, C) by name, those that these channels have."""
    array = np.asarray(images, np.float32)
    features = in_pieces(texture_features, array, part(progress, 0, 0.6))
    result: dict[str, Latents] = {}
    for name, (rule, needed) in PROPERTIES.items():
        if needed is None or needed in channels:
            progress(0.6 + 0.4 * len(result) / len(PROPERTIES))
            result[name] = rule(array, features, channels)
    return result


def _feature(*indices: int) -> Callable[[Array, Array, tuple[str, ...]], Latents]:
    return lambda _images, features, _channels: features[:, indices].mean(1).astype(np.float64)


def _channel(name: str, rule: Callable[[Array], Array]) -> Callable[[Array, Array, tuple[str, ...]], Latents]:
    return lambda images, _features, channels: rule(images[..., channels.index(name)]).astype(np.float64)


def _fibres(_images: Array, features: Array, _channels: tuple[str, ...]) -> Latents:
    """Log power of fine structure, 0.18 to 0.5 cycles a pixel, against that of coarse structure."""
    return (features[:, 12:15].mean(1) - features[:, 6:9].mean(1)).astype(np.float64)


def _clouds(images: Array, _features: Array, _channels: tuple[str, ...]) -> Latents:
    """Log deviation of large blocks' means: how unevenly the pulp lies."""
    planes = gray(images)
    height, width = (n // 8 * 8 for n in planes.shape[1:])
    blocks = planes[:, :height, :width].reshape(len(planes), 8, height // 8, 8, width // 8).mean((2, 4))
    return np.log(blocks.std((1, 2)) + 1e-4).astype(np.float64)


PROPERTIES: dict[str, tuple[Callable[[Array, Array, tuple[str, ...]], Latents], str | None]] = {
    "brightness": (_feature(0), None),
    "redness": (_feature(1), None),
    "yellowness": (_feature(2), None),
    "contrast": (_feature(3), None),
    "colour variety": (_feature(4, 5), None),
    "fibre density": (_fibres, None),
    "cloudiness": (_clouds, None),
    "dark marks": (lambda _images, features, _channels: -features[:, 22].astype(np.float64), None),
    "relief": (_channel("height", lambda plane: np.log(plane.std((1, 2)) + 1e-4)), "height"),
    "opacity": (_channel("opacity", lambda plane: plane.mean((1, 2))), "opacity"),
}
"""What is measured: the rule, and the channel that it needs."""


def _previews(model: Model, latents: Latents, noise_seed: int, progress: Progress) -> Array:
    size = PREVIEW_EDGE if model.info.size is None else None
    return model.generate(latents, size, noise_seed, progress)


def _directions(latents: Latents, properties: dict[str, Latents]) -> tuple[Direction, ...]:
    standard = {name: (values - values.mean()) / values.std() for name, values in properties.items() if values.std() > 1e-9}
    fitted, held = slice(0, len(latents) * 3 // 4), slice(len(latents) * 3 // 4, None)
    slopes = {name: _slopes(latents[fitted], values[fitted]) for name, values in standard.items()}
    found = []
    for name, values in standard.items():
        kept = KEPT[:1] if name in KEPT else KEPT
        vector = _apart(slopes[name], [slopes[other] for other in kept if other in slopes and other != name])
        agreement = float(np.corrcoef(latents[held] @ vector, values[held])[0, 1])
        if agreement >= LEAST_AGREEMENT:
            change = float(2 * math.sqrt(latents.shape[1]) * np.polyfit(latents @ vector, values, 1)[0])
            found.append(Direction(name, vector, agreement, change))
    result: list[Direction] = []
    for direction in sorted(found, key=lambda one: -one.agreement):
        if all(abs(direction.vector @ other.vector) < MOST_ALIKE for other in result):
            result.append(direction)
    return tuple(result)


def _apart(vector: Latents, others: list[Latents]) -> Latents:
    """The unit vector of what is left of one when others are kept as they are."""
    if others:
        basis = np.linalg.qr(np.stack(others, 1))[0]
        vector = vector - basis @ (basis.T @ vector)
    return vector / max(float(np.linalg.norm(vector)), 1e-12)


def _slopes(latents: Latents, values: Latents) -> Latents:
    """Ridge regression (dim,); every slope is shrunk by as much as a tenth of the samples would."""
    return np.linalg.solve(latents.T @ latents + len(latents) / 10 * np.eye(latents.shape[1]), latents.T @ values)


_SAME = 0.01
"""How far apart, in deviations among textures, two are that differ by rounding alone at most: no two regions lie so near."""


def _regions(latents: Latents, points: Latents, properties: dict[str, Latents], count: int) -> tuple[Region, ...]:
    chosen = list[int]()
    for index in most_useful(points, points, count).tolist():
        if not chosen or np.linalg.norm(points[chosen] - points[index], axis=1).min() > _SAME:
            chosen.append(index)
    labels = np.linalg.norm(points[:, None] - points[chosen], axis=-1).argmin(1)
    standard = {name: (v - v.mean()) / (v.std() + 1e-9) for name, v in properties.items()}
    result = []
    for position, index in enumerate(chosen):
        members = np.flatnonzero(labels == position)
        traits = sorted(((name, float(v[members].mean())) for name, v in standard.items()), key=lambda trait: -abs(trait[1]))
        result.append(Region(latents[index], len(members) / len(latents), np.concatenate([[index], members[members != index]]), tuple(traits[:3])))
    return tuple(sorted(result, key=lambda region: -region.share))


def _kind_regions(
    model: Model, noise_seed: int, kinds: tuple[Kind, ...], space: FeatureSpace, axes: Latents, regions: tuple[Region, ...], progress: Progress
) -> tuple[KindRegion, ...]:
    result = []
    centers = space.points[[region.members[0] for region in regions]]
    for number, kind in enumerate(kinds):
        images = _previews(model, kind.examples, noise_seed, part(progress, number / len(kinds), (number + 1) / len(kinds)))
        points = space(texture_features(images))
        result.append(KindRegion(kind, images, points @ axes, np.linalg.norm(points[:, None] - centers, axis=-1).argmin(1)))
    return tuple(result)


def _by_angle(model: Model, noise_seed: int, pairs: int, seed: int, space: FeatureSpace, progress: Progress) -> tuple[Array, Array]:
    """(angles, pairs) similarity of two textures of the shell: MSSIM, and 1 less the features' distance in that of two random ones."""
    rng = np.random.default_rng([seed, 1])
    ways = sample_directions(np.eye(model.latent_dim)[0], 0, 2 * pairs, rng)
    first, across = ways[:pairs], ways[pairs:]
    across -= (across * first).sum(1, keepdims=True) * first
    across /= np.linalg.norm(across, axis=1, keepdims=True)
    turned = [first] + [math.cos(a) * first + math.sin(a) * across for a in np.radians(ANGLES)]
    images = _previews(model, np.concatenate(turned) * model.info.prior_radius, noise_seed, progress)
    pictures = compared(images).reshape(len(turned), pairs, *compared(images[:1]).shape[1:])
    points = space(texture_features(images)).reshape(len(turned), pairs, -1)
    structure = np.array([[mssim_matrix(p[None], q[None], 1)[0, 0] for p, q in zip(pictures[0], other, strict=True)] for other in pictures[1:]], np.float32)
    apart = np.linalg.norm(points[1:] - points[0], axis=-1) / (2 * space.typical)
    return structure, (1 - apart).astype(np.float32)
