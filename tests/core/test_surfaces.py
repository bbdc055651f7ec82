"""How large a UV map lies on a surface."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.spatial.transform import Rotation

from washi_latent.core import WashiError
from washi_latent.core.surfaces import Measured, length_per_uv, lengths, measure

CORNERS = np.array([[[0, 0], [1, 0], [1, 1]], [[0, 0], [1, 1], [0, 1]]], float)


def on_surface(uv: np.ndarray, u: float, v: float) -> np.ndarray:
    flat = np.concatenate([uv * (u, v), np.zeros((*uv.shape[:2], 1))], -1)
    return flat @ Rotation.from_euler("xyz", (0.3, 1.1, -2.0)).as_matrix().T + (3, -2, 5)


@pytest.mark.parametrize("size", [(0.9, 1.8), (1.0, 1.0), (0.001, 40.0)])
def test_a_plane_is_as_wide_and_high_as_its_unit_square_of_uv(size: tuple[float, float]) -> None:
    assert length_per_uv(on_surface(CORNERS, *size), CORNERS) == pytest.approx(size)


def test_where_the_uv_lie_and_how_they_are_mirrored_makes_no_difference() -> None:
    points = on_surface(CORNERS, 0.9, 1.8)
    assert length_per_uv(points, CORNERS * (-0.5, 0.25) + (7, 3)) == pytest.approx((1.8, 7.2))


def test_triangles_count_by_their_area() -> None:
    points = np.concatenate([on_surface(CORNERS, 10.0, 10.0), on_surface(CORNERS, 0.1, 0.1)])
    assert length_per_uv(points, np.concatenate([CORNERS, CORNERS])) == pytest.approx((10.0, 10.0), rel=1e-3)


def test_faces_without_uv_are_left_out_and_none_are_refused() -> None:
    points = on_surface(CORNERS, 2.0, 3.0)
    nothing = np.zeros_like(CORNERS)
    assert length_per_uv(np.concatenate([points, points]), np.concatenate([CORNERS, nothing])) == pytest.approx((2.0, 3.0))
    with pytest.raises(WashiError, match="no area"):
        length_per_uv(points, nothing)


def test_a_mesh_of_any_faces_is_measured_as_its_triangles(monkeypatch: pytest.MonkeyPatch) -> None:
    rng = np.random.default_rng(0)
    faces = [3, 5, 4, 3, 6, 4]
    points = rng.random((9, 3)).astype(np.float32)
    vertices = np.concatenate([rng.permutation(9)[:count] for count in faces]).astype(np.int32)
    uv = rng.random((len(vertices), 2)).astype(np.float32)
    starts = (np.cumsum(faces) - faces).astype(np.int32)
    corners = np.concatenate([[(s, s + i, s + i + 1) for i in range(1, count - 1)] for s, count in zip(starts, faces, strict=True)])
    expected = length_per_uv(points[vertices[corners]], uv[corners])
    assert lengths([measure(points, vertices, uv, starts)]) == pytest.approx(expected)
    monkeypatch.setattr("washi_latent.core.surfaces._TOGETHER", 4)
    assert lengths([measure(points, vertices, uv, starts)]) == pytest.approx(expected)


def test_surfaces_add_up_by_area() -> None:
    small, large = Measured(4.0, 9.0, 1.0), Measured(3.0, 3.0, 3.0)
    assert lengths([small, large]) == pytest.approx((np.sqrt(7 / 4), np.sqrt(12 / 4)))
    with pytest.raises(WashiError, match="no area"):
        lengths([measure(*(np.zeros((0, 3), np.float32), np.zeros(0, np.int32), np.zeros((0, 2), np.float32), np.zeros(0, np.int32)))])
