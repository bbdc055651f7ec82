"""Single pieces in a sheet: outlines of bark, leaf and metal, many at once, and what fills them, anti-aliased and periodic."""

from __future__ import annotations

import math
from collections.abc import Iterable
from typing import Protocol

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw
from scipy import ndimage

from .threads import Ask, never

Array = NDArray[np.float32]
Points = NDArray[np.float64]


class Shape(Protocol):
    """Draws outlines (count, points, 2) in mm around 0, turned at random."""

    def __call__(self, rng: np.random.Generator, count: int, /) -> Points: ...


_WAVES = np.arange(1.0, 5.0)
_ANGLES = np.linspace(0, 2 * math.pi, 14, endpoint=False)
_CIRCLE = np.stack([np.cos(_ANGLES), np.sin(_ANGLES)], 1)


def specks(rng: np.random.Generator, count: int, radius: float) -> Points:
    """Crumbs of bark, of a lognormal size around `radius` mm."""
    sizes: Points = np.clip(rng.lognormal(math.log(radius), 0.55, count), 0.04, 0.7)
    strength, phase = rng.normal(0, 0.28, (count, 4)) / _WAVES, rng.uniform(0, 6.3, (count, 4))
    waves = 1 + (strength[..., None] * np.cos(_WAVES[:, None] * _ANGLES + phase[..., None])).sum(1)
    stretched = np.stack([rng.uniform(1, 1.9, count), np.ones(count)], 1)
    return _turned(rng, _CIRCLE * stretched[:, None] * (sizes[:, None] * waves)[..., None])


def bark_slivers(rng: np.random.Generator, count: int) -> Points:
    """Strips of bark, 0.8 to 9 mm long, tapered and bent."""
    length = np.clip(rng.lognormal(math.log(2.2), 0.6, (count, 1)), 0.8, 9)
    width = length * rng.uniform(0.035, 0.12, (count, 1))
    along = np.linspace(0, 1, 26)
    bend = np.cumsum(np.cumsum(rng.normal(0, 0.016, (count, 26)), 1), 1) * length * 0.35
    half = width / 2 * np.sin(math.pi * along) ** 0.6 * (1 + 0.35 * ndimage.gaussian_filter1d(rng.normal(size=(count, 26)), 1.2))
    return _turned(rng, _around((along - 0.5) * length, bend - bend.mean(1, keepdims=True), np.maximum(half, 0)))


def leaves(rng: np.random.Generator, count: int) -> Points:
    """Pieces of leaf, 3 to 9 mm long, often torn."""
    length = rng.uniform(3, 9, (count, 1))
    along = np.linspace(0, 1, 30)
    wave = 1 + 0.10 * np.sin(along * 40 + rng.uniform(0, 6, (count, 1)))
    half = length * rng.uniform(0.10, 0.24, (count, 1)) * np.sin(math.pi * along**0.8) * wave
    # Of a torn one, the outline stays where the tear is.
    torn = np.minimum(np.arange(30), rng.integers(15, 29, (count, 1)))
    course = (along - 0.5) * length, 0.06 * length * np.sin(along * 3), half
    x, y, half = (np.take_along_axis(values, torn, 1) for values in course)
    return _turned(rng, _around(x, y, half))


def flakes(rng: np.random.Generator, count: int, edge: float) -> Points:
    """Squares of metal leaf, cut by hand, around `edge` mm."""
    edges: Points = np.clip(rng.lognormal(math.log(edge), 0.45, (count, 1, 1)), 0.08, 6)
    corners = np.array([[-1, -1], [1, -1], [1, 1], [-1, 1]]) * np.stack([np.ones((count, 1)), rng.uniform(0.55, 1.0, (count, 1))], -1)
    return _turned(rng, edges * (corners / 2 + rng.normal(0, 0.07, (count, 4, 2))))


def _turned(rng: np.random.Generator, outlines: Points) -> Points:
    """Each outline at a random angle."""
    angle = rng.uniform(0, 2 * math.pi, (len(outlines), 1))
    cosine, sine, x, y = np.cos(angle), np.sin(angle), outlines[..., 0], outlines[..., 1]
    return np.stack([x * cosine + y * sine, y * cosine - x * sine], -1)


def _around(x: Points, y: Points, half: Points) -> Points:
    return np.concatenate([np.stack([x, y + half], -1), np.stack([x, y - half], -1)[:, ::-1]], 1)


SMALL = 7.0
"""Pixels from its middle that a shape of four corners may reach to be filled by how far pixels lie within its edges."""
_FINE = 4
_AT_ONCE = 1 << 17
"""Pixels of pieces that are filled between two questions."""
_RIM, _CORE = 0.1065, 0.787
"""A Gaussian of half a pixel."""

Marks = Iterable[tuple[Array, NDArray[np.float64]]]


def stamp(cover: Array, outlines: Points, density: NDArray[np.float64], marks: Marks = (), soft: bool = False, ask: Ask = never) -> None:
    """Fill pieces into periodic planes, anti-aliased. Where two overlap the denser counts; those larger than the sheet are left out.

    Args:
        cover: (H, W). outlines: (n, k, 2), x and y in pixels. density: (n,) cover of each. soft: with a rim blurred by half a pixel.
        marks: planes, and (n,) values that they hold wherever a piece covers anything. ask: is asked between pieces.
    """
    if len(outlines) == 0:
        return
    marks = list(marks)
    low, high = outlines.min(1), outlines.max(1)
    corners = np.floor(low).astype(np.int64) - (2 if soft else 1)
    sizes = np.ceil(high).astype(np.int64) + (3 if soft else 2) - corners
    fits = (sizes <= np.array(cover.shape)[::-1]).all(1)
    if outlines.shape[1] == 4 and not soft:
        reach = np.abs(outlines - np.floor(outlines.mean(1, keepdims=True))).max((1, 2))
        for before, limit in ((0.0, 2.0), (2.0, 4.0), (4.0, SMALL)):
            chosen = np.flatnonzero((reach >= before) & (reach < limit))
            stamp_quads(cover, outlines[chosen], density[chosen], [(plane, values[chosen]) for plane, values in marks], limit, ask)
        fits &= reach >= SMALL
    # Pieces of about one size share a picture, one below another.
    steps = np.ceil(2 * np.log2(np.maximum(sizes.max(1), 8)) - 1e-9).astype(int)
    for step in np.unique(steps[fits]):
        group, edge = np.flatnonzero(fits & (steps == step)), math.ceil(2 ** (step / 2))
        for few in np.array_split(group, max(1, math.ceil(len(group) * edge**2 / _AT_ONCE))):
            ask()
            mask = _filled(outlines[few] - corners[few, None], edge) * (density[few] / 255).astype(np.float32)[:, None, None]
            if soft:
                for axis in (1, 2):
                    mask = _CORE * mask + _RIM * (np.roll(mask, 1, axis) + np.roll(mask, -1, axis))
            _lay(cover, mask, corners[few], [(plane, values[few]) for plane, values in marks])


def _filled(outlines: Points, edge: int) -> Array:
    """(n, edge, edge) of 0 to 255."""
    picture = Image.new("L", (edge * _FINE, len(outlines) * edge * _FINE))
    drawing = ImageDraw.Draw(picture)
    below = outlines + np.stack([np.zeros(len(outlines)), np.arange(len(outlines)) * edge], 1)[:, None]
    for outline in (below * _FINE).reshape(len(outlines), -1).tolist():
        drawing.polygon(outline, fill=255)
    return np.asarray(picture.reduce(_FINE), np.float32).reshape(len(outlines), edge, edge)


def stamp_quads(cover: Array, quads: Points, density: NDArray[np.float64], marks: Marks = (), reach: float = SMALL, ask: Ask = never) -> None:
    """Fill small convex shapes of four corners (n, 4, 2) that reach fewer than so many pixels from their middle, as `stamp` does.

    A pixel's share is the product of how far it lies within each edge, which is exact for straight edges along the grid.
    """
    marks = list(marks)
    window = np.arange(2 * math.ceil(reach) + 2) - math.ceil(reach)
    at_once = max(1, _AT_ONCE // len(window) ** 2)
    for first in range(0, len(quads), at_once):
        ask()
        few = slice(first, first + at_once)
        part = quads[few]
        corner = np.floor(part.mean(1)).astype(np.int64)
        local, along = (part - corner[:, None]).astype(np.float32), np.roll(part, -1, 1) - part
        # Corners may run either way round.
        turn = np.sign(along[:, 0, 0] * along[:, 1, 1] - along[:, 0, 1] * along[:, 1, 0])[:, None]
        across = (np.stack([-along[..., 1], along[..., 0]], -1) * (turn / (np.linalg.norm(along, axis=-1) + 1e-9))[..., None]).astype(np.float32)
        x, y = (window.astype(np.float32) + np.float32(0.5) - local[:, :, axis, None] for axis in (0, 1))
        share = np.broadcast_to(density[few, None, None].astype(np.float32), (len(part), len(window), len(window)))
        for edge in range(4):
            inside = across[:, edge, 1, None, None] * y[:, edge, :, None] + across[:, edge, 0, None, None] * x[:, edge, None, :]
            inside += np.float32(0.5)
            share = share * np.clip(inside, 0, 1, out=inside)
        _lay(cover, share, corner + window[0], [(plane, values[few]) for plane, values in marks])


def _lay(cover: Array, masks: Array, corners: NDArray[np.int64], marks: Marks) -> None:
    """Lay (n, h, w) masks into the cover, each with its upper left corner (n, 2), x and y, anywhere in the periodic plane."""
    height, width = cover.shape
    _, high, wide = masks.shape
    covered = np.flatnonzero(masks > 0)
    line = covered // wide
    piece = line // high
    row, column = corners[piece, 1] + line - piece * high, corners[piece, 0] + covered - line * wide
    places, values = row % height * width + column % width, masks.reshape(-1)[covered].astype(cover.dtype)
    flat = cover.reshape(-1)
    higher = values > flat[places]
    piece, places, values = piece[higher], places[higher], values[higher]
    waiting, wanted = places, values
    while len(waiting):  # of a place that is named twice, any value may be the one that is set
        flat[waiting] = wanted
        higher = wanted > flat[waiting]
        waiting, wanted = waiting[higher], wanted[higher]
    highest = flat[places] == values
    places, piece = places[highest], piece[highest]
    for plane, value in marks:
        plane.reshape(-1)[places] = value[piece]
