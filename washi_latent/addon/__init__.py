"""The Blender side: thin operators and panels over the engine. Nothing is computed here, and nothing heavy imported at registration."""

from __future__ import annotations

import atexit

import bpy

from . import command, directions, engine, gallery, jobs, operators, panels, preferences, previews, properties, session, strip, translations

CLASSES = (*properties.CLASSES, *preferences.CLASSES, *jobs.CLASSES, *operators.CLASSES, *gallery.CLASSES, *panels.CLASSES)
"""Every class that Blender is told of, in order."""


@bpy.app.handlers.persistent
def _before_load(_: object) -> None:
    """Another file is opened: what is under way is for the old one."""
    gallery.close()
    directions.forget()
    jobs.jobs.leave()
    strip.forget()
    session.forget()


@bpy.app.handlers.persistent
def _before_save(_: object) -> None:
    """What Blender would not keep in the file leaves nothing there."""
    from .apply import drop_tried

    if not jobs.rendering():
        drop_tried()


def _at_exit() -> None:
    """Still enabled when Python ends: the bpy module, which would then never end; or a Blender whose data are gone already."""
    if bpy.app.module:
        unregister()
    else:
        jobs.jobs.end_threads()


def register() -> None:
    """Tell Blender of everything."""
    for one in CLASSES:
        bpy.utils.register_class(one)
    properties.register()
    previews.register()
    translations.register()
    command.register()
    strip.register()
    bpy.app.handlers.load_pre.append(_before_load)
    bpy.app.handlers.save_pre.append(_before_save)
    atexit.register(_at_exit)


def unregister() -> None:
    """Leave nothing behind."""
    gallery.close()
    directions.forget()
    jobs.jobs.close()
    atexit.unregister(_at_exit)
    bpy.app.handlers.load_pre.remove(_before_load)
    bpy.app.handlers.save_pre.remove(_before_save)
    strip.unregister()
    session.forget()
    engine.forget_models()
    preferences.refresh_models()
    command.unregister()
    translations.unregister()
    previews.unregister()
    properties.unregister()
    for one in reversed(CLASSES):
        bpy.utils.unregister_class(one)
