"""What a user installs: the zip, in a Blender that has nothing else. Its life is lived once (life.py), the tests look at what was seen."""

from __future__ import annotations

import tomllib
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

import washi_latent
from washi_latent.core import list_models

from .conftest import PYTHON, ROOT, figures

pytestmark = pytest.mark.installed


@pytest.fixture(scope="module")
def names(extension_zip: Path) -> list[str]:
    with zipfile.ZipFile(extension_zip) as archive:
        return archive.namelist()


@pytest.fixture(scope="module")
def manifest(extension_zip: Path) -> dict[str, Any]:
    with zipfile.ZipFile(extension_zip) as archive:
        return tomllib.loads(archive.read("blender_manifest.toml").decode())


@pytest.fixture(scope="module")
def life(extension_zip: Path, blender: Callable[..., dict[str, Any]]) -> dict[str, Any]:
    seen = blender("life.py", extension_zip)
    figures.append(f"enabling the extension (import and register) took {seen['seconds to enable'] * 1000:.0f} ms")
    return seen


def test_the_manifest_tells_the_packages_version() -> None:
    manifest = tomllib.loads((ROOT / "blender_manifest.toml").read_text("utf-8"))
    assert manifest["version"] == washi_latent.__version__
    assert "network" not in manifest["permissions"]


def test_the_zip_holds_each_file_once(names: list[str]) -> None:
    assert len(names) == len(set(names))


def test_the_zip_holds_what_runs_and_nothing_of_training(names: list[str]) -> None:
    assert {"__init__.py", "LICENSE", "core/search.py", "core/networks.py", "core/moments.onnx", "core/mssim.onnx", "addon/__init__.py"} <= set(names)
    assert not [name for name in names if name.startswith("training/") or "__pycache__" in name or name.endswith(".safetensors") or name == "figures.py"]


def test_the_wheels_fit_this_blender_and_bring_no_numpy(names: list[str], manifest: dict[str, Any]) -> None:
    wheels = [name for name in names if name.startswith("wheels/")]
    assert sorted(manifest["wheels"]) == sorted(f"./{name}" for name in wheels)
    packages = {name.removeprefix("wheels/").split("-")[0] for name in wheels}
    assert {"onnxruntime", "scipy", "scikit_learn", "pillow"} <= packages
    assert not packages & {"numpy", "torch"}
    assert len(packages) == len(wheels)
    assert {name.split("-")[2] for name in wheels} == {"py3", f"cp{PYTHON.replace('.', '')}"}


def test_wheels_are_as_the_index_gave_them(extension_zip: Path, names: list[str]) -> None:
    """Every wheel's own list of contents (RECORD) still fits: nothing was stripped or added."""
    import base64
    import csv
    import hashlib
    import io

    with zipfile.ZipFile(extension_zip) as archive:
        for name in names:
            if not name.endswith(".whl"):
                continue
            with zipfile.ZipFile(io.BytesIO(archive.read(name))) as wheel:
                (record,) = [inside for inside in wheel.namelist() if inside.endswith(".dist-info/RECORD")]
                rows = {row[0]: row[1] for row in csv.reader(io.StringIO(wheel.read(record).decode()))}
                assert {inside for inside in wheel.namelist() if not inside.endswith("/")} == set(rows), name
                for inside, digest in rows.items():
                    if digest:
                        kind, _, wanted = digest.partition("=")
                        found = base64.urlsafe_b64encode(hashlib.new(kind, wheel.read(inside)).digest()).rstrip(b"=").decode()
                        assert found == wanted, (name, inside)


def test_installing_enables_it_and_loads_nothing_heavy(life: dict[str, Any]) -> None:
    assert life["install"] == ["FINISHED"]
    assert life["enabled"]["is"], life["output"]
    assert life["enabled"]["heavy"] == []


def test_the_shipped_models_are_whole(life: dict[str, Any]) -> None:
    shipped = sorted(info.name for info in list_models())
    assert sorted(life["engine"]["models"]) == sorted(life["engine"]["verified"]) == shipped


def test_the_engine_runs_from_the_bundled_wheels(life: dict[str, Any]) -> None:
    engine = life["engine"]
    assert engine["images"][0] == 6
    assert engine["labels"] == [0, 1, 2]
    assert engine["maps"] == [f"paper_{name}.png" for name in ("base_color", "height", "normal", "opacity", "roughness")]
    for name in ("onnxruntime", "scipy", "sklearn", "joblib", "PIL", "png"):
        assert "/.local/lib/" in Path(engine["from"][name]).as_posix(), name
    assert engine["from"]["torch"] is None


def test_the_operators_work_without_a_window(life: dict[str, Any]) -> None:
    operators = life["operators"]
    assert [operators[name] for name in ("explore", "pick", "back", "forward")] == [["FINISHED"]] * 4, life["output"]
    assert (operators["places"], operators["at"]) == (2, 1)


def test_looking_leaves_no_images_in_the_file(life: dict[str, Any]) -> None:
    assert life["operators"]["images"] == life["before"]["images"]


def test_installing_over_it_keeps_it_enabled(life: dict[str, Any]) -> None:
    assert life["install over"] == ["FINISHED"]
    assert life["enabled over"]["is"], life["output"]
    assert life["enabled over"]["types"] == life["enabled"]["types"]


@pytest.mark.parametrize("when", ["disabled at once", "disabled after use", "uninstalled"])
@pytest.mark.parametrize("what", ["types", "properties", "handlers", "timers", "keys", "menus", "images"])
def test_nothing_is_left(life: dict[str, Any], when: str, what: str) -> None:
    assert life[when][what] == life["before"][what]


def test_uninstalling_leaves_no_files(life: dict[str, Any]) -> None:
    assert life["uninstall"] == ["FINISHED"]
    assert [name for name in life["files left"] if not name.startswith(".cache/")] == []


@pytest.mark.parametrize("command", ["train", "figures", "synthesize"])
def test_commands_that_are_not_shipped_say_so_in_one_sentence(life: dict[str, Any], command: str) -> None:
    code, said = life["commands"][command]
    assert code == 2
    assert said.startswith("washi-latent: ")
    assert said.count("\n") == 1
    assert "pip install" in said
