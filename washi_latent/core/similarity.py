"""How alike textures look: MSSIM, all pairs at once, SSIM vectors, and spectra.

MSSIM is the mean of the SSIM map (Wang, Bovik, Sheikh and Simoncelli 2004): an 11x11 Gaussian window of sigma 1.5, K1 .01,
K2 .03, population covariance, valid windows only. It equals scikit-image's `structural_similarity` with
`gaussian_weights=True, sigma=1.5, use_sample_covariance=False, data_range=1`.
"""

from __future__ import annotations

from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass
from functools import cache
from itertools import pairwise
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from .errors import WashiError

Array = NDArray[np.float32]

WINDOW, SIGMA = 11, 1.5
C1, C2 = 0.01**2, 0.03**2


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


def mssim_matrix(images: ArrayLike, references: ArrayLike | None = None, block_bytes: int = 1 << 18) -> Array:
    """MSSIM of every picture to every reference.

    Means and variances are computed once a picture, products in blocks, the Gaussian window as a banded matrix.

    Args:
        images: (N, H, W) or (N, H, W, C) in [0, 1], 11 pixels or more each way; channels are averaged.
        references: (M, H, W[, C]); None: all pairs of `images` (symmetric, ones on the diagonal).
        block_bytes: memory for one block of products; the whole need is a few blocks and four statistics a picture.

    Returns:
        (N, M) float32, -1 to 1.

    Raises:
        WashiError: shapes that don't fit, pictures too small, values that are not finite.
    """
    planes = _planes(images)
    others = None if references is None else _planes(references)
    if others is not None and planes.shape[1:] != others.shape[1:]:
        raise WashiError(f"pictures of {_size(planes)} can't be compared with references of {_size(others)}: bring them to one size first")
    total = np.zeros((len(planes), len(planes if others is None else others)), np.float64)
    for channel in range(planes.shape[1]):
        ours = _Moments(planes[:, channel])
        theirs = None if others is None else _Moments(others[:, channel])
        with _one_blas_thread():
            total += _channel_matrix(ours, theirs, block_bytes)
    # Rounding may lead beyond 1, which no similarity is.
    return np.clip(total / planes.shape[1], -1, 1).astype(np.float32)


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

    A shift leaves it as it is, which MSSIM does not forgive (FINDINGS: a shift of 2 pixels drops MSSIM to .22).

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


def _one_blas_thread() -> AbstractContextManager[Any]:
    """Small products gain nothing from BLAS's own threads, and ours would fight them."""
    try:
        return _controller().limit(limits=1, user_api="blas")
    except ImportError:  # it comes with scikit-learn; without it only speed is lost
        return nullcontext()


@cache
def _controller() -> Any:
    from threadpoolctl import ThreadpoolController

    return ThreadpoolController()


@dataclass(frozen=True, eq=False)
class _Tile:
    """A stretch of the map along one axis: its outputs, the pixels that they need, and the weights between the two."""

    outputs: slice
    inputs: slice
    weights: Array


def _tiles(size: int, edge: int = 18) -> list[_Tile]:
    """Small tiles: a banded matrix is nearly all zeros, and a product of its dense parts skips most of them."""
    inner = size - WINDOW + 1
    borders = np.linspace(0, inner, max(1, round(inner / edge)) + 1).astype(int).tolist()
    band = _band(size)
    return [_Tile(slice(a, b), slice(a, b + WINDOW - 1), np.ascontiguousarray(band[a:b, a : b + WINDOW - 1])) for a, b in pairwise(borders)]


class _Moments:
    """A set of gray pictures with what SSIM needs of each alone; factors of 2 and the constants are worked in."""

    def __init__(self, pictures: NDArray[Any]) -> None:
        height, width = pictures.shape[1:]
        # A variance is what is left of two nearly equal numbers: take the level away first, and float32 is enough.
        level = pictures.mean((1, 2), dtype=np.float64, keepdims=True)
        # Of black and white pictures a level whose differences are few binary digits: their flat places are then exact.
        level = np.where(np.ptp(pictures, axis=(1, 2), keepdims=True) < 0.5, level, np.round(level * 4) / 4)
        self.centered = (pictures - level).astype(np.float32)
        self.row_tiles, self.column_tiles = _tiles(height), _tiles(width)
        exact = self.centered.astype(np.float64)
        mean = self._filtered(exact)
        variance = np.maximum(self._filtered(np.square(exact)) - np.square(mean), 0)
        self.mean = mean.astype(np.float32)
        self.luminance = ((mean + level) * np.sqrt(2)).astype(np.float32)
        self.luminance_square = (np.square(mean + level) + C1 / 2).astype(np.float32)
        self.variance = (variance + C2 / 2).astype(np.float32)

    def _filtered(self, stack: NDArray[np.float64]) -> NDArray[np.float64]:
        """The Gaussian window over (N, H, W), in float64."""
        count, height, width = stack.shape
        lines = np.empty((count, height, width - WINDOW + 1))
        for tile in self.column_tiles:
            np.matmul(stack[..., tile.inputs], tile.weights.T.astype(np.float64), out=lines[..., tile.outputs])
        result = np.empty((count, height - WINDOW + 1, lines.shape[2]))
        for tile in self.row_tiles:
            np.matmul(tile.weights.astype(np.float64), lines[:, tile.inputs], out=result[:, tile.outputs])
        return result

    def __len__(self) -> int:
        return len(self.centered)


def _channel_matrix(ours: _Moments, theirs: _Moments | None, block_bytes: int) -> NDArray[np.float64]:
    other = ours if theirs is None else theirs
    result = np.ones((len(ours), len(other)))
    block = max(1, block_bytes // (ours.centered[:1].nbytes or 1))
    space = _Space(ours, min(block, len(other)))
    for i in range(len(ours)):
        for first in range(i + 1 if theirs is None else 0, len(other), block):
            part = slice(first, min(first + block, len(other)))
            result[i, part] = space.against(ours, i, other, part)
    if theirs is None:
        below = np.tril_indices(len(ours), -1)
        result[below] = result.T[below]
    return result


class _Space:
    """Working memory for one block of products."""

    def __init__(self, ours: _Moments, block: int) -> None:
        _, height, width = ours.centered.shape
        _, inner_height, inner_width = ours.mean.shape
        self.product = np.empty((block, height, width), np.float32)
        self.filtered = np.empty((block, height, inner_width), np.float32)
        self.map = np.empty((block, inner_height, inner_width), np.float32)
        self.work = np.empty_like(self.map)

    def against(self, ours: _Moments, i: int, other: _Moments, part: slice) -> NDArray[np.float64]:
        """MSSIM of one picture to a block of others, (n,); every step in place."""
        n = part.stop - part.start
        product, filtered, result, work = self.product[:n], self.filtered[:n], self.map[:n], self.work[:n]
        np.multiply(ours.centered[i], other.centered[part], out=product)
        lines, filtered_lines = product.reshape(-1, product.shape[2]), filtered.reshape(-1, filtered.shape[2])
        for tile in ours.column_tiles:
            np.matmul(lines[:, tile.inputs], tile.weights.T, out=filtered_lines[:, tile.outputs])
        for tile in ours.row_tiles:
            np.matmul(tile.weights, filtered[:, tile.inputs], out=result[:, tile.outputs])
        np.multiply(ours.mean[i], other.mean[part], out=work)
        result -= work
        result += np.float32(C2 / 2)  # half the covariance term; its other half is the 2 at the end
        np.multiply(ours.luminance[i], other.luminance[part], out=work)
        work += np.float32(C1)
        result *= work
        np.add(ours.luminance_square[i], other.luminance_square[part], out=work)
        result /= work
        np.add(ours.variance[i], other.variance[part], out=work)
        result /= work
        return np.add.reduce(result.reshape(n, -1), 1).astype(np.float64) * (2 / result[0].size)


def _band(size: int) -> Array:
    """(size - 10, size): row k holds the window's weights over pixels k to k + 10."""
    offsets = np.arange(WINDOW) - WINDOW // 2
    exact = np.exp(-0.5 * (offsets / SIGMA) ** 2)
    # Rounded to 20 binary digits, sum exactly 1: float32 then makes no error in flat places of saturated pictures.
    weights = np.round(exact / exact.sum() * 2**20) / 2**20
    weights[WINDOW // 2] += 1 - weights.sum()
    band = np.zeros((size - WINDOW + 1, size), np.float32)
    for row in range(len(band)):
        band[row, row : row + WINDOW] = weights
    return band


def _planes(images: ArrayLike) -> NDArray[Any]:
    """(N, C, H, W) of (N, H, W) or (N, H, W, C), checked."""
    array = np.asarray(images)
    if array.ndim not in (3, 4):
        raise WashiError(f"pictures of shape {array.shape} were given: give (N, H, W) or (N, H, W, C)")
    if array.dtype.kind not in "fiub":
        raise WashiError(f"pictures hold {array.dtype}: give numbers from 0 to 1")
    planes = array[:, None] if array.ndim == 3 else np.moveaxis(array, -1, 1)
    if min(planes.shape[2:]) < WINDOW:
        raise WashiError(f"pictures of {_size(planes)} are smaller than the {WINDOW} x {WINDOW} window of MSSIM: use larger ones")
    if array.dtype.kind == "f" and not np.isfinite(array).all():
        raise WashiError("a picture holds values that are not numbers: check where it comes from")
    return planes


def _size(planes: NDArray[Any]) -> str:
    return f"{planes.shape[3]} x {planes.shape[2]} pixels" + (f" and {planes.shape[1]} channels" if planes.shape[1] > 1 else "")
