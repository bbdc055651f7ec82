"""In the window: every way in which a gallery can end, and what it must not swallow."""

from __future__ import annotations

import sys
import weakref
from pathlib import Path

import bpy

sys.path.insert(0, str(Path(__file__).parent))
from gallery_hand import Hand
from window import Steps, Window, run


def walk(window: Window) -> Steps:
    seen, hand = window.seen, Hand(window)
    washi = lambda: bpy.context.scene.washi  # noqa: E731 - files and undo move it
    yield from hand.explore()
    seen["before"] = hand.left()

    yield from hand.open()
    alive = weakref.ref(hand.gallery)
    yield from window.key("RIGHTMOUSE", hand.at(0))
    yield 0.5
    seen["right mouse"] = hand.left()

    yield from hand.open()
    yield from hand.open_again()
    seen["opened again"] = hand.left()

    yield from hand.open()
    washi().samples = 2000
    yield from window.until(lambda: not window.idle(), "the long look to begin")
    yield 1.0
    yield from window.picture("1-long")
    yield from window.key("ESC", hand.at(0))
    yield from window.until(window.idle, "the end of the cancelled look")
    yield 0.5
    seen["first Esc"] = hand.left()
    yield from window.picture("2-cancelled")
    yield from window.key("ESC", window.middle())
    yield 0.5
    seen["second Esc"] = hand.left()
    washi().samples = 50
    yield from window.until(lambda: window.idle() and hand.look(), "the short look")

    yield from window.open_tab("Washi")
    yield from hand.open()
    before = washi().state
    yield from window.press(r"washi\.others")
    yield from window.until(hand.settled, "others from the panel, beside the gallery")
    seen["panel works beside it"] = washi().state != before
    window.area().type = "IMAGE_EDITOR"
    yield 0.5
    seen["another editor"] = hand.left()
    window.area("IMAGE_EDITOR").type = "VIEW_3D"
    yield 0.5

    with window.override():
        bpy.ops.screen.area_split(direction="VERTICAL", factor=0.4)
    yield 0.5
    yield from hand.open()
    with bpy.context.temp_override(window=window.window, area=hand.gallery.find()[0]):
        bpy.ops.screen.area_close()
    yield 0.5
    seen["area closed"] = hand.left()

    yield from hand.open()
    bpy.ops.wm.read_homefile(use_empty=False, use_factory_startup=True)
    yield 2.0
    seen["file opened"] = hand.left()

    bpy.ops.washi.explore()
    with window.override():
        bpy.ops.washi.gallery("INVOKE_DEFAULT")
    yield 0.5
    yield from window.picture("3-first-look")
    yield from window.until(hand.settled, "the gallery that began the search")
    late = weakref.ref(hand.gallery)
    yield from window.move(*hand.at(1))
    yield from window.until(hand.sheet_is_there, "the larger sheet")
    package = sys.modules[hand.module.__package__.rpartition(".")[0]]
    package.unregister()
    yield 0.5
    yield from window.move(*window.middle())
    yield 0.5
    seen["disabled"] = {**hand.left(), "type": hasattr(bpy.types, "WASHI_OT_gallery")}
    yield from window.picture("4-disabled")
    package.register()
    yield 0.5
    seen["forgotten"] = [alive() is None, late() is None]


run(walk)
