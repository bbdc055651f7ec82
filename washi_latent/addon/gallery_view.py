"""Paints the gallery from a value. What is painted is decided in `gallery`, where it lies in `gallery_geometry`."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import bpy
import gpu

from . import gallery_drawing as draw
from .gallery_geometry import HELP_ROW, MARGIN, Layout, Rectangle, flow

BACKGROUND = (0.085, 0.085, 0.085, 0.99)
WORDS = (0.92, 0.92, 0.92, 1.0)
QUIET = (0.6, 0.6, 0.6, 1.0)
ALARM = (1.0, 0.62, 0.35, 1.0)
LINE = (0.3, 0.3, 0.3, 1.0)
EMPTY = (0.11, 0.11, 0.11, 1.0)
LABEL = (0.0, 0.0, 0.0, 0.85)
VEIL = (0.085, 0.085, 0.085, 0.65)
KEY = (0.2, 0.2, 0.2, 1.0)

ROOMY = 110
"""Edge of thumbnails, at a UI scale of 1, from which on each tells how many are like it."""


@dataclass(frozen=True)
class Thumbnail:
    """One representative, or the member of its cluster that was scrolled to.

    Attributes:
        candidate: index among all samples. place: of it in its cluster, from 0. members: in the cluster. marks: letters at its corner.
    """

    candidate: int
    place: int
    members: int
    marks: str = ""


@dataclass(frozen=True)
class View:
    """What is seen: all words are in the user's language.

    Attributes:
        title: at the top left. place: at the top right. status: under the title; `alarm` if something went wrong.
        progress: of the work that goes on, or None. stale: what is shown is of another place, and under a veil.
        ends: letters and packed latents of the sequence's ends that are set.
        hovered: which thumbnail is looked at.
        tileable: whether a 2x2 tiling is shown.
        preview_caption, tiled_caption: under the large pictures.
        help: keys and what they do.
    """

    title: str
    place: str
    status: str
    alarm: bool
    ends: tuple[tuple[str, bytes], ...]
    progress: float | None
    stale: bool
    thumbnails: tuple[Thumbnail, ...]
    hovered: int | None
    tileable: bool
    preview_caption: str
    tiled_caption: str
    help: tuple[tuple[str, str], ...]


@dataclass(frozen=True)
class Pictures:
    """Where textures come from: by candidate and edge in pixels."""

    thumbnail: Callable[[int, int], gpu.types.GPUTexture]
    preview: Callable[[int, int], gpu.types.GPUTexture]
    tiled: Callable[[int, int], gpu.types.GPUTexture]
    end: Callable[[bytes, int], gpu.types.GPUTexture | None]


@dataclass(frozen=True)
class Style:
    """How large and in which colour: scale of the interface, its accent."""

    scale: float
    accent: draw.Color

    def size(self, points: float) -> float:
        """Pixels of a text."""
        return points * self.scale


def paint(view: View, layout: Layout, pictures: Pictures, style: Style) -> None:
    """Draw everything."""
    draw.fill(layout.area, BACKGROUND)
    _title(view, layout.title, pictures, style)
    for index, (thumbnail, where) in enumerate(zip(view.thumbnails, layout.thumbnails, strict=False)):
        _thumbnail(index, thumbnail, where, index == view.hovered, pictures, style)
    if view.stale:
        for where in layout.thumbnails:
            draw.fill(where, VEIL)
    _previews(view, layout, pictures, style)
    _help(view.help, layout.help, style)
    gpu.state.blend_set("NONE")


def help_rows(items: tuple[tuple[str, str], ...], area: Rectangle, style: Style) -> int:
    """Rows that the help takes."""
    width = area.width - 2 * round(MARGIN * style.scale)
    return len(flow([_help_width(item, style) for item in items], _help_gap(style), width))


def _title(view: View, line: Rectangle, pictures: Pictures, style: Style) -> None:
    where = _ends(view, line, pictures, style)
    half = where.height // 2
    upper, lower = Rectangle(where.x, where.y + half, where.width, half), Rectangle(where.x, where.y, where.width, half)
    draw.text_in(view.title, upper, style.size(16), WORDS)
    draw.text_in(view.place, upper, style.size(13), QUIET, 1.0)
    draw.text_in(view.status, lower, style.size(12), ALARM if view.alarm else QUIET)
    if view.progress is not None:
        thin = max(2, round(3 * style.scale))
        track = Rectangle(line.x, line.y - round(6 * style.scale), line.width, thin)
        draw.fill(track, LINE)
        draw.fill(Rectangle(track.x, track.y, round(track.width * view.progress), thin), style.accent)


def _ends(view: View, line: Rectangle, pictures: Pictures, style: Style) -> Rectangle:
    """Draw the sequence's ends at the right of a line; what is left of it."""
    edge, gap, right = line.height, round(8 * style.scale), line.right
    for letter, latent in reversed(view.ends):
        where = Rectangle(right - edge, line.y, edge, edge)
        texture = pictures.end(latent, edge)
        if texture is None:
            draw.fill(where, EMPTY)
        else:
            draw.picture(texture, where)
        _label(letter, where, 0.0, 0.0, style)
        right = where.x - gap
    return Rectangle(line.x, line.y, max(0, right - line.x), line.height)


def _thumbnail(index: int, thumbnail: Thumbnail, where: Rectangle, hovered: bool, pictures: Pictures, style: Style) -> None:
    draw.picture(pictures.thumbnail(thumbnail.candidate, where.width), where)
    if hovered:
        # A little away from the picture: the accent may be the paper's own colour.
        draw.border(where.inset(-round(2 * style.scale)), style.accent, max(2, round(3 * style.scale)))
    inset = where.inset(round(6 * style.scale))
    if index < 9:
        _label(str(index + 1), inset, 0.0, 1.0, style)
    if thumbnail.marks:
        _label(thumbnail.marks, inset, 1.0, 1.0, style)
    if thumbnail.members > 1 and (hovered or where.width >= ROOMY * style.scale):
        _label(f"{thumbnail.place + 1} / {thumbnail.members}", inset, 1.0, 0.0, style)


def _label(string: str, within: Rectangle, right: float, up: float, style: Style) -> None:
    """A word on a dark patch in a corner of a picture."""
    size, height = style.size(12), round(22 * style.scale)
    width = max(height, draw.text_width(string, size) + round(12 * style.scale))
    x, y = within.x + right * (within.width - width), within.y + up * (within.height - height)
    patch = Rectangle(round(x), round(y), width, height)
    draw.fill(patch, LABEL, 4 * style.scale)
    draw.text_in(string, patch, size, WORDS, 0.5)


def _previews(view: View, layout: Layout, pictures: Pictures, style: Style) -> None:
    chosen = None if view.hovered is None or view.hovered >= len(view.thumbnails) else view.thumbnails[view.hovered]
    for where, caption, words, source in (
        (layout.preview, layout.preview_caption, view.preview_caption, pictures.preview),
        (layout.tiled, layout.tiled_caption, view.tiled_caption, pictures.tiled),
    ):
        if where is None or caption is None:
            continue
        if chosen is None:
            draw.fill(where, EMPTY)
            continue
        draw.picture(source(chosen.candidate, where.width), where)
        if view.stale:
            draw.fill(where, VEIL)
        draw.text_in(words, caption, style.size(12), QUIET)


def _help(items: tuple[tuple[str, str], ...], where: Rectangle, style: Style) -> None:
    widths = [_help_width(item, style) for item in items]
    gap, row = _help_gap(style), round(HELP_ROW * style.scale)
    for number, indices in enumerate(flow(widths, gap, where.width)):
        x = where.x + (where.width - sum(widths[i] for i in indices) - gap * (len(indices) - 1)) // 2
        line = Rectangle(where.x, where.top - (number + 1) * row, where.width, row)
        if line.y < where.y:
            return
        for i in indices:
            _key(items[i], x, line, style)
            x += widths[i] + gap


def _key(item: tuple[str, str], x: int, line: Rectangle, style: Style) -> None:
    """A key, as on a keyboard, and what it does."""
    key, words = item
    size, pad = style.size(12), round(7 * style.scale)
    width, height = draw.text_width(key, size) + 2 * pad, round(20 * style.scale)
    cap = Rectangle(x, line.y + (line.height - height) // 2, width, height)
    draw.fill(cap, KEY, 4 * style.scale)
    draw.outline(cap, LINE, max(1.0, style.scale), 4 * style.scale)
    draw.text_in(key, cap, size, WORDS, 0.5)
    draw.text_in(words, Rectangle(cap.right + pad, line.y, line.width, line.height), size, QUIET)


def _help_width(item: tuple[str, str], style: Style) -> int:
    size, pad = style.size(12), round(7 * style.scale)
    return draw.text_width(item[0], size) + draw.text_width(item[1], size) + 3 * pad


def _help_gap(style: Style) -> int:
    return round(20 * style.scale)


def accent() -> draw.Color:
    """The theme's colour of what is chosen."""
    red, green, blue, _ = bpy.context.preferences.themes[0].user_interface.wcol_regular.inner_sel
    return (red, green, blue, 1.0)
