"""What the gallery is drawn with: filled and outlined rectangles, pictures and text, by Blender's own shaders.

Colours are sRGB, as they are seen. In a POST_PIXEL handler the frame buffer takes such values as they are: UNIFORM_COLOR and
IMAGE don't convert, so the bytes of a picture are handed over unchanged.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import blf
import gpu
from gpu_extras.batch import batch_for_shader

from .gallery_geometry import Rectangle, rounded

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

Color = tuple[float, float, float, float]
FONT = 0
"""Blender's interface font, which has Japanese."""


def texture(pixels: NDArray[np.uint8]) -> gpu.types.GPUTexture:
    """A texture of (H, W, 4) bytes, rows from the bottom up; it lives as long as the object."""
    import numpy as np

    height, width, _ = pixels.shape
    values = np.ascontiguousarray(pixels, np.float32) / np.float32(255)
    return gpu.types.GPUTexture((width, height), format="RGBA8", data=gpu.types.Buffer("FLOAT", values.size, values.ravel()))


def picture(image: gpu.types.GPUTexture, where: Rectangle) -> None:
    """Draw a texture."""
    corners = {"pos": _corners(where), "texCoord": ((0, 0), (1, 0), (1, 1), (0, 1))}
    gpu.state.blend_set("NONE")
    shader = gpu.shader.from_builtin("IMAGE")
    shader.bind()
    shader.uniform_sampler("image", image)
    batch_for_shader(shader, "TRI_FAN", corners).draw(shader)


def fill(where: Rectangle, color: Color, radius: float = 0.0) -> None:
    """Fill a rectangle."""
    points = rounded(where, radius) if radius else _corners(where)
    gpu.state.blend_set("ALPHA")  # each time: drawing text ends it
    shader = gpu.shader.from_builtin("UNIFORM_COLOR")
    shader.bind()
    shader.uniform_float("color", color)
    batch_for_shader(shader, "TRI_FAN", {"pos": points}).draw(shader)


def border(where: Rectangle, color: Color, width: int) -> None:
    """Draw a sharp border around a rectangle, outside of it."""
    outer = where.inset(-width)
    for side in (
        Rectangle(outer.x, where.top, outer.width, width),
        Rectangle(outer.x, outer.y, outer.width, width),
        Rectangle(outer.x, where.y, width, where.height),
        Rectangle(where.right, where.y, width, where.height),
    ):
        fill(side, color)


def outline(where: Rectangle, color: Color, width: float, radius: float) -> None:
    """Draw a line around a rectangle with round corners, smooth at its edges."""
    points = rounded(where, radius)
    gpu.state.blend_set("ALPHA")
    shader = gpu.shader.from_builtin("POLYLINE_UNIFORM_COLOR")
    shader.bind()
    shader.uniform_float("viewportSize", gpu.state.viewport_get()[2:])
    shader.uniform_float("lineWidth", width)
    shader.uniform_float("color", color)
    batch_for_shader(shader, "LINE_STRIP", {"pos": [(x, y, 0.0) for x, y in (*points, points[0])]}).draw(shader)


def text_width(string: str, size: float) -> int:
    """Pixels that a text takes."""
    blf.size(FONT, size)
    return round(blf.dimensions(FONT, string)[0])


def text(string: str, x: float, y: float, size: float, color: Color) -> None:
    """Write on a base line."""
    blf.size(FONT, size)
    blf.color(FONT, *color)
    blf.position(FONT, round(x), round(y), 0)
    blf.draw(FONT, string)


def text_in(string: str, where: Rectangle, size: float, color: Color, align: float = 0.0) -> None:
    """Write in the middle of a rectangle's height, at its left (0), middle (0.5) or right (1); cut short with dots if too long."""
    shown = shortened(string, where.width, size)
    x = where.x + align * (where.width - text_width(shown, size))
    text(shown, x, where.y + where.height / 2 - size * 0.36, size, color)


def shortened(string: str, width: float, size: float) -> str:
    """A text that fits a width."""
    if text_width(string, size) <= width:
        return string
    while string and text_width(string + "…", size) > width:
        string = string[:-1]
    return string + "…" if string else ""


def _corners(where: Rectangle) -> tuple[tuple[float, float], ...]:
    return ((where.x, where.y), (where.right, where.y), (where.right, where.top), (where.x, where.top))
