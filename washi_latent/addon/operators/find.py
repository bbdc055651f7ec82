"""Starting from a picture: the texture that comes closest to it."""

# No `from __future__ import annotations` here: Blender reads the annotations below as values.

import bpy

from .. import session
from ..jobs import jobs
from ..pictures import picture_of
from ..translations import MESSAGE


class WASHI_OT_find_picture(bpy.types.Operator):
    """Find the texture that comes closest to a picture, and explore from there"""

    bl_idname = "washi.find_picture"
    bl_label = "Find from Picture"
    bl_options = {"REGISTER"}

    image: bpy.props.StringProperty(name="Image", description="Name of an image of this file; empty to give a file", options={"SKIP_SAVE"})
    filepath: bpy.props.StringProperty(name="File", description="Picture to find", subtype="FILE_PATH", options={"SKIP_SAVE"})
    filter_image: bpy.props.BoolProperty(default=True, options={"HIDDEN", "SKIP_SAVE"})
    filter_folder: bpy.props.BoolProperty(default=True, options={"HIDDEN", "SKIP_SAVE"})

    @classmethod
    def poll(cls, context: bpy.types.Context) -> bool:
        """In any scene."""
        return context.scene is not None

    def invoke(self, context: bpy.types.Context, event: bpy.types.Event) -> set[str]:
        """Ask for a file, unless an image was named."""
        if self.image:
            return self.execute(context)
        context.window_manager.fileselect_add(self)
        return {"RUNNING_MODAL"}

    def execute(self, context: bpy.types.Context) -> set[str]:
        """Search in a job; then one step there."""
        if not self.image:
            return session.find(context.scene, bpy.path.abspath(self.filepath), self)
        image = bpy.data.images.get(self.image)
        picture = None if image is None else picture_of(image)
        if picture is None:
            return jobs.fail(MESSAGE("This image has no pixels: choose another"), self)
        return session.find(context.scene, picture, self)


CLASSES = (WASHI_OT_find_picture,)
