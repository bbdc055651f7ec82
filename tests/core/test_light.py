"""Light from one side shows relief, and nothing else changes."""

from __future__ import annotations

import numpy as np

from washi_latent.core import TextureModel
from washi_latent.core.light import lit, scanned
from washi_latent.core.maps import linear


def test_flat_paper_keeps_its_colour() -> None:
    color = np.random.default_rng(0).random((8, 8, 3), dtype=np.float32)
    np.testing.assert_allclose(scanned(color, np.full((8, 8), 0.4, np.float32), 0.1), color, atol=1e-6)


def test_slopes_that_face_the_light_are_lighter_by_the_same_factor_of_light_in_every_colour() -> None:
    color = np.full((1, 32, 3), (0.3, 0.5, 0.7), np.float32).repeat(4, 0)
    height = (0.5 + 0.02 * np.sin(2 * np.pi * np.arange(32) / 32, dtype=np.float64))[None].repeat(4, 0).astype(np.float32)
    seen = scanned(color, height, 0.1, light=0.0)
    # Light from the right: what falls to the right faces it.
    slope = np.roll(height, -1, 1) - np.roll(height, 1, 1)
    assert (np.sign(seen - color)[..., 0][np.abs(slope) > 1e-4] == -np.sign(slope[np.abs(slope) > 1e-4])).all()
    factor = linear(seen) / linear(color)
    np.testing.assert_allclose(factor[..., 0], factor[..., 1], rtol=1e-4)
    np.testing.assert_allclose(factor[..., 0], factor[..., 2], rtol=1e-4)


def test_a_periodic_texture_stays_periodic() -> None:
    rng = np.random.default_rng(1)
    color, height = rng.random((16, 16, 3), dtype=np.float32), rng.random((16, 16), dtype=np.float32)
    moved = scanned(np.roll(color, 5, 0), np.roll(height, 5, 0), 0.1)
    np.testing.assert_array_equal(moved, np.roll(scanned(color, height, 0.1), 5, 0))


def test_a_model_without_height_shows_its_colour(model: TextureModel, sheet_model: TextureModel) -> None:
    plain = np.random.default_rng(2).random((2, 16, 16, 3), dtype=np.float32)
    np.testing.assert_array_equal(lit(plain, model.info), plain)
    five = np.random.default_rng(3).random((2, 16, 16, 5), dtype=np.float32)
    assert lit(five, sheet_model.info).shape == (2, 16, 16, 3)
    assert not np.array_equal(lit(five, sheet_model.info), five[..., :3])
    assert lit(five[:0], sheet_model.info).shape == (0, 16, 16, 3)
