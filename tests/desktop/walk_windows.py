"""In two windows: what is done in one while a pick's sequence is drawn from the other; Esc in either ends it."""

from __future__ import annotations

import sys
from pathlib import Path

import bpy

sys.path.insert(0, str(Path(__file__).parent))
from window import PACKAGE, TICK, Steps, Window, run


def walk(window: Window) -> Steps:
    seen, washi = window.seen, lambda: bpy.context.scene.washi
    session = sys.modules[f"{PACKAGE}.addon.session"]
    with window.override():
        bpy.ops.wm.window_new_main()
    yield 2.0
    other = bpy.context.window_manager.windows[1]
    bpy.ops.washi.explore()
    yield from window.until(lambda: window.idle() and session.look(bpy.context.scene), "the first look")
    washi().sequence.as_you_go, washi().sequence.count, washi().size = True, 12, "1024"
    bpy.ops.ed.undo_push(message="Settings")

    def drawing() -> bool:
        return window.jobs.current is not None and window.jobs.current.kind.startswith("write ")

    def key(kind: str, **modifiers: bool) -> Steps:
        area = max((area for area in other.screen.areas if area.type == "VIEW_3D"), key=lambda area: area.width * area.height)
        x, y = area.x + area.width // 3, area.y + area.height // 2
        other.event_simulate(type="MOUSEMOVE", value="NOTHING", x=x, y=y)
        yield TICK
        for value in ("PRESS", "RELEASE"):
            other.event_simulate(type=kind, value=value, x=x, y=y, **modifiers)
            yield TICK

    def state() -> dict[str, object]:
        return {"place": session.place(bpy.context.scene).current, "selected": bpy.data.objects["Cube"].select_get()}

    bpy.data.objects["Cube"].select_set(False)
    bpy.ops.ed.undo_push(message="Deselect")
    bpy.ops.washi.pick("EXEC_DEFAULT", index=5)
    yield from window.until(drawing, "the sequence")
    yield 0.5
    seen["watched"] = [[operator.bl_idname for operator in one.modal_operators] for one in bpy.context.window_manager.windows]
    yield from key("A")
    yield 0.5
    seen["selected"] = state()
    yield from key("Z", ctrl=True)
    yield 1.0
    seen["undone"] = state()
    seen["drawing"] = drawing()
    yield from key("ESC")
    yield 0.5
    seen["escaped"] = (window.jobs.current is None, window.jobs.note)
    yield from window.until(window.idle, "the end of the thread")
    yield 0.5
    seen["left"] = [[operator.bl_idname for operator in one.modal_operators] for one in bpy.context.window_manager.windows]
    # A window that is closed takes no job with it.
    bpy.ops.washi.pick("EXEC_DEFAULT", index=3)
    yield from window.until(drawing, "the second sequence")
    yield 0.5
    with bpy.context.temp_override(window=other):
        bpy.ops.wm.window_close()
    yield 0.5
    seen["closed"] = (len(bpy.context.window_manager.windows), drawing())


run(walk)
