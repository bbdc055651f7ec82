"""What a batch export makes: a TOML recipe, checked as a whole before the first pixel, every mistake with its line.

    [export]
    models = ["washi-sheet"]              # names, or folders beside the recipe
    sizes = [1024, "2048x1024"]           # pixels: an edge, or "WIDTHxHEIGHT"
    maps = ["base_color", "height"]
    formats = { height = "png16" }        # `format` says what the other maps get
    name = "{points}/{label}-{size}"

    [[points]]
    name = "kept"
    session = "search/session.json"
    favourites = "all"

Points are of one kind a table: favourites, steps, seeds, latents, random, grid or sequence (docs/export.md). A point that
another table refers to is "seed:7", an array of numbers or, with a session, "start", "end", a step's number or a favourite.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from .maps import Format
from .models import ModelInfo, TextureModel
from .naming import slug
from .sequence import Path as Way
from .sequence import Spacing, interpolate
from .sphere import concentration_for_angle, sample_directions

Latents = NDArray[np.float64]
Reference = tuple[float, ...] | int
"""A latent, or the seed of one that is drawn from the prior."""


@dataclass(frozen=True)
class Given:
    """Latents that are known already: of a session, or written out."""

    latents: tuple[tuple[float, ...], ...]


@dataclass(frozen=True)
class Seeds:
    """One point of the prior's shell a seed."""

    seeds: tuple[int, ...]


@dataclass(frozen=True)
class Draw:
    """Random points of the prior's shell: von Mises-Fisher around a centre's direction, or uniform without one.

    Attributes:
        angle: mean angle to the centre, radians; None: `concentration` counts.
    """

    count: int
    seed: int
    center: Reference | None
    angle: float | None
    concentration: float


@dataclass(frozen=True)
class Grid:
    """A grid on the prior's shell: two random directions, rectangular there, span it around a centre.

    Attributes:
        angle: from the centre to the middle of an outer edge, radians.
    """

    rows: int
    columns: int
    seed: int
    center: Reference
    angle: float


@dataclass(frozen=True)
class Interpolation:
    """A sequence between two or more ends (`core.interpolate`).

    Attributes:
        count: textures in all, ends included, between each two ends. size: at which they are compared.
    """

    ends: tuple[Reference, ...]
    count: int
    spacing: Spacing
    path: Way
    size: int | None


Source = Given | Seeds | Draw | Grid | Interpolation


@dataclass(frozen=True)
class Points:
    """One table of points.

    Attributes:
        name: of the table. labels: one a point, for names. source: where the latents come from.
        models: names of the models that they are for. noise_seed: the session's; None without one.
    """

    name: str
    labels: tuple[str, ...]
    source: Source
    models: tuple[str, ...]
    noise_seed: int | None = None


@dataclass(frozen=True)
class Library:
    """A material library: a .blend file in the export's folder, and the catalogue of its assets, as a name pattern."""

    file: str
    catalog: str


@dataclass(frozen=True)
class Recipe:
    """A checked recipe.

    Attributes:
        models: bundles, in order. sizes: by model, (height, width). noise_seeds: None: a session's own, or 0.
        maps: format by map. name: pattern of the items' names. points: tables. library: or None.
    """

    models: tuple[ModelInfo, ...]
    sizes: Mapping[str, tuple[tuple[int, int], ...]]
    noise_seeds: tuple[int, ...] | None
    maps: Mapping[str, Format]
    name: str
    points: tuple[Points, ...]
    library: Library | None = None

    def seeds_for(self, points: Points, model: ModelInfo) -> tuple[int, ...]:
        """Noise seeds of a table's textures; a model without local noise has one sheet only."""
        if model.architecture != "sheet":
            return (0,)
        return self.noise_seeds or (points.noise_seed or 0,)

    def uses(self) -> Iterable[tuple[Points, ModelInfo, tuple[int, int], int]]:
        """Every table of points with each model, size and noise seed."""
        for points in self.points:
            for model in self.models:
                if model.name in points.models:
                    for size in self.sizes[model.name]:
                        for seed in self.seeds_for(points, model):
                            yield points, model, size, seed


def latents_of(source: Source, model: TextureModel, noise_seed: int = 0) -> Latents:
    """The latents of a table of points, (N, dim).

    Args:
        model: a sequence is measured with it; the other kinds need its dimension only.
        noise_seed: of the sheet that a sequence is measured on.
    """
    if isinstance(source, Interpolation):
        return _interpolated(source, model, noise_seed)
    return _static_latents(source, model.info)


def _static_latents(source: Given | Seeds | Draw | Grid, info: ModelInfo) -> Latents:
    dim, radius = info.latent_dim, info.prior_radius
    if isinstance(source, Given):
        return np.asarray(source.latents, np.float64).reshape(-1, dim)
    if isinstance(source, Seeds):
        return np.stack([resolve(seed, info) for seed in source.seeds])
    if isinstance(source, Grid):
        return _grid(source, info)
    rng = np.random.default_rng(source.seed)
    if source.center is None:
        return radius * sample_directions(np.eye(1, dim)[0], 0.0, source.count, rng)
    concentration = source.concentration if source.angle is None else concentration_for_angle(source.angle, dim)
    return radius * sample_directions(resolve(source.center, info), concentration, source.count, rng)


def resolve(reference: Reference, info: ModelInfo) -> Latents:
    """The latent (dim,) of a reference; a seed's lies on the prior's shell."""
    if not isinstance(reference, int):
        return np.asarray(reference, np.float64)
    drawn = np.random.default_rng(reference).standard_normal(info.latent_dim)
    return drawn / np.linalg.norm(drawn) * info.prior_radius


def _grid(grid: Grid, info: ModelInfo) -> Latents:
    center = resolve(grid.center, info)
    middle = center / np.linalg.norm(center)
    random = np.random.default_rng(grid.seed).standard_normal((info.latent_dim, 2))
    across, down = np.linalg.qr(np.column_stack([middle, random]))[0].T[1:]
    steps = (np.linspace(-grid.angle, grid.angle, n) if n > 1 else np.zeros(1) for n in (grid.rows, grid.columns))
    y, x = (axis.ravel() for axis in np.meshgrid(*steps, indexing="ij"))
    angle = np.hypot(x, y)
    # The exponential map: as far along the sphere as the tangent is long.
    way = (np.outer(x, across) + np.outer(y, down)) / np.maximum(angle, 1e-12)[:, None]
    return info.prior_radius * (np.outer(np.cos(angle), middle) + np.sin(angle)[:, None] * way)


def _interpolated(source: Interpolation, model: TextureModel, noise_seed: int) -> Latents:
    ends = [resolve(end, model.info) for end in source.ends]
    size = (source.size or 128) if model.info.size is None else None
    return interpolate(model, ends[0], ends[-1], source.count - 2, source.spacing, source.path, between=ends[1:-1], size=size, seed=noise_seed).latents


def name_parts(points: str, label: str, index: int, model: str, size: tuple[int, int], noise_seed: int) -> dict[str, str | int]:
    """What a name pattern may hold, but for the identity."""
    height, width = size
    edge = f"{width}" if height == width else f"{width}x{height}"
    return {"points": slug(points), "label": slug(label), "index": index, "model": model, "size": edge, "noise_seed": noise_seed}
