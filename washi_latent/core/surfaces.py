"""How large a UV map lies on a surface: what a texture needs to know to show its true scale."""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike

from .errors import WashiError


def length_per_uv(points: ArrayLike, uv: ArrayLike) -> tuple[float, float]:
    """Length on the surface of one unit of U and of V.

    In each triangle the map from UV to the surface is linear; the lengths of its two columns are averaged over the triangles,
    weighted by their area (root mean square). Turns, mirrors and islands make no difference.

    Args:
        points: (N, 3, 3), corners of N triangles. uv: (N, 3, 2), their UV.

    Returns:
        Lengths, in the unit of `points`.

    Raises:
        WashiError: no triangle that has an area on the surface and in UV.
    """
    corner, mapped = np.asarray(points, np.float64), np.asarray(uv, np.float64)
    edges, steps = corner[:, 1:] - corner[:, :1], mapped[:, 1:] - mapped[:, :1]
    area = np.linalg.norm(np.cross(edges[:, 0], edges[:, 1]), axis=-1)
    whole = (area > 0) & (np.abs(np.linalg.det(steps)) > 1e-12)
    if not whole.any():
        raise WashiError("the UV map has no area: unwrap the object, or choose object coordinates")
    columns = np.linalg.solve(steps[whole], edges[whole])
    squares = (columns**2).sum(-1)
    u, v = np.sqrt(np.average(squares, axis=0, weights=area[whole]))
    return float(u), float(v)
