"""The sequence between two textures: its points, its strip, and writing it into materials."""

# No `from __future__ import annotations` here: Blender reads the annotations below as values.

import struct

import bpy

from .. import session, strip
from ..jobs import jobs
from ..translations import MESSAGE
from .explore import searched

ENDS = (
    ("A", "A", "The first end"),
    ("B", "B", "The last end"),
    ("BETWEEN", "Between", "One more key point, after those that are there"),
)


class _InSearch:
    @classmethod
    def poll(cls, context: bpy.types.Context) -> bool:
        """Where there is a search."""
        return searched(cls, context)


class WASHI_OT_sequence_from(_InSearch, bpy.types.Operator):
    """Take this texture as an end or key point of the sequence"""

    bl_idname = "washi.sequence_from"
    bl_label = "Set Sequence Point"
    bl_options = {"REGISTER", "UNDO", "INTERNAL"}

    end: bpy.props.EnumProperty(name="End", description="Which point of the sequence", items=ENDS)
    source: bpy.props.EnumProperty(
        name="From",
        description="Where the texture comes from",
        items=(
            ("HERE", "Here", "The texture where the search stands"),
            ("FAVOURITE", "Favourite", "A favourite, by name"),
            ("MATERIAL", "Active Material", "The texture of the active material"),
        ),
    )
    favourite: bpy.props.StringProperty(name="Favourite", description="Name of the favourite", options={"SKIP_SAVE"})
    index: bpy.props.IntProperty(
        name="Candidate", description="Index of the candidate; -1 takes the texture where the search stands", default=-1, min=-1, options={"SKIP_SAVE"}
    )

    def execute(self, context: bpy.types.Context) -> set[str]:
        """Keep its latent."""
        if self.source == "MATERIAL":
            return self._from_material(context)
        latent = session.latent(context.scene, self.index, self.favourite if self.source == "FAVOURITE" else "")
        if latent is None:
            return jobs.fail(MESSAGE("This texture is not there any more: look again, and choose one"), self)
        return self._set(context, latent)

    def _from_material(self, context: bpy.types.Context) -> set[str]:
        from ...core.errors import WashiError
        from ..apply import provenance_of
        from .apply import active_material

        material = active_material(context)
        try:
            if material is None:
                raise WashiError(MESSAGE("The active object has no material: select an object with one"))
            made = provenance_of(material)
            if made["model"] != session.place(context.scene).model:
                raise WashiError(MESSAGE("This material was made by another model: choose that model first"))
        except WashiError as error:
            return jobs.fail(str(error), self)
        return self._set(context, made["latent"])

    def _set(self, context: bpy.types.Context, latent: list[float] | tuple[float, ...]) -> set[str]:
        if not context.scene.is_editable:
            return jobs.fail(session.LINKED, self)
        session.stepping()
        strip.set_point(context.scene, self.end, struct.pack(f"<{len(latent)}d", *latent))
        session.thumbnails_soon(context.scene)
        return {"FINISHED"}


class WASHI_OT_sequence_remove(_InSearch, bpy.types.Operator):
    """Remove this key point from the sequence"""

    bl_idname = "washi.sequence_remove"
    bl_label = "Remove Key Point"
    bl_options = {"REGISTER", "UNDO", "INTERNAL"}

    index: bpy.props.IntProperty(name="Key Point", description="Index of the key point", min=0, options={"SKIP_SAVE"})

    def execute(self, context: bpy.types.Context) -> set[str]:
        """Remove it."""
        if not context.scene.is_editable:
            return jobs.fail(session.LINKED, self)
        session.stepping()
        session.changing()
        between = context.scene.washi.sequence.between
        if self.index < len(between):
            between.remove(self.index)
        return {"FINISHED"}


class WASHI_OT_sequence_swap(_InSearch, bpy.types.Operator):
    """Turn the sequence around"""

    bl_idname = "washi.sequence_swap"
    bl_label = "Swap Ends"
    bl_options = {"REGISTER", "UNDO", "INTERNAL"}

    def execute(self, context: bpy.types.Context) -> set[str]:
        """A becomes B, and key points change their order."""
        if not context.scene.is_editable:
            return jobs.fail(session.LINKED, self)
        session.stepping()
        session.changing()
        washi = context.scene.washi
        washi.sequence_start, washi.sequence_end = washi.sequence_end, washi.sequence_start
        points = [point.latent for point in washi.sequence.between][::-1]
        for point, latent in zip(washi.sequence.between, points, strict=True):
            point.latent = latent
        return {"FINISHED"}


class WASHI_OT_sequence_show(_InSearch, bpy.types.Operator):
    """Compute the textures between the ends and show them"""

    bl_idname = "washi.sequence_show"
    bl_label = "Show Sequence"
    bl_options = {"REGISTER"}

    def execute(self, context: bpy.types.Context) -> set[str]:
        """Interpolate in a job."""
        return strip.show(context.scene, self)


class WASHI_OT_sequence_write(_InSearch, bpy.types.Operator):
    """Draw the textures of the sequence and put them into materials of the selected objects; what this made before is replaced"""

    bl_idname = "washi.sequence_write"
    bl_label = "Write into Materials"
    bl_options = {"REGISTER"}

    def execute(self, context: bpy.types.Context) -> set[str]:
        """Draw in a job; then the materials, in one undo step."""
        return strip.write(context, self)


CLASSES = (WASHI_OT_sequence_from, WASHI_OT_sequence_remove, WASHI_OT_sequence_swap, WASHI_OT_sequence_show, WASHI_OT_sequence_write)
