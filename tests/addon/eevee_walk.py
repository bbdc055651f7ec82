"""Run by test_eevee.py in Blender's window, or with the bpy module where it finds OpenGL: makes each form, renders it with EEVEE as small as
can be, writes what it saw."""

from __future__ import annotations

import json
import math
import sys
import traceback
from pathlib import Path
from types import SimpleNamespace

import bpy

folder, root = (Path(argument) for argument in sys.argv[-2:])
sys.path[:0] = [str(root)]

from washi_latent.addon import apply, sequences

facts = json.loads((folder / "facts.json").read_text())
sheets = [SimpleNamespace(**one) for one in facts["sheets"]]
atlas = SimpleNamespace(**facts["atlas"])


def plane(name: str, x: float = 0.0, width: float = 1.0, height: float = 1.0) -> str:
    a, b = width / 2, height / 2
    mesh = bpy.data.meshes.new(name)
    mesh.from_pydata([(-a, -b, 0), (a, -b, 0), (a, b, 0), (-a, b, 0)], [], [(0, 1, 2, 3)])
    thing = bpy.data.objects.new(name, mesh)
    thing.location.x = x
    bpy.context.scene.collection.objects.link(thing)
    bpy.context.view_layer.update()
    return name


def glow(names: tuple[str, ...]) -> None:
    for name in names:
        tree = bpy.data.materials[name].node_tree
        source = next(node for node in tree.nodes if node.type == "BUMP").inputs["Height"].links[0].from_socket
        light = tree.nodes.new("ShaderNodeEmission")
        tree.links.new(source, light.inputs["Color"])
        for end in [node for node in tree.nodes if node.type == "OUTPUT_MATERIAL"]:
            tree.links.new(light.outputs[0], end.inputs["Surface"])


def render(width: int, samples: int = 1) -> list[float]:
    """Red of the pixels in the middle of each metre, from left to right."""
    scene = bpy.context.scene
    if scene.camera is None:
        scene.camera = bpy.data.objects.new("Eye", bpy.data.cameras.new("Eye"))
        scene.camera.data.type, scene.camera.location = "ORTHO", (0, 0, 5)
        scene.collection.objects.link(scene.camera)
    scene.camera.data.ortho_scale = width
    scene.render.engine = "BLENDER_EEVEE" if bpy.app.version >= (5, 0, 0) else "BLENDER_EEVEE_NEXT"
    scene.eevee.taa_render_samples, scene.render.filter_size = samples, 0.01
    scene.render.resolution_x, scene.render.resolution_y, scene.render.resolution_percentage = 4 * width, 4, 100
    scene.view_settings.view_transform = "Raw"
    scene.render.image_settings.file_format = "PNG"
    scene.render.filepath = str(folder / "seen.png")
    bpy.ops.render.render(write_still=True)
    image = bpy.data.images.load(scene.render.filepath)
    image.colorspace_settings.name = "Non-Color"
    pixels = list(image.pixels)
    bpy.data.images.remove(image)
    row = [pixels[4 * (4 * width * 2 + x)] for x in range(4 * width)]
    return row[2::4] if samples == 1 else [sum(pixels[::4]) / (16 * width)]


def new_file() -> None:
    bpy.ops.wm.read_homefile(use_empty=True, use_factory_startup=True)
    if bpy.app.background:
        # Anisotropic filters of the software OpenGL that a system brings may read the wrong places: Mesa 22's do, 26's don't.
        bpy.context.preferences.system.anisotropic_filter = "FILTER_0"


def row(count: int) -> list[str]:
    return [plane(f"Plane {i}", i - (count - 1) / 2) for i in range(count)]


def walk() -> dict[str, list[float]]:
    seen, count = {}, len(sheets)
    new_file()
    glow(sequences.one_material_each(sheets, "Washi", row(count)).materials)
    seen["each"] = render(count)
    new_file()
    glow(sequences.blending_material(sheets, atlas, "Washi", [plane("Wall", width=2 * count - 1)]).materials)
    seen["blend"] = render(2 * count - 1)
    new_file()
    glow(sequences.varying_material(sheets, atlas, "Washi", row(count), sequences.Variation("INDEX", number=True)).materials)
    seen["index"] = render(count)
    new_file()
    glow(sequences.animated_material(sheets, facts["film"], "Washi", [plane("Screen")], sequences.Film(1, count)).materials)
    seen["film"] = []
    for frame in (1, count):
        bpy.context.scene.frame_set(frame)
        seen["film"] += render(1)
    new_file()
    apply.apply_sheet(SimpleNamespace(**facts["half"]), "Washi", [plane("Shoji", width=9, height=9)])
    sun = bpy.data.objects.new("Sun", bpy.data.lights.new("Sun", "SUN"))
    sun.rotation_euler, sun.data.energy = (math.pi, 0, 0), math.pi * 0.8
    bpy.context.scene.collection.objects.link(sun)
    seen["behind"] = render(1, samples=24)
    sun.data.use_shadow = False
    seen["behind, no shadows"] = render(1, samples=24)
    seen["version"] = list(bpy.app.version)
    return seen


def run() -> None:
    try:
        result = {"seen": walk()}
    except BaseException:  # noqa: BLE001 - the test says it
        result = {"error": traceback.format_exc()}
    (folder / "seen.json").write_text(json.dumps(result))


def run_and_quit() -> None:
    run()
    bpy.ops.wm.quit_blender()


if bpy.app.background:
    run()
else:
    bpy.app.timers.register(run_and_quit, first_interval=2, persistent=True)
