"""A sequence's similarities as a picture (Satoh, Fig. 5), drawn without a plotting library: it is shown beside the sequence."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw

from .images import font, resize, rgb
from .sequence import TextureSequence

Array = NDArray[np.float32]

GROUND, GRID, INK = (37, 37, 37), (70, 70, 70), (200, 200, 200)
SIMILARITY, POSITION, FLAG = (86, 156, 230), (232, 160, 82), (240, 80, 70)
_OVER = 2
"""Drawn this much larger and then shrunk, so that edges are smooth."""


def similarity_plot(sequence: TextureSequence, edge: int = 512) -> Array:
    """Draw a sequence: similarities (circles, left axis), positions on the way (triangles, right axis), intervals, the textures below.

    Args:
        sequence: what is drawn; textures that miss their interval are ringed in red.
        edge: of the picture in pixels, 128 or more.

    Returns:
        (edge, edge, 3) float32 in [0, 1], rows from the top down.
    """
    whole = edge * _OVER
    count = len(sequence.positions)
    left, right, top = whole // 8, whole - whole // 11, whole // 30
    cell = (right - left) / count
    strip = min(cell, whole / 6)
    bottom = whole - strip - whole / 20
    image = Image.new("RGB", (whole, whole), GROUND)
    draw = ImageDraw.Draw(image)
    lowest, decimals = _lowest(sequence)

    def at(index: int, share: float) -> tuple[float, float]:
        return left + (index + 0.5) * cell, bottom - share * (bottom - top)

    def similar(index: int, value: float) -> tuple[float, float]:
        return at(index, (value - lowest) / (1 - lowest))

    for share in (0, 0.25, 0.5, 0.75, 1):
        _, y = at(0, share)
        draw.line((left, y, right, y), fill=GRID, width=_OVER)
        draw.text((left - whole / 90, y), f"{lowest + share * (1 - lowest):.{decimals}f}", fill=SIMILARITY, font=font(whole // 30), anchor="rm")
        draw.text((right + whole / 90, y), f"{share:g}", fill=POSITION, font=font(whole // 30), anchor="lm")
    dot = max(3 * _OVER, min(cell * 0.22, whole / 60))
    for i in range(count):
        target, half = float(sequence.targets[i]), float(sequence.half_width[i])
        if not np.isnan(target):
            for end in (target - half, target + half):
                x, y = similar(i, end)
                draw.line((x - 1.6 * dot, y, x + 1.6 * dot, y), fill=INK, width=_OVER)
        _triangle(draw, at(i, float(sequence.positions[i])), dot)
        x, y = similar(i, float(sequence.similarities[i]))
        draw.ellipse((x - dot, y - dot, x + dot, y + dot), fill=SIMILARITY)
        if sequence.status[i] != "ok":
            draw.ellipse((x - 2 * dot, y - 2 * dot, x + 2 * dot, y + 2 * dot), outline=FLAG, width=2 * _OVER)
    for i, texture in enumerate(sequence.images):
        side = max(1, int(strip) - 2 * _OVER)
        small = Image.fromarray(np.round(resize(rgb(texture), side, side) * 255).astype(np.uint8))
        image.paste(small, (round(left + (i + 0.5) * cell - side / 2), round(whole - strip)))
    return np.asarray(image.resize((edge, edge), Image.Resampling.LANCZOS), np.float32) / 255


def _lowest(sequence: TextureSequence) -> tuple[float, int]:
    """Where the axis of similarities starts, and decimals of its numbers: subtle sequences fill it, too, as far as there is room for them."""
    span = max(1 - float(sequence.similarities.min()), 2e-3) * 1.02
    digit = 10.0 ** np.floor(np.log10(span))
    span = float(next(step * digit for step in (1, 2, 4, 6, 8, 10) if step * digit >= span))
    return 1 - span, max(2, 1 - int(np.floor(np.log10(span / 4))))


def _triangle(draw: ImageDraw.ImageDraw, middle: tuple[float, float], size: float) -> None:
    x, y = middle
    draw.polygon([(x, y - 1.2 * size), (x - 1.1 * size, y + 0.8 * size), (x + 1.1 * size, y + 0.8 * size)], fill=POSITION)
