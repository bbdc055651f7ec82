"""Kinds of a model whose recipes are known, and the command that writes them into a bundle."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

torch = pytest.importorskip("torch")
pytest.importorskip("skia")
pytest.importorskip("onnx")

from washi_latent.core import WashiError, read_kinds, write_bundle
from washi_latent.core.fields import FIELD_NAMES
from washi_latent.core.kinds import KINDS_FILE
from washi_latent.core.sheet_network import PaperFlow, SheetGenerator
from washi_latent.training import TrainOptions, sheet_pipeline
from washi_latent.training import kinds as module
from washi_latent.training.export import weights_bytes
from washi_latent.training.kinds import KindTeller, find_kinds, flow_of, main, simulated_recipes, write_kinds
from washi_latent.training.sheet import LAYERS, RECIPE


def still_flow(latent_dim: int = 4, recipe: int = 2) -> PaperFlow:
    """Recipes are the latents' first numbers."""
    flow = PaperFlow(latent_dim, recipe, 1)
    for parameter in flow.velocity[-1].parameters():
        torch.nn.init.zeros_(parameter)
    return flow


def kind(recipe: np.ndarray) -> str:
    return ("gampi" if recipe[0] < -1 else "kozo") + ("+ai" if recipe[1] > 0.5 else "")


def test_kinds_are_those_of_the_recipes() -> None:
    recipes = np.random.default_rng(0).standard_normal((3000, 2))
    found = {one.name: one for one in find_kinds(still_flow(), KindTeller(recipes, [kind(r) for r in recipes]), 4000)}
    assert list(found) == ["kozo", "gampi", "ai"]  # the simulation's order, and no kind that no recipe is of
    assert found["ai"].title == "ai, indigo"
    # Of a normal distribution, what lies above 0.5 and below -1.
    assert found["ai"].share == pytest.approx(0.3085, abs=0.03)
    assert found["gampi"].share == pytest.approx(0.1587, abs=0.03)
    assert found["kozo"].share == pytest.approx(0.8413, abs=0.03)
    for one in found.values():
        assert 1 < len(one.examples) <= module.EXAMPLES
        assert len(np.unique(one.examples, axis=0)) == len(one.examples)
        assert all(one.name in kind(example).split("+") for example in one.examples)
    # The surest are of no other kind.
    assert all(kind(example) == "gampi" for example in found["gampi"].examples)
    assert all(kind(example) == "kozo" for example in found["kozo"].examples)


def test_a_kind_that_the_model_does_not_make_is_left_out() -> None:
    recipes = np.random.default_rng(0).standard_normal((2000, 2)) * [1, 3]
    flow = still_flow()
    flow.projection[1] = 0  # the second number is 0 for every latent
    assert [one.name for one in find_kinds(flow, KindTeller(recipes, [kind(r) for r in recipes]), 500)] == ["kozo", "gampi"]


def test_simulated_recipes_are_told() -> None:
    recipes, names = simulated_recipes(600)
    teller = KindTeller(recipes, names)
    others, truth = simulated_recipes(200, 1)
    told = teller(teller.standardized(others)) > 0.5
    for name in ("mitsumata", "gampi", "sunome"):
        member = module.memberships(truth)[:, module.KINDS.index(name)]
        assert (told[:, teller.kinds.index(name)] == member).mean() > 0.95


@pytest.fixture
def small(monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in {"KNOWN": 300, "CHECKED": 60, "TREES": 10}.items():
        monkeypatch.setattr(module, name, value)


def bundle(folder: Path, source: str = "simulation", recipe: int = len(RECIPE), **files: bytes) -> Path:
    options = {"features": 8, "fields": list(FIELD_NAMES), "gates": [], "layers": list(LAYERS), "margin": 6, "recipe": recipe, "steps": 1}
    facts = {"title": "One", "license": "CC0-1.0", "architecture": "sheet", "options": options, "latent": {"dim": 100, "prior": "normal"}}
    shape = {"channels": ["red"], "size": "any", "size_multiple": 8, "tileable": True, "training": {"data": {"source": source}}}
    weights = weights_bytes(SheetGenerator(100, FIELD_NAMES, recipe, LAYERS, 8, 1, 1))
    return write_bundle(folder, {**facts, **shape}, files or {"generator.safetensors": weights}).folder


def test_the_command_writes_kinds_into_a_bundle(tmp_path: Path, small: None, capsys: pytest.CaptureFixture[str]) -> None:
    folder = bundle(tmp_path / "one")
    assert main([str(folder)]) == 0
    assert "| kind |" in capsys.readouterr().out
    first = (folder / KINDS_FILE).read_bytes()
    info, said = write_kinds(folder)  # once more: it is replaced, by the same
    assert (folder / KINDS_FILE).read_bytes() == first
    kinds = read_kinds(info)
    assert kinds
    for one in kinds:
        assert one.examples.shape[1] == 100
        assert f"| {one.title} |" in said
    assert info.title == "One"


def test_an_exported_sheet_model_has_its_kinds(tmp_path: Path, small: None, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sheet_pipeline, "card_pictures", lambda *_: {})
    network = {"features": 8, "fields": list(FIELD_NAMES), "gates": [], "layers": list(LAYERS), "margin": 6, "recipe": len(RECIPE), "steps": 1}
    tile = np.random.default_rng(0).integers(0, 256, (4, 64, 64), np.uint8)
    options = TrainOptions(out=tmp_path / "one", synthetic=True, kind="sheet", evaluate=False)
    generator = SheetGenerator(100, FIELD_NAMES, len(RECIPE), LAYERS, 8, 5, 1).eval()
    info = sheet_pipeline.export_sheet(generator, tile, network, {"command": "none"}, options, lambda _: None)
    assert read_kinds(info)


def test_models_without_recipes_are_refused(tmp_path: Path, small: None, capsys: pytest.CaptureFixture[str]) -> None:
    for folder in (bundle(tmp_path / "photographs", "photographs"), bundle(tmp_path / "other", recipe=12)):
        with pytest.raises(WashiError, match="simulation"):
            write_kinds(folder)
        assert not (folder / KINDS_FILE).exists()
    with pytest.raises(WashiError, match="safetensors"):
        write_kinds(bundle(tmp_path / "bare", **{"README.md": b"."}))
    assert main([str(tmp_path / "nowhere")]) == 2
    assert "washi-latent: there is no model" in capsys.readouterr().err
    assert flow_of(torch.nn.Linear(1, 1)) is None
