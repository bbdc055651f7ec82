"""From the search to materials and assets, and back from a material to the search."""

# No `from __future__ import annotations` here: Blender reads the annotations below as values.

import shutil
import tempfile
from pathlib import Path

import bpy

from .. import engine, preferences, session
from ..jobs import Job, jobs
from ..translations import MESSAGE, sentence

MADE_BY = "washi_latent"
"""`materials.PROVENANCE`, which a poll may not import: it brings the core."""


def options_of(washi: "bpy.types.PropertyGroup") -> "dict[str, object]":
    """The scene's settings as `materials.PaperOptions` takes them."""
    return {
        "coordinates": washi.coordinates,
        "relief": "BUMP" if washi.coordinates == "OBJECT" and washi.relief == "NORMAL" else washi.relief,
        "relief_strength": washi.relief_strength,
        "translucency": washi.translucency,
    }


class WASHI_OT_apply(bpy.types.Operator):
    """Make a material of this texture and give it to the selected objects"""

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
        return context.scene is not None and bool(context.scene.washi.state)

    def execute(self, context: bpy.types.Context) -> set[str]:
        """Draw the maps in a job; then the material, in one undo step."""
        scene, washi = context.scene, context.scene.washi
        latent = session.latent(scene, self.index, self.favourite)
        if latent is None:
            return jobs.fail(MESSAGE("This texture is not there any more: look again, and choose one"), self)
        name = self.favourite or sentence(MESSAGE("Washi {step}"), step=session.place(scene).depth)
        objects = [thing.name for thing in context.selected_objects]
        into, problem = _target(context)
        if problem:
            return jobs.fail(problem, self)
        options, store, size, threads = options_of(washi), washi.store, int(washi.size), preferences.threads()
        folder, noise_seed = preferences.model_folder(washi.model), engine.noise_seed(washi.state)
        temporary = Path(tempfile.mkdtemp(prefix="washi-latent-"))

        def work(progress: engine.Tell) -> engine.Sheet:
            return engine.draw_sheet(folder, threads, latent, size, noise_seed, temporary, name, progress)

        def done(sheet: engine.Sheet) -> None:
            from ..apply import apply_sheet
            from ..materials import PaperOptions

            applied = apply_sheet(sheet, name, objects, into, PaperOptions(**options), store)
            jobs.note = applied.note or sentence(MESSAGE("Material {name} is ready"), name=applied.material)
            session.push(MESSAGE("Apply"))

        return jobs.run(Job(MESSAGE("Drawing the texture"), work, done, ended=lambda: shutil.rmtree(temporary, ignore_errors=True)), self)


def _target(context: bpy.types.Context) -> tuple[str | None, str]:
    """Name of the material that is replaced, or None for a new one; or what is wrong."""
    if context.scene.washi.target_slot == "NEW":
        return None, ""
    material = context.object.active_material if context.object is not None else None
    if material is None:
        return None, MESSAGE("The active object has no material to replace: choose a new material, or select another object")
    return material.name, ""


class _OfMaterial:
    @classmethod
    def poll(cls, context: bpy.types.Context) -> bool:
        """Where the active material was made by Washi Latent."""
        material = context.object.active_material if context.scene is not None and context.object is not None else None
        return material is not None and MADE_BY in material


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
            made = provenance_of(context.object.active_material)
        except WashiError as error:
            return jobs.fail(str(error), self)
        if not preferences.model_folder(made["model"]):
            return jobs.fail(MESSAGE("The model that made this material is not here: add it first"), self)
        session.choose_model(context.scene, made["model"])
        return session.begin(context.scene, self, MESSAGE("Continue from This Material"), latent=made["latent"], noise_seed=made["seed"])


class WASHI_OT_mark_asset(_OfMaterial, bpy.types.Operator):
    """Mark the active material as an asset, with its preview, in a catalogue"""

    bl_idname = "washi.mark_asset"
    bl_label = "Mark as Asset"
    bl_options = {"REGISTER", "UNDO"}

    catalogue: bpy.props.StringProperty(name="Catalogue", description="Catalogue of the asset library, as in Paper/Washi; empty for none", default="Washi")

    def execute(self, context: bpy.types.Context) -> set[str]:
        """Mark it."""
        from ...core.errors import WashiError
        from ..apply import mark_asset

        try:
            marked = mark_asset(context.object.active_material.name, self.catalogue)
        except WashiError as error:
            return jobs.fail(str(error), self)
        jobs.note = marked.note or sentence(MESSAGE("{name} is an asset now"), name=marked.material)
        return {"FINISHED"}


CLASSES = (WASHI_OT_apply, WASHI_OT_continue_from_material, WASHI_OT_mark_asset)
