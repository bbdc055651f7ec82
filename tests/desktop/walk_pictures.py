"""In the window: the README's pictures, of the tab in two languages and of the gallery."""

from __future__ import annotations

import sys
from pathlib import Path

import bpy

sys.path.insert(0, str(Path(__file__).parent))
from gallery_hand import Hand
from window import Steps, Window, run


def walk(window: Window) -> Steps:
    hand, view = Hand(window), bpy.context.preferences.view
    view.ui_scale = 1.15
    yield 1.0
    yield from window.open_tab("Washi")
    bpy.context.scene.washi.seed = 0
    yield from hand.explore()
    bpy.ops.washi.pick("EXEC_DEFAULT", index=hand.look().shown[0])
    yield from window.until(window.idle, "the look after a pick")
    with window.override():
        bpy.ops.washi.keep("EXEC_DEFAULT")
    yield from window.move(*window.middle())
    yield from window.picture("panel")
    view.language = "ja_JP"
    view.use_translate_interface = True
    yield 1.5
    yield from window.picture("panel-ja")
    view.language = "en_US"
    yield 1.0
    bpy.ops.washi.others("EXEC_DEFAULT")
    yield from window.until(window.idle, "others")
    yield from hand.open()
    yield from window.move(*hand.at(7))
    yield from window.until(hand.sheet_is_there, "the sheet")
    yield from window.picture("gallery")
    yield from window.key("ESC", hand.at(0))
    region = window.region()
    window.seen["sidebar"] = [region.x, region.y, region.width, region.height]
    window.seen["screen"] = [window.window.width, window.window.height]


run(walk)
