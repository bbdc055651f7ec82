"""Paper as a Blender material: lit from the front, lit from behind, at its true scale. The same nodes for Cycles and EEVEE.

Light that falls on paper is scattered back (Principled BSDF) or comes out on the other side (Translucent BSDF), in the shares
that the texture's opacity says.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import bpy

from ..core.errors import WashiError

PROVENANCE = "washi_latent"
"""Custom property of a material (JSON): model, latent, seed, size, version."""

HEIGHT_RANGE_METRES = 0.0005
"""Relief that the height map's [0, 1] spans."""


@dataclass(frozen=True)
class PaperImages:
    """Image datablocks of one texture; `height` and `opacity` may be missing."""

    color: bpy.types.Image
    height: bpy.types.Image | None = None
    opacity: bpy.types.Image | None = None


def load_image(path: str, name: str, is_color: bool, pack: bool = True) -> bpy.types.Image:
    """Load a picture as an image datablock of this name, replacing the pixels of one that is there.

    Raises:
        WashiError: a file that Blender can't read.
    """
    old = bpy.data.images.get(name)
    try:
        image = bpy.data.images.load(path)
    except RuntimeError as error:
        raise WashiError(f"Blender can't read {path}: export it again") from error
    if old is not None:
        old.user_remap(image)
        bpy.data.images.remove(old)
    image.name = name
    image.colorspace_settings.name = "sRGB" if is_color else "Non-Color"
    if pack:
        image.pack()
    return image


def paper_material(name: str, images: PaperImages, tile_metres: float, provenance: Mapping[str, Any] | None = None, relief: float = 1.0) -> bpy.types.Material:
    """Make (or make anew) a material of this name.

    Args:
        name: of the material; one that is there is rebuilt, so that nothing piles up.
        images: colour, and height and opacity where the model gives them.
        tile_metres: edge of the square that the picture covers, on surfaces whose UV are in metres.
        provenance: what made the texture, kept as a custom property.
        relief: how strong the height map acts, 1 is true.

    Returns:
        The material.
    """
    material = bpy.data.materials.get(name) or bpy.data.materials.new(name)
    if bpy.app.version < (5, 0, 0):
        material.use_nodes = True
    tree = material.node_tree
    tree.nodes.clear()
    add = _Nodes(tree)
    place = add("ShaderNodeMapping", (-900, 0))
    place.inputs["Scale"].default_value = (1 / tile_metres, 1 / tile_metres, 1)
    tree.links.new(add("ShaderNodeTexCoord", (-1100, 0)).outputs["UV"], place.inputs["Vector"])
    color = _texture(add, images.color, place, (-650, 250))
    front = add("ShaderNodeBsdfPrincipled", (-150, 300))
    front.inputs["Roughness"].default_value = 0.85
    front.inputs["Specular IOR Level"].default_value = 0.2
    tree.links.new(color.outputs["Color"], front.inputs["Base Color"])
    through = add("ShaderNodeBsdfTranslucent", (-150, -350))
    tree.links.new(color.outputs["Color"], through.inputs["Color"])
    mix = add("ShaderNodeMixShader", (150, 200))
    tree.links.new(front.outputs[0], mix.inputs[1])
    tree.links.new(through.outputs[0], mix.inputs[2])
    _share(add, images.opacity, place, mix)
    if images.height is not None:
        bump = add("ShaderNodeBump", (-400, -250))
        bump.inputs["Strength"].default_value = min(1.0, relief)
        bump.inputs["Distance"].default_value = HEIGHT_RANGE_METRES * relief
        tree.links.new(_texture(add, images.height, place, (-650, -300)).outputs["Color"], bump.inputs["Height"])
        for shader in (front, through):
            tree.links.new(bump.outputs["Normal"], shader.inputs["Normal"])
    tree.links.new(mix.outputs[0], add("ShaderNodeOutputMaterial", (400, 200)).inputs["Surface"])
    if hasattr(material, "thickness_mode"):
        material.thickness_mode = "SLAB"
    material[PROVENANCE] = json.dumps(dict(provenance or {}))
    return material


class _Nodes:
    def __init__(self, tree: bpy.types.NodeTree) -> None:
        self.tree = tree

    def __call__(self, kind: str, location: tuple[int, int]) -> Any:
        node = self.tree.nodes.new(kind)
        node.location = location
        return node


def _texture(add: _Nodes, image: bpy.types.Image, place: Any, location: tuple[int, int]) -> Any:
    node = add("ShaderNodeTexImage", location)
    node.image = image
    node.interpolation = "Cubic" if max(image.size) < 256 else "Linear"
    add.tree.links.new(place.outputs["Vector"], node.inputs["Vector"])
    return node


def _share(add: _Nodes, opacity: bpy.types.Image | None, place: Any, mix: Any) -> None:
    """Which share of the light passes: 1 - opacity, or a usual paper's."""
    if opacity is None:
        mix.inputs[0].default_value = 0.45
        return
    inverse = add("ShaderNodeMath", (-150, 0))
    inverse.operation = "SUBTRACT"
    inverse.inputs[0].default_value = 1.0
    add.tree.links.new(_texture(add, opacity, place, (-650, -20)).outputs["Color"], inverse.inputs[1])
    add.tree.links.new(inverse.outputs[0], mix.inputs[0])
