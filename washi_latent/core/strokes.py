"""Fibres in a sheet: curves that walk randomly, bundles of them, and the pen that draws them, anti-aliased and periodic."""

from __future__ import annotations

import math
from typing import Protocol

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage, sparse

from .shapes import Array, Points
from .threads import Ask, never


class Pen(Protocol):
    """What draws curves and counts the fibres over each pixel, periodically."""

    def draw(self, points: Points) -> None:
        """Add curves (n, k, 2), x and y in pixels."""
        ...

    def take(self) -> Array:
        """(H, W) fibres over each pixel since the last call."""
        ...


class SplatPen:
    """Draws curves by adding points to the four pixels around each; exact in sum, periodic, unbounded."""

    _STEP = 1.0
    """Pixels between two points, at most. A line along the grid is even with just this step; a fibre at any angle is within some percent."""
    _AT_ONCE = 1 << 16
    """Points whose places are found at a time, so that they stay in the processor's cache."""

    def __init__(self, shape: tuple[int, int], ask: Ask = never) -> None:
        self.shape, self._ask = shape, ask
        self._sum = np.zeros(shape[0] * shape[1], np.float32)
        # What waits is added in passes over the whole plane: of a large sheet, many points at a time.
        self._most = min(max(len(self._sum) // 4, 2 * self._AT_ONCE), 1 << 20)
        self._places, self._values = np.empty(4 * self._most, np.int32), np.empty(4 * self._most, np.float32)
        self._count = 0

    def draw(self, points: Points, weights: NDArray[np.float64] | None = None) -> None:
        """Add curves (n, k, 2), x and y in pixels, each as heavy as its weight (n,) says."""
        self._ask()
        if len(points) == 0:
            return
        moves = np.diff(points, axis=1)
        lengths = np.sqrt((moves**2).sum(-1))
        samples = max(1, math.ceil(float(lengths.max()) / self._STEP))
        few = max(1, self._AT_ONCE // (samples * moves.shape[1]))
        if len(points) > few:
            for first in range(0, len(points), few):
                self.draw(points[first : first + few], None if weights is None else weights[first : first + few])
            return
        along = ((np.arange(samples, dtype=np.float32) + np.float32(0.5)) / np.float32(samples))[None, None]
        # Whole sheets off is the same place; near 0, single precision is a thousandth of a pixel.
        starts = points[:, :-1] - np.floor(points[:, :1] / self.shape[::-1]) * self.shape[::-1]
        starts, moves = starts.astype(np.float32), moves.astype(np.float32)
        x, y = ((moves[..., axis, None] * along + starts[..., axis, None]).ravel() for axis in (0, 1))
        if weights is not None:
            lengths = lengths * weights[:, None]
        self._spread(x, y, np.repeat((lengths / samples).astype(np.float32).ravel(), samples))

    def take(self) -> Array:
        """(H, W) fibres over each pixel since the last call."""
        self._flush()
        result, self._sum = self._sum.reshape(self.shape), np.zeros_like(self._sum)
        return result

    def _spread(self, x: Array, y: Array, weight: Array) -> None:
        """Keep which pixels each point adds to, and how much."""
        height, width = self.shape
        left, top = np.floor(x), np.floor(y)
        x -= left
        y -= top
        column, row = left.astype(np.int32), top.astype(np.int32)
        column -= column // width * width
        row -= row // height * height
        row *= width
        right, below = column + 1, row + width
        right[right == width] = 0
        below[below == width * height] = 0
        if self._count + len(x) > self._most:
            self._flush()
        room = slice(4 * self._count, 4 * (self._count + len(x)))
        places, values = self._places[room].reshape(4, -1), self._values[room].reshape(4, -1)
        y *= weight
        weight -= y
        for i, (line, share) in enumerate(((row, weight), (below, y))):
            np.add(line, column, places[2 * i])
            np.add(line, right, places[2 * i + 1])
            np.multiply(share, x, values[2 * i + 1])
            np.subtract(share, values[2 * i + 1], values[2 * i])
        self._count += len(x)

    def _flush(self) -> None:
        """Add what waits: a product with a matrix of one column, which may name a pixel often, is the quickest sum there is."""
        if self._count:
            self._ask()
            end = 4 * self._count
            column = sparse.csc_array((self._values[:end], self._places[:end], np.array([0, end], np.int32)), shape=(len(self._sum), 1))
            self._sum += column @ np.ones(1, np.float32)
            self._count = 0
            self._ask()


def curves(
    starts: Points,
    angles: NDArray[np.float64],
    lengths: NDArray[np.float64],
    segments: int,
    turn: NDArray[np.float64],
    rng: np.random.Generator,
    swirl: NDArray[np.float64] | None = None,
) -> Points:
    """Curves whose direction walks randomly, centred on their start points.

    Args:
        starts: (n, 2) pixels. angles: (n,) radians. lengths: (n,) pixels. turn: (n,) radians a segment (sigma).
        swirl: (n,) radians a segment; a steady bend that changes slowly along the curve.

    Returns:
        (n, segments + 1, 2) x and y, pixels.
    """
    n = len(starts)
    steps = rng.normal(size=(n, segments)) * turn[:, None] + (rng.normal(size=n) * turn * 0.6)[:, None]
    if swirl is not None:
        slow = ndimage.gaussian_filter1d(rng.normal(size=(n, segments)), 9, axis=1, mode="nearest") * 5.5
        steps += slow * swirl[:, None]
    heading = angles[:, None] + np.cumsum(steps, 1) - steps.sum(1, keepdims=True) / 2
    moves = np.stack([np.cos(heading), np.sin(heading)], -1) * (lengths / segments)[:, None, None]
    points = np.concatenate([np.zeros((n, 1, 2)), np.cumsum(moves, 1)], 1)
    return points - points.mean(1, keepdims=True) + starts[:, None]


def draw_ribbons(
    pen: Pen,
    starts: Points,
    angles: NDArray[np.float64],
    lengths: NDArray[np.float64],
    fibres: int,
    spread: NDArray[np.float64],
    curl: float,
    segment: float,
    rng: np.random.Generator,
    swirl: float,
    scale: float,
) -> None:
    """Draw bundles: one course each, followed by threads that wander about it, come in late and leave early.

    Args:
        starts: (n, 2) pixels. angles: (n,) radians. lengths: (n,) mm. fibres: threads a bundle. spread: (n,) mm.
        curl: radians per sqrt(mm). segment: mm. swirl: radians per mm. scale: mm a pixel.
    """
    pieces = np.maximum(4, np.ceil(lengths / segment).astype(int))
    for group in np.array_split(np.argsort(pieces), min(max(1, len(pieces) // 24), 16)):
        if len(group) == 0:
            continue
        n = int(pieces[group].max())
        step = np.sqrt(lengths[group] / n)
        course = curves(starts[group], angles[group], lengths[group] / scale, n, curl * step, rng, swirl * lengths[group] / n)
        tangent = np.gradient(course, axis=1)
        normal = np.stack([-tangent[..., 1], tangent[..., 0]], -1)
        normal /= np.linalg.norm(normal, axis=-1, keepdims=True) + 1e-9
        splay = 0.75 + 0.7 * np.abs(2 * np.linspace(0, 1, n + 1) - 1) ** 3
        for _ in range(fibres):
            wander = ndimage.gaussian_filter1d(rng.standard_normal((len(group), n + 1), np.float32), 4, axis=1, mode="nearest") * np.float32(2.9)
            offset = (rng.normal(size=(len(group), 1)) * 0.45 + wander) * splay * (spread[group] / scale)[:, None]
            threads = course + normal * offset[..., None]
            first, last = sorted(rng.integers(0, n + 1, 2)) if rng.random() < 0.75 else (0, n + 1)
            if last - first >= 3:
                pen.draw(threads[:, first:last])
