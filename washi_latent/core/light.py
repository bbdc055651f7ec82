"""Textures as an eye meets them: colour under soft light from one side, so that relief is seen. What thumbnails and contact sheets show."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import ArrayLike, NDArray

from .images import rgb
from .maps import RELIEF_MM

if TYPE_CHECKING:
    from .models import ModelInfo

Array = NDArray[np.float32]

LIGHT = math.radians(120)
STRENGTH = 0.75


def lit(images: ArrayLike, info: ModelInfo) -> Array:
    """Textures of a model as a flatbed scanner shows them; their plain colour where the model gives no height.

    Args:
        images: (N, H, W, C) in [0, 1], C as `info.channels`.

    Returns:
        (N, H, W, 3) float32, sRGB-encoded, [0, 1].
    """
    array = np.asarray(images, np.float32)
    colors = np.stack([rgb(image) for image in array]) if len(array) else np.zeros((*array.shape[:3], 3), np.float32)
    if "height" not in info.channels:
        return colors
    heights = array[..., info.channels.index("height")]
    return np.stack([scanned(c, h, info.millimetres_per_pixel or 0.1) for c, h in zip(colors, heights, strict=True)]) if len(array) else colors


def scanned(color: Array, height: Array, millimetres_per_pixel: float, light: float = LIGHT, strength: float = STRENGTH) -> Array:
    """One periodic texture under soft light from one side.

    Args:
        color: (H, W, 3), sRGB-encoded, [0, 1]. height: (H, W), `RELIEF_MM` from 0 to 1. millimetres_per_pixel: scale.
        light: direction the light comes from, radians, anticlockwise from the right. strength: 0 is shadowless.

    Returns:
        (H, W, 3) float32, sRGB-encoded, [0, 1].
    """
    down, across = ((np.roll(height, -1, axis) - np.roll(height, 1, axis)) / 2 for axis in (0, 1))
    facing = (down * math.sin(light) - across * math.cos(light)) * (RELIEF_MM / millimetres_per_pixel)
    shading = 1 + np.tanh(strength * facing * 1.6) * 0.5
    # Linear light times the shading, in sRGB's own power law (IEC 61966-2-1): one power a pixel instead of six.
    return np.clip((color + 0.055) * np.power(shading, 1 / 2.4)[..., None] - 0.055, 0, 1).astype(np.float32)
