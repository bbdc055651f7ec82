"""How large a UV map lies on a surface: what a texture needs to know to show its true scale."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from .errors import WashiError

_TOGETHER = 1 << 15
"""Triangles that are measured at once: what they need stays in the processor's cache."""


@dataclass(frozen=True)
class Measured:
    """Sums over triangles; those of several surfaces add up.

    Attributes:
        u, v: area times the square of the length of one unit of U, of V. area: of the triangles that have one here and in UV.
    """

    u: float
    v: float
    area: float


def lengths(parts: Iterable[Measured]) -> tuple[float, float]:
    """Length on surfaces of one unit of U and of V: the root mean square over the triangles, weighted by their area.

    Raises:
        WashiError: no triangle that has an area on a surface and in UV.
    """
    known = list(parts)
    area = sum(one.area for one in known)
    if not area > 0:
        raise WashiError("the UV map has no area: unwrap the object, or choose object coordinates")
    return float(np.sqrt(sum(one.u for one in known) / area)), float(np.sqrt(sum(one.v for one in known) / area))


def length_per_uv(points: ArrayLike, uv: ArrayLike) -> tuple[float, float]:
    """Length on the surface of one unit of U and of V.

    Args:
        points: (N, 3, 3), corners of N triangles. uv: (N, 3, 2), their UV.

    Returns:
        Lengths, in the unit of `points`.

    Raises:
        WashiError: no triangle that has an area on the surface and in UV.
    """
    return lengths([_triangles(np.asarray(points, np.float64), np.asarray(uv, np.float64))])


def measure(points: NDArray[np.float32], vertices: NDArray[np.int32], uv: NDArray[np.float32], starts: NDArray[np.int32]) -> Measured:
    """Measure a mesh.

    Args:
        points: (V, 3), places of vertices. vertices: (C,), the vertex of each corner. uv: (C, 2), the UV of each corner.
        starts: (F,), the first corner of each face; a face's corners follow each other.
    """
    totals = np.diff(starts, append=len(vertices)) - 2
    found = [Measured(0.0, 0.0, 0.0)]
    for begin in range(0, len(starts), _TOGETHER):
        triangles = totals[begin : begin + _TOGETHER]
        first = np.repeat(starts[begin : begin + _TOGETHER], triangles)
        # Around the face's first corner; in a face whose UV are affine each such triangle says the same.
        number = np.arange(len(first)) - np.repeat(np.cumsum(triangles) - triangles, triangles)
        corners = np.stack([first, first + number + 1, first + number + 2], 1)
        found.append(_triangles(points[vertices[corners]].astype(np.float64), uv[corners].astype(np.float64)))
    return Measured(sum(one.u for one in found), sum(one.v for one in found), sum(one.area for one in found))


def _triangles(points: NDArray[np.float64], uv: NDArray[np.float64]) -> Measured:
    """In each triangle the map from UV to the surface is linear: the lengths of its two columns. Turns, mirrors and islands make no difference."""
    first, second = points[:, 1] - points[:, 0], points[:, 2] - points[:, 0]
    (u1, v1), (u2, v2) = (uv[:, 1] - uv[:, 0]).T, (uv[:, 2] - uv[:, 0]).T
    area, determinant = np.linalg.norm(np.cross(first, second), axis=-1), u1 * v2 - u2 * v1
    whole = (area > 0) & (np.abs(determinant) > 1e-12)
    weight = np.divide(area, determinant**2, out=np.zeros_like(area), where=whole)
    squares, product, others = (first**2).sum(-1), (first * second).sum(-1), (second**2).sum(-1)
    u = weight @ (v2**2 * squares - 2 * v1 * v2 * product + v1**2 * others)
    v = weight @ (u2**2 * squares - 2 * u1 * u2 * product + u1**2 * others)
    return Measured(float(u), float(v), float(area[whole].sum()))
