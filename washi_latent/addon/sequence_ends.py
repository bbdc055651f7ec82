"""The two ends of a sequence, A and B: kept in the scene, set from what is shown."""

# No `from __future__ import annotations` here: Blender reads the annotations below as values.

import base64

import bpy

from . import engine, preferences, session
from .jobs import jobs
from .translations import MESSAGE

FIELDS = {"A": "sequence_start", "B": "sequence_end"}


def latent(scene: bpy.types.Scene, end: str) -> bytes | None:
    """An end ("A" or "B") as packed latent (little-endian float64); None where it isn't set."""
    packed = getattr(scene.washi, FIELDS[end])
    return base64.b64decode(packed) if packed else None


class WASHI_OT_sequence_end(bpy.types.Operator):
    """Make this texture an end of the sequence"""

    bl_idname = "washi.sequence_end"
    bl_label = "Set Sequence End"
    bl_options = {"REGISTER", "UNDO", "INTERNAL"}

    end: bpy.props.EnumProperty(name="End", description="Which end of the sequence", items=(("A", "Start", "Where it starts"), ("B", "End", "Where it ends")))
    index: bpy.props.IntProperty(
        name="Candidate", description="Index of the candidate; -1 takes the texture where the search stands", default=-1, min=-1, options={"SKIP_SAVE"}
    )

    @classmethod
    def poll(cls, context: bpy.types.Context) -> bool:
        """Where there is a search."""
        return context.scene is not None and bool(context.scene.washi.state)

    def execute(self, context: bpy.types.Context) -> set[str]:
        """Keep its latent."""
        from ..core.errors import WashiError

        scene = context.scene
        try:
            packed = candidate_latent(scene, self.index)
        except WashiError as error:
            return jobs.fail(str(error), self)
        setattr(scene.washi, FIELDS[self.end], base64.b64encode(packed).decode())
        return {"FINISHED"}


def candidate_latent(scene: bpy.types.Scene, index: int) -> bytes:
    """The packed latent of a candidate, or with -1 of where the search stands.

    Raises:
        WashiError: no search, or no such candidate.
    """
    from ..core.errors import WashiError

    stands = session.place(scene)
    if stands is None:
        raise WashiError(MESSAGE("There is no search here yet: begin with Explore"))
    return engine.candidate(scene.washi.state, preferences.model_folder(stands.model), index)


CLASSES = (WASHI_OT_sequence_end,)
