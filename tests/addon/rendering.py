"""A very small scene for tests: planes seen from above, rendered by Cycles; any map of a material can be made to glow."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from types import SimpleNamespace

import bpy
import numpy as np
from numpy.typing import NDArray
from PIL import Image

from washi_latent.core import write_png

MAPS = ("base_color", "height", "normal", "roughness", "opacity")
GROUP_INPUT = {"base_color": "Color", "roughness": "Roughness", "opacity": "Opacity"}


def sheet(folder: Path, number: int, values: dict[str, NDArray[np.float32]], tile_mm: float = 100.0) -> SimpleNamespace:
    """A texture on disk, as a job writes it."""
    files = {key: write_png(folder / f"{number}_{key}.png", value, bits=8 if value.ndim == 3 else 16) for key, value in values.items()}
    provenance = {"model": "test", "latent": [float(number), 0.5], "seed": 0, "size": [16, 16], "version": "0"}
    return SimpleNamespace(files=files, tile_mm=tile_mm, provenance=provenance)


def flat_values(number: int, count: int, edge: int = 16) -> dict[str, NDArray[np.float32]]:
    """Maps of one value each, that tell the texture's number."""
    level = (number + 1) / (count + 1)
    color = np.broadcast_to(np.float32([level, 1 - level, 0.5]), (edge, edge, 3))
    normal = np.broadcast_to(np.float32([0.5 + level / 8, 0.5, 0.98]), (edge, edge, 3))
    gray = np.full((edge, edge), level, np.float32)
    return {"base_color": color, "height": gray, "normal": normal, "roughness": 0.5 + gray / 2, "opacity": 1 - gray / 2}


def flat_sheets(folder: Path, count: int) -> list[SimpleNamespace]:
    return [sheet(folder, i, flat_values(i, count)) for i in range(count)]


def plane(name: str, x: float = 0.0, y: float = 0.0, width: float = 1.0, height: float = 1.0, mesh: bpy.types.Mesh | None = None) -> bpy.types.Object:
    """A plane in the xy plane, its UV map a unit square."""
    if mesh is None:
        a, b = width / 2, height / 2
        mesh = bpy.data.meshes.new(name)
        mesh.from_pydata([(-a, -b, 0), (a, -b, 0), (a, b, 0), (-a, b, 0)], [], [(0, 1, 2, 3)])
        layer = mesh.uv_layers.new(name="UVMap")
        for loop, uv in zip(layer.data, ((0, 0), (1, 0), (1, 1), (0, 1)), strict=True):
            loop.uv = uv
    thing = bpy.data.objects.new(name, mesh)
    thing.location = (x, y, 0)
    bpy.context.scene.collection.objects.link(thing)
    bpy.context.view_layer.update()
    return thing


def row(count: int) -> list[str]:
    """Names of planes side by side, each as wide as one pixel of `render(count)`."""
    return [plane(f"Plane {i}", x=i - (count - 1) / 2).name for i in range(count)]


def glow(material: bpy.types.Material, key: str) -> None:
    """Show a map's values themselves."""
    tree = material.node_tree
    paper = next(node for node in tree.nodes if node.type == "GROUP" and node.node_tree.name.startswith("Washi Paper"))
    if key in GROUP_INPUT:
        source = paper.inputs[GROUP_INPUT[key]].links[0].from_socket
    else:
        relief = paper.inputs["Normal"].links[0].from_node
        source = relief.inputs["Height" if key == "height" else "Color"].links[0].from_socket
    light = tree.nodes.new("ShaderNodeEmission")
    tree.links.new(source, light.inputs["Color"])
    for node in tree.nodes:
        if node.type == "OUTPUT_MATERIAL":
            tree.links.new(light.outputs[0], node.inputs["Surface"])


def render(width: int, height: int = 1, engine: str = "CYCLES", samples: int = 1, across: float | None = None) -> NDArray[np.float64]:
    """(height, width, 3) linear light of what lies below, `across` metres wide (None: a pixel is a metre); row 0 is at the top."""
    scene = bpy.context.scene
    if scene.camera is None:
        eye = bpy.data.objects.new("Eye", bpy.data.cameras.new("Eye"))
        eye.data.type = "ORTHO"
        eye.location = (0, 0, 5)
        scene.collection.objects.link(eye)
        scene.camera = eye
    scene.camera.data.ortho_scale = across or max(width, height)
    scene.render.engine = engine
    if engine == "CYCLES":
        scene.cycles.samples, scene.cycles.use_denoising, scene.cycles.device = samples, False, "CPU"
        scene.cycles.pixel_filter_type = "BOX"
    else:
        scene.eevee.taa_render_samples = samples
    scene.render.filter_size = 0.01
    scene.render.threads_mode, scene.render.threads = "FIXED", 1
    # Blender renders no less than four pixels.
    scene.render.resolution_x, scene.render.resolution_y, scene.render.resolution_percentage = 4 * width, 4 * height, 100
    scene.view_settings.view_transform = "Raw"
    settings = scene.render.image_settings
    settings.file_format, settings.color_mode, settings.color_depth = "PNG", "RGB", "8"
    scene.render.filepath = str(Path(bpy.app.tempdir) / "washi-test.png")
    bpy.ops.render.render(write_still=True)
    return np.asarray(Image.open(scene.render.filepath), np.float64)[2::4, 2::4] / 255


def level_of(pixels: NDArray[np.float64]) -> NDArray[np.float64]:
    """Red of `flat_values`, encoded again."""
    linear = pixels[..., 0]
    return np.where(linear <= 0.0031308, linear * 12.92, 1.055 * linear ** (1 / 2.4) - 0.055)


def sky(light: Sequence[float] = (1, 1, 1)) -> None:
    """Even light from everywhere."""
    world = bpy.data.worlds.new("Sky")
    bpy.context.scene.world = world
    if bpy.app.version < (5, 0, 0):
        world.use_nodes = True
    ground = next(node for node in world.node_tree.nodes if node.type == "BACKGROUND")
    ground.inputs["Color"].default_value = (*light, 1)


def black() -> bpy.types.Material:
    """A material that no light leaves."""
    material = bpy.data.materials.new("Black")
    if bpy.app.version < (5, 0, 0):
        material.use_nodes = True
    tree = material.node_tree
    end = next(node for node in tree.nodes if node.type == "OUTPUT_MATERIAL")
    light = tree.nodes.new("ShaderNodeEmission")
    light.inputs["Strength"].default_value = 0
    tree.links.new(light.outputs[0], end.inputs["Surface"])
    return material
