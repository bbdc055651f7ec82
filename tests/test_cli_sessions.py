"""Going on from a session: its size, what is given anew, and a model that is not its own."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from conftest import description, small_network

from washi_latent.cli import main
from washi_latent.core import Search, TextureModel, mssim_matrix, read_session, write_bundle, write_session
from washi_latent.core.images import write_png

pytestmark = pytest.mark.usefixtures("both_models")

FEW = ["--samples", "10", "--representatives", "3"]


def explored(folder: Path, *options: str) -> dict[str, Any]:
    """What the session holds that a command writes."""
    assert main(["explore", "--steps", "1", *options, "--out", str(folder)]) == 0
    return json.loads((folder / "session.json").read_text())


def test_a_session_keeps_its_size(tmp_path: Path) -> None:
    session = str(tmp_path / "session.json")
    assert explored(tmp_path, "--model", "small-sheet", "--size", "64", *FEW)["size"] == 64
    assert explored(tmp_path, "--from", session)["size"] == 64
    assert explored(tmp_path, "--from", session, "--size", "96")["size"] == 96


@pytest.mark.parametrize("command", ["explore", "sequence"])
def test_a_size_of_nothing_is_refused(command: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    explored(tmp_path, "--model", "small-sheet", "--size", "64", *FEW)
    assert main([command, "--from", str(tmp_path / "session.json"), "--size", "0", "--out", str(tmp_path / "out")]) == 2
    assert "a size of 0 pixels" in capsys.readouterr().err


def test_what_is_given_anew_holds_from_the_next_step_on(tmp_path: Path) -> None:
    before = explored(tmp_path, "--model", "small-64", *FEW)["search"]["nodes"]
    given = ["--radius", "1", "--samples", "20", "--angle", "10", "--method", "paper", "--no-shell"]
    nodes = explored(tmp_path, "--from", str(tmp_path / "session.json"), *given)["search"]["nodes"]
    assert nodes[0] == before[0]
    for node in nodes[1:]:
        settings = node["settings"]
        assert (settings["radius"], settings["samples"], settings["method"], settings["shell"]) == (1, 20, "paper", False)
        assert settings["representatives"] == 3
        assert settings["concentration"] > 100
        assert settings["direction"] == "last"


def test_a_session_at_its_beginning_takes_what_is_given_as_a_new_search_does(tmp_path: Path) -> None:
    session = tmp_path / "session.json"
    value = explored(tmp_path, "--model", "small-64", *FEW)
    value["search"].update(nodes=value["search"]["nodes"][:1], trail=[-1], current=0)
    session.write_text(json.dumps(value))
    given = [*FEW, "--radius", "1", "--angle", "10"]
    assert explored(tmp_path, "--from", str(session), *given)["search"] == explored(tmp_path / "new", "--model", "small-64", *given)["search"]


def test_a_session_has_its_own_seed(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    explored(tmp_path, "--model", "small-64", *FEW)
    before = (tmp_path / "session.json").read_bytes()
    assert main(["explore", "--from", str(tmp_path / "session.json"), "--seed", "5", "--out", str(tmp_path)]) == 2
    assert "leave --seed out" in capsys.readouterr().err
    assert (tmp_path / "session.json").read_bytes() == before


@pytest.mark.parametrize("command", ["explore", "sequence"])
def test_another_model_is_refused(command: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    explored(tmp_path, "--model", "small-64", *FEW)
    capsys.readouterr()
    assert main([command, "--from", str(tmp_path / "session.json"), "--model", "small-sheet", "--out", str(tmp_path / "out")]) == 2
    said = capsys.readouterr().err
    assert "was made with the model small-64, not with small-sheet" in said
    assert said.count("\n") == 1
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize("command", [["explore", "--steps", "1"], ["sequence", "--count", "3"]], ids=lambda words: words[0])
def test_another_model_of_the_same_name_is_said(
    command: list[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    explored(tmp_path, "--model", "small-64", *FEW)
    arguments = [*command, "--from", str(tmp_path / "session.json"), "--out", str(tmp_path / "out")]
    warning = "the model small-64 is not the one that the session was made with"
    capsys.readouterr()
    assert main(arguments) == 0
    assert warning not in capsys.readouterr().err
    write_bundle(tmp_path / "other" / "small-64", description(), {"generator.onnx": small_network(scale=1.5)})
    monkeypatch.setenv("WASHI_LATENT_MODELS", str(tmp_path / "other") + os.pathsep + os.environ["WASHI_LATENT_MODELS"])
    assert main(arguments if command[0] == "explore" else [*arguments, "--from", str(tmp_path / "session.json")]) == 0
    assert capsys.readouterr().err.count(warning) == 1


def test_a_shorter_sequence_leaves_nothing_of_a_longer_one(tmp_path: Path) -> None:
    explored(tmp_path / "search", "--model", "small-64", *FEW, "--steps", "2")
    out = tmp_path / "out"
    arguments = ["sequence", "--from", str(tmp_path / "search" / "session.json"), "--no-plot", "--out", str(out), "--count"]
    assert main([*arguments, "6"]) == 0
    for name in ("texture-004.png", "texture-9.png"):
        write_png(out / name, np.zeros((4, 4, 3)))  # not of a sequence
    assert main([*arguments, "3"]) == 0
    assert sorted(p.name for p in out.glob("texture-*")) == ["texture-000.png", "texture-001.png", "texture-002.png", "texture-004.png", "texture-9.png"]


def test_a_shorter_search_leaves_no_sheets_of_a_longer_one(tmp_path: Path) -> None:
    def steps() -> set[str]:
        return {path.name.partition("-c")[0].partition("-r")[0] for path in tmp_path.glob("step-*")}

    explored(tmp_path, "--model", "small-64", *FEW, "--steps", "3")
    (tmp_path / "step-09-notes.txt").write_text("mine")
    explored(tmp_path, "--model", "small-64", *FEW)
    assert steps() == {"step-01", "step-09-notes.txt"}
    explored(tmp_path, "--from", str(tmp_path / "session.json"))
    assert steps() == {"step-01", "step-02", "step-09-notes.txt"}


def test_a_find_is_kept_for_sequences_and_recipes(tmp_path: Path) -> None:
    session, recipe = tmp_path / "session.json", tmp_path / "recipe.toml"
    explored(tmp_path, "--model", "small-sheet", "--size", "64", *FEW, "--keep", "moss")
    assert [f["name"] for f in explored(tmp_path, "--from", str(session), "--pick", "2", "--keep", "苔")["search"]["favourites"]] == ["moss", "苔"]
    assert main(["sequence", "--from", str(session), "--ends", "moss", "苔", "--count", "3", "--no-plot", "--out", str(tmp_path / "out")]) == 0
    recipe.write_text('[export]\nmodels = ["small-sheet"]\nsizes = [64]\n[[points]]\nsession = "session.json"\nfavourites = "all"\n')
    assert main(["export", str(recipe), "--out", str(tmp_path / "textures")]) == 0
    assert len(json.loads((tmp_path / "textures" / "manifest.json").read_text())["items"]) == 2


@pytest.mark.parametrize("name", ["", "  ", "\udcff"])
def test_a_favourite_without_a_name_is_refused(name: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["explore", "--model", "small-sheet", "--size", "64", *FEW, "--keep", name, "--out", str(tmp_path / "out")]) == 2
    assert "a favourite needs a name" in capsys.readouterr().err
    assert not (tmp_path / "out").exists()


def test_a_search_of_a_script_is_a_session(tmp_path: Path, model: TextureModel) -> None:
    search = Search(model, seed=3)
    search.sample()
    search.pick(2)
    search.keep("bark")
    session = read_session(write_session(tmp_path / "session.json", search))
    assert (session.state, session.size, session.model) == (search.state, None, "small-64")
    assert main(["explore", "--from", str(tmp_path / "session.json"), "--steps", "1", "--out", str(tmp_path / "out")]) == 0


def test_all_work_keeps_to_the_threads_that_were_asked_for(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[int | None] = []

    def counted(pictures: Any, references: Any = None, threads: int | None = None, progress: Any = None) -> Any:
        asked.append(threads)
        return mssim_matrix(pictures, references, threads)

    for module in ("search", "sequence"):
        monkeypatch.setattr(f"washi_latent.core.{module}.mssim_matrix", counted)
    few = ["--model", "small-sheet", "--size", "64", "--method", "coverage", *FEW, "--threads", "1"]
    explored(tmp_path, *few)
    explored(tmp_path, "--from", str(tmp_path / "session.json"), "--threads", "1")
    command = ["sequence", "--from", str(tmp_path / "session.json"), "--ends", "0", "end", "--count", "3", "--no-plot"]
    assert main([*command, "--threads", "1", "--out", str(tmp_path / "out")]) == 0
    assert len(asked) > 3
    assert set(asked) == {1}


def test_of_few_samples_all_are_shown(tmp_path: Path) -> None:
    """Who asks for fewer than are shown otherwise need not say so twice."""
    settings = explored(tmp_path, "--model", "small-64", "--samples", "5")["search"]["nodes"][-1]["settings"]
    assert (settings["samples"], settings["representatives"]) == (5, 5)
