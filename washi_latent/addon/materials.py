"""Paper as a Blender material: lit from the front, lit from behind, at its true scale. The same nodes for Cycles and EEVEE.

Light that meets paper is scattered back (Principled BSDF), comes out scattered on the other side (Translucent BSDF), or passes
between the fibres as it came (Transparent BSDF), in the shares that the texture's opacity says. Two node groups hold what every
paper has in common: `Washi Paper` (the shaders) and `Washi Scale` (an object's coordinates in true units).
"""

from __future__ import annotations

import json
import struct
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import bpy

from . import engine

PROVENANCE = "washi_latent"
"""Custom property of a material (JSON): model, latent, seed, size, version. Images of ours carry it, too: their longer edge, 0 if unknown."""

RELIEF_METRES = 0.0005
"""Relief that the height map's [0, 1] spans: `core.maps.RELIEF_MM`."""

Coordinates = Literal["OBJECT", "UV"]
Relief = Literal["BUMP", "NORMAL", "NONE"]


def refused(sentence: str) -> Exception:
    """The `WashiError` that says it. The core loads a lot, and is imported when it is needed."""
    from ..core.errors import WashiError

    return WashiError(sentence)


@dataclass(frozen=True)
class PaperOptions:
    """How a texture becomes a surface.

    Attributes:
        coordinates: "OBJECT": each object's own, at true size on every side; "UV": the UV map, at true size as the objects are unwrapped.
        relief: "BUMP" (from the height map), "NORMAL" (from the normal map; on UV only) or "NONE".
        relief_strength: 1 is true. translucency: factor on the share of light that passes, 1 is true.
        metre: how many Blender units it is long; None: as the scene says that is looked at.
    """

    coordinates: Coordinates = "OBJECT"
    relief: Relief = "BUMP"
    relief_strength: float = 1.0
    translucency: float = 1.0
    metre: float | None = None


@dataclass(frozen=True)
class PaperImages:
    """Image datablocks of one texture; all but the colour may be missing."""

    color: bpy.types.Image
    height: bpy.types.Image | None = None
    opacity: bpy.types.Image | None = None
    normal: bpy.types.Image | None = None
    roughness: bpy.types.Image | None = None


def load_image(path: str | Path, name: str, is_color: bool, pack: bool = True) -> bpy.types.Image:
    """Load a picture as an image datablock of this name, replacing the pixels of one of ours that is there.

    Raises:
        WashiError: a file that Blender can't read.
    """
    old = bpy.data.images.get(name)
    image = new_image(path, is_color, pack)
    if old is not None and PROVENANCE in old:
        old.user_remap(image)
        bpy.data.images.remove(old)
    image.name = name
    return image


def new_image(path: str | Path, is_color: bool, pack: bool) -> bpy.types.Image:
    """Load a picture as a new image datablock.

    Raises:
        WashiError: a file that Blender can't read.
    """
    try:
        image = bpy.data.images.load(str(path))
    except RuntimeError as error:
        raise refused(f"Blender can't read {path}: export it again") from error
    image[PROVENANCE] = png_edge(path)
    image.colorspace_settings.name = "sRGB" if is_color else "Non-Color"
    # Three maps in three channels, or one: alpha never means anything here.
    image.alpha_mode = "NONE"
    if pack:
        image.pack()
        # Blender unpacks to the name that the packed file itself has.
        image.packed_files[0].filepath = image.filepath_raw = f"//textures/{_unpacked_name(Path(path))}"
    return image


def _unpacked_name(path: Path) -> str:
    """What Blender calls a packed picture's file when it unpacks it, beside the .blend and not where a job once kept it.

    With a checksum of what it holds, as `core.sheets.keep_files` has it: two pictures of one name would be one file.
    """
    from ..core.sheets import checksum

    return f"{path.stem}_{checksum(path)}{path.suffix}"


def png_edge(path: str | Path) -> int:
    """The longer edge of a PNG in pixels, by its header; 0 for another file. Blender would read the whole picture to say it."""
    with open(path, "rb") as file:
        head = file.read(24)
    return max(struct.unpack(">II", head[16:])) if head[:8] == b"\x89PNG\r\n\x1a\n" and len(head) == 24 else 0


def paper_material(name: str, images: PaperImages, tile_metres: float, provenance: Mapping[str, Any] | None = None, relief: float = 1.0) -> bpy.types.Material:
    """Make (or make anew) a material of this name for surfaces whose UV are in metres.

    Args:
        name: of the material; one that is there is rebuilt, so that nothing piles up.
        images: colour, and the other maps where there are some.
        tile_metres: edge of the square that the picture covers.
        provenance: what made the texture, kept as a custom property.
        relief: how strong the height map acts, 1 is true.

    Returns:
        The material.
    """
    material = bpy.data.materials.get(name) or bpy.data.materials.new(name)
    options = PaperOptions("UV", relief_strength=relief)
    build(material, options, (1 / tile_metres,) * 3, 1.0, lambda add, vector: image_sockets(add, vector, images, options))
    material[PROVENANCE] = json.dumps(dict(provenance or {}))
    return material


# Building


class Nodes:
    """Adds nodes to a tree, in columns from left to right."""

    COLUMN, ROW = 200, 260

    def __init__(self, tree: bpy.types.NodeTree) -> None:
        self.tree = tree

    def __call__(self, kind: str, column: float, row: float, label: str = "", **settings: Any) -> Any:
        """A node of this kind; settings are its properties."""
        node = self.tree.nodes.new(kind)
        node.location = (column * self.COLUMN, -row * self.ROW)
        node.label = label
        for key, value in settings.items():
            setattr(node, key, value)
        return node

    def link(self, source: Any, target: Any) -> None:
        """Connect an output (or a node's first) to an input."""
        self.tree.links.new(source if isinstance(source, bpy.types.NodeSocket) else source.outputs[0], target)

    def math(self, operation: str, column: float, row: float, *values: Any, label: str = "", clamp: bool = False) -> Any:
        """A Math node's result; values are numbers or outputs."""
        node = self("ShaderNodeMath", column, row, label, operation=operation, use_clamp=clamp)
        self._feed(node, values)
        return node.outputs[0]

    def vector_math(self, operation: str, column: float, row: float, *values: Any) -> Any:
        """A Vector Math node; values are triples, numbers or outputs."""
        node = self("ShaderNodeVectorMath", column, row, operation=operation)
        self._feed(node, values)
        return node

    def mix(self, kind: Literal["FLOAT", "RGBA"], column: float, row: float, factor: Any, first: Any, second: Any) -> Any:
        """(1 - factor) first + factor second."""
        node = self("ShaderNodeMix", column, row, data_type=kind)
        wanted = "VALUE" if kind == "FLOAT" else "RGBA"
        ends = [next(s for s in node.inputs if (s.name, s.type) == (letter, wanted)) for letter in "AB"]
        for socket, value in zip((node.inputs[0], *ends), (factor, first, second), strict=True):
            self._set(socket, value)
        return next(s for s in node.outputs if s.type == wanted)

    def _feed(self, node: Any, values: Iterable[Any]) -> None:
        for socket, value in zip(node.inputs, values, strict=False):
            self._set(socket, value)

    def _set(self, socket: Any, value: Any) -> None:
        if isinstance(value, bpy.types.NodeSocket):
            self.tree.links.new(value, socket)
        else:
            socket.default_value = value


Sockets = Mapping[str, Any]
"""Outputs that give the maps, by their names in `core.maps.MAPS`; base_color at least."""


def build(
    material: bpy.types.Material,
    options: PaperOptions,
    scale: tuple[float, float, float],
    metre: float,
    maps: Callable[[Nodes, Any], Sockets],
    keep: str = "",
) -> None:
    """Fill a material with paper; what was in it goes.

    Args:
        scale: tiles per unit of the coordinates. metre: how many Blender units it is long.
        maps: is given the nodes and the vector output in tiles, and returns the maps' outputs.
        keep: name of a node that stays, with its animation.
    """
    if bpy.app.version < (5, 0, 0):
        material.use_nodes = True
    tree = material.node_tree
    for node in [one for one in tree.nodes if one.name != keep]:
        tree.nodes.remove(node)
    add = Nodes(tree)
    sockets = maps(add, _tiles(add, options, scale))
    paper = add("ShaderNodeGroup", 3, 0, node_tree=group("Washi Paper", _fill_paper), width=180)
    paper.inputs["Translucency"].default_value = options.translucency
    for key, target in (("base_color", "Color"), ("roughness", "Roughness"), ("opacity", "Opacity")):
        if key in sockets:
            add.link(sockets[key], paper.inputs[target])
    _relief(add, sockets, options, metre, paper.inputs["Normal"])
    for row, (output, target) in enumerate((("Cycles", "CYCLES"), ("EEVEE", "EEVEE"))):
        end = add("ShaderNodeOutputMaterial", 4.2, row * 0.7, f"Paper ({output})", target=target)
        add.link(paper.outputs[output], end.inputs["Surface"])
        if output == "EEVEE" and bpy.app.version < (5, 0, 0):
            _no_thickness(add, end)
    material.surface_render_method = "DITHERED"
    material.thickness_mode = "SLAB"
    material.use_transparent_shadow = True
    material.use_backface_culling = False


def _no_thickness(add: Nodes, end: Any) -> None:
    """Paper has one surface, not two. Unless it is told, EEVEE 4.5 takes a flat object for a thick one, and shows 1 / pi of the light from behind."""
    node = add("ShaderNodeValue", 3.6, 1.6, "Thickness")
    node.outputs[0].default_value = 0.0
    add.link(node, end.inputs["Thickness"])


def image_sockets(add: Nodes, vector: Any, images: PaperImages, options: PaperOptions) -> Sockets:
    """One Image Texture node a map."""
    named = {"base_color": images.color, "roughness": images.roughness, "opacity": images.opacity, "height": images.height, "normal": images.normal}
    used = {key: image for key, image in named.items() if image is not None and key not in unused_maps(options)}
    return {key: image_node(add, vector, image, key, row, options).outputs["Color"] for row, (key, image) in enumerate(used.items())}


def unused_maps(options: PaperOptions) -> set[str]:
    """Maps that these options don't show, so that their images needn't be kept."""
    return {"BUMP": {"normal"}, "NORMAL": {"height"}, "NONE": {"normal", "height"}}[options.relief]


def shown_maps(options: PaperOptions) -> list[str]:
    """The other maps: those that a job has to draw."""
    return [key for key in engine.MAPS if key not in unused_maps(options)]


def image_node(add: Nodes, vector: Any, image: bpy.types.Image, key: str, row: float, options: PaperOptions) -> Any:
    """An Image Texture node for a map, projected as the options say."""
    node = add("ShaderNodeTexImage", 1, row, key.replace("_", " ").capitalize(), image=image)
    node.interpolation = "Cubic" if 0 < (image.get(PROVENANCE) or max(image.size)) < 256 else "Linear"
    if options.coordinates == "OBJECT":
        node.projection, node.projection_blend = "BOX", 0.2
    add.link(vector, node.inputs["Vector"])
    return node


def _tiles(add: Nodes, options: PaperOptions, scale: tuple[float, float, float]) -> Any:
    by_object = options.coordinates == "OBJECT"
    start = add("ShaderNodeGroup", -1.2, 0, node_tree=group("Washi Scale", _fill_scale)) if by_object else add("ShaderNodeUVMap", -1.2, 0)
    place = add("ShaderNodeMapping", 0, 0, "Tiles per unit")
    place.inputs["Scale"].default_value = scale
    add.link(start, place.inputs["Vector"])
    return place.outputs["Vector"]


def _relief(add: Nodes, sockets: Sockets, options: PaperOptions, metre: float, target: Any) -> None:
    if options.relief == "NORMAL" and "normal" in sockets:
        node = add("ShaderNodeNormalMap", 2, 3)
        node.inputs["Strength"].default_value = options.relief_strength
        add.link(sockets["normal"], node.inputs["Color"])
    elif options.relief == "BUMP" and "height" in sockets:
        node = add("ShaderNodeBump", 2, 3)
        node.inputs["Strength"].default_value = 1.0
        node.inputs["Distance"].default_value = RELIEF_METRES * metre * options.relief_strength
        add.link(sockets["height"], node.inputs["Height"])
    else:
        node = add("ShaderNodeNewGeometry", 2, 3)
    add.link(node.outputs["Normal"], target)


# Groups that every paper shares

_VERSION = 1
"""Of the groups' content: a file that holds an older one gets the new one beside it, and its papers keep theirs."""


def group(name: str, fill: Callable[[Nodes], None]) -> bpy.types.NodeTree:
    """The node group of this name, filled by `fill` unless it is there."""
    mark = f"{name} {_VERSION}"
    for tree in bpy.data.node_groups:
        if tree.get(PROVENANCE) == mark and tree.library is None:
            return tree
    tree = bpy.data.node_groups.new(name, "ShaderNodeTree")
    tree[PROVENANCE] = mark
    fill(Nodes(tree))
    return tree


def group_socket(add: Nodes, name: str, kind: str, is_input: bool = True, default: Any = None, limits: tuple[float, float] | None = None) -> None:
    """Add a socket to a group: an input or an output."""
    made = add.tree.interface.new_socket(name, in_out="INPUT" if is_input else "OUTPUT", socket_type=f"NodeSocket{kind}")
    if default is not None:
        made.default_value = default
    if limits is not None:
        made.min_value, made.max_value = limits


def _fill_scale(add: Nodes) -> None:
    """Object coordinates times the object's scale: as long as things are in the world, turning with the object, for instances too."""
    group_socket(add, "Vector", "Vector", is_input=False)
    lengths = []
    for row, axis in enumerate(((1, 0, 0), (0, 1, 0), (0, 0, 1))):
        turned = add("ShaderNodeVectorTransform", 0, row, vector_type="VECTOR", convert_from="OBJECT", convert_to="WORLD")
        turned.inputs[0].default_value = axis
        lengths.append(add.vector_math("LENGTH", 1, row, turned.outputs[0]).outputs["Value"])
    together = add("ShaderNodeCombineXYZ", 2, 1)
    for socket, length in zip(together.inputs, lengths, strict=True):
        add.link(length, socket)
    own = add("ShaderNodeTexCoord", 2, 0)
    add.link(add.vector_math("MULTIPLY", 3, 0, own.outputs["Object"], together.outputs[0]), add("NodeGroupOutput", 4, 0).inputs[0])


def _fill_paper(add: Nodes) -> None:
    """Scattered back, scattered through, passed straight: `Opacity` is the share of light that doesn't pass."""
    group_socket(add, "Color", "Color", default=(0.85, 0.82, 0.76, 1))
    group_socket(add, "Roughness", "Float", default=0.8, limits=(0, 1))
    group_socket(add, "Opacity", "Float", default=0.6, limits=(0, 1))
    group_socket(add, "Translucency", "Float", default=1.0, limits=(0, 4))
    group_socket(add, "Normal", "Vector")
    for name in ("Cycles", "EEVEE"):
        group_socket(add, name, "Shader", is_input=False)
    given = add("NodeGroupInput", 0, 1)
    color = given.outputs["Color"]
    passed = add.math(
        "MULTIPLY", 2, 1, add.math("SUBTRACT", 1, 1, 1.0, given.outputs["Opacity"]), given.outputs["Translucency"], label="Share that passes", clamp=True
    )
    straight = _straight(add, passed)
    front = add("ShaderNodeBsdfPrincipled", 4, -1)
    front.inputs["Specular IOR Level"].default_value = 0.2
    through = add("ShaderNodeBsdfTranslucent", 4, 2)
    clear = add("ShaderNodeBsdfTransparent", 4, 3)
    add.link(color, front.inputs["Base Color"])
    add.link(given.outputs["Roughness"], front.inputs["Roughness"])
    add.link(color, through.inputs["Color"])
    for shader in (front, through):
        add.link(given.outputs["Normal"], shader.inputs["Normal"])
    scattered = add.math(
        "DIVIDE",
        4,
        1,
        add.math("SUBTRACT", 3.4, 1, passed, straight),
        add.math("MAXIMUM", 3.4, 1.6, add.math("SUBTRACT", 3, 1.6, 1.0, straight), 1e-4),
        clamp=True,
    )
    end = add("NodeGroupOutput", 9, 1)
    add.link(_mix_shader(add, 7, 0, straight, _mix_shader(add, 6, 0, scattered, front, through), clear), end.inputs["Cycles"])
    sampled = _mix_shader(add, 7, 1, straight, _mix_shader(add, 6, 1, _drawn(add, scattered), front, through), clear)
    add.link(_with_shadow(add, sampled, color, passed), end.inputs["EEVEE"])


def _straight(add: Nodes, passed: Any) -> Any:
    """Share that passes between the fibres as it came.

    Two-stream scattering: a layer of scaled optical depth t lets 1 / (1 + t) through; what meets no fibre on its way is exp(-4 t),
    with pulp's strong forward scattering in the 4.
    """
    blocked = add.math("SUBTRACT", 2.4, 2, 1.0, passed)
    depth = add.math("DIVIDE", 2.6, 2, blocked, add.math("MAXIMUM", 2.4, 2.6, passed, 1e-4), label="Optical depth")
    return add.math("EXPONENT", 3, 2, add.math("MULTIPLY", 2.8, 2, depth, -4.0), label="Passes straight")


def _drawn(add: Nodes, share: Any) -> Any:
    """1 in this share of the samples, else 0, for EEVEE.

    Of a diffuse and a translucent shader mixed, EEVEE 5.2 shows the translucent one with the square of its share; given one of them
    alone, it is right. Samples lie at slightly different places, so that noise of the place draws anew for each.
    """
    place = add("ShaderNodeNewGeometry", 4.4, 3.4)
    noise = add("ShaderNodeTexWhiteNoise", 4.8, 3.4, noise_dimensions="3D")
    add.link(place.outputs["Position"], noise.inputs["Vector"])
    return add.math("LESS_THAN", 5.4, 3, noise.outputs["Value"], share)


def _with_shadow(add: Nodes, paper: Any, color: Any, passed: Any) -> Any:
    """EEVEE has no light that was scattered through a sheet to fall on something: its shadow rays pass in the same share instead."""
    shade = add("ShaderNodeBsdfTransparent", 7, 3, "Shadow")
    add.link(add.mix("RGBA", 6, 3, passed, (0, 0, 0, 1), color), shade.inputs["Color"])
    ray = add("ShaderNodeLightPath", 7, 4)
    return _mix_shader(add, 8, 2, ray.outputs["Is Shadow Ray"], paper, shade)


def _mix_shader(add: Nodes, column: float, row: float, factor: Any, first: Any, second: Any) -> Any:
    node = add("ShaderNodeMixShader", column, row)
    for source, target in zip((factor, first, second), node.inputs, strict=True):
        add.link(source, target)
    return node
