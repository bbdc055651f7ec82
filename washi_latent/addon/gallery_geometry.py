"""Where everything of the gallery lies: pure functions from sizes to rectangles, in pixels from the lower left corner. No Blender here."""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Sequence
from dataclasses import dataclass, replace
from math import ceil, cos, pi, sin

MARGIN = 24
GAP = 12
TITLE = 44
CAPTION = 24
HELP_ROW = 30
BADGE = 22
SMALLEST_THUMBNAIL = 24
SMALLEST_PREVIEW = 96
"""Lengths at a UI scale of 1; every one is multiplied by the scale."""

PREVIEW_STEP = 8
"""Edges of previews are a multiple of it, as those of most models' pictures: a sheet is then drawn pixel by pixel."""
PREVIEW_LARGER = 1.25
"""How many times larger than a thumbnail a preview is, at least."""
PREVIEW_SHARE = 0.4
"""Of the longer edge, what the previews take at most: the choice is the thumbnails'."""


@dataclass(frozen=True)
class Rectangle:
    """Whole pixels; `x`, `y` is the lower left corner."""

    x: int
    y: int
    width: int
    height: int

    @property
    def right(self) -> int:
        """First column beyond it."""
        return self.x + self.width

    @property
    def top(self) -> int:
        """First row above it."""
        return self.y + self.height

    def contains(self, x: float, y: float) -> bool:
        """Whether a point lies in it."""
        return self.x <= x < self.right and self.y <= y < self.top

    def inset(self, by: int) -> Rectangle:
        """It without a border of this width, at least empty."""
        return Rectangle(self.x + by, self.y + by, max(0, self.width - 2 * by), max(0, self.height - 2 * by))


@dataclass(frozen=True)
class Cover:
    """A region that lies over the editor's main one: its rectangle and the side it is docked to (TOP, BOTTOM, LEFT, RIGHT)."""

    rectangle: Rectangle
    side: str


@dataclass(frozen=True)
class Layout:
    """Rectangles of everything that is drawn.

    Attributes:
        area: all of it.
        title: line at the top. help: rows at the bottom.
        thumbnails: one square a representative, all of one size; empty where not even small ones fit.
        preview: square of the large picture; None where there is no room.
        tiled: square of the 2x2 tiling; None where the model doesn't tile or there is no room.
        preview_caption, tiled_caption: line under each.
    """

    area: Rectangle
    title: Rectangle
    help: Rectangle
    thumbnails: tuple[Rectangle, ...]
    preview: Rectangle | None = None
    preview_caption: Rectangle | None = None
    tiled: Rectangle | None = None
    tiled_caption: Rectangle | None = None

    def thumbnail_at(self, x: float, y: float) -> int | None:
        """Which thumbnail a point lies in."""
        return next((i for i, square in enumerate(self.thumbnails) if square.contains(x, y)), None)

    def neighbour(self, index: int | None, right: int, up: int) -> int | None:
        """The thumbnail that lies next in a direction (-1, 0 or 1 each), or the same one at the edge; the first if there is none."""
        if not self.thumbnails:
            return None
        if index is None or index >= len(self.thumbnails):
            return 0
        here = self.thumbnails[index]
        ahead = [
            (abs(there.x - here.x) + abs(there.y - here.y), i)
            for i, there in enumerate(self.thumbnails)
            if _sign(there.x - here.x) == right and _sign(there.y - here.y) == up
        ]
        return min(ahead)[1] if ahead else index


def uncovered(width: int, height: int, covers: Sequence[Cover]) -> Rectangle:
    """The part of a region (width, height) that sidebar, toolbar and header leave free; covers are in its coordinates."""
    left, bottom, right, top = 0, 0, width, height
    for cover in covers:
        it = cover.rectangle
        if it.width <= 1 or it.height <= 1:
            continue
        if cover.side == "LEFT":
            left = max(left, it.right)
        elif cover.side == "RIGHT":
            right = min(right, it.x)
        elif cover.side == "BOTTOM":
            bottom = max(bottom, it.top)
        elif cover.side == "TOP":
            top = min(top, it.y)
    return Rectangle(left, bottom, max(0, right - left), max(0, top - bottom))


def arrange(area: Rectangle, scale: float, count: int, tileable: bool, help_rows: int = 1) -> Layout:
    """Lay out the gallery: thumbnails as large as fit beside the previews, or under them where the area is upright.

    Args:
        area: that may be drawn on.
        scale: of the user interface, 2 on a HiDPI screen.
        count: of thumbnails.
        tileable: whether there is a 2x2 tiling to show.
        help_rows: lines of help at the bottom.

    Returns:
        The layout; squares don't overlap and all lie in `area`.
    """
    title_height, help_height = round(TITLE * scale), round(HELP_ROW * scale) * help_rows
    margin = round(MARGIN * scale)
    inner = area.inset(margin)
    title = Rectangle(inner.x, max(inner.y, inner.top - title_height), inner.width, min(title_height, inner.height))
    help_line = Rectangle(inner.x, inner.y, inner.width, min(help_height, inner.height - title.height))
    gap = round(GAP * scale)
    body = Rectangle(inner.x, help_line.top + gap, inner.width, max(0, title.y - help_line.top - 2 * gap))
    return _beside(body, scale, count, tileable, Layout(area, title, help_line, ()))


def largest_grid(body: Rectangle, count: int, gap: int, smallest: int = 1) -> tuple[Rectangle, ...]:
    """Equal squares, row by row from the top left, as large as fit and centred; empty where they would be too small.

    Of grids with squares of the same size the one with the fewest empty cells is taken, then the flattest.
    """
    if count < 1:
        return ()
    edge, _, rows, columns = max((*_fitting(body, columns, count, gap), columns) for columns in range(1, count + 1))
    if edge < smallest:
        return ()
    rows = -rows
    pitch = edge + gap
    x = body.x + (body.width - columns * pitch + gap) // 2
    top = body.top - (body.height - rows * pitch + gap) // 2
    return tuple(Rectangle(x + i % columns * pitch, top - i // columns * pitch - edge, edge, edge) for i in range(count))


def flow(widths: Sequence[int], gap: int, width: int) -> tuple[tuple[int, ...], ...]:
    """Break items of these widths into as few rows as fit this width, of nearly one length; too wide an item has a row of its own."""
    fewest = len(_filled(widths, gap, width))
    narrowest = bisect_left(range(width), -fewest, key=lambda tried: -len(_filled(widths, gap, tried)))
    return _filled(widths, gap, narrowest)


def _filled(widths: Sequence[int], gap: int, width: int) -> tuple[tuple[int, ...], ...]:
    rows: list[list[int]] = []
    used = 0
    for index, item in enumerate(widths):
        if rows and used + gap + item <= width:
            rows[-1].append(index)
            used += gap + item
        else:
            rows.append([index])
            used = item
    return tuple(map(tuple, rows))


def centred(width: int, height: int, within: Rectangle) -> Rectangle:
    """A rectangle of this size in the middle of another."""
    return Rectangle(within.x + (within.width - width) // 2, within.y + (within.height - height) // 2, width, height)


def rounded(rectangle: Rectangle, radius: float, segments: int = 6) -> list[tuple[float, float]]:
    """Outline of a rectangle with round corners, counterclockwise; a radius of half its edge gives a pill."""
    r = max(0.0, min(radius, rectangle.width / 2, rectangle.height / 2))
    left, right, bottom, top = rectangle.x + r, rectangle.right - r, rectangle.y + r, rectangle.top - r
    corners = ((right, top), (left, top), (left, bottom), (right, bottom))
    return [
        (x + r * cos(pi / 2 * (quarter + step / segments)), y + r * sin(pi / 2 * (quarter + step / segments)))
        for quarter, (x, y) in enumerate(corners)
        for step in range(segments + 1)
    ]


def _sign(number: int) -> int:
    return (number > 0) - (number < 0)


def _fitting(body: Rectangle, columns: int, count: int, gap: int) -> tuple[int, int, int]:
    """Edge of the squares in so many columns; empty cells and rows, negative: fewer is better."""
    rows = ceil(count / columns)
    edge = min((body.width - (columns - 1) * gap) // columns, (body.height - (rows - 1) * gap) // rows)
    return edge, count - rows * columns, -rows


def _beside(body: Rectangle, scale: float, count: int, tileable: bool, bare: Layout) -> Layout:
    """Put the previews to the right of the thumbnails, or above them where the body is upright."""
    gap, caption, smallest = round(GAP * scale), round(CAPTION * scale), round(SMALLEST_THUMBNAIL * scale)
    shown = 2 if tileable else 1
    wide = body.width >= body.height
    largest = (
        min((body.height - (shown - 1) * gap) // shown - caption, int(body.width * PREVIEW_SHARE))
        if wide
        else min(int(body.height * PREVIEW_SHARE) - caption, (body.width - (shown - 1) * gap) // shown)
    )
    best: tuple[int, int, tuple[Rectangle, ...]] | None = None  # worth, edge, thumbnails
    for edge in range(largest // PREVIEW_STEP * PREVIEW_STEP, round(SMALLEST_PREVIEW * scale) - 1, -PREVIEW_STEP):
        rest = (body.width - edge - 2 * gap, body.height) if wide else (body.width, body.height - edge - caption - 2 * gap)
        thumbnails = largest_grid(Rectangle(body.x, body.y, *rest), count, gap, smallest)
        worth = thumbnails[0].width ** 2 * edge if thumbnails else 0  # the choice counts twice
        if thumbnails and thumbnails[0].width * PREVIEW_LARGER <= edge and (best is None or worth > best[0]):
            best = worth, edge, thumbnails
    if best is None:
        return replace(bare, thumbnails=largest_grid(body, count, gap, smallest))
    _, edge, thumbnails = best
    return (_column if wide else _row)(body, edge, gap, caption, tileable, thumbnails, bare)


def _column(body: Rectangle, edge: int, gap: int, caption: int, tileable: bool, thumbnails: tuple[Rectangle, ...], bare: Layout) -> Layout:
    """Previews one above the other; they and the thumbnails stand together in the middle."""
    left, right = min(t.x for t in thumbnails), max(t.right for t in thumbnails)
    used = right - left + 2 * gap + edge
    shift = body.x + (body.width - used) // 2 - left
    x = right + shift + 2 * gap
    height = (edge + caption) * (2 if tileable else 1) + (gap if tileable else 0)
    high, low = thumbnails[0].top, thumbnails[-1].y
    top = body.top - (body.height - max(height, high - low)) // 2
    moved = tuple(Rectangle(t.x + shift, t.y + top - high, t.width, t.height) for t in thumbnails)
    preview, tiled = Rectangle(x, top - edge, edge, edge), Rectangle(x, top - 2 * edge - caption - gap, edge, edge)
    return _with_previews(bare, moved, preview, tiled if tileable else None, caption)


def _row(body: Rectangle, edge: int, gap: int, caption: int, tileable: bool, thumbnails: tuple[Rectangle, ...], bare: Layout) -> Layout:
    """Previews side by side above the thumbnails."""
    width = 2 * edge + gap if tileable else edge
    x = body.x + (body.width - width) // 2
    preview, tiled = Rectangle(x, body.top - edge, edge, edge), Rectangle(x + edge + gap, body.top - edge, edge, edge)
    return _with_previews(bare, thumbnails, preview, tiled if tileable else None, caption)


def _with_previews(bare: Layout, thumbnails: tuple[Rectangle, ...], preview: Rectangle, tiled: Rectangle | None, caption: int) -> Layout:
    return replace(
        bare,
        thumbnails=thumbnails,
        preview=preview,
        preview_caption=_under(preview, caption),
        tiled=tiled,
        tiled_caption=None if tiled is None else _under(tiled, caption),
    )


def _under(square: Rectangle, height: int) -> Rectangle:
    return Rectangle(square.x, square.y - height, square.width, height)
