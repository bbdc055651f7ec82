"""Local structure of a sheet: periodic fields of fibres, clouds, specks, lines, drops and creases, drawn from a seed.

A sheet model composes these fields into paper. Its latent says *which paper*; the seed of the fields says *which sheet of
that paper*: with the seed held fixed, every fibre keeps its place while the latent moves, so that MSSIM between
candidates means something. Structured noise in place of the white noise of spatial GANs (Jetchev, Bergmann and Vollgraf
2016; PSGAN, Bergmann 2017) lets a small network at full resolution draw continuous fibres.

Everything is periodic for any height and width, and needs NumPy, SciPy and Pillow only. Fine fibres come from a tile that
is drawn once, fibre by fibre, and shipped with a model: random pieces of it are blended with weights that keep the
variance (Heitz and Neyret 2018), so that no repetition shows. Lengths are in millimetres at `MILLIMETRES_PER_PIXEL`.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable
from functools import partial
from threading import Lock
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw
from scipy import fft, ndimage
from scipy.spatial import cKDTree

from .errors import WashiError
from .progress import Progress, ignore
from .threads import Ask, never, together

Array = NDArray[np.float32]
Points = NDArray[np.float64]

MILLIMETRES_PER_PIXEL = 0.1
SMALLEST_SHEET = 32
"""Pixels an edge."""

FIELD_NAMES: tuple[str, ...] = (
    "long",  # fine kozo fibres of a thick sheet, mean 0, deviation 1
    "short",  # fine mitsumata or gampi fibres
    "sparse_long",  # the same of a very thin sheet, in which each fibre is seen
    "sparse_short",
    "surface_few",  # loose fibres on top, fibres over a pixel, in two layers that add up
    "surface_many",
    "bundles_few",  # unbeaten bundles, fibres over a pixel, too
    "bundles_many",
    "strands_few",  # long swirling strands, in three layers that add up
    "strands_some",
    "strands_many",
    "clouds",  # flocs of a few millimetres, mean 0, deviation 1
    "billows",  # slower unevenness, mean 0, deviation 1
    "flecks",  # quick unevenness, mean 0, deviation 1
    "fines",  # fibrils below a fibre, mean 0, deviation 1
    "slivers",  # bark: cover [0, 1]
    "specks_few",
    "specks_many",
    "tone",  # of each piece of bark, leaf and metal, [0, 1]: pale to dark
    "leaves",
    "flakes",
    "dust",
    "laid_wide",  # lines of the screen, cosine
    "laid_narrow",
    "chain",
    "drops",  # how far inside a drop, millimetres, [-2, 2]
    "creases",
    "folds",
    "brush",  # mean 0, deviation 1
    "rank",  # of each piece of bark and leaf among its like, (0, 1]: which appear first
    "metal_rank",  # the same of metal, which lies on top
)

LAID_PER_CM = (8.0, 10.8)
SURFACE_PER_MM2, BUNDLES_PER_MM2, STRANDS_PER_CM2 = (0.5, 1.7), (0.02, 0.13), (0.7, 1.3, 2.0)
SLIVERS_PER_CM2, SPECKS_PER_CM2, LEAVES_PER_CM2, FLAKES_PER_CM2, DUST_PER_CM2 = 0.6, (2.0, 10.0), 0.8, 1.2, 60.0
GATED: dict[str, tuple[str, float, float]] = {
    "slivers": ("bark", 0.0, SLIVERS_PER_CM2),
    "specks_few": ("specks", 0.0, SPECKS_PER_CM2[0]),
    "specks_many": ("specks", *SPECKS_PER_CM2),
    "leaves": ("leaves", 0.0, LEAVES_PER_CM2),
    "flakes": ("flakes", 0.0, FLAKES_PER_CM2),
    "dust": ("dust", 0.0, DUST_PER_CM2),
}
"""Fields of single pieces: what their number follows from (pieces a square centimetre), where they begin, how many there are."""
RANKS = {name: "metal_rank" if name in ("flakes", "dust") else "rank" for name in GATED}
PIECES: dict[str, tuple[str, ...]] = {"bark": ("slivers", "specks_few", "specks_many"), "leaf": ("leaves",), "metal": ("flakes", "dust")}
"""What pieces are of, lowest first, and their fields."""
GATE_SOFTNESS = 0.15
_COVERS = {"slivers": (0.5, 0.97), "specks": (0.5, 0.97), "leaves": (0.7, 0.97), "flakes": (0.9, 1.0), "dust": (0.9, 1.0)}
"""How much of what lies below a piece it hides."""
DROP_SPACING_MM, DROP_RADIUS_MM = 4.4, 1.3
CREASE_SIZE_MM = 10.0


def gate(share: float, rank: Array) -> Array:
    """How much of each piece shows, [0, 1]: with a growing share, whole pieces appear one after another, by their rank."""
    return np.clip((np.float32(share * (1 + GATE_SOFTNESS / 2)) / np.maximum(rank, np.float32(1e-3)) - 1) / np.float32(GATE_SOFTNESS) + np.float32(0.5), 0, 1)


class Pen(Protocol):
    """What draws curves and counts the fibres over each pixel, periodically."""

    def draw(self, points: Points) -> None:
        """Add curves (n, k, 2), x and y in pixels."""
        ...

    def take(self) -> Array:
        """(H, W) fibres over each pixel since the last call."""
        ...


def draw_fields(
    height: int,
    width: int,
    seed: int,
    tile: NDArray[np.uint8],
    dtype: type[np.floating[Any]] = np.float32,
    progress: Progress = ignore,
    margin: int = 0,
    threads: int | None = None,
) -> NDArray[Any]:
    """Draw every field of one sheet.

    Args:
        height, width: pixels, 32 and above.
        seed: the same size and seed give the same fields.
        tile: (4, T, T) uint8, the first four fields: 128 is the mean, 24 levels a standard deviation.
        dtype: float16 halves the memory of a large sheet.
        progress: is told the share done, 0 to 1; what it raises ends the work.
        margin: pixels that the fields go on for around the sheet.
        threads: that draw at a time, four at most, for each needs room of its own; None: four. The result is the same, bit for bit.

    Returns:
        (len(FIELD_NAMES), height + 2 margin, width + 2 margin) of `dtype`; each periodic in both directions.

    Raises:
        WashiError: a size below 32 pixels.
    """
    if min(height, width) < SMALLEST_SHEET:
        raise WashiError(f"a sheet of {width} x {height} pixels is too small: choose {SMALLEST_SHEET} pixels or more")
    result = np.empty((len(FIELD_NAMES), height + 2 * margin, width + 2 * margin), dtype)
    inside = result[:, margin : margin + height, margin : margin + width]
    _Drawing(height, width, seed).draw_into(inside, tile, min(threads or _MOST_THREADS, _MOST_THREADS), progress)
    around = np.arange(-margin, 0), np.arange(margin)
    for field, sheet in zip(result, inside, strict=True):
        field[:margin, margin : margin + width], field[margin + height :, margin : margin + width] = (sheet[rows % height] for rows in around)
        field[:, :margin], field[:, margin + width :] = (field[:, margin + columns % width] for columns in around)
        progress(1.0)
    return result


_MOST_THREADS = 4


class _Drawing:
    """One seed's fields. Every group has its own stream of random numbers, so that none depends on another's count."""

    def __init__(self, height: int, width: int, seed: int) -> None:
        self.height, self.width, self.seed = height, width, seed
        self.shape = (height, width)
        self.area_mm2 = height * width * MILLIMETRES_PER_PIXEL**2
        self._marks = {name: np.zeros((height, width), np.float32) for name in ("tone", "rank", "metal_rank")}
        self._marking = Lock()
        self.ask: Ask = never

    def rng(self, name: str) -> np.random.Generator:
        return np.random.default_rng([self.seed, *name.encode()])

    def draw_into(self, result: NDArray[Any], tile: NDArray[np.uint8], threads: int, progress: Progress) -> None:
        """Draw every field in its place. NumPy and SciPy let go of the interpreter at times: threads share the work."""
        tasks: tuple[tuple[str, Callable[[], list[Array]]], ...] = (
            ("surface_many", lambda: [self.surface(1)]),
            ("slivers", self.bark),
            ("drops", lambda: [self.drops()]),
            ("creases", self.creases),
            ("flakes", self.metal),
            ("strands_few", lambda: [self.strands(0)]),
            ("strands_some", lambda: [self.strands(1)]),
            ("strands_many", lambda: [self.strands(2)]),
            ("laid_wide", self.lines),
            ("clouds", lambda: [*(self.noise(name, *band) for name, band in _BANDS.items()), self.fines()]),
            ("long", lambda: [blend_pieces(plane, self.shape, self.rng(name), ask=self.ask) for plane, name in zip(tile, FIELD_NAMES[:4], strict=True)]),
            ("brush", lambda: [self.brush()]),
            ("surface_few", lambda: [self.surface(0)]),
            ("bundles_few", lambda: [self.bundles(0), self.bundles(1)]),
            ("leaves", lambda: [_soft(self.shapes("leaves", LEAVES_PER_CM2, leaf))]),
        )

        def draw(first: int, planes: Callable[[], list[Array]], ask: Ask) -> None:
            self.ask = ask
            for offset, plane in enumerate(planes()):
                result[first + offset] = plane
                ask()

        together([partial(draw, FIELD_NAMES.index(name), planes) for name, planes in tasks], threads, progress)
        # A piece's soft rim lies just outside its outline: its rank and tone must reach there.
        for name, plane in self._marks.items():
            progress(1.0)
            result[FIELD_NAMES.index(name)] = ndimage.maximum_filter(plane, 3, mode="wrap")

    def metal(self) -> list[Array]:
        """Cut leaf, and dust."""
        return [
            self.shapes("flakes", FLAKES_PER_CM2, lambda r: flake(r, 1.25), "metal_rank"),
            self.shapes("dust", DUST_PER_CM2, lambda r: flake(r, 0.22), "metal_rank"),
        ]

    def bark(self) -> list[Array]:
        """Slivers, few specks, many specks."""
        return [
            _soft(self.shapes("slivers", SLIVERS_PER_CM2, bark_sliver)),
            *(_soft(self.shapes(f"specks {i}", per_cm2, lambda r: speck(r, 0.11))) for i, per_cm2 in enumerate(SPECKS_PER_CM2)),
        ]

    def fines(self) -> Array:
        return (self.noise("fibrils", 0.22, 0.15) * 0.06 + self.noise("fines", 0.6, 0.4) * 0.03) / np.float32(math.hypot(0.06, 0.03))

    def noise(self, name: str, wavelength: float, bandwidth: float) -> Array:
        return periodic_noise(self.shape, wavelength / MILLIMETRES_PER_PIXEL, bandwidth, self.rng(name), self.ask)

    def half_noise(self, name: str, wavelength: float, bandwidth: float) -> Array:
        """The same at half the resolution."""
        half = ((self.height + 1) // 2, (self.width + 1) // 2)
        return periodic_noise(half, wavelength / MILLIMETRES_PER_PIXEL / 2, bandwidth, self.rng(name), self.ask)

    def surface(self, layer: int) -> Array:
        rng = self.rng(f"surface {layer}")
        count = rng.poisson(SURFACE_PER_MM2[layer] * self.area_mm2)
        # Curves of one group get as many points as its longest: in order of length, few too many.
        lengths = np.sort(np.clip(rng.lognormal(math.log(9.0), 0.35, count), 1, 25))
        pen = SplatPen(self.shape, self.ask)
        for group in np.array_split(np.arange(count), max(1, count // 500)):
            if len(group):
                starts = rng.random((len(group), 2)) * (self.width, self.height)
                points = curves(starts, _axes(len(group), rng), lengths[group] / MILLIMETRES_PER_PIXEL, 7, 0.27 * np.sqrt(lengths[group] / 7), rng)
                pen.draw(points, rng.choice((0.62, 0.86, 1.12, 1.75), len(group), p=(0.28, 0.3, 0.28, 0.14)))
        return pen.take()

    def bundles(self, layer: int) -> Array:
        rng, pen = self.rng(f"bundles {layer}"), SplatPen(self.shape, self.ask)
        count = rng.poisson(BUNDLES_PER_MM2[layer] * self.area_mm2)
        lengths = np.clip(rng.lognormal(math.log(8.0), 0.4, count), 1, 25)
        draw_ribbons(pen, rng.random((count, 2)) * (self.width, self.height), _axes(count, rng), lengths, 5, rng.uniform(0.03, 0.1, count), 0.15, 0.7, rng)
        return pen.take()

    def strands(self, layer: int) -> Array:
        rng, pen = self.rng(f"strands {layer}"), SplatPen(self.shape, self.ask)
        count = rng.poisson(STRANDS_PER_CM2[layer] * self.area_mm2 / 100)
        lengths = np.clip(rng.lognormal(math.log(30.0), 0.5, count), 6, 120)
        spread = 0.14 * rng.lognormal(0, 0.4, count)
        starts = rng.random((count, 2)) * (self.width, self.height)
        draw_ribbons(pen, starts, rng.uniform(0, 2 * math.pi, count), lengths, (8, 12, 16)[layer], spread, 0.12, 0.8, rng, swirl=0.2)
        return pen.take()

    def shapes(self, name: str, per_cm2: float, shape: Shape, ranks_in: str = "rank") -> Array:
        """Cover of filled shapes; their ranks and tones are kept."""
        rng = self.rng(name)
        cover, tone, rank = (np.zeros(self.shape, np.float32) for _ in range(3))
        count = rng.poisson(per_cm2 * self.area_mm2 / 100)
        outlines: list[Points] = []
        for _ in range(count):
            self.ask()
            outlines.append(shape(rng) / MILLIMETRES_PER_PIXEL)
        places, tones, dense = rng.random((count, 2)) * (self.width, self.height), rng.random(count), rng.uniform(*_COVERS[name.split(maxsplit=1)[0]], count)
        ranks = (np.arange(count) + rng.random(count)) / max(1, count)
        small = np.array([len(outline) == 4 and np.abs(outline).max() < SMALL for outline in outlines], bool)
        if small.any():
            quads = np.stack([outline for outline, chosen in zip(outlines, small, strict=True) if chosen]) + places[small, None]
            stamp_quads(cover, quads, dense[small], ((tone, tones[small]), (rank, ranks[small])), self.ask)
        for i in np.flatnonzero(~small):
            self.ask()
            stamp(cover, outlines[i] + places[i], float(dense[i]), ((tone, float(tones[i])), (rank, float(ranks[i]))))
        with self._marking:
            # Where pieces of two kinds overlap the lower rank counts, or what hides one would cut a hole into the other.
            kept = self._marks[ranks_in]
            lower = (rank > 0) & ((kept == 0) | (rank < kept))
            kept[lower] = rank[lower]
            own = lower if ranks_in == "rank" else lower & (self._marks["rank"] == 0)
            self._marks["tone"][own] = tone[own]
        return cover

    def lines(self) -> list[Array]:
        """The screen's lines: wide and narrow laid lines, and chain lines across them; all waver together."""
        wobble = self.noise("wobble", 18.0, 0.4)
        fade = np.clip(1 + 0.35 * self.noise("laid fade", 12.0, 0.5), 0.2, 2)
        rows = np.arange(self.height, dtype=np.float32)[:, None] / self.height
        columns = np.arange(self.width, dtype=np.float32)[None] / self.width + np.float32(self.rng("chain").random())
        high, wide = (n * MILLIMETRES_PER_PIXEL for n in self.shape)
        counts = [max(1, round(per_cm * high / 10)) for per_cm in LAID_PER_CM]
        phase = np.float32(self.rng("laid").random())
        laid = []
        for number, per_cm in zip(counts, LAID_PER_CM, strict=True):
            self.ask()
            laid.append(np.cos(2 * math.pi * (number * rows + phase + wobble * np.float32(0.01 * per_cm))) * fade)
        self.ask()
        chains = max(1, round(wide / 25))
        distance = np.abs((columns + wobble * np.float32(0.2 / wide)) * chains % 1 - 0.5) * np.float32(wide / chains)
        return [*laid, np.exp(-((distance / 0.45) ** 2))]

    def drops(self) -> Array:
        rng = self.rng("drops")
        warp = [self.half_noise(f"drops {i}", 2.2, 0.4) * 0.13 + self.half_noise(f"drops fine {i}", 0.7, 0.4) * 0.035 for i in range(2)]
        centers = jittered_grid(self.edges, DROP_SPACING_MM, 0.72, rng)
        radii = np.clip(rng.lognormal(math.log(DROP_RADIUS_MM), 0.3, len(centers)), 0.3, 2.6).astype(np.float32)
        distance, index = self.nearest(centers, warp)
        return self.enlarge(np.clip((radii[index] - distance).max(-1), -2, 2))

    def creases(self) -> list[Array]:
        line, fold = np.zeros(self.shape, np.float32), np.zeros(self.shape, np.float32)
        rng = self.rng("creases")
        for size, weight in ((CREASE_SIZE_MM, 1.0), (CREASE_SIZE_MM * 0.42, 0.55)):
            warp = [self.half_noise(f"creases {size} {i}", size * 0.5, 0.5) * size * 0.07 for i in range(2)]
            count = max(4, round(self.area_mm2 / size**2))
            distance, index = self.nearest(rng.random((count, 2)) * self.edges, warp)
            self.ask()
            gap = distance[..., 1] - distance[..., 0]
            # A fold between two facets has one strength from either side: a hash of the unordered pair.
            hashed = (index[..., 0] * index[..., 1] * 2654435761 + index.sum(-1) * 40503) % (1009 * 1013)
            strong = ((0.1 + 0.9 / 1009 * (hashed % 1009)) * (0.1 + 0.9 / 1013 * (hashed // 1009))).astype(np.float32)
            self.ask()
            sign = np.where(index.sum(-1) % 3 == 0, np.float32(-0.6), np.float32(1))
            line += self.enlarge(np.exp(-gap / 0.16) * strong * weight)
            self.ask()
            fold += self.enlarge((0.085 * np.exp(-gap / 0.28) * sign + 0.16 * np.exp(-gap / (size * 0.2))) * strong * weight)
        return [np.clip(line, 0, 1), fold]

    def brush(self) -> Array:
        white = self.rng("brush").standard_normal(self.shape, dtype=np.float32)
        self.ask()
        spectrum = _spectrum(white, self.ask)
        y, x = fft.fftfreq(self.height)[:, None], fft.rfftfreq(self.width)[None]
        spectrum *= np.exp(-2 * math.pi**2 * ((1.6 * y) ** 2 + (140 * x) ** 2)).astype(np.float32)
        return _standard(_from_spectrum(spectrum, self.shape, self.ask))

    # Distances are smooth between their creases: half the resolution gives the same picture at a quarter of the time.

    @property
    def edges(self) -> Points:
        return np.array([self.width, self.height]) * MILLIMETRES_PER_PIXEL

    def nearest(self, centers: Points, warp: list[Array]) -> tuple[Array, NDArray[np.int64]]:
        """Distances in mm to, and indices of, the two nearest centres: (h, w, 2) at half the resolution."""
        y, x = np.meshgrid(np.arange(0, self.height, 2), np.arange(0, self.width, 2), indexing="ij")
        points = np.stack([x * MILLIMETRES_PER_PIXEL + warp[0], y * MILLIMETRES_PER_PIXEL + warp[1]], -1)
        tree = cKDTree(centers % self.edges, boxsize=self.edges)
        distance, index = np.empty((*points.shape[:2], 2), np.float32), np.empty((*points.shape[:2], 2), np.int64)
        for rows in np.array_split(np.arange(len(points)), max(1, points.size >> 17)):
            self.ask()
            part = slice(rows[0], rows[-1] + 1)
            distance[part], index[part] = tree.query(points[part] % self.edges, k=2)
        return distance, index

    def enlarge(self, image: Array) -> Array:
        """From half resolution: each odd row and column is the mean of its neighbours, around the border too."""
        for axis, size in ((0, self.height), (1, self.width)):
            between = (image + np.roll(image, -1, axis)) / 2
            if size % 2:
                between = np.take(between, range(size // 2), axis)
            merged = np.empty([size if a == axis else n for a, n in enumerate(image.shape)], np.float32)
            lanes = [slice(None)] * 2
            lanes[axis] = slice(0, None, 2)
            merged[tuple(lanes)] = image
            lanes[axis] = slice(1, None, 2)
            merged[tuple(lanes)] = between
            image = merged
        return image


_BANDS = {"clouds": (5.0, 0.6), "billows": (8.5, 0.7), "flecks": (1.5, 0.5)}


class SplatPen:
    """Draws curves by adding points to the four pixels around each; exact in sum, periodic, unbounded."""

    _STEP = 0.8

    def __init__(self, shape: tuple[int, int], ask: Ask = never) -> None:
        self.shape, self._ask = shape, ask
        self._sum = np.zeros(shape[0] * shape[1])
        self._waiting: list[tuple[Points, NDArray[np.float64]]] = []
        self._count = 0

    def draw(self, points: Points, weights: NDArray[np.float64] | None = None) -> None:
        """Add curves (n, k, 2), x and y in pixels, each as heavy as its weight (n,) says."""
        self._ask()
        if len(points) == 0:
            return
        lengths = np.linalg.norm(np.diff(points, axis=1), axis=-1)
        samples = max(1, math.ceil(float(lengths.max()) / self._STEP))
        along = ((np.arange(samples) + 0.5) / samples)[None, None, :, None]
        dense: Any = points[:, :-1, None] * (1 - along) + points[:, 1:, None] * along
        if weights is not None:
            lengths = lengths * weights[:, None]
        weight = np.repeat(lengths.ravel() / samples, samples)
        self._waiting.append((dense.reshape(-1, 2), weight))
        self._count += len(weight)
        if self._count > 1_000_000:
            self._flush()

    def take(self) -> Array:
        """(H, W) fibres over each pixel since the last call."""
        self._flush()
        self._ask()
        result = self._sum.reshape(self.shape).astype(np.float32)
        self._ask()
        self._sum[:] = 0
        return result

    def _flush(self) -> None:
        if self._waiting:
            points, weights = (np.concatenate(parts) for parts in zip(*self._waiting, strict=True))
            self._waiting, self._count = [], 0
            self._splat(points, weights)

    def _splat(self, points: Points, weight: NDArray[np.float64]) -> None:
        height, width = self.shape
        corner = np.floor(points).astype(np.int32)
        fx, fy = (points - corner).astype(np.float32).T
        weight = weight.astype(np.float32)
        left, top = corner[:, 0] % width, corner[:, 1] % height
        right, bottom = left + 1, top + 1
        right[right == width] = 0
        bottom[bottom == height] = 0
        for row, wy in ((top * width, weight * (1 - fy)), (bottom * width, weight * fy)):
            for column, wx in ((left, 1 - fx), (right, fx)):
                self._ask()
                # Of a large sheet a batch meets few pixels: counting into all of them would take longer than adding.
                np.add.at(self._sum, row + column, (wx * wy).astype(np.float64))


def curves(
    starts: Points,
    angles: NDArray[np.float64],
    lengths: NDArray[np.float64],
    segments: int,
    turn: NDArray[np.float64],
    rng: np.random.Generator,
    swirl: NDArray[np.float64] | None = None,
) -> Points:
    """Curves whose direction walks randomly, centred on their start points.

    Args:
        starts: (n, 2) pixels. angles: (n,) radians. lengths: (n,) pixels. turn: (n,) radians a segment (sigma).
        swirl: (n,) radians a segment; a steady bend that changes slowly along the curve.

    Returns:
        (n, segments + 1, 2) x and y, pixels.
    """
    n = len(starts)
    steps = rng.normal(size=(n, segments)) * turn[:, None] + (rng.normal(size=n) * turn * 0.6)[:, None]
    if swirl is not None:
        slow = ndimage.gaussian_filter1d(rng.normal(size=(n, segments)), 9, axis=1, mode="nearest") * 5.5
        steps += slow * swirl[:, None]
    heading = angles[:, None] + np.cumsum(steps, 1) - steps.sum(1, keepdims=True) / 2
    moves = np.stack([np.cos(heading), np.sin(heading)], -1) * (lengths / segments)[:, None, None]
    points = np.concatenate([np.zeros((n, 1, 2)), np.cumsum(moves, 1)], 1)
    return points - points.mean(1, keepdims=True) + starts[:, None]


def draw_ribbons(
    pen: Pen,
    starts: Points,
    angles: NDArray[np.float64],
    lengths: NDArray[np.float64],
    fibres: int,
    spread: NDArray[np.float64],
    curl: float,
    segment: float,
    rng: np.random.Generator,
    swirl: float = 0.0,
    scale: float = MILLIMETRES_PER_PIXEL,
) -> None:
    """Draw bundles: one course each, followed by threads that wander about it, come in late and leave early.

    Args:
        starts: (n, 2) pixels. angles: (n,) radians. lengths: (n,) mm. fibres: threads a bundle. spread: (n,) mm.
        curl: radians per sqrt(mm). segment: mm. swirl: radians per mm. scale: mm a pixel.
    """
    pieces = np.maximum(4, np.ceil(lengths / segment).astype(int))
    for group in np.array_split(np.argsort(pieces), max(1, len(pieces) // 24)):
        if len(group) == 0:
            continue
        n = int(pieces[group].max())
        step = np.sqrt(lengths[group] / n)
        course = curves(starts[group], angles[group], lengths[group] / scale, n, curl * step, rng, swirl * lengths[group] / n)
        tangent = np.gradient(course, axis=1)
        normal = np.stack([-tangent[..., 1], tangent[..., 0]], -1)
        normal /= np.linalg.norm(normal, axis=-1, keepdims=True) + 1e-9
        splay = 0.75 + 0.7 * np.abs(2 * np.linspace(0, 1, n + 1) - 1) ** 3
        for _ in range(fibres):
            wander = ndimage.gaussian_filter1d(rng.normal(size=(len(group), n + 1)), 4, axis=1, mode="nearest") * 2.9
            offset = (rng.normal(size=(len(group), 1)) * 0.45 + wander) * splay * (spread[group] / scale)[:, None]
            threads = course + normal * offset[..., None]
            first, last = sorted(rng.integers(0, n + 1, 2)) if rng.random() < 0.75 else (0, n + 1)
            if last - first >= 3:
                pen.draw(threads[:, first:last])


def blend_pieces(tile: NDArray[np.uint8], shape: tuple[int, int], rng: np.random.Generator, cell: int = 144, ask: Ask = never) -> Array:
    """A periodic field of any size from random pieces of one tile, blended so that the variance stays (Heitz and Neyret 2018).

    Args:
        tile: (T, T) uint8, periodic; 128 is 0, 24 levels are 1. shape: (H, W). cell: about the size of a piece, pixels. ask: is asked between pieces.

    Returns:
        (H, W) float32.
    """
    size = tile.shape[0]
    counts = [max(1, round(n / cell)) for n in shape]
    borders = [np.round(np.linspace(0, n, c + 1)).astype(int) for n, c in zip(shape, counts, strict=True)]
    windows = [[_window(border, i, n) for i in range(c)] for border, n, c in zip(borders, shape, counts, strict=True)]
    total = np.zeros(shape, np.float32)
    around = np.tile(tile, (2, 2))
    for rows, weight_y in windows[0]:
        ask()
        for columns, weight_x in windows[1]:
            top, left = rng.integers(0, size, 2)
            turn = [slice(None, None, 1 if rng.random() < 0.5 else -1) for _ in range(2)]
            if max(len(rows), len(columns)) <= size:
                piece = around[top : top + len(rows), left : left + len(columns)]
            else:
                piece = around[np.ix_((top + np.arange(len(rows))) % size, (left + np.arange(len(columns))) % size)]
            values = (piece[tuple(turn)].astype(np.float32) - 128) * (weight_y[:, None] / 24)
            _add_wrapped(total, rows, columns, values * weight_x)
    # A piece's weight is a product of one for its rows and one for its columns, so the sum of squares is, too.
    for axis, lines in enumerate(windows):
        power = np.zeros(shape[axis])
        for places, weight in lines:
            np.add.at(power, places, weight**2)
        total /= np.sqrt(power.astype(np.float32)).reshape((-1, 1) if axis == 0 else (1, -1))
    return total


def _window(borders: NDArray[np.int64], i: int, size: int) -> tuple[NDArray[np.int64], Array]:
    """The rows that one piece covers (its own cell and half of both neighbours') and its raised-cosine weight."""
    before, own, after = (int(borders[(i + k) % (len(borders) - 1) + 1] - borders[(i + k) % (len(borders) - 1)]) for k in (-1, 0, 1))
    first, last = int(borders[i]) - before // 2, int(borders[i + 1]) + (after - after // 2)
    position = np.arange(first, last) + 0.5
    rise, fall = (position - first) / (before // 2 + own // 2 or 1), (last - position) / (last - int(borders[i]) - own // 2 or 1)
    weight = np.sin(np.clip(np.minimum(rise, fall), 0, 1) * math.pi / 2) ** 2
    return np.arange(first, last) % size, np.maximum(weight, 1e-3).astype(np.float32)


def _add_wrapped(total: Array, rows: NDArray[np.int64], columns: NDArray[np.int64], piece: Array) -> None:
    """Add where rows or columns may name one line twice (a piece wider than the sheet)."""
    for first in range(0, len(rows), total.shape[0]):
        for left in range(0, len(columns), total.shape[1]):
            y, x = slice(first, first + total.shape[0]), slice(left, left + total.shape[1])
            total[_block(rows[y], columns[x])] += piece[y, x]


def _block(rows: NDArray[np.int64], columns: NDArray[np.int64]) -> Any:
    """An index for lines that go up by one, round the border at most once: slices where there is none, for speed."""
    if rows[-1] - rows[0] + 1 == len(rows) and columns[-1] - columns[0] + 1 == len(columns):
        return slice(rows[0], rows[-1] + 1), slice(columns[0], columns[-1] + 1)
    return np.ix_(rows, columns)


def periodic_noise(shape: tuple[int, int], wavelength: float, bandwidth: float, rng: np.random.Generator, ask: Ask = never) -> Array:
    """Periodic Gaussian noise around one wavelength.

    Args:
        shape: (H, W). wavelength: pixels. bandwidth: standard deviation of the passed band, octaves. ask: is asked between stages.

    Returns:
        (H, W) float32 of mean 0 and standard deviation 1 (all 0 where the tile holds no such frequency).
    """
    height, width = shape
    white = rng.standard_normal(shape, dtype=np.float32)
    ask()
    spectrum = _spectrum(white, ask)
    frequency = np.hypot(fft.fftfreq(height)[:, None], fft.rfftfreq(width)[None])
    octaves = np.log2(np.maximum(frequency, 1e-9) * max(wavelength, 2.0))
    ask()
    # Whiteness counted per octave: without the division, the finest frequencies would win by their number.
    gain = np.exp(-0.5 * (octaves / bandwidth) ** 2) / np.maximum(frequency, 1 / max(shape))
    gain[0, 0] = 0
    ask()
    return _standard(_from_spectrum(spectrum * gain.astype(np.float32), shape, ask))


# What SciPy's rfft2 and irfft2 do, to the last bit, in two halves.


def _spectrum(white: Array, ask: Ask) -> NDArray[np.complex64]:
    half = fft.rfft(white)
    ask()
    whole = fft.fft(half, axis=0, overwrite_x=True)
    ask()
    return whole


def _from_spectrum(spectrum: NDArray[np.complex64], shape: tuple[int, int], ask: Ask) -> Array:
    half = fft.ifft(spectrum, axis=0, norm="forward")
    ask()
    whole = fft.irfft(half, shape[1], norm="forward") * np.float32(1 / (shape[0] * shape[1]))
    ask()
    return whole


def jittered_grid(edges: Points, spacing: float, regularity: float, rng: np.random.Generator) -> Points:
    """Points of a jittered, periodic triangular grid over a rectangle of `edges` (x, y), (n, 2)."""
    columns, rows = max(1, round(float(edges[0]) / spacing)), 2 * max(1, round(float(edges[1]) / spacing / 2))  # every other row is shifted
    row, column = np.meshgrid(np.arange(rows), np.arange(columns), indexing="ij")
    points = np.stack([column + 0.5 * (row % 2), row], -1).reshape(-1, 2).astype(float)
    points += rng.uniform(-1, 1, points.shape) * (1 - regularity)
    return (points / (columns, rows) + rng.random(2)) % 1 * edges


# Shapes: outlines (n, 2) in mm around 0, turned at random.


class Shape(Protocol):
    """Draws one outline."""

    def __call__(self, rng: np.random.Generator, /) -> Points: ...


def turned(rng: np.random.Generator, outline: Points) -> Points:
    """The outline at a random angle."""
    angle = rng.uniform(0, 2 * math.pi)
    return outline @ np.array([[math.cos(angle), -math.sin(angle)], [math.sin(angle), math.cos(angle)]])


_WAVES = np.arange(1.0, 5.0)
_ANGLES = np.linspace(0, 2 * math.pi, 14, endpoint=False)
_CIRCLE = np.stack([np.cos(_ANGLES), np.sin(_ANGLES)], 1)


def speck(rng: np.random.Generator, radius: float) -> Points:
    """A crumb of bark, of a lognormal size around `radius` mm."""
    radius = min(max(rng.lognormal(math.log(radius), 0.55), 0.04), 0.7)
    strength, phase = rng.normal(0, 0.28, 4) / _WAVES, rng.uniform(0, 6.3, 4)
    wave = radius * (1 + strength @ np.cos(_WAVES[:, None] * _ANGLES + phase[:, None]))
    return turned(rng, (_CIRCLE * (rng.uniform(1, 1.9), 1)) * wave[:, None])


def bark_sliver(rng: np.random.Generator) -> Points:
    """A strip of bark, 0.8 to 9 mm long, tapered and bent."""
    length = float(np.clip(rng.lognormal(math.log(2.2), 0.6), 0.8, 9))
    width = float(length * rng.uniform(0.035, 0.12))
    along = np.linspace(0, 1, 26)
    bend = np.cumsum(np.cumsum(rng.normal(0, 0.016, 26))) * length * 0.35
    half = width / 2 * np.sin(math.pi * along) ** 0.6 * (1 + 0.35 * ndimage.gaussian_filter1d(rng.normal(size=26), 1.2))
    return turned(rng, _around(np.stack([(along - 0.5) * length, bend - bend.mean()], 1), np.maximum(half, 0)))


def leaf(rng: np.random.Generator) -> Points:
    """A piece of leaf, 3 to 9 mm long, often torn."""
    length = float(rng.uniform(3, 9))
    along = np.linspace(0, 1, 30)
    half = length * rng.uniform(0.10, 0.24) * np.sin(math.pi * along**0.8) * (1 + 0.10 * np.sin(along * 40 + rng.uniform(0, 6)))
    torn = slice(0, int(rng.integers(16, 30)))
    course = np.stack([(along - 0.5) * length, 0.06 * length * np.sin(along * 3)], 1)
    return turned(rng, _around(course[torn], half[torn]))


def flake(rng: np.random.Generator, edge: float) -> Points:
    """A square of metal leaf, cut by hand, around `edge` mm."""
    edge = float(np.clip(rng.lognormal(math.log(edge), 0.45), 0.08, 6))
    corners = np.array([[-1, -1], [1, -1], [1, 1], [-1, 1]]) * edge / 2 * [1, rng.uniform(0.55, 1.0)]
    return turned(rng, corners + rng.normal(0, edge * 0.07, (4, 2)))


def _around(course: Points, half: NDArray[np.float64]) -> Points:
    offset = np.stack([0 * half, half], 1)
    return np.concatenate([course + offset, (course - offset)[::-1]])


def stamp(cover: Array, outline: Points, density: float, marks: Iterable[tuple[Array, float]] = ()) -> None:
    """Fill one outline (n, 2), x and y in pixels, into periodic planes, anti-aliased: cover is a maximum, marks follow it."""
    low = np.floor(outline.min(0)).astype(int) - 1
    size = np.ceil(outline.max(0)).astype(int) + 2 - low
    fine = 4
    picture = Image.new("L", (int(size[0]) * fine, int(size[1]) * fine))
    ImageDraw.Draw(picture).polygon([tuple(p) for p in ((outline - low) * fine).tolist()], fill=255)
    mask = np.asarray(picture.reduce(fine), np.float32) * (density / 255)
    height, width = cover.shape
    if mask.shape[0] > height or mask.shape[1] > width:
        return
    left, top = int(low[0]) % width, int(low[1]) % height
    place: Any = (slice(top, top + mask.shape[0]), slice(left, left + mask.shape[1]))
    if top + mask.shape[0] > height or left + mask.shape[1] > width:
        place = np.ix_((np.arange(mask.shape[0]) + top) % height, (np.arange(mask.shape[1]) + left) % width)
    higher = mask > cover[place]
    for plane, value in marks:
        plane[place] = np.where(higher, np.float32(value), plane[place])
    cover[place] = np.maximum(cover[place], mask)


SMALL = 7.0
"""Pixels from its middle that a shape of four corners may reach to be filled with many at once."""


def stamp_quads(cover: Array, quads: Points, density: NDArray[np.float64], marks: Iterable[tuple[Array, NDArray[np.float64]]] = (), ask: Ask = never) -> None:
    """Fill many small convex shapes of four corners (n, 4, 2) at once, as `stamp` fills one; where two overlap the denser counts.

    A pixel's share is the product of how far it lies within each edge, which is exact for straight edges along the grid.
    """
    height, width = cover.shape
    window = np.arange(2 * math.ceil(SMALL) + 2) - math.ceil(SMALL)
    for first in range(0, len(quads), 4096):
        ask()
        part = quads[first : first + 4096]
        corner = np.floor(part.mean(1)).astype(np.int64)
        local, along = (part - corner[:, None]).astype(np.float32), np.roll(part, -1, 1) - part
        # Corners may run either way round.
        turn = np.sign(along[:, 0, 0] * along[:, 1, 1] - along[:, 0, 1] * along[:, 1, 0])[:, None]
        across = (np.stack([-along[..., 1], along[..., 0]], -1) * (turn / (np.linalg.norm(along, axis=-1) + 1e-9))[..., None]).astype(np.float32)
        x, y = (window[None, None] + np.float32(0.5) - local[:, :, axis, None] for axis in (0, 1))
        share = np.ones((len(part), len(window), len(window)), np.float32)
        for edge in range(4):
            inside = across[:, edge, 1, None, None] * y[:, edge, :, None] + across[:, edge, 0, None, None] * x[:, edge, None, :]
            share *= np.clip(inside + np.float32(0.5), 0, 1)
        share *= density[first : first + 4096, None, None].astype(np.float32)
        piece, row, column = np.nonzero(share)
        places = (corner[piece, 1] + window[row]) % height * width + (corner[piece, 0] + window[column]) % width
        values, flat = share[piece, row, column], cover.reshape(-1)
        np.maximum.at(flat, places, values)
        highest = flat[places] == values
        for plane, value in marks:
            plane.reshape(-1)[places[highest]] = value[first + piece[highest]]


def _axes(count: int, rng: np.random.Generator) -> NDArray[np.float64]:
    return rng.vonmises(0, 0.1, count) / 2 + math.pi * rng.integers(0, 2, count)


def _soft(cover: Array) -> Array:
    return ndimage.gaussian_filter(cover, 0.5, mode="wrap", truncate=4)


def _standard(image: Array) -> Array:
    deviation = float(image.std())
    return ((image - image.mean()) / deviation if deviation > 0 else image * 0).astype(np.float32)
