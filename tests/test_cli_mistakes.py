"""Ordinary mistakes and odd models: one sentence and exit code 2, or a result, and no traceback."""

from __future__ import annotations

import importlib.util
import json
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from conftest import description, small_network
from PIL import Image

from washi_latent.cli import main
from washi_latent.core import ModelInfo, write_bundle

pytestmark = pytest.mark.usefixtures("models_folder")


def refused(arguments: list[str], capsys: pytest.CaptureFixture[str]) -> str:
    """The one sentence that a refused command says."""
    capsys.readouterr()
    assert main(arguments) == 2
    said = capsys.readouterr().err
    assert said.startswith("washi-latent: ")
    assert said.count("\n") == 1
    return said


def of_size(folder: Path, height: int, width: int, **changes: Any) -> ModelInfo:
    return write_bundle(folder, description(size=[height, width]), {"generator.onnx": small_network(edge=height, width=width, **changes)})


@pytest.fixture
def session(tmp_path: Path) -> Path:
    assert main(["explore", "--model", "small-64", "--steps", "1", "--samples", "12", "--representatives", "4", "--out", str(tmp_path / "search")]) == 0
    return tmp_path / "search" / "session.json"


@pytest.mark.parametrize("arguments", [["figures"], ["analyse", "small-64"]], ids=" ".join)
def test_without_matplotlib_drawing_says_what_to_install(
    arguments: list[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    for name in [name for name in sys.modules if name.startswith("matplotlib.")]:
        monkeypatch.delitem(sys.modules, name)
    monkeypatch.setitem(sys.modules, "matplotlib", None)
    assert "needs matplotlib, which is not installed: pip install 'washi-latent[figures]'" in refused([*arguments, "--out", str(tmp_path / "out")], capsys)
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize("option", [["--seed", "-1"], ["--seed", str(2**64)], ["--threads", "-2"], ["--threads", "0"]], ids=" ".join)
def test_train_checks_numbers_before_it_writes(option: list[str], tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    pytest.importorskip("torch")
    (tmp_path / "pictures").mkdir()
    Image.new("RGB", (90, 90)).save(tmp_path / "pictures" / "a.png")
    said = refused(["train", "--images", str(tmp_path / "pictures"), "--out", str(tmp_path / "mine"), *option], capsys)
    assert "choose " in said
    assert [p.name for p in tmp_path.iterdir()] == ["pictures"]


@pytest.mark.parametrize("jobs", ["0", "-1", "5000"])
def test_jobs_are_checked_in_a_dry_run_too(jobs: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    recipe = tmp_path / "recipe.toml"
    recipe.write_text('[export]\nmodels = ["small-64"]\n[[points]]\nseeds = [0]\n')
    assert f"{jobs} jobs were asked for" in refused(["export", str(recipe), "--out", str(tmp_path / "out"), "--dry-run", "--jobs", jobs], capsys)


LIBRARY = '[export]\nmodels = ["small-64"]\n[[points]]\nseeds = [0, 1]\n[library]\n'


def test_a_recipe_with_a_library_is_refused_only_where_one_would_be_written(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    found = importlib.util.find_spec
    monkeypatch.setattr(importlib.util, "find_spec", lambda name, *rest: None if name == "bpy" else found(name, *rest))
    recipe, out = tmp_path / "recipe.toml", tmp_path / "out"
    recipe.write_text(LIBRARY)
    assert main(["export", str(recipe), "--out", str(out)]) == 2
    assert "line 5: a material library is made by Blender" in capsys.readouterr().err
    assert not out.exists()
    for options in (["--dry-run"], ["--shard", "1/1"], ["--verify"]):
        assert main(["export", str(recipe), "--out", str(out), *options]) == 0


def test_a_model_that_makes_one_texture_can_not_be_analysed(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    of_size(tmp_path / "flat", 32, 32, scale=0.0)
    assert "one and the same texture" in refused(["analyse", str(tmp_path / "flat"), "--out", str(tmp_path / "out")], capsys)


def test_a_model_of_oblong_pictures_is_analysed(tmp_path: Path) -> None:
    of_size(tmp_path / "oblong", 48, 20)
    assert main(["analyse", str(tmp_path / "oblong"), "--out", str(tmp_path / "out")]) == 0
    assert (tmp_path / "out" / "index.html").exists()


def test_figures_show_oblong_pictures_whole() -> None:
    pytest.importorskip("matplotlib")
    from matplotlib.figure import Figure

    from washi_latent.figures import _grid

    axes, pictures = Figure().subplots(), np.linspace(0, 1, 3 * 32 * 48 * 3).reshape(3, 32, 48, 3)
    _grid(axes, pictures, 2, blue=[1], orange=[2])
    shown = np.asarray(axes.images[0].get_array())
    assert shown.shape == (66, 98, 3)
    np.testing.assert_allclose(shown[34:, :48], pictures[2], atol=1e-6)
    assert [(patch.get_xy(), patch.get_width(), patch.get_height()) for patch in axes.patches] == [((48.5, -1.5), 50, 34), ((-1.5, 32.5), 50, 34)]


@pytest.mark.parametrize(
    ("place", "value"),
    [
        (("nodes", 1, "settings", "direction"), 3),
        (("nodes", 1, "settings", "method"), ["preference"]),
        (("nodes", 1, "settings", "radius"), 10**400),
        (("nodes", 1, "center", 0), 10**400),
    ],
    ids=lambda part: str(part)[:40],
)
def test_a_session_of_wrong_values_is_refused(session: Path, place: tuple[Any, ...], value: Any, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    spoiled = json.loads(session.read_text())
    inner = spoiled["search"]
    for part in place[:-1]:
        inner = inner[part]
    inner[place[-1]] = value
    session.write_text(json.dumps(spoiled))
    for command in ("explore", "sequence"):
        refused([command, "--from", str(session), "--out", str(tmp_path / "out")], capsys)
