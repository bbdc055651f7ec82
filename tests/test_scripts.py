"""What the scripts that measure rely on: hidden targets and variants of the search that the yardstick plays, and the picture of the benchmark's growth."""

from __future__ import annotations

import sys
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from washi_latent.core import TextureModel, angle_for_concentration
from washi_latent.core.preference import features_of, survey

pytest.importorskip("matplotlib")
sys.path.insert(0, str(Path(__file__).parents[1] / "scripts"))

import benchmark_growth
from evaluate_search import targets
from search_peers import METHODS, DifferenceKept, Momentum, SearchPlayer


def test_momentum_is_the_fading_sum_of_the_steps(model: TextureModel) -> None:
    player = METHODS["ours with momentum"](model, 3, None)
    assert isinstance(player, Momentum)
    for position in (2, 5, 0, 1):
        assert len(player.show()) == 12
        player.choose(position)
    state = player.search.state
    centers = [np.asarray(node.center) for node in state.nodes]
    steps = [b - a for a, b in zip(centers[1:], centers[2:], strict=False)]  # the first is from the origin: no way along the shell
    wanted = sum(0.5**age * step / np.linalg.norm(step) for age, step in enumerate(reversed(steps)))
    np.testing.assert_allclose(state.node.direction, wanted / np.linalg.norm(wanted), atol=1e-6)
    assert angle_for_concentration(state.node.settings.concentration, model.latent_dim) == pytest.approx(Momentum.WIDTH)
    assert state.nodes[1].settings.concentration == 0
    player.show()
    player.choose(None)  # nothing suits: other candidates, the same way
    assert player.search.state.node.direction == state.node.direction
    assert player.search.state.node.settings == state.node.settings


@pytest.mark.parametrize("wanted", [0.2, 0.4])
def test_the_radius_follows_how_much_candidates_differ(model: TextureModel, monkeypatch: pytest.MonkeyPatch, wanted: float) -> None:
    monkeypatch.setattr(DifferenceKept, "WANTED", wanted)
    player = METHODS["ours, radius by difference"](model, 3, None)
    assert isinstance(player, DifferenceKept)
    space, reached = survey(model, 0), []
    for position in (2, 5, 0, 1, 3):
        player.show()
        player.choose(position)
        node = player.search.state.node
        assert 0.19 <= node.settings.radius / model.info.prior_radius <= 1.61
        around = np.random.default_rng(0).normal(size=(200, model.latent_dim))
        around = np.asarray(node.center) + node.settings.radius * around / np.linalg.norm(around, axis=1, keepdims=True)
        around *= model.info.prior_radius / np.linalg.norm(around, axis=1, keepdims=True)
        points, here = (space(features_of(model, latents, 0)) for latents in (around, [node.center]))
        reached.append(np.exp(np.log(np.linalg.norm(points - here, axis=1) / (2 * space.typical)).mean()))
    assert np.median(reached[1:]) == pytest.approx(wanted, rel=0.2)


def test_a_simulated_artist_teaches_by_staying(model: TextureModel) -> None:
    player = METHODS["ours"](model, 3, None)
    assert isinstance(player, SearchPlayer)
    for position, learned in ((2, 1), (None, 2), (None, 3), (1, 4)):
        player.show()
        player.choose(position)
        assert len(player.search.state.comparisons()[0]) == learned
        after = player.search.settings_after
        assert after is not None
        assert player.search.state.node.settings == after


def test_more_hidden_targets_are_others_beside_the_first(model: TextureModel, tmp_path: Path) -> None:
    rng = np.random.default_rng(5)
    for name, shape in (("a.png", (300, 260, 3)), ("b.png", (128, 128, 3))):
        Image.fromarray(rng.integers(0, 256, shape, np.uint8)).save(tmp_path / name)
    few = list(targets(model, {"prior": 3, "shell": 3, "sheet": 1, "scan": 9}, tmp_path))
    many = {one.name: one.picture for one in targets(model, {"prior": 70, "shell": 66, "sheet": 2, "scan": 9}, tmp_path, patches=9)}
    assert [one.name for one in few if one.kind == "scan"] == ["scan-0", "scan-1"]
    assert len([name for name in many if name.startswith("scan")]) == 5  # four patches of the one, one of the other
    for one in few:
        np.testing.assert_array_equal(many[one.name], one.picture)
    assert len({picture.tobytes() for picture in many.values()}) == len(many) == 70 + 66 + 2 + 5


def test_growth_is_measured_against_one_case_and_drawn(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    seconds = {"textures": 2.0, "pixels": 3.0, "references": 5.0}
    works = {"textures": "MSSIM of all pairs", "pixels": "MSSIM of all pairs", "references": "SSIM vectors"}
    cases = {(work, by, at): lambda by=by, at=at: seconds[by] * at for by, work in works.items() for at in benchmark_growth.AXES[by][1]}
    monkeypatch.setattr(benchmark_growth, "_cases", lambda: cases)
    monkeypatch.setattr(benchmark_growth, "_time", lambda call: call())
    rows = benchmark_growth.growth({}, True)
    ratios = {(row["series"][1], row["at"]): row["ratio"] for row in rows}
    assert ratios["textures", 50] == 1
    assert ratios["textures", 200] == 4
    assert ratios["references", 64] == pytest.approx(3.2)
    benchmark_growth.plot(rows, tmp_path)
    with Image.open(tmp_path / "growth.png") as picture:
        assert picture.width > 2 * picture.height
