"""Statistics that composed sheets share with simulated ones: as the scanner shows them, and what training makes of them."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

torch = pytest.importorskip("torch")

from washi_latent.core.light import scanned
from washi_latent.training import evaluation, sheet_evaluation
from washi_latent.training.evaluation import energy_distance, frechet_distance
from washi_latent.training.sheet import FreeSheets, SheetTrainer, make_pairs, recipe_vector
from washi_latent.training.sheet_evaluation import distances
from washi_latent.training.statistics import EDGE, Statistics
from washi_latent.training.washi import draw_parameters, fibre_tile, synthesize

LUMINANCE = np.array([0.299, 0.587, 0.114])


@pytest.fixture(scope="module")
def sheet() -> np.ndarray:
    made = synthesize("kozo+unryu", 256, 5)
    return np.concatenate([made.color, made.height[..., None], made.opacity[..., None]], -1)


def crops_of(*sheets: np.ndarray) -> torch.Tensor:
    return torch.from_numpy(np.stack([s[:EDGE, :EDGE] for s in sheets]).astype(np.float32)).permute(0, 3, 1, 2)


def test_colour_is_seen_as_a_scanner_shows_it(sheet: np.ndarray) -> None:
    seen = scanned(sheet[..., :3].astype(np.float32), sheet[..., 3].astype(np.float32), 0.1)[1 : EDGE - 1, 1 : EDGE - 1] @ LUMINANCE
    found = Statistics()(crops_of(sheet))[0].numpy()
    assert found[0] == pytest.approx(seen.mean(), abs=1e-5)
    assert found[4] == pytest.approx(np.log(seen.var()) / 2, abs=1e-3)


def test_power_by_radius_is_that_of_the_discrete_fourier_transform(sheet: np.ndarray) -> None:
    opacity = sheet[1 : EDGE - 1, 1 : EDGE - 1, 4]
    size = len(opacity)
    window = np.outer(*[np.hanning(size + 1)[:-1]] * 2)
    power = np.abs(np.fft.fft2((opacity - opacity.mean()) * window)) ** 2 / ((window**2).sum() * size**2)
    radius = np.hypot(*np.meshgrid(*[np.fft.fftfreq(size)] * 2))
    edges = np.geomspace(1.5 / size, 0.5, 10)
    wanted = [np.log(power[(radius >= low) & (radius < high)].sum() + 1e-8) for low, high in zip(edges, edges[1:], strict=False)]
    moments, rings = 18, 9
    found = Statistics()(crops_of(sheet))[0, moments + 2 * rings : moments + 3 * rings].numpy()
    np.testing.assert_allclose(found, wanted, atol=0.02)


def test_statistics_can_be_learned_from(sheet: np.ndarray) -> None:
    flat = torch.full((1, 5, EDGE, EDGE), 0.5)
    pictures = torch.cat([crops_of(sheet), flat]).requires_grad_()
    Statistics()(pictures).sum().backward()
    assert pictures.grad is not None
    assert bool(pictures.grad.isfinite().all())


def test_training_asks_for_the_mean_statistics_of_a_recipe() -> None:
    pairs = make_pairs(fibre_tile(size=128), 2, 4, 1)
    trainer = SheetTrainer(pairs, features=8, papers=40)
    assert trainer.step()["likeness"] == 0
    rng = np.random.default_rng(1)
    parameters = [draw_parameters("kozo", rng) for _ in range(6)]
    with torch.no_grad():
        own = [trainer.make(torch.from_numpy(((recipe_vector(p) - pairs.mean) / pairs.deviation).astype(np.float32))[None])[0] for p in parameters]
    trainer.average.load_state_dict(trainer.generator.state_dict())
    free = FreeSheets.measured(np.stack(own), parameters, pairs)

    def likeness(shift: float) -> float:
        """Of the same random layouts and recipes each time: their own chance differences are as large as what is looked for."""
        trainer.free = FreeSheets(free.statistics + np.float32(shift) * free.spread, free.recipes)
        trainer.numbers = np.random.default_rng(2)
        with torch.no_grad():
            return float(np.mean([float(trainer._likeness()) for _ in range(4)]))

    # (x - s)(y - s) and (x + s)(y + s) are s^2 more than xy, in the mean; what is far off counts as less.
    assert (likeness(1) + likeness(-1)) / 2 - likeness(0) == pytest.approx(1, abs=0.3)


def test_distances_are_means_over_draws() -> None:
    rng = np.random.default_rng(0)
    held, near, far = rng.normal(size=(60, 3)), [rng.normal(size=(60, 3)) for _ in range(3)], [rng.normal(0.8, 1, (60, 3)) for _ in range(3)]
    found = distances(far, near, held)
    assert found["energy"]["generated"] == pytest.approx(np.mean([energy_distance(x, held) for x in far]), rel=1e-3)
    assert found["frechet"]["ratio"] == pytest.approx(
        np.mean([frechet_distance(x, held) for x in far]) / np.mean([frechet_distance(x, held) for x in near]), rel=1e-3
    )
    assert found["energy"]["generated_range"][0] <= found["energy"]["generated"] <= found["energy"]["generated_range"][1]
    assert found["coverage"]["coverage"] < found["coverage"]["coverage_simulated"]


@pytest.mark.parametrize("module", [evaluation, sheet_evaluation], ids=lambda module: module.__name__)
def test_an_evaluation_refuses_a_seed_before_it_begins(module: Any, capsys: pytest.CaptureFixture[str]) -> None:
    assert module.main(["washi-sheet", "--seed", "-1"]) == 2
    assert "the seed is -1" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("module", "arguments", "said"),
    [
        (evaluation, ["washi-dcgan-64", "--count", "2"], "2 held-out pictures are too few"),
        (evaluation, ["washi-dcgan-64", "--data", "nowhere"], "nowhere holds no patches"),
        (evaluation, ["washi-sheet"], "evaluate it with python -m washi_latent.training.sheet_evaluation"),
        (sheet_evaluation, ["washi-sheet", "--count", "0"], "0 held-out pictures are too few"),
        (sheet_evaluation, ["washi-dcgan-64"], "evaluate it with python -m washi_latent.training.evaluation"),
    ],
    ids=str,
)
def test_an_evaluation_that_can_not_be_is_refused_before_it_begins(
    module: Any, arguments: list[str], said: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    for name in ("simulated_patches", "Parallel"):
        monkeypatch.setattr(module, name, lambda *_, **__: pytest.fail("it begins"), raising=False)
    assert module.main(arguments) == 2
    assert said in capsys.readouterr().err


def test_figures_are_printed_though_they_can_not_be_written(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    monkeypatch.setattr(sheet_evaluation, "evaluate_sheets", lambda *_, **__: {"ratio": 1.0})
    monkeypatch.setattr(sheet_evaluation, "table", lambda figures: f"| ratio | {figures['ratio']} |")
    assert sheet_evaluation.main(["washi-sheet", "--json", str(tmp_path / "nowhere" / "a.json")]) == 2
    said = capsys.readouterr()
    assert said.out == "| ratio | 1.0 |\n"
    assert "the folder does not exist" in said.err
    assert sheet_evaluation.main(["washi-sheet", "--json", str(tmp_path / "a.json")]) == 0
    assert json.loads((tmp_path / "a.json").read_text()) == {"ratio": 1.0}
