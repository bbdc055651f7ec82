"""How alike textures look: MSSIM, all pairs at once, SSIM vectors, and spectra.

MSSIM is the mean of the SSIM map (Wang, Bovik, Sheikh and Simoncelli 2004): an 11x11 Gaussian window of sigma 1.5, K1 .01,
K2 .03, population covariance, valid windows only. It equals scikit-image's `structural_similarity` with
`gaussian_weights=True, sigma=1.5, use_sample_covariance=False, data_range=1`.
"""

from __future__ import annotations

from contextlib import AbstractContextManager, nullcontext
from copy import copy
from functools import cache, lru_cache, partial
from pathlib import Path
from threading import Lock
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
GRAPH = Path(__file__).with_name("mssim.onnx")
"""MSSIM of one picture to `LANES` others; scripts/build_mssim_graph.py writes it."""


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

    Means and variances are computed once a picture in float64, products in blocks of 16 pictures by ONNX Runtime.

    Args:
        images: (N, H, W) or (N, H, W, C) in [0, 1], 11 pixels or more each way; channels are averaged.
        references: (M, H, W[, C]); None: all pairs of `images` (symmetric, ones on the diagonal).
        threads: None: as many as this process has cores. The result is the same, bit for bit.
            Memory: five planes a picture, and one block of 16 pictures a thread.
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
        with _one_blas_thread():
            ours = _Moments(planes[:, channel], threads, part(share, 0, 0.2))
            theirs = None if others is None else _Moments(others[:, channel], threads, part(share, 0.2, 0.3))
            total += _channel_matrix(ours, theirs, threads, part(share, 0.3, 1))
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


class _Moments:
    """A set of gray pictures with what SSIM needs of each alone; factors of 2 and the constants are worked in."""

    NAMES = ("centered", "mean", "luminance", "luminance_square", "variance")

    def __init__(self, pictures: NDArray[Any], threads: int, progress: Progress) -> None:
        count, height, width = pictures.shape
        inner = (count, height - WINDOW + 1, width - WINDOW + 1)
        self.centered = np.empty(pictures.shape, np.float32)
        self.mean, self.luminance, self.luminance_square, self.variance = (np.empty(inner, np.float32) for _ in range(4))
        together([partial(self._fill, pictures, slice(i, i + 4)) for i in range(0, count, 4)], threads, progress)

    def _fill(self, pictures: NDArray[Any], part: slice, _ask: Ask) -> None:
        some = np.asarray(pictures[part], np.float64)
        # A variance is what is left of two nearly equal numbers: take the level away first, and float32 is enough.
        level = some.mean((1, 2), keepdims=True)
        # Of black and white pictures a level whose differences are few binary digits: their flat places are then exact.
        level = np.where(np.ptp(some, axis=(1, 2), keepdims=True) < 0.5, level, np.round(level * 4) / 4)
        self.centered[part] = some - level
        exact = self.centered[part].astype(np.float64)
        mean = _filtered(exact)
        self.mean[part] = mean
        self.luminance[part] = (mean + level) * np.sqrt(2)
        self.luminance_square[part] = np.square(mean + level) + C1 / 2
        self.variance[part] = np.maximum(_filtered(np.square(exact)) - np.square(mean), 0) + C2 / 2

    def __len__(self) -> int:
        return len(self.centered)

    def one(self, i: int) -> dict[str, Array]:
        """Of one picture, the graph's inputs (1, 1, h, w)."""
        return {name: getattr(self, name)[None, i : i + 1] for name in self.NAMES}

    def some(self, part: slice) -> dict[str, Array]:
        """Of `LANES` pictures, the graph's inputs (1, LANES, h, w)."""
        return {name + "_s": getattr(self, name)[None, part] for name in self.NAMES}

    def padded(self) -> _Moments:
        """The same set, or one of `LANES` pictures where there are fewer."""
        if len(self) >= LANES:
            return self
        result = copy(self)
        for name in self.NAMES:
            setattr(result, name, np.resize(getattr(self, name), (LANES, *getattr(self, name).shape[1:])))
        return result


def _filtered(stack: NDArray[np.float64]) -> NDArray[np.float64]:
    """The Gaussian window over (N, H, W), in float64."""
    count, height, width = stack.shape
    lines = stack.reshape(-1, width) @ _band(width).T
    return _band(height) @ lines.reshape(count, height, -1)


def _channel_matrix(ours: _Moments, theirs: _Moments | None, threads: int, progress: Progress) -> NDArray[np.float64]:
    other = ours if theirs is None else theirs
    result = np.ones((len(ours), len(other)))
    lanes, session = other.padded(), _session()
    rows = iter(range(len(ours)))
    taking, taken = Lock(), [0]

    def fill(ask: Ask) -> None:
        while True:
            ask()
            with taking:
                i = next(rows, None)
                taken[0] += 1
            if i is None:
                return
            one = ours.one(i)
            for end in range(len(other), i + 1 if theirs is None else 0, -LANES):
                ask()
                first = max(end - LANES, 0)
                values = session.run(None, {**one, **lanes.some(slice(first, first + LANES))})[0][0]
                result[i, first:end] = values[: end - first]

    # Threads end together: what tells the share are the rows that are taken.
    together([fill] * min(threads, len(ours)), threads, lambda _: progress(min(1.0, taken[0] / len(ours))))
    if theirs is None:
        below = np.tril_indices(len(ours), -1)
        result[below] = result.T[below]
        np.fill_diagonal(result, 1)
    return result


@cache
def _session() -> Any:
    """The graph of MSSIM, for many threads of ours at once, each on its own pictures."""
    import onnxruntime as ort

    options = ort.SessionOptions()
    options.intra_op_num_threads = options.inter_op_num_threads = 1
    options.log_severity_level = 4
    return ort.InferenceSession(str(GRAPH), options, providers=["CPUExecutionProvider"])


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
    planes = array[:, None] if array.ndim == 3 else np.moveaxis(array, -1, 1)
    if min(planes.shape[2:]) < WINDOW:
        raise WashiError(f"pictures of {_size(planes)} are smaller than the {WINDOW} x {WINDOW} window of MSSIM: use larger ones")
    if array.dtype.kind == "f" and not np.isfinite(array).all():
        raise WashiError("a picture holds values that are not numbers: check where it comes from")
    return planes


def _size(planes: NDArray[Any]) -> str:
    return f"{planes.shape[3]} x {planes.shape[2]} pixels" + (f" and {planes.shape[1]} channels" if planes.shape[1] > 1 else "")
