"""A texture's maps become a material on objects: stored, scaled, assigned, remembered, marked as an asset. Main thread only.

Names go in and out, never datablocks: callers keep none across undo.
"""

from __future__ import annotations

import hashlib
import json
import math
import re
import uuid
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, Protocol

import bpy

from . import engine
from .materials import PROVENANCE, Nodes, PaperImages, PaperOptions, build, image_sockets, new_image, refused, unused_maps
from .references import Reference, found, name_of, reference
from .translations import MESSAGE

if TYPE_CHECKING:
    from ..core.surfaces import Measured

Store = Literal["PACKED", "FILES"]
CARRIERS = frozenset({"MESH", "CURVE", "SURFACE", "META", "FONT", "CURVES", "POINTCLOUD"})
"""Types of objects that show surfaces."""
COLOR = "base_color"


class Sheet(Protocol):
    """One texture as a job wrote it: path by map (names from `core.maps.MAPS`), edge of the tile, what made it."""

    @property
    def files(self) -> Mapping[str, Path]: ...
    @property
    def tile_mm(self) -> float: ...
    @property
    def provenance(self) -> Mapping[str, Any]: ...


@dataclass(frozen=True)
class Applied:
    """Name of the material; what the artist should know, or None."""

    material: str
    note: str | None = None


@contextmanager
def all_or_nothing() -> Iterator[None]:
    """If the rest fails, the materials and pictures that it has made go again."""
    kinds = (bpy.data.materials, bpy.data.images)
    before = {one for kind in kinds for one in kind}
    try:
        yield
    except BaseException:
        for kind in kinds:
            for one in [one for one in kind if one not in before]:
                kind.remove(one)
        raise


@all_or_nothing()
def apply_sheet(
    sheet: Sheet,
    name: str,
    objects: Sequence[Reference] = (),
    into: Reference | None = None,
    options: PaperOptions | None = None,
    store: Store = "PACKED",
    new_slot: bool = False,
    known: Lengths | None = None,
) -> Applied:
    """Make a material of a texture and give it to objects.

    Args:
        name: for a new material. One of this name that shows the same texture is made anew, unless it lies on others at another scale
            or the artist has changed its nodes; another texture's is left alone.
        objects: those that get it, in their active slot (made where there is none). Without any, the material is kept for later.
        into: a material of which the content is replaced instead; it keeps its name and its users.
        store: "PACKED" into the .blend or as "FILES" in the folder textures beside it; before the first save always packed.
        new_slot: add a slot instead of using the active one.
        known: what `measured` gave of the objects before.

    Raises:
        WashiError: objects that show no surface, a material of another file, UV that say no size, maps that can't be read or written.
    """
    chosen = options or PaperOptions()
    targets = carriers(objects)
    parts = uv_measured(targets, chosen, known)
    scale, note = tiles_per_unit(sheet.tile_mm, parts, chosen), _uneven_scale(parts)
    store, kept_elsewhere = possible_store(store)
    there = _editable(into) if into is not None else None
    images = load_maps(sheet.files, name if into is None else name_of(into), chosen, store)
    material = there or own_material(name, sheet.provenance, scale, targets)
    fill(material, sheet, chosen, scale, images)
    for target in targets:
        assign(target, material, new_slot)
    if there is None and not targets:
        note = keep_unused([material])
    return Applied(material.name, kept_elsewhere or note)


def check(objects: Sequence[Reference], into: Reference | None, options: PaperOptions) -> dict[Reference, Surface]:
    """Refuse before anything is drawn what `apply_sheet` would refuse after it; what is left for `measured` to refuse.

    Raises:
        WashiError: as `apply_sheet`, of everything but the maps.
    """
    if into is not None:
        _editable(into)
    return surfaces(objects, options)


BUILT = "washi_latent_nodes"
"""Custom property of a material: `digest` of its nodes as they were made."""


def digest(material: bpy.types.Material) -> str:
    """A digest of what an artist would miss of a material's nodes, were they made anew: kinds, links, values, animation."""
    tree = material.node_tree
    parts: list[Any] = [tree.animation_data is not None and bool(tree.animation_data.action or tree.animation_data.drivers)]
    parts += sorted((node.name, node.bl_idname, node.mute, [_value(socket) for socket in node.inputs]) for node in tree.nodes)
    ends = ((link.from_node.name, link.from_socket.identifier, link.to_node.name, link.to_socket.identifier) for link in tree.links)
    return hashlib.sha256(repr((parts, sorted(ends))).encode()).hexdigest()[:16]


def _value(socket: bpy.types.NodeSocket) -> Any:
    """What is set there; nothing where a link says it."""
    value = None if socket.is_linked else getattr(socket, "default_value", None)
    return [round(one, 6) for one in value] if hasattr(value, "__iter__") and not isinstance(value, str) else str(value)


KEPT = "washi_latent_kept"
"""Custom property of a material that is saved only because of `keep_unused`."""


def is_unused(material: bpy.types.Material) -> bool:
    """Whether nothing shows a material, and the artist did not protect it."""
    return material.users == 0 or (material.users == 1 and material.use_fake_user and KEPT in material)


def keep_unused(materials: Iterable[bpy.types.Material]) -> str:
    """Have materials saved that nothing shows yet, as Blender would not; what to say of it."""
    for material in materials:
        if not material.use_fake_user:
            material.use_fake_user = material[KEPT] = True
    return MESSAGE("Nothing was selected: the material is kept in this file, for you to give to an object")


def fill(material: bpy.types.Material, sheet: Sheet, options: PaperOptions, scale: tuple[float, float, float], images: Mapping[str, bpy.types.Image]) -> None:
    """Replace a material's content by a texture; pictures of ours that nobody uses any more go."""
    before = own_images(material)
    build(material, options, scale, metre(options), lambda add, vector: _sockets(add, vector, images, options))
    remember(material, {**sheet.provenance, "tile_mm": sheet.tile_mm, "tiles_per_unit": list(scale)})
    material[BUILT] = digest(material)
    take_over(material, before, images)


def take_over(material: bpy.types.Material, before: Iterable[bpy.types.Image], images: Mapping[str, bpy.types.Image]) -> None:
    """The pictures of before go where nobody uses them, and the new ones take their names."""
    discard_images(before)
    for key, image in images.items():
        image.name = f"{material.name} {key}"


def _sockets(add: Nodes, vector: Any, images: Mapping[str, bpy.types.Image], options: PaperOptions) -> Mapping[str, Any]:
    named = PaperImages(images[COLOR], *(images.get(key) for key in ("height", "opacity", "normal", "roughness")))
    return image_sockets(add, vector, named, options)


# Objects


def carriers(names: Iterable[Reference]) -> list[bpy.types.Object]:
    """The objects of these names that can show paper, each once.

    Raises:
        WashiError: names were given and none of them can, or they are all gone.
    """
    wanted = list(dict.fromkeys(names))
    known = [thing for name in wanted if (thing := found(bpy.data.objects, name)) is not None]
    there = [thing for thing in known if thing.type in CARRIERS]
    # A library override's slots are its own, though its mesh is not.
    able = [thing for thing in there if thing.is_editable and (thing.data.is_editable or thing.material_slots)]
    if wanted and not able:
        if not known:
            raise refused("the objects that were selected are not there any more: select others, and apply again")
        if there:
            raise refused("the selected objects belong to another file: make them local, or use library overrides")
        raise refused("none of the selected objects shows a surface: select a mesh, a curve or a text")
    return able


def assign(thing: bpy.types.Object, material: bpy.types.Material, new_slot: bool = False) -> None:
    """Put a material into an object's active slot, or into a new one; where its data belong to another file, into the active slot of its own."""
    if not thing.data.is_editable:
        slot = thing.material_slots[thing.active_material_index]
        slot.link = "OBJECT"
        slot.material = material
        return
    if new_slot or not thing.material_slots:
        thing.data.materials.append(material)
        thing.active_material_index = len(thing.material_slots) - 1
    thing.active_material = material


# Scale


def units_per_metre(scene: bpy.types.Scene) -> float:
    """How many Blender units a metre is, as a scene's units say."""
    units = scene.unit_settings
    return 1.0 if units.system == "NONE" else 1.0 / units.scale_length


def metre(options: PaperOptions) -> float:
    """How many Blender units a metre is."""
    return units_per_metre(bpy.context.scene) if options.metre is None else options.metre


def tiles_per_unit(tile_mm: float, parts: Sequence[Measured], options: PaperOptions) -> tuple[float, float, float]:
    """Tiles per unit of the coordinates: of length, or of UV as the objects are unwrapped (one tile where there are no objects).

    Args:
        parts: of the objects, as `uv_measured` gives them.

    Raises:
        WashiError: no size, UV without area.
    """
    if not (math.isfinite(tile_mm) and tile_mm > 0):
        raise refused(f"a tile of {tile_mm} mm makes no sense: generate the texture again")
    tile = tile_mm / 1000 * metre(options)
    if options.coordinates == "OBJECT":
        return (1 / tile, 1 / tile, 1 / tile)
    if not parts:
        return (1.0, 1.0, 1.0)
    from ..core.surfaces import lengths

    u, v = lengths(parts)
    return (u / tile, v / tile, 1.0)


_SAME_SCALE = 1.03
"""How far scales may differ before they count as different: less is not seen."""


def _uneven_scale(parts: Sequence[Measured]) -> str | None:
    """What to say where one material can't have its true scale on all of the objects."""
    from ..core.surfaces import lengths

    each = [lengths([one]) for one in parts if one.area > 0]
    if all(max(of) <= _SAME_SCALE * min(of) for of in zip(*each, strict=True)):
        return None
    return MESSAGE("The objects are unwrapped at different scales: apply to one at a time, or choose object coordinates, for true scale on each")


Lengths = Mapping[Reference, "Measured"]
"""How large the UV of objects lie on them."""


@dataclass(frozen=True, eq=False)
class Surface:
    """An object's mesh as numbers, in the world: what `core.surfaces.measure` takes."""

    points: Any
    vertices: Any
    uv: Any
    starts: Any
    world: Any

    def measured(self) -> Measured:
        """Measure it, in any thread."""
        from ..core.surfaces import measure

        return measure(self.points @ self.world.T, self.vertices, self.uv, self.starts)


def surfaces(objects: Iterable[Reference], options: PaperOptions) -> dict[Reference, Surface]:
    """The surfaces of which materials with these options need to know the UV: read here, for a job to measure.

    Raises:
        WashiError: as `carriers`; no UV map.
    """
    targets = carriers(objects)
    return {reference(thing): _surface(thing) for thing in targets} if options.coordinates == "UV" else {}


def measured(read: Mapping[Reference, Surface]) -> Lengths:
    """Measure surfaces, in any thread: of a million faces that takes a while.

    Raises:
        WashiError: none of the UV has an area.
    """
    from ..core.surfaces import lengths

    found = {key: one.measured() for key, one in read.items()}
    if found:
        lengths(found.values())
    return found


def uv_measured(objects: Sequence[bpy.types.Object], options: PaperOptions, known: Lengths | None = None) -> list[Measured]:
    """How large the UV of objects lie on them, as far as that matters.

    Raises:
        WashiError: no UV map.
    """
    if options.coordinates != "UV":
        return []
    return [(known or {}).get(reference(thing)) or _surface(thing).measured() for thing in objects]


def _surface(thing: bpy.types.Object) -> Surface:
    import numpy as np

    mesh = thing.data
    # The one that the material's UV Map node reads.
    index = next((i for i, one in enumerate(mesh.uv_layers) if one.active_render), -1) if thing.type == "MESH" else -1
    editing = thing.type == "MESH" and mesh.is_editmode
    if editing and index >= 0:
        # While it is edited, the mesh itself shows no UV.
        thing.update_from_editmode()
        mesh = thing.to_mesh()
    try:
        if index < 0 or not mesh.polygons:
            raise refused(f"{thing.name} has no UV map: unwrap it, or choose object coordinates")
        starts = np.empty(len(mesh.polygons), np.int32)
        mesh.polygons.foreach_get("loop_start", starts)
        points = np.empty((len(mesh.vertices), 3), np.float32)
        mesh.vertices.foreach_get("co", points.ravel())
        vertices, uv = np.empty(len(mesh.loops), np.int32), np.empty((len(mesh.loops), 2), np.float32)
        mesh.attributes[".corner_vert"].data.foreach_get("value", vertices)  # `mesh.loops` is slow
        mesh.uv_layers[index].uv.foreach_get("vector", uv.ravel())
        return Surface(points, vertices, uv, starts, np.array(thing.matrix_world, np.float32)[:3, :3])
    finally:
        if editing:
            thing.to_mesh_clear()


# Materials and pictures


def own_material(
    name: str, provenance: Mapping[str, Any], scale: Sequence[float] | None = None, objects: Sequence[bpy.types.Object] = ()
) -> bpy.types.Material:
    """The material of this name if it shows this very texture, else a new one (Blender numbers a name that is taken).

    Args:
        scale: tiles per unit that it will have. One that other objects than these show at another scale is left to them, and one of which
            the nodes were changed is left as it is.
        objects: those that will show it.
    """
    numbered = re.compile(re.escape(name) + r"(\.\d{3,})?")
    same = [one for one in bpy.data.materials if numbered.fullmatch(one.name) and one.is_editable and _same_texture(one, provenance) and _as_made(one)]
    for one in same:
        if scale is None or _has_scale(one, scale):
            return one
    shown = {slot.material for thing in bpy.data.objects if thing not in objects for slot in thing.material_slots}
    return next((one for one in same if one not in shown), None) or bpy.data.materials.new(name)


def _has_scale(material: bpy.types.Material, scale: Sequence[float]) -> bool:
    """Whether it was made at this scale; files of before don't say, and count as such."""
    known: Any = (_record(material) or {}).get("tiles_per_unit")
    return known is None or (len(known) == len(scale) and all(max(a, b) <= _SAME_SCALE * min(a, b) for a, b in zip(known, scale, strict=True)))


def _as_made(material: bpy.types.Material) -> bool:
    """Whether its nodes are as they were made; files of before don't say, and count as such."""
    return BUILT not in material or material[BUILT] == digest(material)


def _same_texture(material: bpy.types.Material, provenance: Mapping[str, Any]) -> bool:
    known = _record(material)
    return known is not None and all(known.get(key) == provenance.get(key) for key in ("model", "latent", "seed"))


def _editable(wanted: Reference) -> bpy.types.Material:
    material, name = found(bpy.data.materials, wanted), name_of(wanted)
    if material is None:
        raise refused(f"there is no material {name!r} any more: choose another")
    if not material.is_editable:
        raise refused(f"the material {name!r} belongs to another file: make it local first")
    if material.is_grease_pencil:
        raise refused(f"the material {name!r} is for Grease Pencil: choose a surface's material")
    return material


def possible_store(wanted: Store) -> tuple[Store, str | None]:
    """Where pictures can go, and what to say if that isn't where the artist wanted them."""
    if wanted == "FILES" and not bpy.data.filepath:
        return "PACKED", MESSAGE("The pictures were packed, for this file was not saved yet: save it and apply again to keep them beside it")
    return wanted, None


def load_maps(files: Mapping[str, Path], name: str, options: PaperOptions, store: Store | None) -> dict[str, bpy.types.Image]:
    """An image datablock for every map that the options show; without a `store` the files stay where they are."""
    used = {key: Path(path) for key, path in files.items() if key not in unused_maps(options)}
    if COLOR not in used:
        raise refused("the texture has no colour: generate it again")
    if store == "FILES" and any(path.parent != textures_folder() for path in used.values()):
        from ..core.sheets import keep_files

        used = keep_files({file_name(name): used}, textures_folder())[file_name(name)]
    made: dict[str, bpy.types.Image] = {}
    for key, path in used.items():
        made[key] = bpy.data.images.get(_ahead.pop(path, "")) or new_image(path, key == COLOR, store == "PACKED")
        if store != "PACKED" and bpy.data.filepath:
            made[key].filepath = bpy.path.relpath(str(path))
    return made


_ahead: dict[Path, str] = {}
"""Names of the images that were packed ahead, by the files that they came from."""


def pack_ahead(textures: Iterable[Mapping[str, Path]], options: PaperOptions, store: Store) -> Iterator[None]:
    """Load what `load_maps` will pack, a picture a turn: one of 4096 x 4096 takes a moment, and a sequence has many."""
    if possible_store(store)[0] != "PACKED":
        return
    for files in textures:
        for key, path in files.items():
            if key not in unused_maps(options):
                _ahead[path] = new_image(path, key == COLOR, True).name
                yield


def drop_ahead() -> None:
    """Remove pictures that were packed ahead and not used: something else happened meanwhile."""
    made = [bpy.data.images.get(name) for name in _ahead.values()]
    _ahead.clear()
    discard_images(image for image in made if image is not None and PROVENANCE in image)


def files_beside(store: Store) -> Path | None:
    """The folder that a job copies maps to, so that the main thread need not; None where they are packed."""
    return textures_folder() if possible_store(store)[0] == "FILES" else None


def textures_folder() -> Path:
    """The folder beside the .blend that pictures are kept in.

    Raises:
        WashiError: the file was never saved, so that there is no place beside it.
    """
    if not bpy.data.filepath:
        raise refused("the pictures lie in a folder beside the file: save the file first")
    return Path(bpy.data.filepath).parent / "textures"


def file_name(name: str) -> str:
    """A name that every file system takes, with a map's name, a number and a checksum after it: they count bytes, and take 255 at most."""
    safe = re.sub(r"[^\w.-]+", "_", name).strip("._")
    return safe.encode()[:120].decode(errors="ignore").rstrip("._") or "washi"


def own_images(material: bpy.types.Material) -> set[bpy.types.Image]:
    """Pictures of ours that a material shows."""
    nodes = material.node_tree.nodes if material.node_tree else ()
    return {node.image for node in nodes if node.type == "TEX_IMAGE" and node.image is not None and PROVENANCE in node.image}


def discard_images(images: Iterable[bpy.types.Image]) -> None:
    """Remove pictures that nobody uses."""
    for image in list(images):
        if image.users == 0:
            bpy.data.images.remove(image)


def drop_tried() -> None:
    """Let go of textures that were tried and that nothing shows: Blender would leave out the materials and save their pictures all the same."""
    for material in [one for one in bpy.data.materials if PROVENANCE in one and one.users == 0 and one.is_editable and _as_made(one)]:
        images = own_images(material)
        bpy.data.materials.remove(material)
        discard_images(images)


# What made it


def remember(material: bpy.types.Material, provenance: Mapping[str, Any]) -> None:
    """Keep what made a material's texture as its custom property."""
    material[PROVENANCE] = json.dumps(dict(provenance), ensure_ascii=False)


def provenance_of(material: bpy.types.Material) -> dict[str, Any]:
    """What made a material's texture: at least model, latent, seed, size and version.

    Raises:
        WashiError: it isn't one of ours, or its record is damaged.
    """
    known = _record(material)
    if known is None and PROVENANCE in material:
        raise refused(f"the record of how {material.name} was made is damaged: apply a texture to it again")
    if known is None:
        raise refused(f"{material.name} was not made by Washi Latent: choose a material that was")
    return known


def _record(material: bpy.types.Material) -> dict[str, Any] | None:
    """What made it, or None where that isn't known whole."""
    try:
        known = json.loads(material[PROVENANCE])
        latent = [float(x) for x in known["latent"]]
        whole = isinstance(known["model"], str) and bool(latent) and all(map(math.isfinite, latent)) and isinstance(known["seed"], int)
        return {**known, "latent": latent} if whole and {"size", "version"} <= known.keys() else None
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError):
        return None


# Assets

_CATALOGUES = "blender_assets.cats.txt"
_HEADER = """# This is an Asset Catalog Definition file for Blender.
#
# Empty lines and lines starting with `#` will be ignored.
# The first non-ignored line should be the version indicator.
# Other lines are of the format "UUID:catalog/path/for/assets:simple catalog name"

VERSION 1

"""
_NAMESPACE = uuid.UUID("6d0c4f0e-6a3e-5f0b-9c1e-4f2f5b8b7a11")
"""Of catalogues' identifiers: the same catalogue has the same one in every file."""


def mark_asset(material_name: Reference, catalogue: str = "", preview: bytes | None = None) -> Applied:
    """Mark a material as an asset.

    Args:
        catalogue: its path, as "Paper/Washi"; "" for none. Written to the asset library that the .blend lies in, or beside the .blend.
        preview: 256 x 256 RGBA bytes, rows from the bottom up; None: the colour map.

    Raises:
        WashiError: no such material, a catalogue that can't be read or written.
    """
    material = _editable(material_name)
    path = "/".join(part.strip() for part in catalogue.replace("\\", "/").replace(":", "-").split("/") if part.strip())
    identifier = _catalogue(_library_root() / _CATALOGUES, path) if path and bpy.data.filepath else ""
    material.asset_mark()
    data = material.asset_data
    _describe(material, data)
    _preview(material, preview)
    if identifier:
        data.catalog_id = identifier
    elif path:
        return Applied(material.name, MESSAGE("The asset has no catalogue, for this file was not saved yet: save it and mark the asset again"))
    return Applied(material.name)


def _describe(material: bpy.types.Material, data: bpy.types.AssetMetaData) -> None:
    known = _record(material)
    if known is None:
        return
    data.description = f"Washi Latent {known['version']}: {known['model']}, seed {known['seed']}"
    for tag in {"washi", known["model"]} - {tag.name for tag in data.tags}:
        data.tags.new(tag)


def _preview(material: bpy.types.Material, pixels: bytes | None) -> None:
    shown = pixels if pixels is not None else _color_pixels(material)
    if shown is None:
        return
    preview = material.preview_ensure()
    preview.image_size = (engine.PREVIEW, engine.PREVIEW)
    preview.image_pixels.foreach_set(memoryview(shown).cast("i"))


def color_image(material: bpy.types.Material) -> bpy.types.Image | None:
    """The picture of a material's colour, if it has one."""
    nodes = material.node_tree.nodes if material.node_tree else ()
    return next((n.image for n in nodes if n.type == "TEX_IMAGE" and n.image and n.image.colorspace_settings.name == "sRGB"), None)


def _color_pixels(material: bpy.types.Material) -> bytes | None:
    """The colour map, made small, as RGBA bytes."""
    import numpy as np

    image = color_image(material)
    if image is None or not len(image.pixels):
        return None
    small = image.copy()
    try:
        small.scale(engine.PREVIEW, engine.PREVIEW)
        values = np.empty(engine.PREVIEW * engine.PREVIEW * 4, np.float32)
        small.pixels.foreach_get(values)
        return np.round(values.clip(0, 1) * 255).astype(np.uint8).tobytes()
    finally:
        bpy.data.images.remove(small)


def _library_root() -> Path:
    """Where Blender looks for this file's catalogues: the asset library it lies in, else its own folder."""
    folder = Path(bpy.data.filepath).resolve().parent
    libraries = [Path(bpy.path.abspath(one.path)).resolve() for one in bpy.context.preferences.filepaths.asset_libraries if one.path]
    return next((root for root in libraries if folder.is_relative_to(root)), folder)


def _catalogue(file: Path, path: str) -> str:
    """Identifier of a catalogue; it is added to the file unless it is there."""
    from ..core.images import write_atomically

    try:
        text = file.read_text(encoding="utf-8") if file.exists() else _HEADER
    except (OSError, UnicodeDecodeError) as error:
        raise refused(f"{file} can't be read: repair or remove it, then mark the asset again") from error
    lines = [line.strip() for line in text.splitlines() if line.strip() and not line.lstrip().startswith("#")]
    if "VERSION 1" not in lines[:1]:
        raise refused(f"{file} is of a version that is not known: move it away, then mark the asset again")
    for line in lines[1:]:
        parts = line.split(":")
        if len(parts) >= 2 and parts[1] == path:
            return parts[0]
    identifier = str(uuid.uuid5(_NAMESPACE, path))
    line = f"{identifier}:{path}:{path.replace('/', '-')}\n"
    whole = text if text.endswith("\n") else text + "\n"
    write_atomically(file, lambda stream: stream.write((whole + line).encode()))
    return identifier
