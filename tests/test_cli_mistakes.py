"""Ordinary mistakes and odd models: one sentence and exit code 2, or a result, and no traceback."""

from __future__ import annotations

import errno
import importlib.util
import json
import os
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from conftest import description, small_network
from PIL import Image

from washi_latent.cli import main
from washi_latent.core import ModelInfo, TextureModel, load_model, write_bundle

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


@pytest.mark.parametrize(
    "command", [["explore", "--model", "small-64"], ["sequence"], ["analyse", "small-64"], ["figures", "--model", "small-64"]], ids=lambda c: c[0]
)
def test_a_folder_that_is_there_but_read_only_is_said_before_anything_is_made(
    command: list[str], session: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def read_only(**_: object) -> object:
        raise OSError(errno.EROFS, os.strerror(errno.EROFS))

    if command[0] in ("analyse", "figures"):
        pytest.importorskip("matplotlib")
    monkeypatch.setattr(tempfile, "TemporaryFile", read_only)
    monkeypatch.setattr(TextureModel, "generate", lambda *_, **__: pytest.fail("a large model takes minutes"))
    (tmp_path / "out").mkdir()
    more = ["--from", str(session)] if command[0] == "sequence" else []
    assert "the place is read-only" in refused([*command, *more, "--out", str(tmp_path / "out")], capsys)


@pytest.mark.parametrize("out", ["no/such/folder.png", ".", ""])
def test_a_sheet_that_can_not_be_written_is_not_simulated(
    out: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    washi = pytest.importorskip("washi_latent.training.washi")
    monkeypatch.setattr(washi, "synthesize", lambda *_: pytest.fail("a large sheet takes minutes"))
    monkeypatch.chdir(tmp_path)
    said = refused(["synthesize", "--size", "64", "--out", out], capsys)
    assert ("a folder of that name is there" if out in (".", "") else "the folder does not exist") in said


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


@pytest.mark.parametrize("source", ["simulation", "photographs"])
def test_figures_show_what_a_model_learned_from_or_nothing(source: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Simulated sheets are no training images of a model of somebody's photographs."""
    pytest.importorskip("matplotlib")
    from washi_latent import figures

    monkeypatch.setattr(figures, "_training_patches", lambda count, _: np.zeros((count, 64, 64, 3), np.float32))
    info = write_bundle(tmp_path / "mine", description(training={"data": {"source": source}}), {"generator.onnx": small_network()})
    above = figures.figure_1(load_model(info.folder, threads=1), 0).axes[0]
    assert bool(above.images) == (source == "simulation")
    assert ("simulated" in above.get_title()) == (source == "simulation")
    assert "the DCGAN" not in above.get_title()


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


@pytest.mark.parametrize("threads", ["0", "1025", str(10**30)])
@pytest.mark.parametrize("command", [["explore"], ["analyse", "small-64"]], ids=lambda command: command[0])
def test_threads_have_one_range(command: list[str], threads: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    pytest.importorskip("matplotlib")
    assert "threads were asked for: choose 1 to 1024" in refused([*command, "--threads", threads, "--out", str(tmp_path / "out")], capsys)
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize("name", ["n" * 400, "", "\udcff", "紙" * 200])
def test_a_model_of_no_possible_name_is_not_there(name: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    said = refused(["explore", "--model", name, "--out", str(tmp_path / "out")], capsys)
    assert "there is no model" in said or "no model was named" in said
    recipe = tmp_path / "recipe.toml"
    recipe.write_text(f"[export]\nmodels = [{json.dumps(name.replace(chr(0xDCFF), chr(0)))}]\n[[points]]\nseeds = [1]\n")
    assert main(["export", str(recipe), "--out", str(tmp_path / "out")]) == 2
    assert "line 2: " in capsys.readouterr().err


def run(arguments: list[str], **options: Any) -> subprocess.CompletedProcess[str]:
    environment = {**os.environ, **options.pop("env", {})}
    return subprocess.run([sys.executable, "-m", "washi_latent", *arguments], env=environment, check=False, text=True, stderr=subprocess.PIPE, **options)


@pytest.mark.skipif(not Path("/dev/full").is_char_device(), reason="Linux's disk that is always full")
def test_a_full_disk_below_what_is_printed_is_said() -> None:
    with open("/dev/full", "w") as full:
        done = run(["models"], stdout=full)
    assert done.returncode == 2
    assert done.stderr == "washi-latent: what it says can't be read or written, No space left on device: choose another place, or make room\n"


@pytest.mark.skipif(sys.platform == "win32", reason="pipes end otherwise there")
def test_a_reader_who_has_enough_is_no_mistake() -> None:
    read, write = os.pipe()
    os.close(read)
    done = run(["models"], stdout=write)
    os.close(write)
    assert (done.returncode, done.stderr) == (0, "")


def test_names_of_any_letters_are_printed_on_a_pipe_that_takes_few(tmp_path: Path) -> None:
    write_bundle(tmp_path / "models" / "paper", description(title="楮紙"), {"generator.onnx": small_network()})
    few = {"PYTHONIOENCODING": "cp1252", "WASHI_LATENT_MODELS": str(tmp_path / "models")}
    plain, listed = (run(["models", *more], env=few, stdout=subprocess.PIPE) for more in ([], ["--json"]))
    assert (plain.returncode, plain.stderr) == (0, "")
    assert "paper: \\u696e\\u7d19, " in plain.stdout
    assert {row["name"]: row.get("title") for row in json.loads(listed.stdout)}["paper"] == "楮紙"


def test_what_the_system_refuses_is_said_in_a_sentence(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    def broken(*_: Any) -> Any:
        raise OSError(5, "Input/output error", str(tmp_path / "disk"))

    monkeypatch.setattr("washi_latent.core.models.find_bundles", broken)
    assert f"{tmp_path / 'disk'} can't be read or written, Input/output error" in refused(["models"], capsys)


def test_figures_of_a_model_that_makes_one_texture_are_refused(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    pytest.importorskip("matplotlib")
    of_size(tmp_path / "flat", 32, 32, scale=0.0)
    assert "too few different textures" in refused(["figures", "--model", str(tmp_path / "flat"), "--out", str(tmp_path / "out")], capsys)


def test_ctrl_c_is_said_from_the_very_beginning(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    def stop() -> Any:
        raise KeyboardInterrupt

    monkeypatch.setattr("washi_latent.cli._parser", stop)
    assert main(["models"]) == 130
    assert capsys.readouterr().err == "washi-latent: stopped; what was finished is kept\n"
