"""What holds for every file: where models lie, how many cores to use."""

# No `from __future__ import annotations` here: Blender reads the annotations below as values.

import os
from pathlib import Path

import bpy

from . import engine

ROOT = __package__.rpartition(".")[0]
_bundles: list[tuple[str, str, Path]] = []


def _folder_changed(self: "WASHI_AP_preferences", context: bpy.types.Context) -> None:
    refresh_models()


class WASHI_AP_preferences(bpy.types.AddonPreferences):
    """The extension's preferences."""

    bl_idname = ROOT

    models_folder: bpy.props.StringProperty(
        name="More Models",
        description="Folder that holds model bundles besides the ones that came with Washi Latent",
        subtype="DIR_PATH",
        update=_folder_changed,
    )
    threads: bpy.props.IntProperty(
        name="Processor Cores", description="Cores that are used while textures are made; 0 leaves one to Blender's window and uses the rest", min=0, max=1024
    )

    def draw(self, context: bpy.types.Context) -> None:
        """Both settings."""
        column = self.layout.column()
        column.use_property_split = True
        column.prop(self, "models_folder")
        column.prop(self, "threads")


def _preferences() -> "WASHI_AP_preferences | None":
    addon = bpy.context.preferences.addons.get(ROOT)
    return addon.preferences if addon else None


def threads() -> int:
    """How many threads a job may use: as the artist says, or all but the window's."""
    mine = _preferences()
    try:
        allowed = len(os.sched_getaffinity(0))
    except AttributeError:  # macOS and Windows have no such thing
        allowed = os.cpu_count() or 1
    return (mine.threads if mine else 0) or max(1, allowed - 1)


def user_folder() -> Path:
    """Where added models lie: the extension's own folder for the user's files."""
    try:
        return Path(bpy.utils.extension_path_user(ROOT, path="models", create=True))
    except ValueError:  # not installed as an extension: as a module, or in tests
        return Path(bpy.utils.user_resource("DATAFILES", path="washi_latent/models", create=True))


def directions_folder() -> Path:
    """Where the directions of models are kept, beside added models; made when there are any."""
    try:
        return Path(bpy.utils.extension_path_user(ROOT, path="directions"))
    except ValueError:  # as above
        return Path(bpy.utils.user_resource("DATAFILES", path="washi_latent/directions"))


def models() -> list[tuple[str, str, Path]]:
    """Name, title and folder of every model that is there, the shipped ones first; read once."""
    if not _bundles:
        mine = _preferences()
        extra = Path(bpy.path.abspath(mine.models_folder)) if mine and mine.models_folder else None
        _bundles.extend(engine.bundles([*([extra] if extra else []), user_folder()]))
    return _bundles


def refresh_models() -> None:
    """Read the models again when they are next asked for."""
    _bundles.clear()


def model_folder(name: str) -> str:
    """Where a model lies; empty where it isn't here, which `engine.model` says."""
    return next((str(folder) for known, _, folder in models() if known == name), "")


CLASSES = (WASHI_AP_preferences,)
