"""The named directions of a model: finding them, going along them, setting their sliders back."""

# No `from __future__ import annotations` here: Blender reads the annotations below as values.

import bpy

from .. import directions, session
from ..properties import WASHI_PG_amount
from .explore import Gesture


class WASHI_OT_find_directions(bpy.types.Operator):
    """Find what this model can give more or less of, from a thousand of its textures; once a model"""

    bl_idname = "washi.find_directions"
    bl_label = "Find Directions"
    bl_options = {"REGISTER"}

    @classmethod
    def poll(cls, context: bpy.types.Context) -> bool:
        """In any scene."""
        return context.scene is not None

    def execute(self, context: bpy.types.Context) -> set[str]:
        """Find them in a job."""
        return directions.find(context.scene, self)


class WASHI_OT_go_along(Gesture, bpy.types.Operator):
    """Walk to the texture that the sliders lead to, and look around it"""

    bl_idname = "washi.go_along"
    bl_label = "Go There"

    directions: bpy.props.CollectionProperty(
        type=WASHI_PG_amount,
        name="Directions",
        description="Directions by name, and how far along each; without any, as the sliders say",
        options={"SKIP_SAVE"},
    )

    def execute(self, context: bpy.types.Context) -> set[str]:
        """Walk there; the sliders are at 0 again."""
        given = {one.name: one.amount for one in self.directions}
        return self.step(directions.go(context.scene, given or directions.amounts(context.scene)))


class WASHI_OT_reset_directions(Gesture, bpy.types.Operator):
    """Set all sliders back to 0, to the texture where the search stands"""

    bl_idname = "washi.reset_directions"
    bl_label = "Reset"

    def execute(self, context: bpy.types.Context) -> set[str]:
        """Set them back."""
        session.stepping()
        session.reset_directions(context.scene)
        return {"FINISHED"}


CLASSES = (WASHI_OT_find_directions, WASHI_OT_go_along, WASHI_OT_reset_directions)
