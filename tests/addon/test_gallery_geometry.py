"""The gallery's geometry: nothing overlaps, everything is inside, squares are as large as fit."""

from __future__ import annotations

from itertools import combinations
from math import ceil

import pytest
from hypothesis import given
from hypothesis import strategies as st

from washi_latent.addon.gallery_geometry import (
    GAP,
    MARGIN,
    PREVIEW_LARGER,
    PREVIEW_STEP,
    SMALLEST_THUMBNAIL,
    Cover,
    Layout,
    Rectangle,
    arrange,
    centred,
    flow,
    largest_grid,
    rounded,
    uncovered,
)

areas = st.builds(Rectangle, st.integers(0, 300), st.integers(0, 200), st.integers(0, 4000), st.integers(0, 2500))
scales = st.sampled_from([0.5, 1.0, 1.25, 1.5, 2.0, 3.0])
counts = st.integers(1, 24)


def inside(inner: Rectangle, outer: Rectangle) -> bool:
    return inner.x >= outer.x and inner.y >= outer.y and inner.right <= outer.right and inner.top <= outer.top


def overlap(a: Rectangle, b: Rectangle) -> bool:
    return a.x < b.right and b.x < a.right and a.y < b.top and b.y < a.top


def parts(layout: Layout) -> list[Rectangle]:
    others = (layout.preview, layout.tiled, layout.preview_caption, layout.tiled_caption)
    return [layout.title, layout.help, *layout.thumbnails, *(part for part in others if part is not None)]


@given(areas, scales, counts, st.booleans(), st.integers(1, 3))
def test_nothing_overlaps_and_all_is_inside(area: Rectangle, scale: float, count: int, tileable: bool, help_rows: int) -> None:
    layout = arrange(area, scale, count, tileable, help_rows)
    drawn = [part for part in parts(layout) if part.width > 0 and part.height > 0]
    assert all(inside(part, area) for part in drawn)
    assert not any(overlap(a, b) for a, b in combinations(drawn, 2))


@given(areas, scales, counts, st.booleans())
def test_pictures_are_squares_and_all_thumbnails_are_shown_or_none(area: Rectangle, scale: float, count: int, tileable: bool) -> None:
    layout = arrange(area, scale, count, tileable)
    assert len(layout.thumbnails) in (0, count)
    assert len({(t.width, t.height) for t in layout.thumbnails}) <= 1
    squares = [*layout.thumbnails, *(p for p in (layout.preview, layout.tiled) if p is not None)]
    assert all(square.width == square.height for square in squares)
    assert all(t.width >= round(SMALLEST_THUMBNAIL * scale) for t in layout.thumbnails)
    if layout.preview is None or not tileable:
        assert layout.tiled is None


@given(areas, counts, st.integers(0, 40))
def test_grid_is_as_large_as_fits(body: Rectangle, count: int, gap: int) -> None:
    grid = largest_grid(body, count, gap)
    edge = grid[0].width if grid else 0
    larger = edge + 1
    for columns in range(1, count + 1):
        rows = ceil(count / columns)
        assert columns * larger + (columns - 1) * gap > body.width or rows * larger + (rows - 1) * gap > body.height


@given(areas, counts, st.integers(0, 40))
def test_grid_keeps_its_gaps_and_stands_in_the_middle(body: Rectangle, count: int, gap: int) -> None:
    grid = largest_grid(body, count, gap)
    for a, b in combinations(grid, 2):
        assert abs(a.x - b.x) >= a.width + gap or abs(a.y - b.y) >= a.height + gap
    if grid:
        left, right = min(t.x for t in grid) - body.x, body.right - max(t.right for t in grid)
        below, above = min(t.y for t in grid) - body.y, body.top - max(t.top for t in grid)
        assert abs(left - right) <= 1
        assert abs(below - above) <= 1


def test_reading_order() -> None:
    grid = largest_grid(Rectangle(0, 0, 430, 210), 8, 10)
    assert [(t.x, t.y) for t in grid] == [(0, 110), (110, 110), (220, 110), (330, 110), (0, 0), (110, 0), (220, 0), (330, 0)]


@given(areas, scales, counts, st.booleans())
def test_every_pixel_of_a_thumbnail_hits_it(area: Rectangle, scale: float, count: int, tileable: bool) -> None:
    layout = arrange(area, scale, count, tileable)
    for index, square in enumerate(layout.thumbnails):
        corners = [(square.x, square.y), (square.right - 1, square.y), (square.x, square.top - 1), (square.right - 1, square.top - 1)]
        assert {layout.thumbnail_at(*corner) for corner in corners} == {index}
    assert layout.thumbnail_at(area.x - 1, area.y - 1) is None
    if layout.preview is not None:
        assert layout.thumbnail_at(layout.preview.x, layout.preview.y) is None


@given(st.integers(700, 4000), st.integers(700, 2500), counts, st.booleans())
def test_previews_are_larger_than_thumbnails_and_end_on_the_step(width: int, height: int, count: int, tileable: bool) -> None:
    layout = arrange(Rectangle(0, 0, width, height), 1.0, count, tileable)
    if layout.preview is not None:
        assert layout.preview.width % PREVIEW_STEP == 0
        assert layout.preview.width >= PREVIEW_LARGER * layout.thumbnails[0].width


@given(st.integers(400, 2000), st.integers(400, 1500), counts, st.booleans())
def test_twice_the_scale_and_size_is_as_good_a_picture(width: int, height: int, count: int, tileable: bool) -> None:
    once = arrange(Rectangle(0, 0, width, height), 1.0, count, tileable)
    twice = arrange(Rectangle(0, 0, 2 * width, 2 * height), 2.0, count, tileable)
    assert twice.title.height == 2 * once.title.height
    assert len(once.thumbnails) == len(twice.thumbnails)
    if once.preview is not None and twice.preview is not None:
        worth = [layout.thumbnails[0].width ** 2 * layout.preview.width for layout in (once, twice)]
        assert worth[1] >= 0.85 * 8 * worth[0]  # edges end on steps


def test_usual_viewport_has_large_thumbnails_and_two_previews() -> None:
    layout = arrange(Rectangle(0, 0, 1312, 824), 1.0, 8, tileable=True)
    assert layout.preview is not None
    assert layout.tiled is not None
    assert layout.thumbnails[0].width >= 220
    assert layout.preview.width >= 270
    assert layout.preview.x > layout.thumbnails[2].right
    assert layout.preview.y > layout.tiled.top


def test_upright_viewport_has_the_previews_on_top() -> None:
    layout = arrange(Rectangle(0, 0, 600, 1200), 1.0, 8, tileable=True)
    assert layout.preview is not None
    assert layout.tiled is not None
    assert layout.preview.y == layout.tiled.y > layout.thumbnails[0].top


def test_small_region_has_thumbnails_alone_and_a_tiny_one_nothing() -> None:
    small = arrange(Rectangle(0, 0, 300, 220), 1.0, 8, tileable=True)
    assert small.preview is None
    assert len(small.thumbnails) == 8
    assert arrange(Rectangle(0, 0, 90, 90), 1.0, 8, tileable=True).thumbnails == ()


def test_no_thumbnails_before_the_first_look() -> None:
    assert arrange(Rectangle(0, 0, 1000, 700), 1.0, 0, tileable=True).thumbnails == ()


def test_uncovered_part_between_header_toolbar_and_sidebar() -> None:
    covers = [
        Cover(Rectangle(0, 780, 1000, 20), "TOP"),
        Cover(Rectangle(0, 0, 50, 780), "LEFT"),
        Cover(Rectangle(760, 0, 240, 780), "RIGHT"),
        Cover(Rectangle(0, 0, 1, 1), "BOTTOM"),
        Cover(Rectangle(60, 0, 200, 100), "FLOAT"),
    ]
    assert uncovered(1000, 800, covers) == Rectangle(50, 0, 710, 780)
    assert uncovered(100, 100, [Cover(Rectangle(0, 0, 80, 100), "LEFT"), Cover(Rectangle(20, 0, 80, 100), "RIGHT")]).width == 0


@given(st.lists(st.integers(1, 300), max_size=15), st.integers(0, 30), st.integers(1, 900))
def test_rows_of_help_keep_order_and_fit(widths: list[int], gap: int, width: int) -> None:
    rows = flow(widths, gap, width)
    assert [i for row in rows for i in row] == list(range(len(widths)))
    for row in rows:
        assert len(row) == 1 or length(widths, row, gap) <= width


def length(widths: list[int], row: tuple[int, ...], gap: int) -> int:
    return sum(widths[i] for i in row) + gap * (len(row) - 1)


@given(st.lists(st.integers(1, 60), min_size=1, max_size=8), st.integers(0, 9), st.integers(60, 400))
def test_rows_of_help_are_as_few_and_as_even_as_can_be(widths: list[int], gap: int, width: int) -> None:
    rows = flow(widths, gap, width)
    longest = max(length(widths, row, gap) for row in rows)
    for cuts in range(2 ** (len(widths) - 1)):
        other: list[list[int]] = [[0]]
        for i in range(1, len(widths)):
            if cuts >> (i - 1) & 1:
                other.append([i])
            else:
                other[-1].append(i)
        if max(length(widths, tuple(row), gap) for row in other) <= width:
            assert len(rows) <= len(other)
            assert len(other) > len(rows) or longest <= max(length(widths, tuple(row), gap) for row in other)


def test_neighbours_by_the_arrow_keys() -> None:
    layout = arrange(Rectangle(0, 0, 2 * MARGIN + 4 * 150 + 3 * GAP, 460), 1.0, 8, tileable=False)
    columns = len({t.x for t in layout.thumbnails})
    assert layout.neighbour(None, 1, 0) == 0
    assert layout.neighbour(0, 1, 0) == 1
    assert layout.neighbour(0, 0, -1) == columns
    assert layout.neighbour(columns, 0, 1) == 0
    assert layout.neighbour(0, -1, 0) == 0
    assert layout.neighbour(99, 1, 0) == 0
    assert arrange(Rectangle(0, 0, 9, 9), 1.0, 8, tileable=False).neighbour(0, 1, 0) is None


def test_centred() -> None:
    assert centred(10, 20, Rectangle(100, 100, 50, 40)) == Rectangle(120, 110, 10, 20)


@given(st.integers(1, 500), st.integers(1, 500), st.floats(0, 300))
def test_round_corners_stay_inside_and_reach_every_edge(width: int, height: int, radius: float) -> None:
    outline = rounded(Rectangle(5, 7, width, height), radius)
    xs, ys = zip(*outline, strict=True)
    assert (min(xs), max(xs)) == pytest.approx((5, 5 + width))
    assert (min(ys), max(ys)) == pytest.approx((7, 7 + height))
    turns = sum(a[0] * b[1] - b[0] * a[1] for a, b in zip(outline, outline[1:] + outline[:1], strict=True))
    assert turns > 0
