"""In the window: Ctrl+Z while the sequence of a pick is drawn, and in Edit Mode."""

from __future__ import annotations

import sys
from pathlib import Path

import bpy

sys.path.insert(0, str(Path(__file__).parent))
from window import PACKAGE, Steps, Window, run


def walk(window: Window) -> Steps:
    seen, washi = window.seen, lambda: bpy.context.scene.washi
    session = sys.modules[f"{PACKAGE}.addon.session"]
    bpy.ops.washi.explore()
    yield from window.until(lambda: window.idle() and session.look(bpy.context.scene), "the first look")
    washi().sequence.as_you_go, washi().sequence.count, washi().size = True, 12, "1024"
    bpy.ops.ed.undo_push(message="Settings")
    bpy.context.object.location.x = 5
    bpy.ops.ed.undo_push(message="Move")

    def state() -> dict[str, object]:
        materials = [one.name for one in bpy.data.materials if "washi_latent" in one]
        return {"place": session.place(bpy.context.scene).current, "x": bpy.data.objects["Cube"].location.x, "materials": len(materials)}

    def drawing() -> bool:
        return window.jobs.current is not None and window.jobs.current.kind.startswith("write ")

    bpy.ops.washi.pick("EXEC_DEFAULT", index=5)
    yield from window.until(drawing, "the sequence")
    yield 0.5
    seen["picked"] = state()
    yield from window.key("Z", ctrl=True)
    yield from window.until(window.idle, "the end of the sequence")
    yield 1.0
    seen["undone"] = state()
    yield from window.key("Z", ctrl=True, shift=True)
    yield from window.until(window.idle, "the look after redo")
    yield 1.0
    seen["redone"] = state()

    washi().sequence.as_you_go = False
    yield from window.open_tab("Washi")
    with window.override():
        bpy.ops.object.mode_set(mode="EDIT")
        bpy.ops.ed.undo_push(message="Edit Mode")
    begun = washi().state
    yield from window.press(r"washi\.others")
    yield from window.until(lambda: window.idle() and washi().state != begun, "others")
    others = washi().state
    yield from window.press(r"washi\.pick")
    yield from window.until(lambda: window.idle() and washi().state != others, "the pick")
    picked = washi().state
    found = []
    for shift in (False, False, True, True):
        yield from window.key("Z", ctrl=True, shift=shift)
        yield 1.0
        yield from window.until(window.idle, "the look")
        found.append([begun, others, picked].index(washi().state))
    seen["in edit mode"] = (found, bpy.context.object.mode)


run(walk)
