"""Latents from a picture: nearer than many random ones, the same every time, sane refusals."""

from __future__ import annotations

import numpy as np
import pytest

from washi_latent.core import Cancelled, TextureModel, WashiError, find_latents
from washi_latent.core.find import counted, picture_features, preview_edge
from washi_latent.core.preference import features_of, survey


@pytest.mark.parametrize("seed", [1, 2, 3])
def test_finds_nearer_textures_than_a_thousand_random_ones(model: TextureModel, seed: int) -> None:
    rng = np.random.default_rng(seed)
    picture = model.generate(rng.normal(size=model.latent_dim))[0]
    space = survey(model, 0)
    wanted = space(picture_features(picture, preview_edge(model)))

    def nearest(latents: np.ndarray) -> float:
        return float(np.linalg.norm(space(features_of(model, latents, 0)) - wanted, axis=1).min())

    assert nearest(find_latents(model, picture, 1)) < nearest(rng.normal(size=(1000, model.latent_dim)))


def test_best_first_and_the_same_every_time(sheet_model: TextureModel) -> None:
    picture = sheet_model.generate(np.random.default_rng(0).normal(size=sheet_model.latent_dim), 96)[0, ..., :3]
    shares: list[float] = []
    found = find_latents(sheet_model, picture, 5, shares.append)
    assert found.shape == (5, sheet_model.latent_dim)
    np.testing.assert_array_equal(found, find_latents(sheet_model, picture, 5))
    space = survey(sheet_model, 0)
    wanted = space.within_reach(space(picture_features(picture, 64)))
    distance = np.linalg.norm(counted(space(features_of(sheet_model, found, 0)) - wanted), axis=1)
    assert (np.diff(distance) >= 0).all()
    assert shares == sorted(shares)
    assert shares[-1] == 1


def test_a_cancelled_find_ends(model: TextureModel) -> None:
    def stop(share: float) -> None:
        if share > 0.5:
            raise Cancelled

    with pytest.raises(Cancelled):
        find_latents(model, np.zeros((32, 32, 3)), 1, stop)


@pytest.mark.parametrize("picture", [np.zeros((8, 80, 3)), np.zeros(40), np.full((32, 32, 3), np.nan)])
def test_what_is_no_picture_is_refused(model: TextureModel, picture: np.ndarray) -> None:
    with pytest.raises(WashiError):
        find_latents(model, picture)
    with pytest.raises(WashiError):
        find_latents(model, np.zeros((32, 32, 3)), 0)
