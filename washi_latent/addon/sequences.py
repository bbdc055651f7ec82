"""An interpolated sequence as materials: one a texture, one that is a film, one that blends, one that varies by object.

Main thread only, and names go in and out, never datablocks; `known` is what `apply.measured` gave of the objects before. Making a sequence again under the same name replaces what it made
before. The pictures of the last three forms are prepared by a job: `core.sheets.number_files` and `core.sheets.write_atlas`.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

import bpy

from .apply import (
    Lengths,
    Sheet,
    Store,
    Surface,
    all_or_nothing,
    assign,
    carriers,
    discard_images,
    fill,
    is_unused,
    load_maps,
    metre,
    own_images,
    possible_store,
    remember,
    surfaces,
    take_over,
    tiles_per_unit,
    uv_measured,
)
from .materials import Nodes, PaperOptions, build, group, group_socket, image_node, refused
from .references import Reference

if TYPE_CHECKING:
    from ..core.sheets import Atlas

SEQUENCE = "washi_latent_sequence"
"""Custom property of a material: the name of the sequence that it belongs to, and its number there."""

Order = Literal["GIVEN", "NAME", "X", "Y", "Z"]
Repeat = Literal["ONCE", "LOOP", "PING_PONG"]


@dataclass(frozen=True)
class Made:
    """Names of the sequence's materials, in order; what the artist should know, or None."""

    materials: tuple[str, ...]
    note: str | None = None


def check(settings: Film | Blend | None, objects: Sequence[Reference], options: PaperOptions) -> dict[Reference, Surface]:
    """Say at once what making the materials would refuse, before textures are drawn for it; what is left for `measured` to refuse.

    Args:
        settings: of a form that may refuse them, or None.

    Raises:
        WashiError: as the function that makes them.
    """
    if isinstance(settings, Film):
        settings.expression(1)
    elif isinstance(settings, Blend):
        settings.check()
    return surfaces(objects, options)


# A material for each texture


@all_or_nothing()
def one_material_each(
    sheets: Sequence[Sheet],
    name: str,
    objects: Sequence[Reference] = (),
    order: Order = "GIVEN",
    reverse: bool = False,
    in_slots: bool = False,
    options: PaperOptions | None = None,
    store: Store = "PACKED",
    known: Lengths | None = None,
) -> Made:
    """A material for each texture, in order along the objects, or in the slots of each object.

    Where there are more or fewer objects than textures, the first gets the first texture, the last the last, and the others what
    lies between.

    Args:
        name: of the sequence; its materials are numbered.
        order: of the objects: as given, by name (numbers count), or along a world axis. reverse: from its other end.
        in_slots: every object gets all of them, from its first slot on; slots are added where they are missing.

    Raises:
        WashiError: no textures, or as `apply.apply_sheet`.
    """
    chosen = options or PaperOptions()
    _same_tile(sheets)
    targets = in_order(carriers(objects), order, reverse)
    scale = tiles_per_unit(sheets[0].tile_mm, uv_measured(targets, chosen, known), chosen)
    store, note = possible_store(store)
    # All of them before the first material changes: a file that is missing leaves everything as it was.
    loaded = [load_maps(sheet.files, f"{name} {i + 1:02d}", chosen, store) for i, sheet in enumerate(sheets)]
    materials = [_member(f"{name} {i + 1:02d}", name, i) for i in range(len(sheets))]
    for material, sheet, images in zip(materials, sheets, loaded, strict=True):
        fill(material, sheet, chosen, scale, images)
    for number, target in enumerate(targets):
        if in_slots:
            _fill_slots(target, materials, name)
        else:
            _give(target, materials[share(number, len(targets), len(materials))])
    _drop_leftovers(name, materials)
    return Made(tuple(one.name for one in materials), note)


def in_order(objects: Sequence[bpy.types.Object], order: Order, reverse: bool = False) -> list[bpy.types.Object]:
    """Objects sorted by name (2 before 10) or along a world axis; those at the same place keep their order."""
    ordered = list(objects)
    if order == "NAME":
        ordered.sort(key=lambda thing: [(part.isdecimal(), int(part) if part.isdecimal() else 0, part) for part in re.split(r"(\d+)", thing.name.casefold())])
    elif order != "GIVEN":
        ordered.sort(key=lambda thing: thing.matrix_world.translation["XYZ".index(order)])
    return ordered[::-1] if reverse else ordered


def share(number: int, of: int, count: int) -> int:
    """Which of `count` textures the object `number` of `of` gets: ends get the ends."""
    return 0 if of == 1 else round(number * (count - 1) / (of - 1))


def _give(target: bpy.types.Object, material: bpy.types.Material) -> None:
    """Linked duplicates share their data's slots: the material then goes to the object itself."""
    if not target.material_slots:
        target.data.materials.append(None)
    if target.data.users > 1:
        target.material_slots[max(0, target.active_material_index)].link = "OBJECT"
    assign(target, material)


def _fill_slots(target: bpy.types.Object, materials: Sequence[bpy.types.Material], name: str) -> None:
    own = target.data.is_editable  # a library override has only the slots that its mesh in the other file has
    while own and len(target.material_slots) < len(materials):
        target.data.materials.append(None)
    for slot, material in zip(target.material_slots, materials, strict=False):
        if not own:
            slot.link = "OBJECT"
        slot.material = material
    if not own:
        return
    # A longer sequence of before leaves slots behind.
    mine = set(_of_sequence(name))
    while len(target.data.materials) > len(materials) and target.data.materials[-1] in mine:
        target.data.materials.pop()


# One material that is a film


@dataclass(frozen=True)
class Film:
    """When which texture shows.

    Attributes:
        frame_start, frame_end: the whole sequence is seen once from the first to the last of these frames.
        offset: textures to begin later in the sequence. repeat: what comes before and after: its ends, itself again, or backward.
    """

    frame_start: int = 1
    frame_end: int = 120
    offset: int = 0
    repeat: Repeat = "LOOP"

    def expression(self, count: int) -> str:
        """Number of the texture from 0, as a driver's expression of `frame` that needs no Python.

        Raises:
            WashiError: an end before the start.
        """
        frames = self.frame_end - self.frame_start + 1
        if frames < 1:
            raise refused(f"the film ends at frame {self.frame_end}, before it starts at {self.frame_start}: choose a later end")
        step = f"(floor((frame - {self.frame_start}) * {count} / {frames}) + {self.offset})"
        if self.repeat == "ONCE" or count == 1:
            return f"clamp({step}, 0, {count - 1})"
        period = count if self.repeat == "LOOP" else 2 * count - 2
        turn = f"({step} - {period} * floor({step} / {period}))"
        return turn if self.repeat == "LOOP" else f"{count - 1} - abs({count - 1} - {turn})"


@all_or_nothing()
def animated_material(
    sheets: Sequence[Sheet],
    first: Mapping[str, Path],
    name: str,
    objects: Sequence[Reference] = (),
    film: Film | None = None,
    options: PaperOptions | None = None,
    known: Lengths | None = None,
) -> Made:
    """One material that shows one texture after another, from a numbered row of files.

    In a loop whose last texture is its first again, that one is seen once.

    Args:
        sheets: the textures, in order. first: the first file by map, as `core.sheets.number_files` wrote them for these sheets.

    Raises:
        WashiError: no textures, a film that ends before it starts, or as `apply.apply_sheet`.
    """
    chosen, played = options or PaperOptions(), film or Film()
    _same_tile(sheets)
    closed = played.repeat == "LOOP" and len(sheets) > 1 and sheets[0].provenance.get("latent") == sheets[-1].provenance.get("latent")
    expression = played.expression(len(sheets) - closed)
    targets = carriers(objects)
    scale = tiles_per_unit(sheets[0].tile_mm, uv_measured(targets, chosen, known), chosen)
    images = load_maps(first, name, chosen, None)
    for image in images.values():
        image.source = "SEQUENCE"

    def maps(add: Nodes, vector: Any) -> dict[str, Any]:
        return {key: _film_node(add, vector, image, key, row, chosen, expression) for row, (key, image) in enumerate(images.items())}

    return _one(sheets, name, "FILM", chosen, scale, maps, images, targets)


def _film_node(add: Nodes, vector: Any, image: bpy.types.Image, key: str, row: int, options: PaperOptions, expression: str) -> Any:
    node = image_node(add, vector, image, key, row, options)
    user = node.image_user
    # Of one frame, moved by its offset: Blender then reads file 1 + offset at every frame.
    user.frame_start, user.frame_duration, user.use_cyclic, user.use_auto_refresh = 1, 1, False, True
    curve = user.driver_add("frame_offset")
    curve.driver.type, curve.driver.expression = "SCRIPTED", expression
    return node.outputs["Color"]


# One material that blends


@dataclass(frozen=True)
class Blend:
    """What says how far along the sequence a place is, 0 to 1.

    Attributes:
        by: "SURFACE": along an axis of the object's bounding box; "ATTRIBUTE": a colour or number attribute (vertex colour);
            "OBJECT": where the object stands along a world axis; "DISTANCE": from an empty, 1 at its drawn size; "VALUE": a Value node
            to animate or drive.
        axis: for SURFACE and OBJECT. attribute: its name. empty: its name. first, last: world positions that mean 0 and 1, for OBJECT.
        value: what the Value node starts at.
    """

    by: Literal["SURFACE", "ATTRIBUTE", "OBJECT", "DISTANCE", "VALUE"] = "SURFACE"
    axis: Literal["X", "Y", "Z"] = "X"
    attribute: str = "Color"
    empty: str = ""
    first: float = 0.0
    last: float = 1.0
    value: float = 0.0

    def check(self) -> None:
        """See to it that places have a value.

        Raises:
            WashiError: no empty of that name, an end where the start is.
        """
        if self.by == "DISTANCE" and bpy.data.objects.get(self.empty) is None:
            raise refused("blending by distance needs an empty: choose one")
        if self.by == "OBJECT" and self.first == self.last:
            raise refused("the sequence begins and ends at the same position: choose another end")


@all_or_nothing()
def blending_material(
    sheets: Sequence[Sheet],
    atlas: Atlas,
    name: str,
    objects: Sequence[Reference] = (),
    blend: Blend | None = None,
    options: PaperOptions | None = None,
    store: Store = "PACKED",
    known: Lengths | None = None,
) -> Made:
    """One material that goes through the sequence from place to place, each place mixing the two textures that are nearest.

    Args:
        sheets: the textures, in order. atlas: of these sheets.

    Raises:
        WashiError: no textures, no empty of that name, or as `apply.apply_sheet`.
    """
    chosen = blend or Blend()
    chosen.check()

    def places(add: Nodes) -> tuple[Any, Any, Any]:
        position = add.math("MULTIPLY", -1, 3, _position(add, chosen), float(atlas.count - 1), clamp=False)
        low = add.math("FLOOR", -0.6, 3, position)
        high = add.math("MINIMUM", -0.2, 3.4, add.math("ADD", -0.4, 3.4, low, 1.0), float(atlas.count - 1))
        return low, high, add.math("SUBTRACT", -0.2, 3, position, low)

    return _from_atlas(sheets, atlas, name, objects, f"BLEND_{chosen.by}", options, store, places, known=known)


def _position(add: Nodes, blend: Blend) -> Any:
    """How far along the sequence, 0 to 1."""
    if blend.by == "VALUE":
        node = add.tree.nodes.get(POSITION)
        if node is None:
            node = add("ShaderNodeValue", -2, 3, POSITION, name=POSITION)
            node.outputs[0].default_value = blend.value
        raw, first, last = node.outputs[0], 0.0, 1.0
    elif blend.by == "ATTRIBUTE":
        node = add("ShaderNodeAttribute", -2, 3, attribute_type="GEOMETRY", attribute_name=blend.attribute)
        raw, first, last = node.outputs[2], 0.0, 1.0
    elif blend.by == "DISTANCE":
        empty = bpy.data.objects[blend.empty]
        node = add("ShaderNodeTexCoord", -2.6, 3, object=empty)
        raw = add.vector_math("LENGTH", -2, 3, node.outputs["Object"]).outputs["Value"]
        first, last = 0.0, empty.empty_display_size if empty.type == "EMPTY" else 1.0
    else:
        on_surface = blend.by == "SURFACE"
        node = add("ShaderNodeTexCoord" if on_surface else "ShaderNodeObjectInfo", -2.6, 3)
        axes = add("ShaderNodeSeparateXYZ", -2, 3)
        add.link(node.outputs["Generated" if on_surface else "Location"], axes.inputs[0])
        raw, first, last = axes.outputs[blend.axis], *((0.0, 1.0) if on_surface else (blend.first, blend.last))
    between = add("ShaderNodeMapRange", -1.5, 3, "Along the sequence", clamp=True)
    for socket, value in zip(between.inputs[1:3], (first, last), strict=True):
        socket.default_value = value
    add.link(raw, between.inputs[0])
    return between.outputs[0]


# One material that varies by object


@dataclass(frozen=True)
class Variation:
    """Which texture an object shows.

    Attributes:
        by: "RANDOM": drawn for each object and instance; "INDEX": its pass index, over and over.
        seed: another draw. number: give the objects pass indices 0, 1, 2 ... in their order.
        shift: show another part of the texture on each object, too.
    """

    by: Literal["RANDOM", "INDEX"] = "RANDOM"
    seed: int = 0
    number: bool = False
    shift: bool = True


@all_or_nothing()
def varying_material(
    sheets: Sequence[Sheet],
    atlas: Atlas,
    name: str,
    objects: Sequence[Reference] = (),
    variation: Variation | None = None,
    options: PaperOptions | None = None,
    store: Store = "PACKED",
    known: Lengths | None = None,
) -> Made:
    """One material that shows another of the textures on each object that has it.

    Args:
        sheets: the textures, in order. atlas: of these sheets.

    Raises:
        WashiError: no textures, or as `apply.apply_sheet`.
    """
    chosen = variation or Variation()

    def places(add: Nodes) -> tuple[Any, None, None]:
        info = add("ShaderNodeObjectInfo", -1.6, 3)
        if chosen.by == "INDEX":
            return add.math("FLOORED_MODULO", -1, 3, info.outputs["Object Index"], float(atlas.count)), None, None
        # Steps of the golden ratio: each seed draws anew, and evenly.
        drawn = add.math("FRACT", -1, 3, add.math("ADD", -1.3, 3, info.outputs["Random"], chosen.seed * 0.6180339887))
        whole = add.math("FLOOR", -0.4, 3, add.math("MULTIPLY", -0.7, 3, drawn, float(atlas.count)))
        return add.math("MINIMUM", -0.2, 3, whole, float(atlas.count - 1)), None, None

    made = _from_atlas(sheets, atlas, name, objects, f"VARIATION_{chosen.by}", options, store, places, chosen.shift, known)
    if chosen.number:
        for number, target in enumerate(carriers(objects)):
            target.pass_index = number
    return made


# What the forms share

POSITION = "Washi Position"
"""The Value node that the artist animates; it outlives a sequence that is made again, with its keyframes and drivers."""


def _from_atlas(
    sheets: Sequence[Sheet],
    atlas: Atlas,
    name: str,
    objects: Sequence[Reference],
    form: str,
    options: PaperOptions | None,
    store: Store,
    places: Callable[[Nodes], tuple[Any, Any, Any]],
    shift: bool = False,
    known: Lengths | None = None,
) -> Made:
    """A material that reads one or two cells of an atlas: `places` gives their numbers and the second's weight."""
    chosen = options or PaperOptions()
    _same_tile(sheets)
    if atlas.count != len(sheets):
        raise refused(f"the pictures hold {atlas.count} textures, and the sequence {len(sheets)}: write the sequence again")
    targets = carriers(objects)
    scale = tiles_per_unit(sheets[0].tile_mm, uv_measured(targets, chosen, known), chosen)
    store, note = possible_store(store)
    images = load_maps(atlas.files, name, chosen, store)

    def maps(add: Nodes, vector: Any) -> dict[str, Any]:
        flat = _shifted(add, _flat(add, vector, chosen)) if shift else _flat(add, vector, chosen)
        low, high, weight = places(add)
        cells = [_cell(add, flat, number, atlas, row) for row, number in enumerate((low, high)) if number is not None]
        return {key: _read_cells(add, image, key, row, cells, weight) for row, (key, image) in enumerate(images.items())}

    return _one(sheets, name, form, chosen, scale, maps, images, targets, note)


def _flat(add: Nodes, vector: Any, options: PaperOptions) -> Any:
    """Coordinates on the surface: the image nodes' own box projection knows no cells."""
    if options.coordinates == "UV":
        return vector
    node = add("ShaderNodeGroup", 0.4, 1, node_tree=group("Washi Box", _fill_box))
    add.link(vector, node.inputs[0])
    return node.outputs[0]


def _shifted(add: Nodes, vector: Any) -> Any:
    info = add("ShaderNodeObjectInfo", -0.4, 1.6)
    noise = add("ShaderNodeTexWhiteNoise", 0, 1.6, noise_dimensions="1D")
    add.link(add.math("MULTIPLY", -0.2, 1.6, info.outputs["Random"], 1000.0), noise.inputs["W"])
    return add.vector_math("ADD", 0.4, 1.6, vector, noise.outputs["Color"]).outputs[0]


def _cell(add: Nodes, flat: Any, number: Any, atlas: Atlas, row: int) -> Any:
    node = add("ShaderNodeGroup", 0.6, 2 + row, node_tree=group("Washi Atlas", _fill_atlas))
    for key, value in (("Columns", atlas.columns), ("Rows", atlas.rows), ("Border X", atlas.border_x), ("Border Y", atlas.border_y)):
        node.inputs[key].default_value = value
    add.link(flat, node.inputs["Vector"])
    add.link(number, node.inputs["Number"])
    return node.outputs[0]


def _read_cells(add: Nodes, image: bpy.types.Image, key: str, row: int, cells: Sequence[Any], weight: Any) -> Any:
    found = []
    for number, cell in enumerate(cells):
        node = image_node(add, cell, image, key, row + number / 2, PaperOptions("UV"))
        # EEVEE reads Cubic from the full picture: its smaller copies would show a line where the texture begins again.
        node.interpolation = "Cubic"
        found.append(node.outputs["Color"])
    return found[0] if len(found) == 1 else add.mix("RGBA", 1.6, row, weight, *found)


def _fill_box(add: Nodes) -> None:
    """Box projection without blending: which plane the surface faces, as the Image Texture node does it."""
    group_socket(add, "Vector", "Vector")
    group_socket(add, "Vector", "Vector", is_input=False)
    place, normal = add("ShaderNodeSeparateXYZ", 1, 0), add("ShaderNodeSeparateXYZ", 1, 2)
    add.link(add("NodeGroupInput", 0, 0), place.inputs[0])
    add.link(add("ShaderNodeTexCoord", 0, 2).outputs["Normal"], normal.inputs[0])
    x, y, z = place.outputs
    sizes = [add.math("ABSOLUTE", 2, 2 + i / 2, one) for i, one in enumerate(normal.outputs)]
    sides = [(y, z, add.math("LESS_THAN", 2, 4, normal.outputs[0], 0.0)), (x, z, add.math("GREATER_THAN", 2, 4.5, normal.outputs[1], 0.0))]
    sides.append((y, x, add.math("GREATER_THAN", 2, 5, normal.outputs[2], 0.0)))
    flat = [_side(add, i, *side) for i, side in enumerate(sides)]
    faces_x = add.math("GREATER_THAN", 3, 3, sizes[0], add.math("MAXIMUM", 2.6, 3, sizes[1], sizes[2]))
    faces_y = add.math("GREATER_THAN", 3, 4, sizes[1], sizes[2])
    add.link(_pick(add, 6, faces_x, _pick(add, 5, faces_y, flat[2], flat[1]), flat[0]), add("NodeGroupOutput", 7, 0).inputs[0])


def _side(add: Nodes, row: int, across: Any, up: Any, mirrored: Any) -> Any:
    both = add("ShaderNodeCombineXYZ", 4, row)
    add.link(add.mix("FLOAT", 3.5, row, mirrored, across, add.math("SUBTRACT", 3, row, 1.0, across)), both.inputs[0])
    add.link(up, both.inputs[1])
    return both.outputs[0]


def _pick(add: Nodes, column: float, factor: Any, first: Any, second: Any) -> Any:
    return add.mix("RGBA", column, 0, factor, first, second)


def _fill_atlas(add: Nodes) -> None:
    """Where in the atlas a place of a texture lies: cell `Number`, counted from the bottom left."""
    group_socket(add, "Vector", "Vector")
    for name in ("Number", "Columns", "Rows", "Border X", "Border Y"):
        group_socket(add, name, "Float")
    group_socket(add, "Vector", "Vector", is_input=False)
    given = add("NodeGroupInput", 0, 0)
    inside = add("ShaderNodeSeparateXYZ", 2, 0)
    add.link(add.vector_math("FRACTION", 1, 0, given.outputs["Vector"]), inside.inputs[0])
    # Numbers that were calculated lie beside whole ones.
    number = add.math("FLOOR", 1.5, 1, add.math("ADD", 1, 1, given.outputs["Number"], 0.5))
    row = add.math("FLOOR", 2.5, 1, add.math("DIVIDE", 2, 1, add.math("ADD", 1.8, 1, number, 0.5), given.outputs["Columns"]))
    column = add.math("SUBTRACT", 3.5, 1, number, add.math("MULTIPLY", 3, 1, row, given.outputs["Columns"]))
    both = add("ShaderNodeCombineXYZ", 8, 0)
    for i, (cell, letter, cells) in enumerate(((column, "X", "Columns"), (row, "Y", "Rows"))):
        border = given.outputs[f"Border {letter}"]
        width = add.math("SUBTRACT", 4.5, i, 1.0, add.math("MULTIPLY", 4, i, border, 2.0))
        within = add.math("ADD", 5.5, i, add.math("MULTIPLY", 5, i, inside.outputs[i], width), border)
        add.link(add.math("DIVIDE", 7, i, add.math("ADD", 6, i, within, cell), given.outputs[cells]), both.inputs[i])
    add.link(both, add("NodeGroupOutput", 9, 0).inputs[0])


def _same_tile(sheets: Sequence[Sheet]) -> None:
    if not sheets:
        raise refused("there are no textures: choose the ends of a sequence first")
    if len({sheet.tile_mm for sheet in sheets}) > 1:
        raise refused("the textures have different sizes: generate them together")


def _member(name: str, sequence: str, number: int = 0) -> bpy.types.Material:
    """The material that this sequence made for this place before, whatever it is called now, else a new one."""
    mine = [one for one in _of_sequence(sequence) if one[SEQUENCE]["number"] == number]
    # A copy that the artist made says the same of itself.
    material = next((one for one in mine if one.name == name), mine[0] if mine else None)
    if material is None:
        material = bpy.data.materials.new(name)
        material[SEQUENCE] = {"name": sequence, "number": number}
    return material


def _of_sequence(name: str) -> list[bpy.types.Material]:
    marked = [one for one in bpy.data.materials if one.is_editable and hasattr(one.get(SEQUENCE), "get")]
    return [one for one in marked if one[SEQUENCE].get("name") == name and "number" in one[SEQUENCE]]


def _one(
    sheets: Sequence[Sheet],
    name: str,
    form: str,
    options: PaperOptions,
    scale: tuple[float, float, float],
    maps: Callable[[Nodes, Any], Mapping[str, Any]],
    images: Mapping[str, bpy.types.Image],
    targets: Sequence[bpy.types.Object],
    note: str | None = None,
) -> Made:
    """The sequence's one material, made anew and given to the objects."""
    material = _member(name, name)
    before = own_images(material)
    build(material, options, scale, metre(options), maps, keep=POSITION if form == "BLEND_VALUE" else "")
    facts = {**sheets[0].provenance, "tile_mm": sheets[0].tile_mm}
    remember(material, {**facts, "sequence": {"form": form, "latents": [sheet.provenance.get("latent") for sheet in sheets]}})
    take_over(material, before, images)
    for target in targets:
        assign(target, material)
    _drop_leftovers(name, [material])
    return Made((material.name,), note)


def _drop_leftovers(name: str, kept: Sequence[bpy.types.Material]) -> None:
    """Remove what this sequence made before and nothing uses any more."""
    for material in _of_sequence(name):
        if material not in kept and is_unused(material):
            images = own_images(material)
            bpy.data.materials.remove(material)
            discard_images(images)
