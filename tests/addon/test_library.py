"""The material library of a batch export, and the command inside Blender. In the bpy module."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

bpy = pytest.importorskip("bpy")

from washi_latent.addon import command
from washi_latent.cli import main
from washi_latent.core import TextureModel

RECIPE = """[export]
models = ["small-sheet"]
sizes = [64, "128x64"]
name = "{points}/{label}-{size}"
[library]
file = "papers.blend"
catalog = "Washi/{points}"
[[points]]
name = "pale"
seeds = [1, 2]
[[points]]
name = "dark"
seeds = [3]
"""


@pytest.fixture
def exported(tmp_path: Path, sheet_model: TextureModel, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("WASHI_LATENT_MODELS", str(sheet_model.info.folder.parent))
    (tmp_path / "recipe.toml").write_text(RECIPE)
    assert main(["export", str(tmp_path / "recipe.toml"), "--out", str(tmp_path / "out")]) == 0
    return tmp_path / "out"


def test_a_library_of_every_texture_with_previews_and_catalogues(exported: Path, tmp_path: Path) -> None:
    bpy.ops.wm.read_homefile(use_empty=True)
    with bpy.data.libraries.load(str(exported / "papers.blend"), assets_only=True) as (source, target):
        target.materials = list(source.materials)
    found = {m.name: m for m in target.materials}
    assert sorted(found) == ["dark/seed-3-128x64", "dark/seed-3-64", "pale/seed-1-128x64", "pale/seed-1-64", "pale/seed-2-128x64", "pale/seed-2-64"]
    lines = (exported / "blender_assets.cats.txt").read_text().splitlines()
    catalogs = dict(line.split(":")[1::-1] for line in lines if line.startswith(tuple("0123456789abcdef")))
    assert set(catalogs) == {"Washi/dark", "Washi/pale"}
    for name, material in found.items():
        assert material.asset_data.catalog_id == catalogs[f"Washi/{name.split('/')[0]}"]
        assert "small-sheet" in material.asset_data.tags
        pixels = np.array(material.preview.image_pixels_float[:]).reshape(256, 256, 4)
        image = bpy.data.images[f"{name} base_color"]
        assert Path(bpy.path.abspath(image.filepath, library=image.library)).resolve() == (exported / f"{name}_base_color.png").resolve()
        shown = np.array(image.pixels[:]).reshape(image.size[1], image.size[0], 4)
        np.testing.assert_allclose(pixels[..., :3].mean((0, 1)), shown[..., :3].mean((0, 1)), atol=0.02)
        assert json.loads(material["washi_latent"])["tile_mm"] == (12.8 if "128x64" in name else 6.4)
    assert not list(exported.glob("*.partial.blend"))
    assert not list(exported.glob("*.blend1"))


def test_a_second_run_replaces_the_library(exported: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    capsys.readouterr()
    assert main(["export", str(tmp_path / "recipe.toml"), "--out", str(exported), "--json"]) == 0
    said = json.loads(capsys.readouterr().out.splitlines()[-1])
    assert (said["made"], said["library"]) == (0, str(exported / "papers.blend"))
    bpy.ops.wm.read_homefile(use_empty=True)
    with bpy.data.libraries.load(str(exported / "papers.blend")) as (source, _):
        assert len(source.materials) == 6
    assert main(["export", str(tmp_path / "recipe.toml"), "--out", str(exported), "--verify"]) == 0


def test_the_command_is_every_command_of_the_command_line(capsys: pytest.CaptureFixture[str]) -> None:
    assert command.run(["models", "--json"]) == 0
    assert isinstance(json.loads(capsys.readouterr().out), list)
    assert command.run(["export", "--out", "x"]) == 2
    command.register()
    command.unregister()
    command.unregister()
