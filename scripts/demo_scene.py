"""Twelve shoji panels lit from behind, one texture of a sequence each: builds the scene with the bpy module, saves and renders it.

    python scripts/demo_scene.py SEQUENCE_FOLDER OUT_FOLDER [--samples 64] [--width 1600]

SEQUENCE_FOLDER holds what scripts/demo.py wrote: texture-000_color.png, _height.png, _opacity.png ... and sequence.json.
"""

from __future__ import annotations

import argparse
import json
import math
import random
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

import bpy

from washi_latent.addon.materials import PaperImages, load_image, paper_material

COLUMNS, ROWS = 6, 2
PANEL_WIDTH, PANEL_HEIGHTS = 0.46, (1.12, 0.52)
RAIL, STILE, KUMIKO = 0.045, 0.030, 0.007
GROUND = 0.05


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("sequence", type=Path)
    parser.add_argument("out", type=Path)
    parser.add_argument("--samples", type=int, default=64)
    parser.add_argument("--width", type=int, default=1600)
    parser.add_argument("--no-render", action="store_true")
    chosen = parser.parse_args()
    build(chosen.sequence)
    configure(chosen.samples, chosen.width)
    chosen.out.mkdir(parents=True, exist_ok=True)
    bpy.ops.wm.save_as_mainfile(filepath=str(chosen.out.resolve() / "shoji.blend"), compress=True)
    if not chosen.no_render:
        bpy.context.scene.render.filepath = str(chosen.out.resolve() / "shoji.png")
        bpy.ops.render.render(write_still=True)


def build(sequence: Path) -> None:
    """The whole scene from an empty file."""
    bpy.ops.wm.read_factory_settings(use_empty=True)
    facts = json.loads((sequence / "sequence.json").read_text(encoding="utf-8"))
    papers = [_paper(sequence, i, facts) for i in range(len(facts["positions"]))]
    wood, dark = _wood("Wood", (0.060, 0.026, 0.012)), _wood("Rail", (0.042, 0.019, 0.009))
    _shoji(papers, wood, dark)
    _room()
    _garden()
    _lights()
    _camera()


def _paper(folder: Path, i: int, facts: dict) -> bpy.types.Material:
    files = {kind: folder / f"texture-{i:03d}_{kind}.png" for kind in ("color", "height", "opacity")}
    images = {kind: load_image(str(path.resolve()), f"Washi {i + 1:02d} {kind}", kind == "color") for kind, path in files.items() if path.exists()}
    provenance = {k: facts.get(k) for k in ("model", "seed", "size", "program")} | {"latent": facts["latents"][i], "position": facts["positions"][i]}
    return paper_material(f"Washi {i + 1:02d}", PaperImages(**images), facts["tile_metres"], provenance)


def _shoji(papers: list[bpy.types.Material], wood: bpy.types.Material, dark: bpy.types.Material) -> None:
    total = COLUMNS * PANEL_WIDTH
    z = GROUND
    for row, height in enumerate(PANEL_HEIGHTS):
        _box("Rail", (0, 0, z + RAIL / 2), (total + 0.2, 0.07, RAIL), dark)
        z += RAIL
        for column in range(COLUMNS):
            # One sequence runs along the lower row and back along the upper one.
            index = column if row == 0 else 2 * COLUMNS - 1 - column
            x = (column + 0.5) * PANEL_WIDTH - total / 2
            _panel(index, papers[index % len(papers)], wood, (x, 0.004 * (column % 2), z), height, bars=(2, 5) if row == 0 else (2, 1))
        z += height
    _box("Rail", (0, 0, z + RAIL / 2), (total + 0.2, 0.07, RAIL), dark)
    for side in (-1, 1):
        _box("Post", (side * (total / 2 + 0.05), 0, z / 2), (0.1, 0.1, z + 0.2), dark)
    _box("Wall", (0, 0.0, z + RAIL + 0.5), (total + 0.2, 0.05, 1.0), _plain("Plaster", (0.16, 0.14, 0.11)))
    for side in (-1, 1):
        _box("Wall", (side * (total / 2 + 1.1), 0.0, 2.0), (2.0, 0.06, 4.0), bpy.data.materials["Plaster"])


def _panel(index: int, paper: bpy.types.Material, wood: bpy.types.Material, at: tuple[float, float, float], height: float, bars: tuple[int, int]) -> None:
    x, y, z = at
    inner_w, inner_h = PANEL_WIDTH - 2 * STILE, height - 2 * STILE
    for side in (-1, 1):
        _box("Stile", (x + side * (PANEL_WIDTH - STILE) / 2, y, z + height / 2), (STILE + 0.001, 0.028, height), wood)
        _box("Stile", (x, y, z + height / 2 + side * (height - STILE) / 2), (inner_w, 0.028, STILE), wood)
    for i in range(1, bars[0] + 1):
        _box("Kumiko", (x - inner_w / 2 + inner_w * i / (bars[0] + 1), y - 0.004, z + height / 2), (KUMIKO, 0.014, inner_h), wood)
    for i in range(1, bars[1] + 1):
        _box("Kumiko", (x, y - 0.003, z + STILE + inner_h * i / (bars[1] + 1)), (inner_w, 0.012, KUMIKO), wood)
    _sheet(f"Panel {index + 1:02d}", (x, y + 0.008, z + height / 2), inner_w + 0.01, inner_h + 0.01, paper)


def _sheet(name: str, at: tuple[float, float, float], width: float, height: float, paper: bpy.types.Material) -> None:
    """An upright sheet whose UV are metres, so that paper has its true scale."""
    corners = [(-width / 2, 0, -height / 2), (width / 2, 0, -height / 2), (width / 2, 0, height / 2), (-width / 2, 0, height / 2)]
    mesh = bpy.data.meshes.new(name)
    mesh.from_pydata(corners, [], [(0, 1, 2, 3)])
    uv = mesh.uv_layers.new(name="UVMap")
    for loop, (u, v) in zip(uv.data, ((0, 0), (width, 0), (width, height), (0, height)), strict=True):
        loop.uv = (u + at[0], v + at[2])
    mesh.materials.append(paper)
    thing = bpy.data.objects.new(name, mesh)
    thing.location = at
    bpy.context.scene.collection.objects.link(thing)


def _box(name: str, at: tuple[float, float, float], size: tuple[float, float, float], material: bpy.types.Material) -> None:
    x, y, z = (n / 2 for n in size)
    corners = [(i * x, j * y, k * z) for i in (-1, 1) for j in (-1, 1) for k in (-1, 1)]
    mesh = bpy.data.meshes.new(name)
    mesh.from_pydata(corners, [], [(0, 1, 3, 2), (4, 6, 7, 5), (0, 4, 5, 1), (2, 3, 7, 6), (0, 2, 6, 4), (1, 5, 7, 3)])
    mesh.materials.append(material)
    thing = bpy.data.objects.new(name, mesh)
    thing.location = at
    bpy.context.scene.collection.objects.link(thing)


def _nodes(name: str) -> tuple[bpy.types.Material, bpy.types.NodeTree]:
    material = bpy.data.materials.new(name)
    if bpy.app.version < (5, 0, 0):
        material.use_nodes = True
    return material, material.node_tree


def _plain(name: str, color: tuple[float, float, float], roughness: float = 0.9) -> bpy.types.Material:
    material, tree = _nodes(name)
    shader = next(n for n in tree.nodes if n.type == "BSDF_PRINCIPLED")
    shader.inputs["Base Color"].default_value = (*color, 1)
    shader.inputs["Roughness"].default_value = roughness
    return material


def _wood(name: str, color: tuple[float, float, float]) -> bpy.types.Material:
    material = _plain(name, color, 0.45)
    tree = material.node_tree
    noise = tree.nodes.new("ShaderNodeTexNoise")
    noise.inputs["Scale"].default_value = 60
    stretch = tree.nodes.new("ShaderNodeMapping")
    stretch.inputs["Scale"].default_value = (1, 1, 0.05)
    tree.links.new(tree.nodes.new("ShaderNodeTexCoord").outputs["Object"], stretch.inputs["Vector"])
    tree.links.new(stretch.outputs["Vector"], noise.inputs["Vector"])
    ramp = tree.nodes.new("ShaderNodeValToRGB")
    ramp.color_ramp.elements[0].color = (*(c * 0.6 for c in color), 1)
    ramp.color_ramp.elements[1].color = (*(c * 1.7 for c in color), 1)
    tree.links.new(noise.outputs[0], ramp.inputs["Fac"])
    tree.links.new(ramp.outputs["Color"], next(n for n in tree.nodes if n.type == "BSDF_PRINCIPLED").inputs["Base Color"])
    return material


def _room() -> None:
    tatami, border = _plain("Tatami", (0.20, 0.17, 0.075), 0.6), _plain("Tatami border", (0.02, 0.022, 0.018))
    for i, x in enumerate((-2.7, -0.9, 0.9, 2.7)):
        for j, y in enumerate((-0.62, -1.55, -2.48)):
            offset = 0.9 if j % 2 else 0.0
            _box(f"Tatami {i}{j}", (x + offset - 0.45, y, -0.02), (1.78, 0.86, 0.05), tatami)
            for edge in (-1, 1):
                _box("Border", (x + offset - 0.45, y + edge * 0.445, -0.019), (1.78, 0.032, 0.052), border)
    _box("Sill", (0, -0.09, 0.015), (7, 0.14, 0.05), bpy.data.materials["Rail"])


def _garden() -> None:
    """Bamboo behind the paper: a silhouette that the paper softens."""
    green = _plain("Bamboo", (0.02, 0.03, 0.012))
    draw = random.Random(7)
    for x, lean, thick in ((-1.02, 0.05, 0.021), (-0.83, -0.03, 0.014), (0.93, 0.07, 0.024), (1.16, -0.05, 0.015)):
        curve = bpy.data.curves.new("Stalk", "CURVE")
        curve.dimensions, curve.bevel_depth = "3D", thick
        spline = curve.splines.new("POLY")
        spline.points.add(1)
        spline.points[0].co, spline.points[1].co = (x, 0.34, -0.1, 1), (x + lean * 2.4, 0.36, 2.4, 1)
        curve.materials.append(green)
        bpy.context.scene.collection.objects.link(bpy.data.objects.new("Stalk", curve))
        for _ in range(16):
            _leaf(green, (x + lean * 1.5 + draw.gauss(0, 0.16), 0.26 + draw.uniform(0, 0.12), draw.uniform(0.55, 1.95)), draw)


def _leaf(material: bpy.types.Material, at: tuple[float, float, float], draw: random.Random) -> None:
    length, width, angle = draw.uniform(0.10, 0.19), draw.uniform(0.010, 0.016), draw.uniform(-2.4, -0.7)
    outline = [(0, 0), (0.25, 1), (0.6, 0.8), (1, 0), (0.6, -0.8), (0.25, -1)]
    turned = [(u * length * math.cos(angle) - v * width * math.sin(angle), 0, u * length * math.sin(angle) + v * width * math.cos(angle)) for u, v in outline]
    mesh = bpy.data.meshes.new("Leaf")
    mesh.from_pydata(turned, [], [tuple(range(6))])
    mesh.materials.append(material)
    thing = bpy.data.objects.new("Leaf", mesh)
    thing.location = at
    bpy.context.scene.collection.objects.link(thing)


def _lights() -> None:
    _area("Evening sky", (0.3, 2.6, 1.4), (math.radians(-84), 0, 0), (5.5, 2.8), 330, (1.0, 0.72, 0.44))
    sun = bpy.data.lights.new("Evening sun", "SUN")
    sun.energy, sun.angle, sun.color = 5.0, math.radians(2.2), (1.0, 0.68, 0.38)
    thing = bpy.data.objects.new("Evening sun", sun)
    thing.rotation_euler = (math.radians(-71), 0, math.radians(14))
    bpy.context.scene.collection.objects.link(thing)
    _area("Room", (-1.6, -3.4, 2.5), (math.radians(58), 0, math.radians(-22)), (2.4, 2.0), 75, (0.80, 0.86, 1.0))
    world = bpy.data.worlds.new("Dusk")
    bpy.context.scene.world = world
    if bpy.app.version < (5, 0, 0):
        world.use_nodes = True
    background = next((n for n in world.node_tree.nodes if n.type == "BACKGROUND"), None)
    if background is not None:
        background.inputs["Color"].default_value = (0.05, 0.06, 0.08, 1)
        background.inputs["Strength"].default_value = 0.10


def _area(
    name: str, at: tuple[float, float, float], turn: tuple[float, float, float], size: tuple[float, float], watts: float, color: tuple[float, float, float]
) -> None:
    light = bpy.data.lights.new(name, "AREA")
    light.shape, light.size, light.size_y, light.energy, light.color = "RECTANGLE", *size, watts, color
    thing = bpy.data.objects.new(name, light)
    thing.location, thing.rotation_euler = at, turn
    bpy.context.scene.collection.objects.link(thing)


def _camera() -> None:
    camera = bpy.data.cameras.new("Camera")
    camera.lens = 33
    thing = bpy.data.objects.new("Camera", camera)
    thing.location, thing.rotation_euler = (0.40, -3.45, 1.12), (math.radians(85.6), 0, math.radians(6.0))
    bpy.context.scene.collection.objects.link(thing)
    bpy.context.scene.camera = thing


def configure(samples: int, width: int) -> None:
    """Cycles on the processor, denoised."""
    scene = bpy.context.scene
    scene.render.engine = "CYCLES"
    scene.cycles.device = "CPU"
    scene.cycles.samples = samples
    scene.cycles.use_adaptive_sampling = True
    scene.cycles.use_denoising = True
    scene.cycles.max_bounces = 6
    scene.render.resolution_x, scene.render.resolution_y = width, width * 9 // 16
    scene.view_settings.view_transform = "AgX"
    scene.view_settings.look = "AgX - Medium High Contrast"
    scene.view_settings.exposure = 0.0
    scene.render.use_stamp_filename = False  # a picture that is passed on tells nobody's folders


if __name__ == "__main__":
    main()
