"""What a model can do, on models whose answer is known."""

from __future__ import annotations

import shutil
from pathlib import Path

import numpy as np
import pytest

from washi_latent.core import Kind, TextureModel, WashiError, along, analyse, load_model, named_directions
from washi_latent.core.analysis import ANGLES, measure
from washi_latent.core.kinds import KINDS_FILE, kinds_bytes
from washi_latent.core.models import amend_bundle


class Painted:
    """Latent 0 makes it brighter, latent 1 yellower, latent 2 stronger in fine structure; the rest does nothing."""

    latent_dim = 8

    def __init__(self, model: TextureModel) -> None:
        self.info = model.info

    def generate(self, latents: object, size: object = None, seed: int = 0, progress: object = None) -> np.ndarray:
        points = np.atleast_2d(np.asarray(latents, float))
        fine = np.random.default_rng(seed).normal(size=(64, 64, 1))
        light, yellow, strength = (points[:, i, None, None, None] for i in range(3))
        return (0.5 + 0.06 * light + 0.04 * yellow * np.array([0.3, 0.3, -1]) + 0.02 * np.exp(0.5 * strength) * fine).clip(0, 1).astype(np.float32)


def test_directions_are_those_that_were_painted(model: TextureModel) -> None:
    found = {direction.name: direction for direction in named_directions(Painted(model))}  # type: ignore[arg-type]
    for name, axis in (("brightness", 0), ("yellowness", 1)):
        assert found[name].vector[axis] > 0.95
        assert found[name].agreement > 0.95
        assert found[name].change == pytest.approx(2 * np.sqrt(8), rel=0.1)  # one deviation of the property a unit of the latent
    structure = [d for d in found.values() if d.vector[2] > 0.95]
    assert len(structure) == 1  # contrast, fibre density: one direction, named once
    for direction in found.values():
        assert np.linalg.norm(direction.vector) == pytest.approx(1)


def test_a_direction_changes_what_it_is_named_for(model: TextureModel) -> None:
    start = np.random.default_rng(1).normal(size=model.latent_dim)
    for direction in named_directions(model):
        moved = np.stack([along(start, direction.vector, amount, model.info.prior_radius) for amount in (-0.5, 0, 0.5)])
        np.testing.assert_allclose(np.linalg.norm(moved, axis=1), np.linalg.norm(start))
        values = measure(model.generate(moved), model.info.channels)[direction.name]
        assert values[2] > values[0]


def test_an_analysis_is_whole(sheet_model: TextureModel) -> None:
    found = analyse(sheet_model, regions=5, pairs=3)
    assert sum(region.share for region in found.regions) == pytest.approx(1)
    assert sorted(np.concatenate([region.members for region in found.regions]).tolist()) == list(range(len(found.latents)))
    assert [region.share for region in found.regions] == sorted((region.share for region in found.regions), reverse=True)
    assert found.mssim.shape == found.features.shape == (len(ANGLES), 3)
    assert found.features[0].mean() > found.features[-1].mean()
    assert 0 < found.explained <= 1
    with pytest.raises(WashiError):
        analyse(sheet_model, regions=0)


@pytest.mark.parametrize("rounding", [0.0, 1e-7, 1e-6])
def test_of_few_different_textures_there_are_few_regions(model: TextureModel, rounding: float) -> None:
    rng = np.random.default_rng(3)

    class Few(Painted):
        def generate(self, latents: object, size: object = None, seed: int = 0, progress: object = None) -> np.ndarray:
            pictures = super().generate(np.sign(np.atleast_2d(np.asarray(latents, float))) * (np.arange(8) < 1), size, seed)
            return (pictures * (1 + rounding * rng.uniform(-1, 1, (len(pictures), 1, 1, 1)))).astype(np.float32)

    found = analyse(Few(model), regions=4, pairs=2)  # type: ignore[arg-type]
    assert len(found.regions) == 2
    assert sum(region.share for region in found.regions) == pytest.approx(1)
    assert all(np.isfinite(value) for region in found.regions for _, value in region.traits)


def test_kinds_lie_where_their_textures_do(model: TextureModel, tmp_path: Path) -> None:
    without = analyse(model, regions=4, pairs=2)
    assert without.kinds == ()
    chosen = [np.array([3, 14, 159]), np.array([26])]
    folder = shutil.copytree(model.info.folder, tmp_path / "small-64")
    kinds = [Kind(name, name, 0.2, without.latents[some]) for name, some in zip(("kozo", "ai"), chosen, strict=True)]
    amend_bundle(folder, {KINDS_FILE: kinds_bytes(kinds)})
    found = analyse(load_model(folder, threads=1), regions=4, pairs=2)
    np.testing.assert_array_equal(found.place, without.place)
    assert [one.kind.name for one in found.kinds] == ["kozo", "ai"]
    for one, samples in zip(found.kinds, chosen, strict=True):
        np.testing.assert_allclose(one.images, found.images[samples], atol=1e-3)
        np.testing.assert_allclose(one.place, found.place[samples], atol=0.02)
        assert all(sample in found.regions[region].members for sample, region in zip(samples, one.regions, strict=True))


def test_channels_give_properties(sheet_model: TextureModel) -> None:
    images = sheet_model.generate(np.zeros((2, sheet_model.latent_dim)), 64)
    assert {"relief", "opacity"} <= set(measure(images, sheet_model.info.channels))
    assert "relief" not in measure(images[..., :3], ("red", "green", "blue"))


def test_several_directions_at_once_are_their_sum_at_the_same_radius() -> None:
    rng = np.random.default_rng(2)
    start, radius = rng.normal(size=6), 2.0
    ways = np.eye(6)[:3]
    moved = along(start, ways, [0.5, -0.2, 0.0], radius)
    expected = start + radius * (0.5 * ways[0] - 0.2 * ways[1])
    np.testing.assert_allclose(moved, expected * np.linalg.norm(start) / np.linalg.norm(expected))
    np.testing.assert_allclose(along(start, ways[:1], [0.5], radius), along(start, ways[0], 0.5, radius))
    np.testing.assert_allclose(along(start, ways, [0, 0, 0], radius), start)


def test_from_the_origin_amounts_say_how_far() -> None:
    origin, ways = np.zeros(4), np.eye(4)[:2]
    np.testing.assert_allclose(along(origin, ways[0], 0.3, 2.0), [0.6, 0, 0, 0])
    np.testing.assert_allclose(along(origin, ways, [-0.3, 0.4], 2.0), [-0.6, 0.8, 0, 0])
    assert np.linalg.norm(along(origin, ways, [1, 1], 2.0)) == pytest.approx(2), "the shell at most"
    assert not along(origin, ways, [0, 0], 2.0).any()


@pytest.mark.parametrize(("directions", "amounts"), [(np.eye(4)[:2], [0.1]), (np.eye(4)[0], [0.1, 0.2]), (np.eye(5)[0], 0.1)])
def test_amounts_that_fit_no_directions_are_refused(directions: np.ndarray, amounts: object) -> None:
    with pytest.raises(WashiError, match="give as many directions as amounts, of 4 numbers each"):
        along(np.ones(4), directions, amounts, 2.0)
