"""Choosing models, and adding an artist's own."""

# No `from __future__ import annotations` here: Blender reads the annotations below as values.

from pathlib import Path

import bpy

from .. import engine, preferences, session
from ..jobs import Job, jobs
from ..references import found, reference
from ..translations import MESSAGE


class WASHI_OT_choose_model(bpy.types.Operator):
    """Search this model; every model keeps a search of its own"""

    bl_idname = "washi.choose_model"
    bl_label = "Choose Model"
    bl_options = {"REGISTER", "UNDO", "INTERNAL"}

    name: bpy.props.StringProperty(name="Model", description="Name of the model", options={"SKIP_SAVE"})

    def execute(self, context: bpy.types.Context) -> set[str]:
        """Put this search aside, take up the other."""
        if not preferences.model_folder(self.name):
            return jobs.fail(MESSAGE("There is no such model here: add it, or choose another"), self)
        session.stepping()
        problem = session.choose_model(context.scene, self.name)
        return jobs.fail(problem, self) if problem else {"FINISHED"}


class WASHI_OT_add_model(bpy.types.Operator):
    """Add a model bundle, a folder or a zip file; it is checked before it is used"""

    bl_idname = "washi.add_model"
    bl_label = "Add Model"
    bl_options = {"INTERNAL"}

    filepath: bpy.props.StringProperty(name="Bundle", description="Folder or zip file of a model bundle", subtype="FILE_PATH", options={"SKIP_SAVE"})
    filter_glob: bpy.props.StringProperty(default="*.zip;model.json", options={"HIDDEN"})

    def invoke(self, context: bpy.types.Context, event: bpy.types.Event) -> set[str]:
        """Ask for the file."""
        context.window_manager.fileselect_add(self)
        return {"RUNNING_MODAL"}

    def execute(self, context: bpy.types.Context) -> set[str]:
        """Check it, copy it, choose it."""
        path, folder, here = bpy.path.abspath(self.filepath), preferences.user_folder(), reference(context.scene)

        def done(added: str) -> None:
            preferences.refresh_models()
            engine.forget_models()
            there = found(bpy.data.scenes, here)
            if there is not None:
                session.stepping()
                if session.choose_model(there, added) is None:
                    session.push(MESSAGE("Add Model"))

        return jobs.run(Job(MESSAGE("Checking the model"), lambda progress: engine.add_model(path, folder, progress), done), self)


class WASHI_OT_read_card(bpy.types.Operator):
    """Open the model's card, as a text: how it was trained, how good it is"""

    bl_idname = "washi.read_card"
    bl_label = "Read the Model Card"
    bl_options = {"INTERNAL"}

    def execute(self, context: bpy.types.Context) -> set[str]:
        """Show the file in the system's own viewer."""
        path = Path(preferences.model_folder(context.scene.washi.model) or "missing") / "README.md"
        if not path.is_file():
            return jobs.fail(MESSAGE("This model has no card: ask whoever made it"), self)
        if not bpy.app.background:
            bpy.ops.wm.path_open(filepath=str(path))
        return {"FINISHED"}


CLASSES = (WASHI_OT_read_card, WASHI_OT_choose_model, WASHI_OT_add_model)
