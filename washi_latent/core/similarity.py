"""How alike textures look: MSSIM, all pairs at once, SSIM vectors, and spectra.

MSSIM is the mean of the SSIM map (Wang, Bovik, Sheikh and Simoncelli 2004): an 11x11 Gaussian window of sigma 1.5, K1 .01,
K2 .03, population covariance, valid windows only. It equals scikit-image's `structural_similarity` with
`gaussian_weights=True, sigma=1.5, use_sample_covariance=False, data_range=1`.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import cache, lru_cache, partial
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from .errors import WashiError
from .progress import Progress, ignore, part
from .threads import Ask, cores, together

Array = NDArray[np.float32]

WINDOW, SIGMA = 11, 1.5
C1, C2 = 0.01**2, 0.03**2

LANES = 16
"""Pairs of a tile, which the graph takes as channels: as many as a vector register of 512 bits holds."""
BLOCK = 64
"""Edge of the largest block of the SSIM map that is worked on at once: what 16 pairs need of it stays in a core's cache."""
TILES = 2
"""Tiles side by side that the graph takes in one run, where there are as many: a run's own cost is a tenth of a tile's."""
GROUP = 5
"""Pictures whose moments are taken at once."""
SHAPES = (4, 2, 8, 1, 16)
"""Rows of a tile of `LANES` pairs, best first: a square one reads the fewest pictures."""
Tile = tuple[slice, slice]
"""Rows and columns of a table of pairs."""

PAIRS = Path(__file__).with_name("mssim.onnx")
"""MSSIM of `LANES` pairs, or a multiple, from their moments; scripts/build_mssim_graphs.py writes it."""
MOMENTS = Path(__file__).with_name("moments.onnx")
"""Means and variances under the window, in float64; scripts/build_mssim_graphs.py writes it."""


def mssim(a: ArrayLike, b: ArrayLike) -> float:
    """MSSIM of two pictures.

    Args:
        a, b: (H, W) or (H, W, C) in [0, 1], of one shape, 11 pixels or more each way; channels are averaged.

    Returns:
        -1 to 1; 1 for equal pictures.

    Raises:
        WashiError: shapes that differ, pictures too small, values that are not finite.
    """
    first, second = np.asarray(a), np.asarray(b)
    if first.shape != second.shape or first.ndim not in (2, 3):
        raise WashiError(f"pictures of shapes {first.shape} and {second.shape} can't be compared: give two of one size")
    return float(mssim_matrix(first[None], second[None])[0, 0])


def mssim_matrix(images: ArrayLike, references: ArrayLike | None = None, threads: int | None = None, progress: Progress = ignore) -> Array:
    """MSSIM of every picture to every reference.

    The SSIM map is worked on in blocks. Means and variances are computed once a picture in float64, products of 16 or 32 pairs at once, both
    by ONNX Runtime: NumPy's matrix products are many times slower where its BLAS does not know the processor.

    Args:
        images: (N, H, W) or (N, H, W, C) in [0, 1], 11 pixels or more each way; channels are averaged.
        references: (M, H, W[, C]); None: all pairs of `images` (symmetric, ones on the diagonal).
        threads: None: as many as this process has cores. The result is the same, bit for bit.
            Memory: five planes of one block (64 x 64) a picture, and as much a thread as 32 pairs of them need.
        progress: is told the share done, 0 to 1; what it raises ends the work.

    Returns:
        (N, M) float32, -1 to 1.

    Raises:
        WashiError: shapes that don't fit, pictures too small, values that are not finite.
    """
    planes = _planes(images)
    others = None if references is None else _planes(references)
    if others is not None and planes.shape[1:] != others.shape[1:]:
        raise WashiError(f"pictures of {_size(planes)} can't be compared with references of {_size(others)}: bring them to one size first")
    threads = threads or cores()
    total = np.zeros((len(planes), len(planes if others is None else others)), np.float64)
    channels = planes.shape[1]
    for channel in range(channels):
        share = part(progress, channel / channels, (channel + 1) / channels)
        total += _channel_matrix(planes[:, channel], None if others is None else others[:, channel], threads, share)
    # Rounding may lead beyond 1, which no similarity is.
    return np.clip(total / channels, -1, 1).astype(np.float32)


def ssim_vectors(images: ArrayLike, references: ArrayLike | None = None) -> Array:
    """SSIM vectors (Satoh, section 3): each texture's MSSIM to each reference texture, as its coordinates.

    Args:
        images: (N, H, W[, C]) in [0, 1].
        references: (M, H, W[, C]): one, two, four ... textures; None: all of `images` (Fig. 4, right).

    Returns:
        (N, M) float32.
    """
    return mssim_matrix(images, references)


def gray(images: ArrayLike) -> Array:
    """Luma (Rec. 709, of the encoded values) of (..., C) pictures: the first three channels where there are three or more."""
    array = np.asarray(images, np.float32)
    if array.shape[-1] < 3:
        return array[..., 0]
    return array[..., :3] @ np.array([0.2126, 0.7152, 0.0722], np.float32)


def log_spectrum_features(images: ArrayLike, radial: int = 12, angular: int = 8) -> Array:
    """What a texture is made of, wherever it lies: its logarithmic power spectrum by frequency and by direction.

    A shift leaves it as it is, which MSSIM does not forgive.

    Args:
        images: (N, H, W) or (N, H, W, C), [0, 1].
        radial, angular: number of bins, octave-spaced frequencies and directions over half a turn.

    Returns:
        (N, radial + angular + 1) float32: log power by frequency, relative log power by direction, log of the mean power.
    """
    array = np.asarray(images, np.float32)
    pictures = gray(array) if array.ndim == 4 else array
    height, width = pictures.shape[1:]
    window = np.outer(np.hanning(height + 2)[1:-1], np.hanning(width + 2)[1:-1]).astype(np.float32)
    centered = (pictures - pictures.mean((1, 2), keepdims=True)) * window
    power = np.abs(np.fft.fft2(centered)) ** 2 / window.size
    y, x = np.fft.fftfreq(height)[:, None], np.fft.fftfreq(width)[None]
    radius, angle = np.hypot(y, x), np.arctan2(y, x) % np.pi
    edges = np.geomspace(1.5 / max(height, width), 0.5, radial + 1)
    ring = np.digitize(radius, edges) - 1
    sector = np.minimum((angle / np.pi * angular).astype(int), angular - 1)
    used = (ring >= 0) & (ring < radial)
    by_ring = np.stack([power[:, ring == k].mean(-1) if (ring == k).any() else np.zeros(len(power)) for k in range(radial)], 1)
    by_sector = np.stack([power[:, used & (sector == k)].mean(-1) for k in range(angular)], 1)
    mean = power[:, used].mean(-1, keepdims=True)
    tiny = 1e-9
    return np.concatenate([np.log(by_ring + tiny), np.log((by_sector + tiny) / (mean + tiny)), np.log(mean + tiny)], 1).astype(np.float32)


def _channel_matrix(ours: NDArray[Any], theirs: NDArray[Any] | None, threads: int, progress: Progress) -> NDArray[np.float64]:
    """MSSIM of gray pictures (N, H, W) to others (M, H, W), or to each other: the sum over the blocks of the map."""
    our_levels = _levels(ours, threads, part(progress, 0, 0.02))
    their_levels = None if theirs is None else _levels(theirs, threads, part(progress, 0.02, 0.04))
    down, across = (_pieces(size - WINDOW + 1) for size in ours.shape[1:])
    blocks = [(rows, columns) for rows in down for columns in across]
    tiles = _cover_triangle(len(ours)) if theirs is None else _cover(len(ours), len(theirs))
    total = np.zeros((len(ours), len(ours if theirs is None else theirs)))
    for k, (rows, columns) in enumerate(blocks):
        share = part(part(progress, 0.04, 1), k / len(blocks), (k + 1) / len(blocks))
        place = (slice(None), slice(rows.start, rows.stop + WINDOW - 1), slice(columns.start, columns.stop + WINDOW - 1))
        our_moments = _Moments(ours[place], our_levels, threads, part(share, 0, 0.15))
        their_moments = None if theirs is None or their_levels is None else _Moments(theirs[place], their_levels, threads, part(share, 0.15, 0.2))
        total += _pairs(our_moments, their_moments or our_moments, tiles, threads, part(share, 0.2, 1))
    total /= (ours.shape[1] - WINDOW + 1) * (ours.shape[2] - WINDOW + 1)
    if theirs is None:
        below = np.tril_indices(len(ours), -1)
        total[below] = total.T[below]
        np.fill_diagonal(total, 1)
    return total


def _pieces(size: int) -> list[slice]:
    """0 to `size` in as few even pieces of `BLOCK` at most as it takes: by the size alone, so that a picture's company changes no bit."""
    count = -(-size // BLOCK)
    ends = [size * k // count for k in range(count + 1)]
    return [slice(first, end) for first, end in pairwise(ends)]


def _levels(pictures: NDArray[Any], threads: int, progress: Progress) -> NDArray[np.float64]:
    """What is taken away from each picture (N,) before its moments: a variance is what is left of two nearly equal numbers."""
    levels = np.empty(len(pictures))

    def fill(part: slice, ask: Ask) -> None:
        ask()
        some = pictures[part]
        level = some.mean((1, 2), dtype=np.float64)
        # Of black and white pictures a level whose differences are few binary digits: their flat places are then exact.
        spread = some.max((1, 2)).astype(np.float64) - some.min((1, 2))
        levels[part] = np.where(spread < 0.5, level, np.round(level * 4) / 4)

    group = max(1, 2**19 // (pictures.shape[1] * pictures.shape[2]))
    together([partial(fill, slice(i, i + group)) for i in range(0, len(pictures), group)], threads, progress)
    return levels


class _Moments:
    """One block of a set of gray pictures with what SSIM needs of each alone; factors of 2 and the constants are worked in.

    `LANES` - 1 more places follow the pictures, so that a tile may reach beyond the last; in them the formula gives 0.
    """

    NAMES = ("centered", "mean", "luminance", "luminance_square", "variance")

    def __init__(self, pictures: NDArray[Any], levels: NDArray[np.float64], threads: int, progress: Progress) -> None:
        self.count, height, width = pictures.shape
        padded = self.count + LANES - 1
        inner = (padded, height - WINDOW + 1, width - WINDOW + 1)
        self.centered = np.empty((padded, height, width), np.float32)
        self.mean, self.luminance, self.luminance_square, self.variance = (np.empty(inner, np.float32) for _ in range(4))
        for name in self.NAMES:
            getattr(self, name)[self.count :] = name in ("luminance_square", "variance")
        tasks = [partial(self._fill, _session(MOMENTS), pictures, levels, slice(i, i + GROUP)) for i in range(0, self.count, GROUP)]
        together(tasks, threads, progress)
        self._rows = {name + "_rows": getattr(self, name)[:, None] for name in self.NAMES}
        self._columns = {name + "_columns": getattr(self, name)[None] for name in self.NAMES}

    def _fill(self, session: Any, pictures: NDArray[Any], levels: NDArray[np.float64], part: slice, ask: Ask) -> None:
        ask()
        part = slice(part.start, min(part.stop, self.count))
        level = levels[part, None, None]
        np.subtract(pictures[part], level, self.centered[part], dtype=np.float64, casting="same_kind")
        height, width = pictures.shape[1:]
        bands = {"down": _band(height), "across": _band(width).T}
        values = session.run(self.NAMES[1:], {"centered": self.centered[part], "level": level, **bands})
        for name, value in zip(self.NAMES[1:], values, strict=True):
            getattr(self, name)[part] = value

    def rows(self, part: slice) -> dict[str, Array]:
        """These pictures as the rows of the graph's table of pairs, (R, 1, h, w)."""
        return {name: values[part] for name, values in self._rows.items()}

    def columns(self, part: slice) -> dict[str, Array]:
        """These pictures as the columns of the graph's table of pairs, (1, C, h, w)."""
        return {name: values[:, part] for name, values in self._columns.items()}


def _pairs(ours: _Moments, theirs: _Moments, tiles: Sequence[Tile], threads: int, progress: Progress) -> NDArray[np.float64]:
    """Sums of one block of the map for the pairs in these tiles."""
    result, ones = np.zeros((ours.count, theirs.count)), np.ones((ours.mean[0].size, 1), np.float32)
    session = _session(PAIRS)

    def fill(tile: Tile, ask: Ask) -> None:
        ask()
        (sums,) = session.run(("sums",), {**ours.rows(tile[0]), **theirs.columns(tile[1]), "ones": ones})
        place = result[tile]
        place[:] = sums[: place.shape[0], : place.shape[1], 0]

    together([partial(fill, tile) for tile in tiles], threads, progress)
    return result


def _cover(rows: int, columns: int) -> list[Tile]:
    """The fewest tiles of one shape that cover a table of pairs; they may reach beyond it."""
    tall = min(SHAPES, key=lambda tall: -(-rows // tall) * -(-columns // (LANES // tall)))
    return [tile for i in range(0, rows, tall) for tile in _row_of_tiles(i, tall, 0, columns)]


def _cover_triangle(count: int) -> list[Tile]:
    """The fewest tiles, each row of them of one shape, that cover the pairs above the diagonal."""
    tiles: list[Tile] = []
    row = 0
    for tall in _heights(count):
        tiles += _row_of_tiles(row, tall, row + 1, count)
        row += tall
    return tiles


@lru_cache(8)
def _heights(count: int) -> tuple[int, ...]:
    """Heights of the rows of the tiles that cover the pairs above the diagonal."""
    # Of each row of pairs on: how many tiles it takes from there to the end, and how tall the first are.
    best = dict.fromkeys(range(count - 1, count + LANES), (0, 0))
    for row in range(count - 2, -1, -1):
        best[row] = min(((-(-(count - 1 - row) // (LANES // tall)) + best[row + tall][0], tall) for tall in SHAPES), key=lambda choice: choice[0])
    heights, row = [], 0
    while row < count - 1:
        heights.append(best[row][1])
        row += heights[-1]
    return tuple(heights)


def _row_of_tiles(row: int, tall: int, first: int, end: int) -> list[Tile]:
    """Tiles of one height side by side, in runs of `TILES` at most."""
    wide = LANES // tall
    ends = [*range(first, end, wide * TILES), first + -(-(end - first) // wide) * wide]
    return [(slice(row, row + tall), slice(left, right)) for left, right in pairwise(ends)]


@cache
def _session(graph: Path) -> Any:
    """A graph, for many threads of ours at once, each on its own pictures."""
    import onnxruntime as ort

    options = ort.SessionOptions()
    options.intra_op_num_threads = options.inter_op_num_threads = 1
    options.log_severity_level = 4
    return ort.InferenceSession(str(graph), options, providers=["CPUExecutionProvider"])


def window() -> Array:
    """The Gaussian window along one axis, (11,), rounded to 20 binary digits.

    Its sum is exactly 1: float32 then makes no error in flat places of saturated pictures.
    """
    offsets = np.arange(WINDOW) - WINDOW // 2
    exact = np.exp(-0.5 * (offsets / SIGMA) ** 2)
    weights = np.round(exact / exact.sum() * 2**20) / 2**20
    weights[WINDOW // 2] += 1 - weights.sum()
    return weights.astype(np.float32)


@lru_cache(8)
def _band(size: int) -> NDArray[np.float64]:
    """(size - 10, size): row k holds the window's weights over pixels k to k + 10."""
    band = np.zeros((size - WINDOW + 1, size))
    for row in range(len(band)):
        band[row, row : row + WINDOW] = window()
    return band


def _planes(images: ArrayLike) -> NDArray[Any]:
    """(N, C, H, W) of (N, H, W) or (N, H, W, C), checked."""
    array = np.asarray(images)
    if array.ndim not in (3, 4):
        raise WashiError(f"pictures of shape {array.shape} were given: give (N, H, W) or (N, H, W, C)")
    if array.dtype.kind not in "fiub":
        raise WashiError(f"pictures hold {array.dtype}: give numbers from 0 to 1")
    if array.dtype.kind in "iu" and array.size and not 0 <= array.min() <= array.max() <= 1:
        raise WashiError(f"pictures hold whole numbers from {array.min()} to {array.max()}: divide them by their largest possible one, to give 0 to 1")
    planes = array[:, None] if array.ndim == 3 else np.moveaxis(array, -1, 1)
    if min(planes.shape[2:]) < WINDOW:
        raise WashiError(f"pictures of {_size(planes)} are smaller than the {WINDOW} x {WINDOW} window of MSSIM: use larger ones")
    if array.dtype.kind == "f" and not np.isfinite(array).all():
        raise WashiError("a picture holds values that are not numbers: check where it comes from")
    return planes


def _size(planes: NDArray[Any]) -> str:
    return f"{planes.shape[3]} x {planes.shape[2]} pixels" + (f" and {planes.shape[1]} channels" if planes.shape[1] > 1 else "")
