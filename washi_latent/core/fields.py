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

import itertools
import math
from collections.abc import Callable, Collection, Iterable, Iterator, Sequence
from functools import partial
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy import fft
from scipy.spatial import cKDTree

from .errors import WashiError
from .progress import Progress, ignore
from .shapes import Array, Points, Shape, bark_slivers, flakes, leaves, specks, stamp
from .strokes import SplatPen, curves, draw_ribbons
from .threads import Ask, never, together

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
    "tone",  # of each piece of bark and leaf, [0, 1]: pale to dark; metal's is `metal_tone`
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

GROUPS: dict[str, tuple[str, ...]] = {
    "strands": ("strands_few", "strands_some", "strands_many"),
    "drops": ("drops",),
    "creases": ("creases", "folds"),
    "lines": ("laid_wide", "laid_narrow", "chain"),
    "metal": ("flakes", "dust", "metal_rank"),
}
"""Fields that many papers have nothing of, which can be drawn when a paper asks for them."""

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
METAL_TONES = 37
"""How often the tones of metal go from pale to dark as ranks rise from 0 to 1."""
_COVERS = {"slivers": (0.5, 0.97), "specks": (0.5, 0.97), "leaves": (0.7, 0.97), "flakes": (0.9, 1.0), "dust": (0.9, 1.0)}
"""How much of what lies below a piece it hides."""
DROP_SPACING_MM, DROP_RADIUS_MM = 4.4, 1.3
CREASE_SIZE_MM = 10.0


def gate(share: float, rank: Array) -> Array:
    """How much of each piece shows, [0, 1]: with a growing share, whole pieces appear one after another, by their rank."""
    return np.clip((np.float32(share * (1 + GATE_SOFTNESS / 2)) / np.maximum(rank, np.float32(1e-3)) - 1) / np.float32(GATE_SOFTNESS) + np.float32(0.5), 0, 1)


def metal_tone(rank: Array) -> Array:
    """How dark a piece of metal is, [0, 1), by its rank: ranks are even over (0, 1], so this is as good as drawn, and needs no field of its own."""
    spread = np.float32(METAL_TONES) * np.asarray(rank, np.float32)
    return spread - np.floor(spread)


def draw_fields(
    height: int,
    width: int,
    seed: int,
    tile: NDArray[np.uint8],
    dtype: type[np.floating[Any]] = np.float32,
    progress: Progress = ignore,
    margin: int = 0,
    threads: int | None = None,
    groups: Collection[str] | None = None,
    into: NDArray[Any] | None = None,
) -> NDArray[Any]:
    """Draw the fields of one sheet. A field is the same, bit for bit, whatever others are drawn with it, and by how many threads.

    Args:
        height, width: pixels, 32 and above.
        seed: the same size and seed give the same fields.
        tile: (4, T, T) uint8, the first four fields: 128 is the mean, 24 levels a standard deviation.
        dtype: float16 halves the memory of a large sheet.
        progress: is told the share done, 0 to 1; what it raises ends the work.
        margin: pixels that the fields go on for around the sheet.
        threads: that draw at a time, four at most, for each needs room of its own; None: four.
        groups: of `GROUPS`; None: all. The fields of the others are 0, or what they are in `into`.
        into: what an earlier call with the same size, seed, dtype and margin returned: only the fields of `groups` are drawn, and in there.
            Where `progress` ends the work, these are undefined until they are drawn again.

    Returns:
        (len(FIELD_NAMES), height + 2 margin, width + 2 margin) of `dtype`; each periodic in both directions.

    Raises:
        WashiError: a size below 32 pixels.
        ValueError: a group that there is not; `into` is of another size or dtype.
    """
    if min(height, width) < SMALLEST_SHEET:
        raise WashiError(f"a sheet of {width} x {height} pixels is too small: choose {SMALLEST_SHEET} pixels or more")
    if groups is not None and not set(groups) <= GROUPS.keys():
        raise ValueError(f"groups are {', '.join(GROUPS)}")
    shape = (len(FIELD_NAMES), height + 2 * margin, width + 2 * margin)
    if into is not None and (into.shape != shape or into.dtype != dtype):
        raise ValueError(f"fields of shape {into.shape} and {into.dtype} can't take those of {shape} and {np.dtype(dtype)}")
    wanted = set(FIELD_NAMES if groups is None else (name for group in groups for name in GROUPS[group]))
    if into is None:
        wanted |= set(FIELD_NAMES).difference(*GROUPS.values())
    result = np.zeros(shape, dtype) if into is None else into
    inside = result[:, margin : margin + height, margin : margin + width]
    _Drawing(height, width, seed).draw_into(inside, tile, wanted, min(threads or _MOST_THREADS, _MOST_THREADS), progress)
    around = np.arange(-margin, 0), np.arange(margin)
    for name, field, sheet in zip(FIELD_NAMES, result, inside, strict=True):
        if name in wanted:
            field[:margin, margin : margin + width], field[margin + height :, margin : margin + width] = (sheet[rows % height] for rows in around)
            field[:, :margin], field[:, margin + width :] = (field[:, margin + columns % width] for columns in around)
            progress(1.0)
    return result


_MOST_THREADS = 4


class _Drawing:
    """One seed's fields. Every field has its own stream of random numbers, so that none depends on another's count."""

    def __init__(self, height: int, width: int, seed: int) -> None:
        self.height, self.width, self.seed = height, width, seed
        self.shape = (height, width)
        self.area_mm2 = height * width * MILLIMETRES_PER_PIXEL**2
        self.ask: Ask = never

    def rng(self, name: str) -> np.random.Generator:
        return np.random.default_rng([self.seed, *name.encode()])

    def draw_into(self, result: NDArray[Any], tile: NDArray[np.uint8], wanted: Collection[str], threads: int, progress: Progress) -> None:
        """Draw the wanted fields, each in its place. NumPy and SciPy let go of the interpreter at times: threads share the work."""
        tasks: tuple[tuple[tuple[str, ...], Callable[[], Iterable[Array]]], ...] = (
            (("surface_many",), lambda: [self.surface(1)]),
            (GROUPS["creases"], self.creases),
            (GROUPS["strands"], lambda: (self.strands(layer) for layer in range(3))),
            (GROUPS["drops"], lambda: [self.drops()]),
            (("slivers", "specks_few", "specks_many", "leaves", "rank", "tone"), self.bark_and_leaf),
            (GROUPS["metal"], self.metal),
            (
                FIELD_NAMES[:4],
                lambda: (blend_pieces(plane, self.shape, self.rng(name), ask=self.ask) for plane, name in zip(tile, FIELD_NAMES[:4], strict=True)),
            ),
            (GROUPS["lines"], self.lines),
            (("surface_few",), lambda: [self.surface(0)]),
            (("bundles_few", "bundles_many"), lambda: (self.bundles(layer) for layer in range(2))),
            (("clouds", "billows", "flecks"), lambda: (self.noise(name, *band) for name, band in _BANDS.items())),
            (("fines",), lambda: [self.fines()]),
            (("brush",), lambda: [self.brush()]),
        )

        def draw(names: Sequence[str], planes: Callable[[], Iterable[Array]], ask: Ask) -> None:
            self.ask = ask
            for name, plane in zip(names, planes(), strict=True):
                for band in _bands_of_rows(self.shape):
                    result[FIELD_NAMES.index(name), band] = plane[band]
                    ask()

        together([partial(draw, names, planes) for names, planes in tasks if names[0] in wanted], threads, progress)

    def metal(self) -> list[Array]:
        """Cut leaf, dust, and the rank of each."""
        rank = np.zeros(self.shape, np.float32)
        return [
            self.pieces("flakes", FLAKES_PER_CM2, partial(flakes, edge=1.25), rank),
            self.pieces("dust", DUST_PER_CM2, partial(flakes, edge=0.22), rank),
            rank,
        ]

    def bark_and_leaf(self) -> list[Array]:
        """Slivers, few specks, many specks, leaves, the rank and the tone of each."""
        rank, tone = (np.zeros(self.shape, np.float32) for _ in range(2))
        leaf = self.pieces("leaves", LEAVES_PER_CM2, leaves, rank, tone)
        return [
            self.pieces("slivers", SLIVERS_PER_CM2, bark_slivers, rank, tone),
            *(self.pieces(f"specks {i}", per_cm2, partial(specks, radius=0.11), rank, tone) for i, per_cm2 in enumerate(SPECKS_PER_CM2)),
            leaf,
            rank,
            tone,
        ]

    def pieces(self, name: str, per_cm2: float, shape: Shape, kept: Array, kept_tone: Array | None = None) -> Array:
        """Cover of filled shapes; their ranks and, where they have any, tones are kept. What has a tone has a soft rim.

        A shape that would lie on one of another kind is left out: it would show that one's rank there, and so a scrap of it on paper that has none.
        """
        rng = self.rng(name)
        cover, rank = (np.zeros(self.shape, np.float32) for _ in range(2))
        count = rng.poisson(per_cm2 * self.area_mm2 / 100)
        self.ask()
        outlines = shape(rng, count) / MILLIMETRES_PER_PIXEL + (rng.random((count, 2)) * (self.width, self.height))[:, None]
        # Of two that overlap the denser one shows: it is the one that appears first, or a piece that is hidden yet would bite into it.
        dense = np.sort(rng.uniform(*_COVERS[name.split(maxsplit=1)[0]], count))[::-1]
        marks = [(rank, (np.arange(count) + rng.random(count)) / max(1, count))]
        if kept_tone is not None:
            tone = np.zeros(self.shape, np.float32)
            marks.append((tone, rng.random(count)))
        corners = np.floor(outlines).astype(np.int64)
        free = (kept[corners[..., 1] % self.height, corners[..., 0] % self.width] == 0).all(1)
        stamp(cover, outlines[free], dense[free], [(plane, values[free]) for plane, values in marks], kept_tone is not None, self.ask)
        self.ask()
        # Where rims of two kinds meet the lower rank counts, or what hides one would cut a hole into the other.
        places = np.flatnonzero(rank != 0)
        own, other = rank.ravel()[places], kept.ravel()[places]
        lower = places[(other == 0) | (own < other)]
        kept.reshape(-1)[lower] = rank.reshape(-1)[lower]
        if kept_tone is not None:
            kept_tone.reshape(-1)[lower] = tone.reshape(-1)[lower]
        self.ask()
        return cover

    def fines(self) -> Array:
        weight = np.array([0.06, 0.03]) / math.hypot(0.06, 0.03)
        return self.bands("fines", (weight[0], 0.22, 0.15), (weight[1], 0.6, 0.4))

    def noise(self, name: str, wavelength: float, bandwidth: float) -> Array:
        return self.bands(name, (1.0, wavelength, bandwidth))

    def bands(self, name: str, *bands: Band) -> Array:
        """Noise of bands whose wavelengths are in mm."""
        return bands_of_noise(self.shape, [(weight, length / MILLIMETRES_PER_PIXEL, width) for weight, length, width in bands], self.rng(name), self.ask)

    def half_noise(self, name: str, *bands: Band) -> Array:
        """The same at half the resolution."""
        half = ((self.height + 1) // 2, (self.width + 1) // 2)
        return bands_of_noise(half, [(weight, length / MILLIMETRES_PER_PIXEL / 2, width) for weight, length, width in bands], self.rng(name), self.ask)

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
        draw_ribbons(
            pen,
            rng.random((count, 2)) * (self.width, self.height),
            _axes(count, rng),
            lengths,
            5,
            rng.uniform(0.03, 0.1, count),
            0.15,
            0.7,
            rng,
            0.0,
            MILLIMETRES_PER_PIXEL,
        )
        return pen.take()

    def strands(self, layer: int) -> Array:
        rng, pen = self.rng(f"strands {layer}"), SplatPen(self.shape, self.ask)
        count = rng.poisson(STRANDS_PER_CM2[layer] * self.area_mm2 / 100)
        lengths = np.clip(rng.lognormal(math.log(30.0), 0.5, count), 6, 120)
        spread = 0.14 * rng.lognormal(0, 0.4, count)
        starts = rng.random((count, 2)) * (self.width, self.height)
        draw_ribbons(pen, starts, rng.uniform(0, 2 * math.pi, count), lengths, (8, 12, 16)[layer], spread, 0.12, 0.8, rng, 0.2, MILLIMETRES_PER_PIXEL)
        return pen.take()

    def lines(self) -> list[Array]:
        """The screen's lines: wide and narrow laid lines, and chain lines across them; all waver together."""
        wobble = self.noise("wobble", 18.0, 0.4)
        fade = np.clip(1 + 0.35 * self.noise("laid fade", 12.0, 0.5), 0.2, 2)
        rows = np.arange(self.height, dtype=np.float32)[:, None] / self.height
        columns = np.arange(self.width, dtype=np.float32)[None] / self.width + np.float32(self.rng("chain").random())
        high, wide = (n * MILLIMETRES_PER_PIXEL for n in self.shape)
        counts = [max(1, round(per_cm * high / 10)) for per_cm in LAID_PER_CM]
        phase = np.float32(self.rng("laid").random())
        chains = max(1, round(wide / 25))
        planes = [np.empty(self.shape, np.float32) for _ in range(3)]
        for band in _bands_of_rows(self.shape):
            for plane, number, per_cm in zip(planes, counts, LAID_PER_CM, strict=False):
                self.ask()
                turns = number * rows[band] + phase + wobble[band] * np.float32(0.01 * per_cm)
                plane[band] = np.cos(np.float32(2 * math.pi) * turns) * fade[band]
            self.ask()
            distance = np.abs((columns + wobble[band] * np.float32(0.2 / wide)) * chains % 1 - 0.5) * np.float32(wide / chains / 0.45)
            planes[2][band] = np.exp(-(distance**2))
        return planes

    def drops(self) -> Array:
        rng = self.rng("drops")
        warp = [self.half_noise(f"drops {i}", (0.13, 2.2, 0.4), (0.035, 0.7, 0.4)) for i in range(2)]
        centers = jittered_grid(self.edges, DROP_SPACING_MM, 0.72, rng)
        radii = np.clip(rng.lognormal(math.log(DROP_RADIUS_MM), 0.3, len(centers)), 0.3, 2.6).astype(np.float32)
        distance, index = self.nearest(centers, warp)
        inside = np.maximum(radii[index[0]] - distance[0], radii[index[1]] - distance[1])
        self.ask()
        return self.enlarge(np.clip(inside, -2, 2, out=inside))

    def creases(self) -> list[Array]:
        line, fold = None, None
        rng = self.rng("creases")
        for size, weight in ((CREASE_SIZE_MM, 1.0), (CREASE_SIZE_MM * 0.42, 0.55)):
            warp = [self.half_noise(f"creases {size} {i}", (size * 0.07, size * 0.5, 0.5)) for i in range(2)]
            count = max(4, round(self.area_mm2 / size**2))
            (near, far), (first, second) = self.nearest(rng.random((count, 2)) * self.edges, warp)
            self.ask()
            gap = np.subtract(far, near, out=far)
            # A fold between two facets has one strength from either side: a hash of the unordered pair.
            both = first + second
            strong = _strength(first * second * np.uint32(2654435761) + both * np.uint32(40503)) * np.float32(weight)
            self.ask()
            sign = np.where(both - both // 3 * 3 == 0, np.float32(-0.6 * 0.085), np.float32(0.085))
            own = _ridge(gap, 0.16) * strong
            line = own if line is None else np.add(line, own, out=line)
            self.ask()
            sign *= _ridge(gap, 0.28)
            self.ask()
            own = (sign + np.float32(0.16) * np.exp(gap * np.float32(-1 / (size * 0.2)))) * strong
            fold = own if fold is None else np.add(fold, own, out=fold)
        assert line is not None
        assert fold is not None
        line = self.enlarge(line)
        return [np.clip(line, 0, 1, out=line), self.enlarge(fold)]

    def brush(self) -> Array:
        def gain(y: Array, x: Array) -> Array:
            return np.exp(np.float32(-2 * math.pi**2) * ((np.float32(1.6) * y) ** 2 + (np.float32(140) * x) ** 2))

        # Beyond four deviations of these Gaussians nothing passes.
        return _filtered_noise(self.shape, gain, (4 / (2 * math.pi * 1.6), 4 / (2 * math.pi * 140)), 1.0, self.rng("brush"), self.ask)

    # Distances are smooth between their creases: half the resolution gives the same picture at a quarter of the time.

    @property
    def edges(self) -> Points:
        return np.array([self.width, self.height]) * MILLIMETRES_PER_PIXEL

    def nearest(self, centers: Points, warp: list[Array]) -> tuple[list[Array], list[NDArray[np.uint32]]]:
        """Distances in mm to, and indices of, the two nearest centres: (h, w) each, at half the resolution.

        A block of pixels has the same few centres near it: they are found once a block, and compared by plain arithmetic.
        """
        shifts = np.stack(np.meshgrid([-1, 0, 1], [-1, 0, 1]), -1).reshape(-1, 1, 2)
        around = (centers % self.edges + shifts * self.edges).reshape(-1, 2)
        within = ((around > -0.5 * self.edges - 40) & (around < 1.5 * self.edges + 40)).all(1)
        kept, numbers = around[within], np.tile(np.arange(len(centers), dtype=np.uint32), 9)[within]
        tree = cKDTree(kept)
        high, wide = warp[0].shape
        distances, indices = [np.empty((high, wide), np.float32) for _ in range(2)], [np.empty((high, wide), np.uint32) for _ in range(2)]
        step = 2 * MILLIMETRES_PER_PIXEL
        columns = np.minimum(np.arange(-(-wide // _BLOCK) * _BLOCK), wide - 1)
        at_once = max(1, (1 << 15) // wide // _BLOCK) * _BLOCK
        for top in range(0, high, at_once):
            self.ask()
            rows = np.minimum(np.arange(top, min(top + at_once, -(-high // _BLOCK) * _BLOCK)), high - 1)
            place = np.ix_(rows, columns)
            x = _in_blocks(warp[0][place] + (columns * step).astype(np.float32))
            y = _in_blocks(warp[1][place] + (rows * step).astype(np.float32)[:, None])
            found = _two_nearest(x, y, tree, kept)
            bottom = min(top + at_once, high)
            for number, (distance, index) in enumerate(found):
                distances[number][top:bottom] = _from_blocks(distance, len(columns))[: bottom - top, :wide]
                indices[number][top:bottom] = _from_blocks(numbers[index], len(columns))[: bottom - top, :wide]
        return distances, indices

    def enlarge(self, image: Array) -> Array:
        """From half resolution: each odd row and column is the mean of its neighbours, around the border too."""
        merged = np.empty((self.height, image.shape[1]), np.float32)
        merged[::2] = image
        _between(merged, image)
        self.ask()
        result = np.empty(self.shape, np.float32)
        for rows in np.array_split(np.arange(self.height), max(1, result.size >> 20)):
            self.ask()
            part = slice(rows[0], rows[-1] + 1)
            result[part, ::2] = merged[part]
            _between(result[part].T, merged[part].T)
        return result


def _bands_of_rows(shape: tuple[int, int]) -> Iterator[slice]:
    """Rows of about a million pixels at a time."""
    step = max(1, (1 << 20) // shape[1])
    return (slice(top, min(top + step, shape[0])) for top in range(0, shape[0], step))


def _between(lines: Array, even: Array) -> None:
    """Set each odd line to the mean of the even ones beside it."""
    odd = lines[1::2]
    whole = len(even) - 1
    np.add(even[:-1], even[1:], out=odd[:whole])
    if len(odd) > whole:
        np.add(even[-1], even[0], out=odd[whole])
    odd *= np.float32(0.5)


def _strength(pair: NDArray[np.uint32]) -> Array:
    """The product of two numbers, each even over [0.1, 1), by a hash."""
    pair ^= pair >> np.uint32(15)
    pair *= np.uint32(739982445)
    pair ^= pair >> np.uint32(12)
    pair *= np.uint32(695872825)
    scale = np.float32(0.9 / 65536)
    one = (pair >> np.uint32(16)) * scale + np.float32(0.1)
    other: Array = (pair & np.uint32(0xFFFF)) * scale + np.float32(0.1)
    return one * other


_BLOCK = 8
_CANDIDATES = 16


def _in_blocks(image: Array) -> Array:
    """(H, W) -> (pixels of a block, blocks)."""
    high, wide = image.shape
    return image.reshape(high // _BLOCK, _BLOCK, wide // _BLOCK, _BLOCK).transpose(1, 3, 0, 2).reshape(_BLOCK**2, -1)


def _from_blocks(pixels: NDArray[Any], wide: int) -> NDArray[Any]:
    return pixels.reshape(_BLOCK, _BLOCK, -1, wide // _BLOCK).transpose(2, 0, 3, 1).reshape(-1, wide)


def _two_nearest(x: Array, y: Array, tree: cKDTree, centers: Points) -> list[tuple[Array, NDArray[np.int64]]]:
    """Distance to and index of the nearest and the second nearest centre of points in blocks, (pixels of a block, blocks)."""
    middle_x, middle_y = x.mean(0), y.mean(0)
    radius = np.sqrt(((x - middle_x) ** 2 + (y - middle_y) ** 2).max(0))
    count = min(_CANDIDATES, len(centers))
    distance, index = tree.query(np.stack([middle_x, middle_y], 1), k=count)
    # A centre farther from a block's middle than this is none of the two nearest of any point in it.
    reach = distance[:, 1] + 2 * radius
    needed = (distance <= reach[:, None]).sum(1)
    order = np.argsort(-needed, kind="stable")
    x, y, distance, index, reach = x[:, order], y[:, order], distance[order], index[order], reach[order]
    places = np.ascontiguousarray(centers[index].transpose(1, 2, 0), np.float32)
    # Distances as whole numbers keep their order, and have room for the candidate's number in the last bits, a millionth of them.
    near, far = (np.full(x.shape, np.iinfo(np.int32).max, np.int32) for _ in range(2))
    for number in range(int(needed.max())):
        some = slice(int((needed > number).sum()))
        across, down = x[:, some] - places[number, 0, some], y[:, some] - places[number, 1, some]
        across *= across
        down *= down
        across += down
        own = across.view(np.int32)
        own &= ~(_CANDIDATES - 1)
        own |= number
        behind = np.maximum(near[:, some], own, out=down.view(np.int32))
        np.minimum(far[:, some], behind, out=far[:, some])
        np.minimum(near[:, some], own, out=near[:, some])
    result, blocks = [], np.arange(x.shape[1])
    for both in (near, far):
        chosen = index[blocks, both & (_CANDIDATES - 1)]
        result.append((np.sqrt((both & ~(_CANDIDATES - 1)).view(np.float32)), chosen))
    more = np.flatnonzero((distance[:, -1] < reach) & (count < len(centers)))
    if len(more):
        # So many centres crowd around these blocks that more than the candidates may count.
        distance, index = tree.query(np.stack([x[:, more], y[:, more]], -1), k=2)
        for number, (own_distance, chosen) in enumerate(result):
            own_distance[:, more], chosen[:, more] = distance[..., number], index[..., number]
    back = np.argsort(order)
    return [(own_distance[:, back], chosen[:, back]) for own_distance, chosen in result]


def _ridge(gap: Array, width: float) -> Array:
    """exp(-gap / width) over the edge of a pixel of half the resolution, on the mean: a sharper line would fall apart into dots.

    Across a line between two centres the difference of the distances to them changes by twice the way.
    """
    half = np.float32(2 * MILLIMETRES_PER_PIXEL)
    inner, outer = np.exp(-np.abs(gap - half) / np.float32(width)), np.exp(-(gap + half) / np.float32(width))
    return np.float32(width / 2) / half * np.where(gap < half, 2 - inner - outer, inner - outer)


_BANDS = {"clouds": (5.0, 0.6), "billows": (8.5, 0.7), "flecks": (1.5, 0.5)}


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
    # A piece's weight is a product of one for its rows and one for its columns, so the sum of squares is, too.
    means = []
    for axis, lines in enumerate(windows):
        power, mean = np.zeros(shape[axis]), np.zeros(shape[axis])
        for places, weight in lines:
            np.add.at(power, places, weight**2)
        for i, (places, weight) in enumerate(lines):
            lines[i] = places, weight / np.sqrt(power[places], dtype=np.float32)
            np.add.at(mean, places, lines[i][1])
        means.append(mean.astype(np.float32))
    total = means[0][:, None] * (means[1] * np.float32(-128 / 24))
    around = np.tile(tile, (2, 2))
    for rows, weight_y in windows[0]:
        strip = np.zeros((len(rows), shape[1]), np.float32)
        for columns, weight_x in windows[1]:
            ask()
            top, left = rng.integers(0, size, 2)
            turn = [slice(None, None, 1 if rng.random() < 0.5 else -1) for _ in range(2)]
            if max(len(rows), len(columns)) <= size:
                piece = around[top : top + len(rows), left : left + len(columns)]
            else:
                piece = around[np.ix_((top + np.arange(len(rows))) % size, (left + np.arange(len(columns))) % size)]
            weighted = piece[tuple(turn)] * weight_x
            for own, there in _runs(columns):
                strip[:, there] += weighted[:, own]
        strip *= weight_y[:, None] / np.float32(24)
        for own, there in _runs(rows):
            total[there] += strip[own]
    return total


def _window(borders: NDArray[np.int64], i: int, size: int) -> tuple[NDArray[np.int64], Array]:
    """The rows that one piece covers (its own cell and half of both neighbours') and its raised-cosine weight."""
    before, own, after = (int(borders[(i + k) % (len(borders) - 1) + 1] - borders[(i + k) % (len(borders) - 1)]) for k in (-1, 0, 1))
    first, last = int(borders[i]) - before // 2, int(borders[i + 1]) + (after - after // 2)
    position = np.arange(first, last) + 0.5
    rise, fall = (position - first) / (before // 2 + own // 2 or 1), (last - position) / (last - int(borders[i]) - own // 2 or 1)
    weight = np.sin(np.clip(np.minimum(rise, fall), 0, 1) * math.pi / 2) ** 2
    return np.arange(first, last) % size, np.maximum(weight, 1e-3).astype(np.float32)


def _runs(lines: NDArray[np.int64]) -> list[tuple[slice, slice]]:
    """Where lines that go up by one, round the border maybe more than once, come from and lie, in pieces without a break."""
    ends = [0, *(np.flatnonzero(np.diff(lines) != 1) + 1).tolist(), len(lines)]
    return [(slice(a, b), slice(int(lines[a]), int(lines[a]) + b - a)) for a, b in itertools.pairwise(ends)]


Band = tuple[float, float, float]
"""Weight (a deviation), wavelength and bandwidth (standard deviation of the passed band, octaves)."""


def periodic_noise(shape: tuple[int, int], wavelength: float, bandwidth: float, rng: np.random.Generator, ask: Ask = never) -> Array:
    """Periodic Gaussian noise around one wavelength.

    Args:
        shape: (H, W). wavelength: pixels. bandwidth: standard deviation of the passed band, octaves. ask: is asked between stages.

    Returns:
        (H, W) float32 of mean 0 and standard deviation 1 (all 0 where the tile holds no such frequency).
    """
    return bands_of_noise(shape, [(1.0, wavelength, bandwidth)], rng, ask)


def bands_of_noise(shape: tuple[int, int], bands: Sequence[Band], rng: np.random.Generator, ask: Ask = never) -> Array:
    """Periodic Gaussian noise around some wavelengths in pixels: mean 0; the weights' root sum of squares is its standard deviation."""

    def gain(y: Array, x: Array) -> Array:
        frequency = np.maximum(np.hypot(y, x), np.float32(1 / max(shape)))
        logarithm, power = np.log(frequency), np.zeros(frequency.shape, np.float32)
        for weight, wavelength, bandwidth in bands:
            octaves = (logarithm + np.float32(math.log(max(wavelength, 2.0)))) / np.float32(math.log(2) * bandwidth)
            # Whiteness counted per octave: without the division, the finest frequencies would win by their number.
            one = (np.exp(-0.5 * octaves**2) / frequency) ** 2
            total = float(one.sum(dtype=np.float64))
            power += one * np.float32(weight**2 / total if total else 0)
            ask()
        return np.sqrt(power)

    # Beyond 3.5 deviations of a band lies less than a thousandth of its strength.
    highest = max(2 ** (3.5 * bandwidth) / max(wavelength, 2.0) for _, wavelength, bandwidth in bands)
    return _filtered_noise(shape, gain, (highest, highest), math.hypot(*(weight for weight, _, _ in bands)), rng, ask)


def _filtered_noise(
    shape: tuple[int, int], gain: Callable[[Array, Array], Array], highest: tuple[float, float], deviation: float, rng: np.random.Generator, ask: Ask
) -> Array:
    """White noise times a gain of the frequencies down (k, 1) and across (1, m), cycles a pixel, up to the highest of each.

    Only the spectrum is drawn, and only where it passes: slow noise costs little more than its last transformation.
    """
    height, width = shape
    rows, columns = (max(2, math.ceil(n * most)) for n, most in zip(shape, highest, strict=True))
    down = np.arange(height) if 2 * rows + 1 >= height else np.r_[: rows + 1, height - rows : height]
    columns = min(columns, width // 2)
    passed = gain(fft.fftfreq(height)[down, None].astype(np.float32), (np.arange(columns + 1, dtype=np.float32) / np.float32(width))[None])
    passed[0, 0] = 0
    # These columns' frequencies have no twin below 0: their noise is made real, which halves its power.
    alone = [0, columns] if 2 * columns == width else [0]
    passed[:, alone] *= np.float32(math.sqrt(2))
    half = np.zeros((height, columns + 1), np.complex64)
    for few in np.array_split(np.arange(len(down)), max(1, passed.size >> 19)):
        ask()
        half[down[few]] = rng.standard_normal((len(few), columns + 1, 2), dtype=np.float32).view(np.complex64)[..., 0] * passed[few]
    for some in np.array_split(np.arange(columns + 1), max(1, half.size >> 20)):
        ask()
        half[:, some] = fft.ifft(half[:, some], axis=0, norm="forward")
    half[:, alone] = half[:, alone].real
    ask()
    power = (2 * _power(half) - _power(half[:, alone])) / height
    half *= np.float32(deviation / math.sqrt(power) if power > 0 else 0)
    result = np.empty(shape, np.float32)
    for band in np.array_split(np.arange(height), max(1, result.size >> 20)):
        ask()
        result[band[0] : band[-1] + 1] = fft.irfft(half[band[0] : band[-1] + 1], width, norm="forward")
    return result


def _power(values: NDArray[np.complex64]) -> float:
    # Rows' sums in single precision are exact enough, and quick.
    parts = np.ascontiguousarray(values).view(np.float32)
    return float(np.einsum("ij,ij->i", parts, parts).sum(dtype=np.float64))


def jittered_grid(edges: Points, spacing: float, regularity: float, rng: np.random.Generator) -> Points:
    """Points of a jittered, periodic triangular grid over a rectangle of `edges` (x, y), (n, 2)."""
    columns, rows = max(1, round(float(edges[0]) / spacing)), 2 * max(1, round(float(edges[1]) / spacing / 2))  # every other row is shifted
    row, column = np.meshgrid(np.arange(rows), np.arange(columns), indexing="ij")
    points = np.stack([column + 0.5 * (row % 2), row], -1).reshape(-1, 2).astype(float)
    points += rng.uniform(-1, 1, points.shape) * (1 - regularity)
    return (points / (columns, rows) + rng.random(2)) % 1 * edges


def _axes(count: int, rng: np.random.Generator) -> NDArray[np.float64]:
    return rng.vonmises(0, 0.1, count) / 2 + math.pi * rng.integers(0, 2, count)
