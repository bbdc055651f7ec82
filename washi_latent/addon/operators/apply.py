"""From the search to materials and assets, and back from a material to the search."""

# No `from __future__ import annotations` here: Blender reads the annotations below as values.

import shutil
import tempfile
from pathlib import Path

import bpy

from .. import engine, preferences, session
from ..jobs import Job, jobs
from ..references import Reference, name_of, reference
from ..translations import MESSAGE, able, sentence
from .explore import searched

MADE_BY = "washi_latent"
"""`materials.PROVENANCE`, which a poll may not import: it brings the core."""


def options_of(washi: "bpy.types.PropertyGroup") -> "dict[str, object]":
    """The scene's settings as `materials.PaperOptions` takes them."""
    from ..apply import units_per_metre

    return {
        "coordinates": washi.coordinates,
        "relief": "BUMP" if washi.coordinates == "OBJECT" and washi.relief == "NORMAL" else washi.relief,
        "relief_strength": washi.relief_strength,
        "translucency": washi.translucency,
        "metre": units_per_metre(washi.id_data),  # another window may look at another scene when it is done
    }


def active_material(context: bpy.types.Context) -> bpy.types.Material | None:
    """The material that a shader editor has pinned, else the active object's."""
    space = context.space_data
    if space is not None and space.type == "NODE_EDITOR" and space.pin and isinstance(space.id, bpy.types.Material):
        return space.id
    active = context.object if hasattr(context, "object") else context.view_layer.objects.active  # a timer's context lacks the first
    return active.active_material if active is not None else None


def selected(context: bpy.types.Context) -> list[Reference]:
    """The objects that are selected, and those that are edited, sculpted or painted: they need not be."""
    there = context.view_layer.objects
    chosen = list(getattr(context, "selected_objects", there.selected))  # a timer's context lacks the first
    worked_on = [thing for thing in there if thing.mode != "OBJECT"] if context.mode != "OBJECT" else []
    return [reference(thing) for thing in dict.fromkeys([*chosen, *worked_on])]


class WASHI_OT_apply(bpy.types.Operator):
    """Make a material of this texture and give it to the selected objects, or put it into the active material, as "Into" says"""

    bl_idname = "washi.apply"
    bl_label = "Apply"
    bl_options = {"REGISTER"}

    index: bpy.props.IntProperty(
        name="Candidate",
        description="Index of the candidate to apply; -1 applies the texture where the search stands",
        default=-1,
        min=-1,
        options={"SKIP_SAVE"},
    )
    favourite: bpy.props.StringProperty(name="Favourite", description="Name of the favourite to apply instead", options={"SKIP_SAVE"})

    @classmethod
    def poll(cls, context: bpy.types.Context) -> bool:
        """Where there is a search."""
        return searched(cls, context)

    def execute(self, context: bpy.types.Context) -> set[str]:
        """Draw the maps in a job; then the material, in one undo step."""
        from ...core.errors import WashiError
        from ..apply import Lengths, apply_sheet, check, drop_ahead, file_name, files_beside, measured, pack_ahead
        from ..materials import PaperOptions, shown_maps

        scene, washi = context.scene, context.scene.washi
        latent = session.latent(scene, self.index, self.favourite)
        if latent is None:
            return jobs.fail(MESSAGE("This texture is not there any more: look again, and choose one"), self)
        name = self.favourite or sentence(MESSAGE("Washi {step}"), step=session.place(scene).depth)
        objects = selected(context)
        into, problem = _target(context)
        if problem:
            return jobs.fail(problem, self)
        store, size, threads = washi.store, int(washi.size), preferences.threads()
        folder, noise_seed = preferences.model_folder(washi.model), engine.noise_seed(washi.state)
        paper, beside = PaperOptions(**options_of(washi)), files_beside(store)
        maps = shown_maps(paper)
        try:
            surfaces = check(objects, into, paper)
            engine.check_sheet(folder, size, len(maps), Path(tempfile.gettempdir()), beside)
        except WashiError as error:
            return jobs.fail(str(error), self)
        file = file_name(name if into is None else name_of(into))
        temporary = Path(tempfile.mkdtemp(prefix="washi-latent-"))

        def work(progress: engine.Tell) -> tuple[engine.Sheet, Lengths]:
            lengths = measured(surfaces)
            sheet = engine.draw_sheet(folder, threads, latent, size, noise_seed, temporary, file, progress, maps)
            return engine.keep_files([sheet], [file], beside)[0], lengths

        def done(result: tuple[engine.Sheet, Lengths]) -> None:
            session.stepping()
            sheet, lengths = result
            applied = apply_sheet(sheet, name, objects, into, paper, store, known=lengths)
            jobs.note = applied.note or sentence(MESSAGE("Material {name} is ready"), name=applied.material)
            session.push(MESSAGE("Apply"))

        def ended() -> None:
            drop_ahead()
            shutil.rmtree(temporary, ignore_errors=True)

        packed = Job(MESSAGE("Drawing the texture"), work, done, ended=ended, before=lambda result: pack_ahead([result[0].files], paper, store), seen=True)
        return jobs.run(packed, self)


def _target(context: bpy.types.Context) -> tuple[Reference | None, str]:
    """The material that is replaced, or None for a new one; or what is wrong."""
    if context.scene.washi.target_slot == "NEW":
        return None, ""
    material = active_material(context)
    if material is None:
        return None, MESSAGE("The active object has no material to replace: choose a new material, or select another object")
    return reference(material), ""


class _OfMaterial:
    @classmethod
    def poll(cls, context: bpy.types.Context) -> bool:
        """Where the active material was made by Washi Latent."""
        material = active_material(context) if context.scene is not None else None
        return able(cls, material is not None and MADE_BY in material, MESSAGE("The active material was not made by Washi Latent"))


class WASHI_OT_continue_from_material(_OfMaterial, bpy.types.Operator):
    """Go on searching from the texture of the active material"""

    bl_idname = "washi.continue_from_material"
    bl_label = "Continue from This Material"
    bl_options = {"REGISTER"}

    def execute(self, context: bpy.types.Context) -> set[str]:
        """Read what made it, walk there."""
        from ...core.errors import WashiError
        from ..apply import provenance_of

        try:
            made = provenance_of(active_material(context))
        except WashiError as error:
            return jobs.fail(str(error), self)
        if not preferences.model_folder(made["model"]):
            return jobs.fail(MESSAGE("The model that made this material is not here: add it first"), self)
        session.stepping()
        problem = session.choose_model(context.scene, made["model"])
        if problem:
            return jobs.fail(problem, self)
        return session.begin(context.scene, self, MESSAGE("Continue from This Material"), latent=made["latent"], noise_seed=made["seed"])


class WASHI_OT_mark_asset(_OfMaterial, bpy.types.Operator):
    """Mark the active material as an asset, with its preview, in a catalogue"""

    bl_idname = "washi.mark_asset"
    bl_label = "Mark as Asset"
    bl_options = {"REGISTER"}

    catalogue: bpy.props.StringProperty(name="Catalogue", description="Catalogue of the asset library, as in Paper/Washi; empty for none", default="Washi")

    def execute(self, context: bpy.types.Context) -> set[str]:
        """Make the preview in a job; then mark it, in one undo step."""
        from ..apply import color_image, mark_asset
        from ..pictures import picture_of

        material, catalogue = active_material(context), self.catalogue
        wanted, image = reference(material), color_image(material)
        picture = None if image is None else picture_of(image)

        def work(_: engine.Tell) -> bytes | None:
            return None if picture is None else engine.preview(picture)

        def done(preview: bytes | None) -> None:
            session.stepping()
            session.changing()
            marked = mark_asset(wanted, catalogue, preview)
            jobs.note = marked.note or sentence(MESSAGE("{name} is an asset now"), name=marked.material)
            session.push(MESSAGE("Mark as Asset"))

        return jobs.run(Job(MESSAGE("Drawing the preview"), work, done), self)


CLASSES = (WASHI_OT_apply, WASHI_OT_continue_from_material, WASHI_OT_mark_asset)
