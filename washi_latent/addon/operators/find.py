"""Starting from a picture: the texture that comes closest to it."""

# No `from __future__ import annotations` here: Blender reads the annotations below as values.

from typing import TYPE_CHECKING

import bpy

from .. import session
from ..jobs import jobs
from ..translations import MESSAGE

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray


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
        if image is None or 0 in image.size:  # asking for the size loads it
            return jobs.fail(MESSAGE("This image has no pixels: choose another"), self)
        return session.find(context.scene, pixels_of(image), self)


def pixels_of(image: bpy.types.Image) -> "NDArray[np.float32]":
    """(H, W, 3) of an image datablock, as it looks on the screen, rows from the top down."""
    import numpy as np

    width, height = image.size
    flat = np.empty(width * height * image.channels, np.float32)
    image.pixels.foreach_get(flat)
    picture = flat.reshape(height, width, image.channels)[::-1]
    color = picture[..., :3] if image.channels >= 3 else np.repeat(picture[..., :1], 3, -1)
    return session.engine.on_screen(color) if image.is_float else color


CLASSES = (WASHI_OT_find_picture,)
