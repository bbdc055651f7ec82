"""Models in the extension: chosen, added, each with its own search."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Any

import pytest

bpy = pytest.importorskip("bpy")

from washi_latent.addon import engine, preferences, session


@pytest.fixture
def mine(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The folder of added models, elsewhere than the user's."""
    monkeypatch.setattr(preferences, "user_folder", lambda: tmp_path / "added")
    preferences.refresh_models()
    return tmp_path / "added"


def renamed(bundle: Path, to: Path) -> Path:
    shutil.copytree(bundle, to)
    text = (to / "model.json").read_text()
    (to / "model.json").write_text(text.replace('"small-64"', f'"{to.name}"').replace("A small model", "Mine"))
    return to


@pytest.mark.parametrize("kind", ["folder", "description", "zip"])
def test_an_added_model_is_chosen_and_works(washi: Any, mine: Path, models_folder: Path, tmp_path: Path, kind: str) -> None:
    bpy.ops.washi.explore()
    theirs = washi.state
    bundle = renamed(models_folder / "small-64", tmp_path / "from" / "my-own")
    source = bundle if kind == "folder" else bundle / "model.json"
    if kind == "zip":
        source = Path(shutil.make_archive(str(tmp_path / "my-own"), "zip", tmp_path / "from"))
    assert bpy.ops.washi.add_model(filepath=str(source)) == {"FINISHED"}
    assert (mine / "my-own" / "model.json").is_file()
    assert ("my-own", "Mine") in [(name, title) for name, title, _ in preferences.models()]
    assert (washi.model, washi.state) == ("my-own", "")
    bpy.ops.washi.explore()
    assert session.place(bpy.context.scene).model == "my-own"
    bpy.ops.washi.choose_model(name="small-64")
    assert washi.state == theirs, "each model keeps a search of its own"
    assert len(washi.history) == 1
    bpy.ops.washi.choose_model(name="my-own")
    assert session.look(bpy.context.scene) is not None


def test_what_a_training_leaves_behind_is_no_model_and_what_can_not_be_read_is_passed_over(
    mine: Path, models_folder: Path, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    renamed(models_folder / "small-64", mine / ".my-own.x1y2")
    assert ".my-own.x1y2" not in [name for name, *_ in engine.bundles([mine])]
    there = Path.is_dir

    def is_dir(self: Path) -> bool:
        if self == tmp_path / "locked":
            raise PermissionError(13, "Permission denied")
        return there(self)

    monkeypatch.setattr(Path, "is_dir", is_dir)
    assert "small-64" in [name for name, *_ in engine.bundles([tmp_path / "locked"])]


def test_a_damaged_bundle_is_refused_and_leaves_nothing(washi: Any, mine: Path, models_folder: Path, tmp_path: Path) -> None:
    bundle = renamed(models_folder / "small-64", tmp_path / "my-own")
    content = bytearray((bundle / "generator.onnx").read_bytes())
    content[-1] ^= 1
    (bundle / "generator.onnx").write_bytes(content)
    with pytest.raises(RuntimeError, match=r"checksum of generator\.onnx does not fit"):
        bpy.ops.washi.add_model(filepath=str(bundle))
    assert list(mine.iterdir()) == []
    assert washi.model == "small-64"


def test_a_search_whose_model_went_away_says_so(washi: Any, mine: Path, models_folder: Path, tmp_path: Path) -> None:
    bpy.ops.washi.add_model(filepath=str(renamed(models_folder / "small-64", tmp_path / "my-own")))
    bpy.ops.washi.explore()
    bpy.ops.washi.pick(index=1)
    bpy.ops.washi.keep(name="Moss")
    state = washi.state
    shutil.rmtree(mine / "my-own")
    preferences.refresh_models()
    session.engine.forget_models()
    for gesture in (bpy.ops.washi.back, bpy.ops.washi.explore, bpy.ops.washi.others, lambda: bpy.ops.washi.apply(favourite="Moss")):
        with pytest.raises(RuntimeError, match="not here: add it"):
            gesture()
    washi.samples = 20
    assert washi.state == state


def test_a_model_that_is_not_here_is_not_chosen(washi: Any) -> None:
    with pytest.raises(RuntimeError, match="no such model here: add it"):
        bpy.ops.washi.choose_model(name="gone")
