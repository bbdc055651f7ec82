"""Six finds of a sheet model, in raking light and lit from behind, rendered with Cycles; the picture goes into the model's card.

    python scripts/render_finds.py models/washi-sheet [--out finds.png] [--samples 96]

Needs the bpy module. Without --out the picture becomes finds.png of the bundle, whose checksums are written anew.
"""

from __future__ import annotations

import argparse
import math
import sys
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

import bpy
import numpy as np

from washi_latent.addon.apply import apply_sheet
from washi_latent.addon.materials import PaperOptions
from washi_latent.core import load_model, material_maps, read_image, write_maps, write_png
from washi_latent.core.models import amend_bundle, locate

SEEDS = (57, 38, 45, 46, 26, 0)
EDGE, COLUMNS, GAP = 512, 3, 0.004
SENTENCE = """
![six finds in raking light and lit from behind](finds.png)

Six finds of 51 mm, left in raking light, right lit from behind, rendered with Cycles by `scripts/render_finds.py`.
"""


@dataclass(frozen=True)
class Find:
    """One texture on disk, as `apply_sheet` takes it."""

    files: dict[str, Path]
    tile_mm: float
    provenance: dict[str, Any]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("model")
    parser.add_argument("--out", type=Path)
    parser.add_argument("--samples", type=int, default=96)
    chosen = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        build(chosen.model, Path(folder))
        halves = [render(Path(folder) / f"{light}.png", light, chosen.samples) for light in ("raking", "behind")]
    picture = np.concatenate([halves[0], np.ones((halves[0].shape[0], 16, 3), np.float32), halves[1]], 1)
    if chosen.out:
        write_png(chosen.out, picture)
        return
    bundle = locate(chosen.model)
    with tempfile.TemporaryDirectory() as folder:
        content = write_png(Path(folder) / "finds.png", picture).read_bytes()
    card = (bundle / "README.md").read_text(encoding="utf-8")
    if SENTENCE not in card:
        card = card.replace("\n## What it is\n", f"{SENTENCE}\n## What it is\n", 1)
    amend_bundle(bundle, {"finds.png": content, "README.md": card.encode()})


def build(name: str, folder: Path) -> None:
    """Six squares of paper, and a camera in front of them."""
    bpy.ops.wm.read_factory_settings(use_empty=True)
    model = load_model(name)
    edge = EDGE * (model.info.millimetres_per_pixel or 0.1) / 1000
    for i, seed in enumerate(SEEDS):
        latent = np.random.default_rng(seed).normal(size=model.latent_dim)
        texture = model.generate(latent, EDGE, seed)[0]
        maps = material_maps(texture, model.info.channels, model.info.millimetres_per_pixel, model.info.tileable)
        files = write_maps(maps, folder, f"find-{seed}", form="png16")
        provenance = {"model": model.info.name, "latent": latent.tolist(), "seed": seed, "size": [EDGE, EDGE], "version": ""}
        thing = square(f"Find {seed}", edge, (i % COLUMNS * (edge + GAP), -(i // COLUMNS) * (edge + GAP)))
        apply_sheet(Find(files, edge * 1000, provenance), f"Find {seed}", [thing], options=PaperOptions("UV"))
    scene = bpy.context.scene
    width, height = COLUMNS * (edge + GAP), len(SEEDS) // COLUMNS * (edge + GAP)
    camera = bpy.data.cameras.new("Camera")
    camera.type, camera.ortho_scale = "ORTHO", width
    view = bpy.data.objects.new("Camera", camera)
    view.location = ((width - edge - GAP) / 2, -(height - edge - GAP) / 2, 1)
    scene.collection.objects.link(view)
    scene.camera = view
    scene.render.resolution_x, scene.render.resolution_y = 800, round(800 * height / width)


def square(name: str, edge: float, at: tuple[float, float]) -> str:
    """A square of paper around a place, unwrapped once over."""
    half = edge / 2
    mesh = bpy.data.meshes.new(name)
    mesh.from_pydata([(-half, -half, 0), (half, -half, 0), (half, half, 0), (-half, half, 0)], [], [(0, 1, 2, 3)])
    layer = mesh.uv_layers.new(name="UVMap")
    for loop, place in zip(layer.data, ((0, 0), (1, 0), (1, 1), (0, 1)), strict=True):
        loop.uv = place
    thing = bpy.data.objects.new(name, mesh)
    thing.location = (*at, 0)
    bpy.context.scene.collection.objects.link(thing)
    bpy.context.view_layer.update()
    return thing.name


def render(path: Path, light: str, samples: int) -> np.ndarray:
    """(H, W, 3) of the scene in one light."""
    scene = bpy.context.scene
    for old in [thing for thing in scene.objects if thing.type == "LIGHT"]:
        bpy.data.objects.remove(old)
    if light == "raking":
        lamp("SUN", 12.0, (0, 0, 1), (math.radians(74), 0, math.radians(50)))
        world(0.12)
    else:
        lamp("SUN", 5.2, (0, 0, -1), (math.pi, 0, 0))
        world(0.03)
    scene.render.engine = "CYCLES"
    scene.cycles.samples, scene.cycles.use_denoising = samples, False
    scene.view_settings.view_transform = "Standard"
    scene.render.filepath = str(path)
    bpy.ops.render.render(write_still=True)
    return read_image(path)


def lamp(kind: str, strength: float, at: tuple[float, float, float], turn: tuple[float, float, float]) -> None:
    data = bpy.data.lights.new("Light", kind)
    data.energy = strength
    thing = bpy.data.objects.new("Light", data)
    thing.location, thing.rotation_euler = at, turn
    bpy.context.scene.collection.objects.link(thing)


def world(strength: float) -> None:
    scene = bpy.context.scene
    scene.world = scene.world or bpy.data.worlds.new("World")
    if bpy.app.version < (5, 0, 0):
        scene.world.use_nodes = True
    scene.world.node_tree.nodes["Background"].inputs["Strength"].default_value = strength
    scene.world.node_tree.nodes["Background"].inputs["Color"].default_value = (1, 1, 1, 1)


if __name__ == "__main__":
    main()
