"""A simulation of handmade Japanese paper: how a sheet forms, fibre by fibre.

Bast fibres settle out of water on a screen, layer over layer; their summed mass is the sheet's thickness. Every other
channel follows from that one: the light that passes and the light that returns (Kubelka and Munk 1931, a scattering
layer of finite thickness over a backing), and the relief. The true number of fibres is drawn: grammage x area /
(coarseness x length), each one a curve, anti-aliased by Skia and added up in floating point.

A sheet is periodic: what leaves on one side comes back on the other, so it tiles without a seam.

Lengths are in millimetres, mass per area in g/m2, coarseness (mass per length) in mg/m, unless a name says otherwise.
Parameter ranges are literature values for orientation (fibre dimensions of kozo, mitsumata and gampi; laid lines and
chain lines of bamboo screens), adjusted by eye against real sheets.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import partial
from itertools import product
from typing import Any

import numpy as np
import skia
from numpy.typing import NDArray
from scipy import ndimage
from scipy.spatial import cKDTree

from ..core.errors import WashiError
from ..core.fields import jittered_grid, periodic_noise
from ..core.light import LIGHT, STRENGTH, scanned
from ..core.maps import RELIEF_MM
from ..core.shapes import Shape, bark_slivers, flakes, leaves, specks
from ..core.strokes import curves, draw_ribbons

Array = NDArray[np.float32]
Range = tuple[float, float]
Color = tuple[float, float, float, float]
"""Linear red, green, blue and cover."""

CALIPER_UM_PER_GSM = 2.6
"""Thickness of handmade paper per grammage: a density near 0.38 g/cm3."""

STRAND_WEIGHT = 2.4
"""A strand's threads against a single fibre's mass: what the beater left whole is coarser."""

_MAX_SIZE = 8192

# One parameter's name -> its range over sheets of a kind. A sheet draws each uniformly, `log` ones log-uniformly.
BASE: dict[str, Range] = {
    "grammage": (22.0, 42.0),
    "fibre_length": (7.0, 12.0),
    "coarseness": (0.13, 0.18),
    "curl": (0.10, 0.20),  # direction change, radians per sqrt(mm)
    "alignment": (0.0, 0.45),  # von Mises concentration of the axis along the rocking direction
    "cloud_contrast": (0.12, 0.32),  # standard deviation of log density
    "cloud_size": (2.5, 7.0),
    "bundles": (0.02, 0.06),  # share of the mass in bundles
    "bundle_fibres": (3.0, 7.0),
    "surface": (0.07, 0.16),  # share of the mass that lies loose on top
    "scatter": (0.030, 0.042),  # Kubelka-Munk S, m2/g
    "warmth": (0.35, 1.05),  # how much lignin and old light have yellowed it
    "pink": (0.0, 0.15),
    "shade": (0.0, 0.15),  # overall greyness of the furnish
    "mottle": (0.02, 0.08),
    "grain": (0.5, 1.1),  # fibrils and fines below a pixel, relative
    "brush": (0.0, 0.5),
    "backing": (0.66, 0.92),  # what it lies on, relative to an endless stack of itself
    "strands": (0.0, 0.0),  # long loose strands a square centimetre
    "strand_length": (12.0, 60.0),
    "strand_fibres": (3.0, 12.0),
    "strand_width": (0.12, 0.5),
    "strand_tone": (0.0, 0.6),
    "strand_swirl": (0.12, 0.3),
    "bark": (0.0, 0.04),  # slivers a square centimetre
    "specks": (0.0, 0.4),
    "laid": (0.0, 0.0),
    "laid_per_cm": (7.0, 12.0),
    "chain": (0.0, 0.0),
    "drops": (0.0, 0.0),  # share of the area
    "drop_radius": (0.9, 2.2),
    "drop_depth": (0.5, 0.93),
    "crease": (0.0, 0.0),
    "crease_size": (7.0, 16.0),
    "crease_tone": (-0.5, 0.8),
    "flakes": (0.0, 0.0),  # cut leaf of metal, a square centimetre
    "dust": (0.0, 0.0),  # sprinkled metal, a square centimetre
    "flake_size": (0.7, 2.2),
    "silver": (0.0, 0.0),
    "leaves": (0.0, 0.0),
    "dye": (0.0, 0.0),  # depth: 0 undyed, 1 as deep as the vat gives
    "dye_uneven": (0.04, 0.14),
}

_LOG = frozenset({"specks", "bark", "drop_radius", "flake_size", "strand_length", "crease_size"})

# Absorption of a dyed fibre per unit depth, linear red, green, blue, relative to its scattering.
DYES: dict[str, tuple[float, float, float]] = {
    "ai": (3.2, 1.15, 0.42),
    "bengara": (0.28, 1.7, 2.3),
    "kakishibu": (0.42, 1.1, 2.6),
    "sumi": (1.9, 1.95, 2.0),
    "kihada": (0.03, 0.12, 1.5),
    "uguisu": (0.75, 0.50, 1.6),
    "toki": (0.03, 0.42, 0.30),
}

KIND_RANGES: dict[str, dict[str, Range]] = {
    "kozo": {},
    "mitsumata": {
        "grammage": (24, 40),
        "fibre_length": (3.0, 5.0),
        "coarseness": (0.10, 0.13),
        "curl": (0.12, 0.25),
        "cloud_contrast": (0.06, 0.14),
        "cloud_size": (2.0, 4.5),
        "bundles": (0.003, 0.012),
        "surface": (0.02, 0.05),
        "warmth": (0.55, 1.0),
        "pink": (0.0, 0.05),
        "grain": (0.4, 0.8),
    },
    "gampi": {
        "grammage": (10, 20),
        "fibre_length": (3.0, 5.0),
        "coarseness": (0.08, 0.11),
        "cloud_contrast": (0.05, 0.12),
        "cloud_size": (3.0, 8.0),
        "bundles": (0.002, 0.01),
        "surface": (0.02, 0.05),
        "scatter": (0.018, 0.028),
        "warmth": (0.55, 0.95),
        "pink": (0.25, 0.55),
        "grain": (0.25, 0.6),
        "brush": (0.2, 0.8),
    },
    "tengujo": {
        "grammage": (3.0, 9.0),
        "fibre_length": (8.0, 14.0),
        "cloud_contrast": (0.10, 0.30),
        "bundles": (0.02, 0.08),
        "surface": (0.10, 0.25),
        "warmth": (0.2, 0.8),
        "backing": (0.34, 0.8),
        "specks": (0.0, 0.1),
        "alignment": (0.1, 0.8),
    },
    "unryu": {
        "grammage": (14, 30),
        "strands": (0.6, 4.0),
        "strand_fibres": (5.0, 26.0),
        "strand_tone": (0.1, 1.0),
        "cloud_contrast": (0.08, 0.2),
    },
    "chiri": {
        "bark": (0.10, 0.9),
        "specks": (2.0, 14.0),
        "warmth": (0.6, 1.3),
        "shade": (0.05, 0.4),
        "bundles": (0.02, 0.06),
    },
    "sunome": {
        "grammage": (16, 30),
        "laid": (0.12, 0.34),
        "chain": (0.10, 0.30),
        "alignment": (0.1, 0.6),
        "cloud_contrast": (0.06, 0.16),
    },
    "rakusui": {
        "grammage": (9, 20),
        "drops": (0.14, 0.40),
        "surface": (0.08, 0.18),
        "warmth": (0.25, 0.9),
        "backing": (0.36, 0.75),
        "bundles": (0.03, 0.08),
    },
    "momigami": {"grammage": (28, 48), "crease": (0.35, 1.0), "cloud_contrast": (0.05, 0.14)},
    "kirihaku": {"flakes": (0.15, 1.3), "dust": (0.0, 5.0), "silver": (0.0, 1.0), "grammage": (28, 45)},
    "sunago": {"dust": (8.0, 60.0), "silver": (0.0, 1.0), "grammage": (28, 45)},
    "leaf": {"leaves": (0.2, 0.9), "specks": (0.2, 2.0), "strands": (0.0, 0.6)},
    "bleached": {"warmth": (0.0, 0.12), "shade": (0.0, 0.04), "pink": (0.0, 0.04), "specks": (0.0, 0.05), "bark": (0.0, 0.0)},
    "ai": {"dye": (0.12, 2.2)},
    "bengara": {"dye": (0.15, 1.4)},
    "kakishibu": {"dye": (0.2, 1.5)},
    "sumi": {"dye": (0.12, 2.4)},
    "kihada": {"dye": (0.3, 1.4)},
    "uguisu": {"dye": (0.2, 1.2)},
    "toki": {"dye": (0.15, 0.9)},
}

KINDS: tuple[str, ...] = tuple(KIND_RANGES)

TITLES: dict[str, str] = {
    "kozo": "kozo, paper mulberry",
    "mitsumata": "mitsumata",
    "gampi": "gampi",
    "tengujo": "tengujo, thinnest kozo",
    "unryu": "unryu, cloud dragon",
    "chiri": "chiri, bark",
    "sunome": "sunome, laid",
    "rakusui": "rakusui, lace",
    "momigami": "momigami, crumpled",
    "kirihaku": "kirihaku, cut leaf",
    "sunago": "sunago, metal dust",
    "leaf": "leaf inclusions",
    "bleached": "bleached kozo",
    "ai": "ai, indigo",
    "bengara": "bengara, red ochre",
    "kakishibu": "kakishibu, persimmon",
    "sumi": "sumi, ink grey",
    "kihada": "kihada, yellow",
    "uguisu": "uguisu, olive",
    "toki": "toki, pale pink",
}

# Absorption (K/S, linear red, green, blue) of unbleached bast fibre and of gampi's blush.
_YELLOWED = (0.0045, 0.022, 0.105)
_PINKED = (0.0, 0.026, 0.024)

_FURNISHES = ("kozo", "kozo", "kozo", "mitsumata", "gampi", "tengujo", "bleached")
_STRUCTURES = ("unryu", "chiri", "sunome", "rakusui", "momigami", "kirihaku", "sunago", "leaf")


@dataclass(frozen=True, eq=False)
class Sheet:
    """One simulated sheet; periodic in both directions.

    Attributes:
        color: (H, W, 3) float32, diffuse albedo, sRGB-encoded, [0, 1].
        height: (H, W) float32, relief; 0.5 is the mean level, the whole range spans `RELIEF_MM`.
        opacity: (H, W) float32, share of light that does not pass, [0, 1].
        kind: the kind or mixture ("kozo+unryu") that was asked for.
        seed: the seed that makes it again.
        parameters: every drawn parameter.
        millimetres_per_pixel: the scale.
    """

    color: Array
    height: Array
    opacity: Array
    kind: str
    seed: int
    parameters: Mapping[str, Any] = field(repr=False)
    millimetres_per_pixel: float

    def scan(self, light: float = LIGHT, strength: float = STRENGTH) -> Array:
        """The sheet as a flatbed scanner or a copy stand shows it: colour under soft light from one side.

        Args:
            light: direction the light comes from, radians, anticlockwise from the right.
            strength: 0 is shadowless.

        Returns:
            (H, W, 3) float32, sRGB-encoded, [0, 1].
        """
        return scanned(self.color, self.height, self.millimetres_per_pixel, light, strength)


def kind_share(kind: str) -> list[str]:
    """The kinds that a mixture such as "kozo+unryu" names.

    Raises:
        WashiError: an unknown kind.
    """
    parts = [part.strip() for part in kind.split("+")]
    unknown = [part for part in parts if part not in KIND_RANGES]
    if unknown or not parts:
        raise WashiError(f"there is no kind of washi named {', '.join(unknown) or 'nothing'!r}; choose from {', '.join(KINDS)}, or join some with '+'")
    return parts


def random_kind(rng: np.random.Generator) -> str:
    """A kind or a mixture, as a paper shop's shelf would have them: a furnish, often a structure, often a dye."""
    parts = [str(rng.choice(_FURNISHES))]
    if rng.random() < 0.62:
        parts.append(str(rng.choice(_STRUCTURES)))
    if rng.random() < 0.14:
        parts.append(str(rng.choice(_STRUCTURES)))
    if rng.random() < 0.42:
        parts.append(str(rng.choice(tuple(DYES))))
    return "+".join(dict.fromkeys(parts))


def random_sheet_kind(i: int, rng: np.random.Generator) -> str:
    """A third of every kind in turn, two thirds as a paper shop would have them: the shares that models learn from."""
    return KINDS[i // 3 % len(KINDS)] if i % 3 == 0 else random_kind(rng)


def draw_parameters(kind: str, rng: np.random.Generator) -> dict[str, Any]:
    """Draw a sheet's parameters from the documented ranges of its kind; a mixture lies between its parts.

    Where several parts say something of one parameter, the draw lies at a random place between theirs; where one does,
    its own range counts.
    """
    parts = kind_share(kind)
    values: dict[str, Any] = {}
    for name, default in BASE.items():
        ranges = [KIND_RANGES[part][name] for part in parts if name in KIND_RANGES[part]] or [default]
        weights = rng.dirichlet(np.ones(len(ranges)))
        low, high = (float(np.dot(weights, [r[end] for r in ranges])) for end in (0, 1))
        values[name] = _between(low, high, rng.random(), name in _LOG)
    dyes = [part for part in parts if part in DYES]
    shares = rng.dirichlet(np.ones(len(dyes))) if dyes else ()
    values["dye_absorption"] = tuple(float(sum(s * DYES[d][c] for s, d in zip(shares, dyes, strict=True))) for c in range(3))
    values["axis"] = float(rng.choice((0.0, math.pi / 2)) + rng.normal(0, 0.08))
    return values


def synthesize(kind: str = "kozo", size: int = 1024, seed: int = 0, millimetres_per_pixel: float = 0.1) -> Sheet:
    """Make one periodic sheet of washi.

    Args:
        kind: one of `KINDS`, or a mixture of some joined by "+".
        size: edge of the square sheet in pixels, 32 to 8192.
        seed: the same arguments and seed give the same sheet.
        millimetres_per_pixel: 0.02 to 0.5; 0.1 shows a hand's width in 1024 pixels.

    Raises:
        WashiError: an unknown kind, a size or scale out of range.
    """
    if not 32 <= size <= _MAX_SIZE:
        raise WashiError(f"a sheet of {size} pixels can't be made: choose a size from 32 to {_MAX_SIZE}")
    if not 0.02 <= millimetres_per_pixel <= 0.5:
        raise WashiError(f"{millimetres_per_pixel} mm a pixel is out of range: choose 0.02 to 0.5")
    if seed < 0:
        raise WashiError(f"the seed is {seed}: choose 0 or above")
    rng = np.random.default_rng([seed, *kind.encode()])
    parameters = draw_parameters(kind, rng)
    maker = _Maker(size, millimetres_per_pixel, parameters, rng)
    color, height, opacity = maker.make()
    return Sheet(color, height, opacity, kind, seed, parameters, millimetres_per_pixel)


TILE_FIBRES = ((9.0, 0.15), (4.0, 0.10))
"""Length and coarseness of the fibres in the tile's planes."""
TILE_GRAMMAGE = (5.0, 24.0)
"""Of the sparse and of the dense planes, g/m2."""
TILE_ALIGNMENT = (0.2, 0.2, 0.4, 0.2)
"""Of the planes in their order: the thinnest sheets of long fibres, tengujo, have been rocked the most."""


def fibre_tile(seed: int = 7, size: int = 1024) -> NDArray[np.uint8]:
    """The tile of fine fibres that `core.fields.draw_fields` takes pieces from.

    Returns:
        (4, size, size) uint8: long kozo fibres and short mitsumata or gampi fibres, dense, then both again sparse; 128 is the
        mean, 24 levels a deviation.
    """
    planes: list[NDArray[np.uint8]] = []
    kinds = product(reversed(TILE_GRAMMAGE), TILE_FIBRES)
    for number, ((grammage, (length, coarseness)), alignment) in enumerate(zip(kinds, TILE_ALIGNMENT, strict=True)):
        rng = np.random.default_rng([seed, number])
        parameters = draw_parameters("kozo", rng)
        parameters.update(fibre_length=length, coarseness=coarseness, curl=0.15, alignment=alignment, cloud_contrast=0.0, axis=0.0)
        mass = _Maker(size, 0.1, parameters, rng).lay_fibres(grammage)
        relative = mass / mass.mean() - 1
        planes.append(np.clip(np.round(128 + 24 * relative / relative.std()), 0, 255).astype(np.uint8))
    return np.stack(planes)


class _Maker:
    """Forms one sheet, in the order in which it is made: pulp, screen, drops, drying, creases, inclusions, light."""

    def __init__(self, size: int, scale: float, parameters: Mapping[str, Any], rng: np.random.Generator) -> None:
        self.size, self.scale, self.p, self.rng = size, scale, parameters, rng
        self.area = (size * scale) ** 2
        self.pen = FibrePen(size)

    def make(self) -> tuple[Array, Array, Array]:
        return finish(self.lay(), self.p, self.scale)

    def lay(self) -> Pulp:
        p = self.p
        body = self.lay_fibres(p["grammage"] * (1 - p["surface"] - p["bundles"]))
        bundles = self.lay_bundles(p["grammage"] * p["bundles"])
        top = self.lay_fibres(p["grammage"] * p["surface"], loose=True)
        strands = self.lay_strands()
        fines = self.noise(0.22, 0.15) * 0.06 + self.noise(0.6, 0.4) * 0.03
        creases, folds = self.creases() if p["crease"] > 0 else (np.zeros_like(body), np.zeros_like(body))
        return Pulp(
            body=body * np.maximum(1 + fines * p["grain"], 0.05),
            bundles=bundles,
            top=top,
            strands=strands,
            screen=self.screen_marks(),
            holes=self.drop_holes(),
            mottle=self.noise(5.0, 0.6),
            uneven=self.noise(7.0, 0.7) + 0.5 * self.noise(1.5, 0.5),
            cockle=self.noise(9.0, 0.6),
            brush=self.brush_lines(),
            creases=creases,
            folds=folds,
            inclusions=self.lay_inclusions(),
        )

    # Pulp

    def clouds(self, contrast: float) -> Array:
        size = self.p["cloud_size"]
        field_ = self.noise(size, 0.5) * 0.8 + self.noise(size * 0.4, 0.5) * 0.45 + self.noise(size * 2.5, 0.5) * 0.4
        return np.exp(field_ * contrast).astype(np.float32)

    def starts(self, count: int, density: Array) -> NDArray[np.float64]:
        """Fibre midpoints that follow a density field, in pixels."""
        cumulative = np.cumsum(density, dtype=np.float64)
        cell = np.searchsorted(cumulative, self.rng.random(count) * cumulative[-1])
        step = self.size / density.shape[0]
        y, x = np.divmod(np.minimum(cell, density.size - 1), density.shape[1])
        return (np.stack([x, y], 1) + self.rng.random((count, 2))) * step

    def directions(self, count: int) -> NDArray[np.float64]:
        """Axes with a slight preference for the rocking direction."""
        return self.p["axis"] + self.rng.vonmises(0, max(self.p["alignment"], 1e-6), count) / 2 + math.pi * self.rng.integers(0, 2, count)

    def lay_fibres(self, grammage: float, loose: bool = False) -> Array:
        """Single fibres: their summed mass per area, (H, W) g/m2."""
        p, rng = self.p, self.rng
        mean_length = p["fibre_length"]
        count = rng.poisson(grammage * self.area / (p["coarseness"] * mean_length))
        density = ndimage.zoom(self.clouds(p["cloud_contrast"] * (0.6 if loose else 1.0)), 0.25, order=1, mode="grid-wrap", grid_mode=True)
        total = np.zeros((self.size, self.size), np.float32)
        weights = np.array([0.62, 0.86, 1.12, 1.75])  # quantiles of a lognormal width distribution, mean near 1
        segment = min(1.5, mean_length / 2)
        for weight, part in zip(weights, rng.multinomial(count, [0.28, 0.3, 0.28, 0.14]), strict=True):
            for block in _blocks(part, 60_000):
                lengths = np.clip(rng.lognormal(math.log(mean_length) - 0.06, 0.35, block), 0.5, 25)
                starts = self.starts(block, density)
                angles, curl = self.directions(block), p["curl"] * (1.8 if loose else 1.0)
                total += self.draw(starts, angles, lengths, curl, segment) * np.float32(weight)
        return total * np.float32(p["coarseness"] / self.scale)

    def draw(self, starts: NDArray[np.float64], angles: NDArray[np.float64], lengths: NDArray[np.float64], curl: float, segment: float) -> Array:
        """Fibres as curves, in groups of one number of segments; (H, W) number of fibres at a pixel."""
        pieces = np.maximum(2, np.ceil(lengths / segment).astype(int))
        for n in np.unique(pieces):
            chosen = pieces == n
            points = curves(starts[chosen], angles[chosen], lengths[chosen] / self.scale, int(n), curl * np.sqrt(lengths[chosen] / n), self.rng)
            self.pen.draw(points)
        return self.pen.take()

    def lay_bundles(self, grammage: float) -> Array:
        """Fibres that the beater did not part: several side by side, splayed at the ends."""
        p, rng = self.p, self.rng
        fibres = max(2, round(p["bundle_fibres"]))
        length = p["fibre_length"] * 0.8
        count = rng.poisson(grammage * self.area / (p["coarseness"] * length * fibres))
        if count == 0:
            return np.zeros((self.size, self.size), np.float32)
        starts, angles = self.starts(count, self.clouds(p["cloud_contrast"])), self.directions(count)
        lengths = np.clip(rng.lognormal(math.log(length), 0.4, count), 1, 25)
        spread = rng.uniform(0.015, 0.05, count) * math.sqrt(fibres)
        draw_ribbons(self.pen, starts, angles, lengths, fibres, spread, p["curl"], 0.7, rng, 0.0, self.scale)
        return self.pen.take() * np.float32(p["coarseness"] / self.scale)

    def lay_strands(self) -> Array:
        """The long swirling strands of cloud-dragon paper: their mass."""
        p, rng = self.p, self.rng
        count = rng.poisson(p["strands"] * self.area / 100)
        if count == 0:
            return np.zeros((self.size, self.size), np.float32)
        starts, angles = rng.random((count, 2)) * self.size, rng.uniform(0, 2 * math.pi, count)
        lengths = np.clip(rng.lognormal(math.log(p["strand_length"]), 0.5, count), 6, 120)
        spread = p["strand_width"] / 2.2 * rng.lognormal(0, 0.4, count)
        draw_ribbons(self.pen, starts, angles, lengths, round(p["strand_fibres"]), spread, 0.12, 0.8, rng, p["strand_swirl"], self.scale)
        return self.pen.take() * np.float32(STRAND_WEIGHT * p["coarseness"] / self.scale)

    # Screen and water

    def screen_marks(self) -> Array:
        """Thinner lines where bamboo splints (laid) and threads (chain) lay: a factor of the mass."""
        p, rng = self.p, self.rng
        edge = self.size * self.scale
        y, x = np.meshgrid(np.arange(self.size) / self.size, np.arange(self.size) / self.size, indexing="ij")
        across, along = (y, x) if abs(math.sin(p["axis"])) < 0.5 else (x, y)
        wobble = self.noise(18.0, 0.4) * 0.10 / edge
        lines = max(1, round(p["laid_per_cm"] * edge / 10))
        phase = np.cos(2 * math.pi * lines * (across + wobble))
        fade = np.clip(1 + 0.35 * self.noise(12.0, 0.5), 0.2, 2)
        factor = 1 + p["laid"] * fade * (0.75 * phase + 0.25 * phase**2 - 0.125)
        chains = max(1, round(edge / rng.uniform(20, 30)))
        distance = np.abs((along + wobble * 2) * chains % 1 - 0.5) * edge / chains
        factor -= p["chain"] * np.exp(-((distance / 0.45) ** 2))
        return np.clip(factor, 0.05, None).astype(np.float32)

    def drop_holes(self) -> Array:
        """Lace paper: drops of water push the wet pulp aside. A factor of the mass, with a rim."""
        p, rng = self.p, self.rng
        if p["drops"] <= 0:
            return np.ones((self.size, self.size), np.float32)
        spacing = p["drop_radius"] * math.sqrt(math.pi / p["drops"])
        edge = self.size * self.scale
        centers = jittered_grid(np.array([edge, edge]), spacing, 0.72, rng)
        radii = np.clip(rng.lognormal(math.log(p["drop_radius"]), 0.2, len(centers)), 0.4, 4)
        tree = cKDTree(centers % edge, boxsize=edge)
        y, x = np.meshgrid(np.arange(self.size), np.arange(self.size), indexing="ij")
        warp = [self.noise(2.2, 0.4) * 0.13 + self.noise(0.7, 0.4) * 0.035 for _ in range(2)]
        points = np.stack([x * self.scale + warp[0], y * self.scale + warp[1]], -1) % edge
        distance, index = tree.query(points.reshape(-1, 2), k=2, workers=1)
        inside = (radii[index] - distance).max(1).reshape(self.size, self.size)
        return hole_factor(inside, p["drop_depth"])

    # Board and hand

    def brush_lines(self) -> Array:
        """Faint strokes of the brush that laid the wet sheet on its board, along the rocking direction."""
        white = self.rng.standard_normal((self.size, self.size)).astype(np.float32)
        long, short = 14.0 / self.scale, 0.16 / self.scale
        along_x = abs(math.sin(self.p["axis"])) < 0.5
        return _standard(ndimage.gaussian_filter(white, (short, long) if along_x else (long, short), mode="wrap", truncate=3))

    def creases(self) -> tuple[Array, Array]:
        """A crumpled sheet: folds of two sizes. Where they run, [0, 1], and their height in mm."""
        edge = self.size * self.scale
        y, x = np.meshgrid(np.arange(self.size), np.arange(self.size), indexing="ij")
        crease, height = np.zeros((self.size, self.size), np.float32), np.zeros((self.size, self.size), np.float32)
        for size, weight in ((self.p["crease_size"], 1.0), (self.p["crease_size"] * 0.42, 0.55)):
            count = max(4, round((edge / size) ** 2))
            tree = cKDTree(self.rng.random((count, 2)) * edge, boxsize=edge)
            warp = [self.noise(size * 0.5, 0.5) * size * 0.07 for _ in range(2)]
            points = np.stack([x * self.scale + warp[0], y * self.scale + warp[1]], -1) % edge
            distance, index = tree.query(points.reshape(-1, 2), k=2, workers=1)
            gap = (distance[:, 1] - distance[:, 0]).reshape(self.size, self.size)
            strength = self.rng.uniform(0.1, 1.0, (count, count))
            strong = (strength * strength.T)[index[:, 0], index[:, 1]].reshape(self.size, self.size)
            sign = np.where((index.sum(1) % 3 == 0).reshape(self.size, self.size), -0.6, 1.0)
            line = np.exp(-gap / 0.16) * strong
            crease += (line * weight).astype(np.float32)
            height += ((0.085 * np.exp(-gap / 0.28) * sign + 0.16 * np.exp(-gap / (size * 0.2))) * strong * weight).astype(np.float32)
        return np.clip(crease, 0, 1), self.blur(height, 0.08)

    # Inclusions

    def lay_inclusions(self) -> Inclusions:
        p, rng = self.p, self.rng
        inclusions = Inclusions(self.size, self.scale)
        per, edge = self.area / 100, self.size * self.scale
        sunken: tuple[tuple[str, Shape, Callable[[Any], Color]], ...] = (
            ("specks", partial(specks, radius=0.11), _bark_color),
            ("bark", bark_slivers, _bark_color),
            ("leaves", leaves, _leaf_color),
        )
        for name, shape, color in sunken:
            for outline in shape(rng, rng.poisson(p[name] * per)):
                inclusions.add(outline + rng.random(2) * edge, color(rng))
        inclusions.soften(0.05)
        metal = _metal(p["silver"], rng)
        for name, size in (("flakes", p["flake_size"]), ("dust", 0.22)):
            for outline in flakes(rng, rng.poisson(p[name] * per), size):
                inclusions.add(outline + rng.random(2) * edge, metal(), on_top=True)
        return inclusions

    # Fields

    def noise(self, wavelength: float, bandwidth: float) -> Array:
        """Periodic noise of mean 0 and standard deviation 1 around a wavelength in mm; bandwidth in octaves (sigma)."""
        return periodic_noise((self.size, self.size), wavelength / self.scale, bandwidth, self.rng)

    def blur(self, image: Array, millimetres: float) -> Array:
        return _blur(image, millimetres, self.scale)


@dataclass(frozen=True, eq=False)
class Pulp:
    """What lies where, before light falls on it. Masses in g/m2, every array (H, W) and periodic.

    `screen` and `holes` are factors of the mass; `mottle`, `uneven`, `cockle` and `brush` have mean 0 and deviation about
    1; `creases` is in [0, 1]; `folds` in mm.
    """

    body: Array
    bundles: Array
    top: Array
    strands: Array
    screen: Array
    holes: Array
    mottle: Array
    uneven: Array
    cockle: Array
    brush: Array
    creases: Array
    folds: Array
    inclusions: Inclusions


def finish(pulp: Pulp, p: Mapping[str, Any], scale: float) -> tuple[Array, Array, Array]:
    """Dry the pulp and light it: sRGB colour (H, W, 3), height and opacity (H, W), each in [0, 1]."""
    body, bundles, top = pulp.body * pulp.screen * pulp.holes, pulp.bundles * np.sqrt(pulp.holes), pulp.top * pulp.holes**0.6
    mass = body + bundles + top + pulp.strands
    height = _relief(pulp, p, scale, body, bundles, top)
    color, passing = _light(pulp, p, scale, mass, top)
    color, passing = pulp.inclusions.over(color, passing, top)
    return encode_srgb(color), height, np.clip(1 - passing, 0, 1).astype(np.float32)


def _relief(pulp: Pulp, p: Mapping[str, Any], scale: float, body: Array, bundles: Array, top: Array) -> Array:
    """The upper surface, [0, 1] over `RELIEF_MM`."""
    pressed = _blur(body, 0.09, scale) * 0.40 + body * 0.20
    height = (pressed + bundles * 0.8 + top * 0.9 + _blur(pulp.strands, 0.05, scale) * 0.75) * (CALIPER_UM_PER_GSM / 1000)
    height += pulp.inclusions.thickness + pulp.brush * p["brush"] * 0.0035 + pulp.folds * p["crease"]
    height += pulp.cockle * 0.010
    height -= height.mean()
    return np.clip(0.5 + height / RELIEF_MM, 0, 1).astype(np.float32)


def _light(pulp: Pulp, p: Mapping[str, Any], scale: float, mass: Array, top: Array) -> tuple[Array, Array]:
    """Linear albedo (H, W, 3) over a pale backing, and the share of light that passes (H, W)."""
    soft = 0.78 * mass + 0.22 * _blur(mass, 0.15, scale)  # light wanders sideways inside the sheet
    thickness = np.maximum(soft * p["scatter"], 1e-3)
    lighter = np.clip(p["strand_tone"], 0, 1) * (1 - np.exp(-pulp.strands / 6))
    crease = pulp.creases * p["crease"]
    dye = _dye_taken(pulp, p, scale, mass, top) * (1 - 0.75 * lighter) * (1 + 0.5 * crease * np.sign(-p["crease_tone"]))
    tone = 1 + p["mottle"] * pulp.mottle
    natural = np.array(_YELLOWED) * p["warmth"] + np.array(_PINKED) * p["pink"] + 0.06 * p["shade"] ** 2 + 0.0016
    planes, passing = [], np.zeros_like(mass)
    for channel in range(3):
        absorption = (natural[channel] * tone + p["dye_absorption"][channel] * dye) * (1 - 0.35 * lighter)
        endless = kubelka_munk(float(np.mean(absorption)), 50.0, 0.0)[0]
        reflected, through = kubelka_munk(absorption, thickness, endless * p["backing"])
        planes.append(reflected)
        passing += through.astype(np.float32) * np.float32((0.25, 0.5, 0.25)[channel])
    color = np.stack(planes, -1) * (1 + 0.16 * p["crease_tone"] * crease)[..., None]
    return np.clip(color, 0, 1).astype(np.float32), passing


def _dye_taken(pulp: Pulp, p: Mapping[str, Any], scale: float, mass: Array, top: Array) -> Array:
    """How much dye each point took: more where fibres overlap, less on loose fibres on top, uneven over the vat."""
    level = max(p["grammage"], 1)
    dye = p["dye"] * np.maximum(1 + p["dye_uneven"] * pulp.uneven + 0.15 * (_blur(mass, 0.4, scale) / level - 1), 0)
    overlap = np.clip(1 + 0.55 * (mass / np.maximum(_blur(mass, 0.5, scale), 1e-3) - 1), 0.3, 2)
    return dye * overlap * (1 - 0.45 * (1 - np.exp(-top / 4)))


def hole_factor(inside: Any, depth: float) -> Array:
    """A drop's mark on the mass: a hole, `inside` mm from its edge, and the rim of fibres it pushed aside."""
    hole = 1 / (1 + np.exp(-np.asarray(inside) / 0.09))
    rim = np.exp(-(((inside + 0.30) / 0.28) ** 2))
    return np.maximum(1 - depth * hole + 0.45 * rim * depth, 0.01).astype(np.float32)


class FibrePen:
    """Draws thin curves with Skia, anti-aliased and periodic, and adds them up without bound.

    A segment's midpoint is brought into the tile; what sticks out over its border lands in a margin that `take` folds back.
    Colour planes hold [0, 1] only, so a block of fibres is drawn faint and added to a sum of ours.
    """

    _FAINT = 1 / 48

    def __init__(self, size: int) -> None:
        self.size, self.margin = size, 24
        edge = size + 2 * self.margin
        self._pixels = np.zeros((edge, edge, 4), np.float32)
        info = skia.ImageInfo.Make(edge, edge, skia.kRGBA_F32_ColorType, skia.kPremul_AlphaType)
        self._surface = skia.Surface.MakeRasterDirect(info, self._pixels, edge * 16)
        self._canvas = self._surface.getCanvas()
        self._paint = skia.Paint(AntiAlias=True, StrokeWidth=0, Style=skia.Paint.kStroke_Style, BlendMode=skia.BlendMode.kPlus)
        self._paint.setColor4f(skia.Color4f(0, 0, 0, self._FAINT), None)
        self._sum = np.zeros((size, size), np.float32)
        self._waiting: list[NDArray[np.float64]] = []
        self._count = 0

    def draw(self, points: NDArray[np.float64]) -> None:
        """Add curves, (n, k, 2) x and y in pixels; a fibre is one pixel wide."""
        ends = np.stack([points[:, :-1], points[:, 1:]], 2).reshape(-1, 2, 2)
        longest = np.abs(ends[:, 0] - ends[:, 1]).max(initial=0)
        parts = max(1, math.ceil(longest / (1.8 * self.margin)))
        for part in range(parts):
            piece = np.stack([ends[:, 0] + (ends[:, 1] - ends[:, 0]) * (part + end) / parts for end in (0, 1)], 1)
            middle = piece.mean(1)
            piece += (middle % self.size - middle + self.margin)[:, None]
            self._waiting.append(piece.reshape(-1, 2))
            self._count += len(piece)
        if self._count > 200_000:
            self._flush()

    def take(self) -> Array:
        """The number of fibres over each pixel since the last call, (size, size)."""
        self._flush()
        result, self._sum = self._sum, np.zeros((self.size, self.size), np.float32)
        return result

    def _flush(self) -> None:
        if not self._waiting:
            return
        points = np.concatenate(self._waiting)
        self._pixels[:] = 0
        for first in range(0, len(points), 100_000):
            x, y = points[first : first + 100_000].T
            self._canvas.drawPoints(skia.Canvas.kLines_PointMode, list(map(skia.Point, x.tolist(), y.tolist())), self._paint)
        self._surface.flushAndSubmit()
        self._sum += fold(self._pixels[..., 3], self.margin) / np.float32(self._FAINT)
        self._waiting, self._count = [], 0


class Inclusions:
    """Things in the sheet (bark, leaves) and on it (metal leaf): colour, how much it covers, and its thickness."""

    _DEEP_MM, _TOP_MM = 0.03, 0.010

    def __init__(self, size: int, scale: float) -> None:
        self.scale = scale
        self._deep, self._top = _Layer(size), _Layer(size)

    @property
    def thickness(self) -> Array:
        """(H, W) mm."""
        return self._deep.cover * np.float32(self._DEEP_MM) + self._top.cover * np.float32(self._TOP_MM)

    def add(self, outline: NDArray[np.float64], color: Color, on_top: bool = False) -> None:
        """Add one shape: its outline (n, 2) in mm (wrapped into the tile), its linear colour and its cover."""
        (self._top if on_top else self._deep).fill(outline / self.scale, color)

    def soften(self, millimetres: float) -> None:
        """Blur what lies inside the sheet: fibres and wet edges veil it."""
        self._deep.blur(millimetres / self.scale)

    def over(self, color: Array, passing: Array, top: Array) -> tuple[Array, Array]:
        """Composite both layers onto the sheet's linear colour and onto the light that passes."""
        veil = np.clip(1 - top / 16, 0.7, 1)
        for layer, seen in ((self._deep, veil), (self._top, np.ones_like(veil))):
            if layer.used:
                cover = layer.cover * seen
                color = color * (1 - cover)[..., None] + layer.color * seen[..., None]
                passing = passing * (1 - cover * 0.92)
        return np.clip(color, 0, 1), passing


class _Layer:
    """A premultiplied, periodic layer of filled shapes."""

    def __init__(self, size: int) -> None:
        self.size, self.used = size, False
        self._pixels = np.zeros((size, size, 4), np.float32)
        info = skia.ImageInfo.Make(size, size, skia.kRGBA_F32_ColorType, skia.kPremul_AlphaType)
        self._surface = skia.Surface.MakeRasterDirect(info, self._pixels, size * 16)

    @property
    def color(self) -> Array:
        return self._pixels[..., :3]

    @property
    def cover(self) -> Array:
        return self._pixels[..., 3]

    def fill(self, outline: NDArray[np.float64], color: Color) -> None:
        self.used = True
        paint = skia.Paint(AntiAlias=True)
        paint.setColor4f(skia.Color4f(*color), None)
        center = outline.mean(0) % self.size
        outline = outline - outline.mean(0) + center
        reach = np.abs(outline - center).max() + 2
        for shift in _wrapped_shifts(center, reach, self.size):
            path = skia.Path()
            path.addPoly([skia.Point(float(x), float(y)) for x, y in outline + shift], True)
            self._surface.getCanvas().drawPath(path, paint)

    def blur(self, pixels: float) -> None:
        if self.used:
            halo = ndimage.gaussian_filter(self._pixels, (pixels * 5, pixels * 5, 0), mode="wrap", truncate=3)
            sharp = ndimage.gaussian_filter(self._pixels, (pixels, pixels, 0), mode="wrap", truncate=3)
            self._pixels[:] = np.clip(sharp * 0.92 + halo * 0.16, 0, 1)


# Colours: linear red, green, blue and cover


def _bark_color(rng: np.random.Generator) -> Color:
    dark = rng.beta(1.6, 2.2)
    red, green, blue = (0.34, 0.14, 0.040) if rng.random() < 0.5 else (0.17, 0.080, 0.032)
    return (red * (1.25 - dark), green * (1.2 - dark), blue * (1.15 - dark), float(rng.uniform(0.5, 0.97)))


def _leaf_color(rng: np.random.Generator) -> Color:
    t = rng.random()
    low, high = np.array([0.055, 0.085, 0.025]), np.array([0.24, 0.13, 0.045])
    red, green, blue = (low * (1 - t) + high * t) * rng.uniform(0.7, 1.3)
    return (float(red), float(green), float(blue), float(rng.uniform(0.7, 0.97)))


def _metal(silver: float, rng: np.random.Generator) -> Callable[[], Color]:
    gold, white = np.array([0.52, 0.34, 0.085]), np.array([0.50, 0.49, 0.46])

    def color() -> Color:
        base = white if rng.random() < (silver > 0.5) * 0.9 else gold
        red, green, blue = np.clip(base * rng.lognormal(0, 0.22), 0, 1)
        return (float(red), float(green), float(blue), float(rng.uniform(0.9, 1.0)))

    return color


# Pure helpers


def kubelka_munk(absorption: Any, thickness: Any, backing: float) -> tuple[Any, Any]:
    """Reflectance over a backing and transmittance of a scattering layer (Kubelka and Munk 1931).

    Args:
        absorption: K/S. thickness: S times mass per area. backing: reflectance behind the layer.
    """
    a = 1 + np.maximum(absorption, 1e-5)
    b = np.sqrt(a * a - 1)
    e = np.exp(-2 * np.minimum(b * thickness, 40))
    coth = (1 + e) / np.maximum(1 - e, 1e-9)
    reflected = (1 - backing * (a - b * coth)) / (a - backing + b * coth)
    sinh_inverse = 2 * np.sqrt(e) / np.maximum(1 - e, 1e-9)
    return reflected, b * sinh_inverse / (a + b * coth)


def encode_srgb(linear: Any) -> Array:
    """Linear light to sRGB (IEC 61966-2-1), clipped to [0, 1]."""
    x = np.clip(linear, 0, 1)
    return np.where(x <= 0.0031308, 12.92 * x, 1.055 * np.power(x, 1 / 2.4) - 0.055).astype(np.float32)


def fold(image: Array, margin: int) -> Array:
    """Add the margins of (H + 2m, W + 2m) to the opposite sides of its middle."""
    rows = image[margin:-margin].copy()
    rows[:margin] += image[-margin:]
    rows[-margin:] += image[:margin]
    result = rows[:, margin:-margin].copy()
    result[:, :margin] += rows[:, -margin:]
    result[:, -margin:] += rows[:, :margin]
    return result


def _blur(image: Array, millimetres: float, scale: float) -> Array:
    return ndimage.gaussian_filter(image, millimetres / scale, mode="wrap", truncate=3)


def _between(low: float, high: float, t: float, log: bool) -> float:
    if log and low > 0:
        return math.exp(math.log(low) * (1 - t) + math.log(high) * t)
    return low + (high - low) * t


def _blocks(count: int, most: int) -> list[int]:
    full, rest = divmod(int(count), most)
    return [most] * full + ([rest] if rest else [])


def _standard(image: Any) -> Array:
    deviation = float(image.std())
    return ((image - image.mean()) / deviation if deviation > 0 else image * 0).astype(np.float32)


def _wrapped_shifts(center: NDArray[np.float64], reach: float, size: int) -> list[NDArray[np.float64]]:
    options = [[0.0] + ([float(size)] if c < reach else []) + ([-float(size)] if c > size - reach else []) for c in center]
    return [np.array([x, y]) for x in options[0] for y in options[1]]
