"""What a texture's statistics are: colour moments, spectrum, filter-bank energies. Nothing is learned or downloaded.

Every feature keeps its value when a picture is turned by a quarter or mirrored, for models are trained on turned and
mirrored patches: a sheet has no top. Colours are opponent (luminance, red-green, yellow-blue), as Portilla and Simoncelli
(2000) and the classic texture descriptors use them.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy import fft
from scipy.stats import kurtosis, skew
from skimage.filters import gabor_kernel

from ..core.errors import WashiError

Array = NDArray[np.float64]

RADIAL_BINS, BANDS = 10, 3
SCALES, ORIENTATIONS = (0.35, 0.22, 0.13, 0.07), 4  # cycles a pixel
_OPPONENT = np.array([[0.299, 0.587, 0.114], [0.5, -0.5, 0.0], [0.25, 0.25, -0.5]])
_FLOOR = 1e-7  # variance that eight-bit rounding leaves in a flat picture


def texture_features(images: ArrayLike) -> dict[str, Array]:
    """Features by group.

    Args:
        images: (N, H, W, 3) in [0, 1], or uint8; square, 32 pixels or more.

    Returns:
        "color": (N, 10) mean and log deviation of each opponent colour, skewness of luminance, and how far luminance and
        colour vary together; "spectrum": (N, 16) log power by radius, and by band of radius how strongly it prefers one
        axis (second harmonic) or a cross (fourth harmonic); "filters": (N, 20) by scale of a Gabor bank, the log energy,
        how it is split over directions, how sparse it is, and how it varies over the picture.

    Raises:
        WashiError: other shapes.
    """
    array = np.asarray(images)
    if array.ndim != 4 or array.shape[3] != 3 or array.shape[1] != array.shape[2] or array.shape[1] < 32:
        raise WashiError(f"texture features need square colour pictures (N, H, H, 3) of 32 pixels or more, not {array.shape}")
    scale = 255.0 if array.dtype == np.uint8 else 1.0
    blocks = [_features_of((array[i : i + 256] / scale).astype(np.float64)) for i in range(0, len(array), 256)]
    return {name: np.concatenate([block[name] for block in blocks]) for name in blocks[0]}


def _features_of(images: Array) -> dict[str, Array]:
    opponent = images @ _OPPONENT.T
    luminance = opponent[..., 0]
    contrast = luminance - luminance.mean((1, 2), keepdims=True)
    return {"color": _color(opponent), "spectrum": _spectrum(contrast), "filters": _filters(contrast)}


def _color(opponent: Array) -> Array:
    pixels = opponent.reshape(len(opponent), -1, 3)
    variance = pixels.var(1) + _FLOOR
    centered = pixels - pixels.mean(1, keepdims=True)
    together = (centered[..., :1] * centered[..., 1:]).mean(1) / np.sqrt(variance[:, :1] * variance[:, 1:])
    lopsided = skew(np.concatenate([pixels[..., 0], np.zeros((len(pixels), 1))], 1)[:, :-1], axis=1)
    return np.concatenate([pixels.mean(1), np.log(variance) / 2, np.arcsinh(np.nan_to_num(lopsided))[:, None], together, _color_spread(centered)], 1)


def _color_spread(centered: Array) -> Array:
    """Log share of a picture's largest single deviation: a flake of gold or a splinter of bark stands out."""
    far = np.sqrt((centered**2).sum(2))
    return np.log((far.max(1) + 1e-3) / (np.sqrt((far**2).mean(1)) + 1e-3))[:, None]


def _spectrum(contrast: Array) -> Array:
    size = contrast.shape[1]
    window = np.outer(np.hanning(size), np.hanning(size))
    power = np.abs(fft.fft2(contrast * window)) ** 2 / (size**2 * (window**2).sum())
    y, x = np.meshgrid(fft.fftfreq(size), fft.fftfreq(size), indexing="ij")
    radius, angle = np.hypot(x, y), np.arctan2(y, x)
    edges = np.geomspace(1.5 / size, 0.5, RADIAL_BINS + 1)
    radial = np.stack([power[:, ring].sum(1) for ring in _rings(radius, edges)], 1)
    harmonics = [
        np.abs((power * np.exp(1j * n * angle))[:, ring].sum(1)) / (power[:, ring].sum(1) + _FLOOR / 10)
        for n in (2, 4)
        for ring in _rings(radius, np.geomspace(3 / size, 0.5, BANDS + 1))
    ]
    return np.concatenate([np.log(radial + _FLOOR / 10), np.stack(harmonics, 1)], 1)


def _rings(radius: Array, edges: Array) -> list[NDArray[np.bool_]]:
    return [(radius >= low) & (radius < high) for low, high in zip(edges, edges[1:], strict=False)]


def _filters(contrast: Array) -> Array:
    size = contrast.shape[1]
    padded = np.pad(contrast.astype(np.float32), ((0, 0), (0, size), (0, size)), mode="symmetric")  # no seam for the filters to answer to
    spectrum = fft.fft2(padded)
    result: list[Array] = []
    for frequency in SCALES:
        answers = np.stack([np.abs(fft.ifft2(spectrum * _gabor(frequency, i, 2 * size)))[:, :size, :size] for i in range(ORIENTATIONS)], 1)
        energy = (answers**2).mean((2, 3), dtype=np.float64) + _FLOOR / 100
        total = energy.mean(1)
        straight = np.abs(energy[:, 0] - energy[:, 2]) / total
        diagonal = np.abs(energy[:, 1] - energy[:, 3]) / total
        sparse = np.log1p(np.maximum(kurtosis(answers.reshape(len(answers), -1) + 0.0, axis=1), 0))
        local = (answers**2).mean(1).reshape(len(answers), 4, size // 4, 4, size // 4).mean((2, 4)).reshape(len(answers), -1)
        uneven = local.std(1) / (local.mean(1) + _FLOOR / 100)
        result += [np.log(total), straight, diagonal, np.nan_to_num(sparse), np.log1p(uneven)]
    return np.stack(result, 1)


def _gabor(frequency: float, orientation: int, size: int) -> NDArray[np.complex64]:
    kernel = gabor_kernel(frequency, np.pi * orientation / ORIENTATIONS, bandwidth=1.0)
    kernel = kernel - kernel.mean()
    field = np.zeros((size, size), complex)
    height, width = min(kernel.shape[0], size), min(kernel.shape[1], size)
    field[:height, :width] = kernel[:height, :width]
    return fft.fft2(np.roll(field, (-(height // 2), -(width // 2)), (0, 1))).astype(np.complex64)


@dataclass(frozen=True, eq=False)
class FeatureSpace:
    """One space for all groups: every feature in units of its deviation among the training patches, groups of equal weight.

    Attributes:
        mean, scale: (D,) of the concatenated groups.
    """

    mean: Array
    scale: Array

    @classmethod
    def fitted(cls, images: ArrayLike) -> FeatureSpace:
        """The space of these pictures, the training patches (a few thousand are enough)."""
        groups = texture_features(images)
        values = np.concatenate(list(groups.values()), 1)
        weight = np.concatenate([np.full(g.shape[1], np.sqrt(g.shape[1])) for g in groups.values()])
        return cls(values.mean(0), (values.std(0) + 1e-6) * weight)

    def __call__(self, images: ArrayLike) -> Array:
        """(N, D) coordinates; Euclidean distance is what counts."""
        return (np.concatenate(list(texture_features(images).values()), 1) - self.mean) / self.scale
