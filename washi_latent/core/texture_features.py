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
    opponent = _colors(array) @ _OPPONENT.T
    mean = opponent.mean((1, 2))
    centered = opponent - mean[:, None, None]
    deviation = np.sqrt((centered**2).mean((1, 2)) + _TINY)
    radial, chroma, direction = _spectra(centered)
    return np.concatenate([mean, np.log(deviation), radial, chroma, direction, _marks(centered[..., 0] / deviation[:, :1, None])], 1)


def _colors(images: Array) -> Array:
    return images[..., :3] if images.shape[-1] >= 3 else np.repeat(images[..., :1], 3, -1)


def _marks(standard: Array) -> Array:
    lopsided = np.arcsinh((standard**3).mean((1, 2)))
    rarest = np.log(np.quantile(np.abs(standard), 0.998, axis=(1, 2)) + 0.1)
    return np.stack([lopsided, rarest], 1).astype(np.float32)


def _spectra(centered: Array) -> tuple[Array, Array, Array]:
    from scipy.fft import rfft2

    window, rings, angle, coarse = _frequencies(*centered.shape[1:3])
    planes = np.ascontiguousarray(np.moveaxis(centered, -1, 1)) * window
    power = np.abs(rfft2(planes)) ** 2
    flat = power.reshape(*power.shape[:2], -1)
    luminance, color = flat[:, 0], flat[:, 1] + flat[:, 2]
    radial = np.log(luminance @ rings + _TINY)
    thirds = rings.reshape(len(rings), CHROMA_BINS, -1).sum(2)
    chroma = np.log(color @ thirds + _TINY)
    direction = []
    for part in (coarse, ~coarse):
        total = luminance[:, part].sum(1) + _TINY
        direction += [luminance[:, part] @ np.cos(2 * angle[part]) / total, luminance[:, part] @ np.sin(2 * angle[part]) / total]
    return radial.astype(np.float32), chroma.astype(np.float32), np.stack(direction, 1).astype(np.float32)


@lru_cache(8)
def _frequencies(height: int, width: int) -> tuple[Array, Array, Array, NDArray[np.bool_]]:
    """Window, (M, RADIAL_BINS) ring membership with weights that make power a variance, angles, and which are coarse."""
    window = np.outer(np.hanning(height + 2)[1:-1], np.hanning(width + 2)[1:-1]).astype(np.float32)
    window /= np.sqrt((window**2).mean())
    y, x = np.fft.fftfreq(height)[:, None], np.fft.rfftfreq(width)[None]
    radius, angle = np.hypot(y, x).ravel(), np.arctan2(y, x * np.ones_like(y)).ravel()
    both = np.where((x > 0) & (x < 0.5), 2.0, 1.0) * np.ones_like(y)
    edges = np.geomspace(1.5 / max(height, width), 0.5, RADIAL_BINS + 1)
    ring = np.digitize(radius, edges) - 1
    rings = (ring[:, None] == np.arange(RADIAL_BINS)) * (both.ravel() / (height * width) ** 2)[:, None]
    return window, rings.astype(np.float32), angle.astype(np.float32), radius < np.sqrt(edges[0] * 0.5)
