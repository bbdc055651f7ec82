"""MSSIM against scikit-image."""

from __future__ import annotations

import runpy
import tracemalloc
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from skimage.metrics import structural_similarity

from washi_latent.core import TextureModel, WashiError, log_spectrum_features, mssim, mssim_matrix, ssim_vectors
from washi_latent.core.similarity import LANES, TILES, Tile, _cover, _cover_triangle


def reference(a: np.ndarray, b: np.ndarray) -> float:
    axis = -1 if a.ndim == 3 else None
    return float(structural_similarity(a, b, gaussian_weights=True, sigma=1.5, use_sample_covariance=False, data_range=1, channel_axis=axis))


def pictures() -> np.ndarray:
    rng = np.random.default_rng(0)
    y, x = np.mgrid[:64, :64]
    return np.stack(
        [
            rng.random((64, 64)),
            np.zeros((64, 64)),
            np.ones((64, 64)),
            np.full((64, 64), 0.5),
            (x > 32) * 1.0,
            (y > 20) * 1.0,
            ((x // 8 + y // 8) % 2) * 1.0,
            0.9 + 0.01 * rng.random((64, 64)),
            np.round(rng.random((64, 64))),
            x / 63,
            0.9 + 0.001 * rng.random((64, 64)),
            1.0 - (np.hypot(x - 32, y - 32) < 20),
        ]
    )


@pytest.mark.parametrize("dtype", [np.float64, np.float32])
def test_equals_scikit_image(dtype: type) -> None:
    images = pictures().astype(dtype)
    expected = np.array([[reference(a.astype(float), b.astype(float)) for b in images] for a in images])
    np.testing.assert_allclose(mssim_matrix(images), expected, atol=1e-5)
    np.testing.assert_allclose(mssim_matrix(images[:5], images[3:]), expected[:5, 3:], atol=1e-5)


def test_equals_scikit_image_on_generated_and_colour_pictures(model: TextureModel) -> None:
    images = model.generate(np.random.default_rng(1).normal(size=(6, model.latent_dim))).astype(np.float64)
    expected = np.array([[reference(a, b) for b in images] for a in images])
    np.testing.assert_allclose(mssim_matrix(images), expected, atol=1e-5)
    assert mssim(images[0], images[1]) == pytest.approx(expected[0, 1], abs=1e-5)


@pytest.mark.parametrize("shape", [(11, 11), (11, 40), (37, 20), (96, 130), (11, 75), (74, 139)])
def test_equals_scikit_image_at_any_size(shape: tuple[int, int]) -> None:
    a, b = np.random.default_rng(2).random((2, *shape))
    assert mssim(a, b) == pytest.approx(reference(a, b), abs=1e-5)


@given(seed=st.integers(0, 1000), level=st.floats(0, 1), contrast=st.floats(0, 1))
@settings(max_examples=25, deadline=None)
def test_matrix_is_symmetric_bounded_and_one_on_the_diagonal(seed: int, level: float, contrast: float) -> None:
    rng = np.random.default_rng(seed)
    images = np.clip(level + contrast * (rng.random((5, 16, 18)) - 0.5), 0, 1)
    matrix = mssim_matrix(images)
    np.testing.assert_array_equal(matrix, matrix.T)
    np.testing.assert_array_equal(np.diag(matrix), 1)
    assert (matrix <= 1 + 1e-6).all()
    assert (matrix >= -1 - 1e-6).all()


@pytest.mark.parametrize("count", [1, 2, 15, 16, 17, 40])
def test_any_number_of_pictures_and_threads(count: int) -> None:
    images = np.random.default_rng(3).random((count, 24, 24))
    matrix = mssim_matrix(images, threads=1)
    np.testing.assert_array_equal(matrix, mssim_matrix(images, threads=3))
    np.testing.assert_allclose(matrix[-1], [reference(images[-1], b) for b in images], atol=1e-5)
    np.testing.assert_allclose(mssim_matrix(images[:3], images), matrix[:3], atol=1e-6)


@pytest.mark.parametrize("edge", [11, 24, 37, 70, 101])
def test_a_pictures_company_changes_no_bit(edge: int) -> None:
    rng = np.random.default_rng(5)
    images = rng.random((21, edge, edge), dtype=np.float32)
    matrix = mssim_matrix(images)
    order = rng.permutation(21)
    np.testing.assert_array_equal(mssim_matrix(images[order]), matrix[np.ix_(order, order)])
    few, rest = order[:3], order[3:]
    np.testing.assert_array_equal(mssim_matrix(images[few], images[rest]), matrix[np.ix_(few, rest)])
    np.testing.assert_array_equal(mssim_matrix(images[rest], images[few[:1]]), matrix[np.ix_(rest, few[:1])])


def test_tiles_cover_every_pair_once() -> None:
    sizes = [LANES * tiles for tiles in range(1, TILES + 1)]
    for rows in (*range(1, 36), 50):
        covered = np.zeros((rows + 16, rows + 16), int)
        for tile in _cover_triangle(rows):
            assert covered[tile].size in sizes
            covered[tile] += 1
        assert (covered[:rows, :rows][np.triu_indices(rows, 1)] == 1).all()
        for columns in (1, 2, 3, 7, 40):
            covered = np.zeros((rows + 16, columns + 16), int)
            for tile in _cover(rows, columns):
                assert covered[tile].size in sizes
                covered[tile] += 1
            assert (covered[:rows, :columns] == 1).all()
    assert _places(_cover_triangle(50)) == 82 * LANES  # 1,225 pairs fill 77
    assert _places(_cover(50, 1)) == 4 * LANES


def _places(tiles: Sequence[Tile]) -> int:
    return sum((rows.stop - rows.start) * (columns.stop - columns.start) for rows, columns in tiles)


def test_memory_does_not_grow_with_the_size_of_pictures() -> None:
    images = np.random.default_rng(6).random((6, 640, 640), dtype=np.float32)
    mssim_matrix(images[:2, :64, :64], threads=2)
    tracemalloc.start()
    try:
        mssim_matrix(images, threads=2)
        assert tracemalloc.get_traced_memory()[1] < images.nbytes / 2
    finally:
        tracemalloc.stop()


def test_the_graphs_are_what_their_script_writes() -> None:
    pytest.importorskip("onnx")
    graphs = runpy.run_path(str(Path(__file__).parents[2] / "scripts" / "build_mssim_graphs.py"))["GRAPHS"]
    assert len(graphs) == 2
    for path, build in graphs.items():
        assert path.read_bytes() == build()


def test_ssim_vectors_are_columns_of_the_matrix() -> None:
    images = pictures()
    np.testing.assert_allclose(ssim_vectors(images, images[[2, 5]]), mssim_matrix(images)[:, [2, 5]], atol=1e-6)
    assert ssim_vectors(images).shape == (12, 12)


def test_spectra_forgive_a_shift_that_mssim_does_not() -> None:
    rng = np.random.default_rng(4)
    fine, coarse = rng.random((64, 64)), np.kron(rng.random((16, 16)), np.ones((4, 4)))
    shifted = np.roll(fine, 5, 0)
    features = log_spectrum_features(np.stack([fine, shifted, coarse]))
    assert mssim(fine, shifted) < 0.2
    assert np.linalg.norm(features[0] - features[1]) < 0.25 * np.linalg.norm(features[0] - features[2])


@pytest.mark.parametrize(
    "images", [np.zeros((2, 10, 40)), np.full((2, 16, 16), np.nan), np.zeros((4, 4)), np.array([[["a"] * 12] * 12]), np.zeros((2, 16, 16, 3), complex)]
)
def test_bad_pictures_are_refused_in_one_sentence(images: np.ndarray) -> None:
    with pytest.raises(WashiError) as caught:
        mssim_matrix(images)
    assert "\n" not in str(caught.value)


def test_sizes_must_fit() -> None:
    with pytest.raises(WashiError, match="one size"):
        mssim_matrix(np.zeros((1, 16, 16)), np.zeros((1, 16, 17)))
    with pytest.raises(WashiError):
        mssim(np.zeros((16, 16)), np.zeros((16, 16, 3)))


def test_levels_of_eight_bits_are_not_taken_for_shares() -> None:
    """Against constants that are made for [0, 1] they would give another similarity, and nobody would be told."""
    levels = (np.random.default_rng(0).random((2, 32, 32)) * 255).astype(np.uint8)
    with pytest.raises(WashiError, match=r"whole numbers from .* divide them"):
        mssim_matrix(levels)
    masks = (levels > 127).astype(np.uint8)
    np.testing.assert_array_equal(mssim_matrix(masks), mssim_matrix(masks.astype(np.float32)))
