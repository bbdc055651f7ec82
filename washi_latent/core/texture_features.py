"""What a texture is made of, wherever it lies: colour, contrast and spectra as coordinates.

MSSIM compares places: shifted by two pixels, a texture counts as another one. These coordinates don't change with a shift,
so that two sheets of one paper are near each other (compare STSIM, Zujovic, Pappas and Neuhoff 2013, and the spectral
descriptors of texture retrieval). They are cheap: a transform a picture.
"""

from __future__ import annotations

from functools import lru_cache

import numpy as np
from numpy.typing import ArrayLike, NDArray

from .errors import WashiError

Array = NDArray[np.float32]

RADIAL_BINS, CHROMA_BINS = 9, 3
FEW = 8
"""Pictures that a thread takes at a time, where several share the work."""
_OPPONENT = np.array([[0.299, 0.587, 0.114], [0.5, -0.5, 0.0], [0.25, 0.25, -0.5]], np.float32)
_TINY = np.float32(1e-7)
"""Variance that eight-bit rounding leaves in a flat picture."""

GROUPS = {"color": 3, "contrast": 3, "spectrum": RADIAL_BINS, "chroma": CHROMA_BINS, "direction": 4, "marks": 2}
"""Names and sizes of the coordinates' groups, in their order."""

WEIGHTS = {"color": 2.0, "contrast": 1.5, "spectrum": 1.5, "chroma": 1.0, "direction": 0.5, "marks": 0.5}
"""How much each group counts where textures are compared."""


def texture_features(images: ArrayLike) -> Array:
    """Coordinates of textures that a shift leaves as they are.

    Args:
        images: (N, H, W, C) in [0, 1], 16 pixels or more each way; one channel is gray, of more than three the first three count.

    Returns:
        (N, 24) float32, the groups of `GROUPS`: mean of luminance, red-green and yellow-blue; log deviation of each; log power of
        luminance by octave-spaced frequency; log power of colour by frequency; which way luminance runs, in coarse and in fine
        structure (cosine and sine of twice the angle); how lopsided luminance is, and how far its rarest marks stand out.

    Raises:
        WashiError: another shape.
    """
    array = np.asarray(images, np.float32)
    if array.ndim != 4 or min(array.shape[1:3]) < 16:
        raise WashiError(f"pictures of shape {array.shape} have no texture features: give (N, H, W, C) of 16 pixels or more")
    planes = _opponent(array)
    mean = planes.mean((2, 3), dtype=np.float64).astype(np.float32)  # of faint contrast, single precision would shift what is lopsided
    planes -= mean[..., None, None]
    deviation = np.sqrt(_mean_of_squares(planes) + _TINY)
    marks = _marks(planes[:, 0].reshape(len(planes), -1) / deviation[:, :1])
    return np.concatenate([mean, np.log(deviation), _spectra(planes), marks], 1)


def _opponent(images: Array) -> Array:
    """Opponent colours (N, 3, H, W) of pictures (N, H, W, C)."""
    pixels = (images[..., :3] if images.shape[-1] >= 3 else np.repeat(images[..., :1], 3, -1)).reshape(len(images), -1, 3)
    return np.matmul(_OPPONENT, pixels.swapaxes(1, 2)).reshape(len(images), 3, *images.shape[1:3])


def _mean_of_squares(planes: Array) -> Array:
    return np.einsum("ncyx,ncyx->nc", planes, planes) / np.float32(planes.shape[2] * planes.shape[3])


def _marks(standard: Array) -> Array:
    """(N, 2) of luminances (N, H W) of mean 0 and deviation 1."""
    lopsided = np.arcsinh(np.einsum("ni,ni->n", standard * standard, standard) / np.float32(standard.shape[1]))
    rarest = np.log(np.quantile(np.abs(standard), 0.998, axis=1) + 0.1)
    return np.stack([lopsided, rarest], 1).astype(np.float32)


def _spectra(centered: Array) -> Array:
    """(N, RADIAL_BINS + CHROMA_BINS + 4) of planes (N, 3, H, W) of mean 0."""
    from scipy.fft import rfft2

    window, rings, thirds, ways = _frequencies(*centered.shape[2:])
    waves = rfft2(centered * window)
    power = (waves.real**2 + waves.imag**2).reshape(*waves.shape[:2], -1)
    luminance, color = power[:, 0], power[:, 1] + power[:, 2]
    along = (luminance @ ways).reshape(-1, 2, 3)
    direction = (along[..., :2] / (along[..., 2:] + _TINY)).reshape(len(power), 4)
    return np.concatenate([np.log(luminance @ rings + _TINY), np.log(color @ thirds + _TINY), direction], 1)


@lru_cache(8)
def _frequencies(height: int, width: int) -> tuple[Array, Array, Array, Array]:
    """Window (H, W); by frequency, which of `RADIAL_BINS` and which of `CHROMA_BINS` rings it belongs to, with weights that make power a
    variance; and, of coarse and of fine structure, cosine and sine of twice its angle, and 1.
    """
    window = np.outer(np.hanning(height + 2)[1:-1], np.hanning(width + 2)[1:-1]).astype(np.float32)
    window /= np.sqrt((window**2).mean())
    y, x = np.fft.fftfreq(height)[:, None], np.fft.rfftfreq(width)[None]
    radius, angle = np.hypot(y, x).ravel(), np.arctan2(y, x * np.ones_like(y)).ravel()
    both = np.where((x > 0) & (x < 0.5), 2.0, 1.0) * np.ones_like(y)
    edges = np.geomspace(1.5 / max(height, width), 0.5, RADIAL_BINS + 1)
    ring = np.digitize(radius, edges) - 1
    rings = (ring[:, None] == np.arange(RADIAL_BINS)) * (both.ravel() / (height * width) ** 2)[:, None]
    thirds = rings.reshape(len(rings), CHROMA_BINS, -1).sum(2)
    turns, coarse = np.stack([np.cos(2 * angle), np.sin(2 * angle), np.ones_like(angle)], 1), radius < np.sqrt(edges[0] * 0.5)
    ways = np.concatenate([turns * part[:, None] for part in (coarse, ~coarse)], 1)
    return window, rings.astype(np.float32), thirds.astype(np.float32), ways.astype(np.float32)
