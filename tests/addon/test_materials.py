"""Paper as a Blender material, in the bpy module."""

from __future__ import annotations

import importlib.util
import json
from pathlib import Path

import numpy as np
import pytest

bpy = pytest.importorskip("bpy")

from rendering import plane, render

from washi_latent.addon.materials import PROVENANCE, PaperImages, load_image, paper_material
from washi_latent.core import WashiError, write_png


@pytest.fixture(autouse=True)
def empty_file() -> None:
    bpy.ops.wm.read_factory_settings(use_empty=True)


@pytest.fixture
def files(tmp_path: Path) -> dict[str, str]:
    rng = np.random.default_rng(0)
    for kind in ("color", "height", "opacity"):
        picture = rng.random((32, 32, 3)) * 0.2 + 0.7 if kind == "color" else rng.random((32, 32)) * 0.2 + 0.3
        write_png(tmp_path / f"{kind}.png", picture, bits=16 if kind == "height" else 8)
    return {kind: str(tmp_path / f"{kind}.png") for kind in ("color", "height", "opacity")}


def images(files: dict[str, str]) -> PaperImages:
    return PaperImages(**{kind: load_image(path, f"Washi {kind}", kind == "color") for kind, path in files.items()})


def test_maps_have_their_colour_spaces_and_are_packed(files: dict[str, str]) -> None:
    made = images(files)
    assert made.color.colorspace_settings.name == "sRGB"
    assert made.height is not None
    assert made.opacity is not None
    assert {made.height.colorspace_settings.name, made.opacity.colorspace_settings.name} == {"Non-Color"}
    assert all(image.packed_file for image in (made.color, made.height, made.opacity))


def test_making_it_again_adds_nothing(files: dict[str, str]) -> None:
    paper_material("Paper", images(files), 0.1)
    before = len(bpy.data.materials), len(bpy.data.images), len(bpy.data.materials["Paper"].node_tree.nodes)
    material = paper_material("Paper", images(files), 0.2, {"model": "washi-sheet", "latent": [0.5], "seed": 3})
    assert (len(bpy.data.materials), len(bpy.data.images), len(material.node_tree.nodes)) == before
    assert json.loads(material[PROVENANCE])["seed"] == 3


@pytest.mark.parametrize("kinds", [("color",), ("color", "opacity"), ("color", "height", "opacity")])
@pytest.mark.parametrize("angle", [0.0, np.pi])
def test_light_falls_on_it_and_passes_through(files: dict[str, str], kinds: tuple[str, ...], angle: float) -> None:
    material = paper_material("Paper", PaperImages(**{k: load_image(files[k], k, k == "color") for k in kinds}), 0.1)
    thing = plane("Plane", width=4, height=4)
    thing.data.materials.append(material)
    sun = bpy.data.objects.new("Sun", bpy.data.lights.new("Sun", "SUN"))
    sun.rotation_euler, sun.data.energy = (angle, 0, 0), 2.0
    bpy.context.scene.collection.objects.link(sun)
    assert 0.05 < render(1, samples=16).mean() < 0.9


def test_a_file_that_is_no_picture_is_said(tmp_path: Path) -> None:
    with pytest.raises(WashiError, match="can't read"):
        load_image(str(tmp_path / "missing.png"), "x", True)


def test_the_demo_scene_has_twelve_panels_of_twelve_papers(files: dict[str, str], tmp_path: Path) -> None:
    from PIL import Image

    for i in range(12):
        for kind, path in files.items():
            Image.open(path).save(tmp_path / f"texture-{i:03d}_{kind}.png")
    facts = {"positions": [i / 11 for i in range(12)], "latents": [[0.0]] * 12, "tile_metres": 0.1, "model": "m", "seed": 0, "size": 32, "program": "p"}
    (tmp_path / "sequence.json").write_text(json.dumps(facts))
    spec = importlib.util.spec_from_file_location("demo_scene", Path(__file__).parents[2] / "scripts" / "demo_scene.py")
    assert spec is not None
    assert spec.loader is not None
    scene = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(scene)
    scene.build(tmp_path)
    panels = [thing for thing in bpy.data.objects if thing.name.startswith("Panel")]
    assert len(panels) == 12
    assert len({panel.data.materials[0].name for panel in panels}) == 12
    assert len(bpy.data.images) == 36
    assert bpy.context.scene.camera is not None
