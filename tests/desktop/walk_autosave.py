"""In the window: Blender's automatic backup while the gallery stays open."""

from __future__ import annotations

import sys
from pathlib import Path

import bpy

sys.path.insert(0, str(Path(__file__).parent))
from gallery_hand import Hand
from window import Steps, Window, run


def walk(window: Window) -> Steps:
    seen, hand = window.seen, Hand(window)
    files = bpy.context.preferences.filepaths
    files.use_auto_save_temporary_files, files.auto_save_time = True, 1
    folder = Path(files.temporary_directory)
    yield from hand.explore()
    yield from hand.open()
    gallery = hand.gallery
    yield from window.move(*hand.at(1))
    yield from window.until(lambda: list(folder.glob("*_autosave.blend")), "the automatic backup")
    yield from window.until(lambda: "WASHI_OT_gallery" in [one.bl_idname for one in window.window.modal_operators], "the gallery to listen again")
    seen["same"] = hand.gallery is gallery
    yield from window.key("F", hand.at(1))
    yield 0.5
    seen["kept"] = len(bpy.context.scene.washi.favourites)
    yield from window.key("RIGHTMOUSE", hand.at(0))
    yield 0.5
    seen["closed"] = hand.left()


run(walk)
