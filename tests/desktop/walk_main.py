"""In the window: what an artist does first. Explore by mouse, pick, undo, redo, apply, save, reload, cancel."""

from __future__ import annotations

import sys
import time
from pathlib import Path
from typing import Any

import bpy

sys.path.insert(0, str(Path(__file__).parent))
from window import Steps, Window, run


def standing() -> dict[str, Any]:
    """Where the search stands, and what the file holds."""
    washi = bpy.context.scene.washi
    return {
        "state": washi.state,
        "places": len(washi.history),
        "at": washi.history_index,
        "materials": sorted(material.name for material in bpy.context.object.data.materials if material),
        "images": sorted(image.name for image in bpy.data.images if image.source != "VIEWER"),
    }


def walk(window: Window) -> Steps:
    seen = window.seen
    yield from window.open_tab("Washi")
    yield from window.picture("1-tab")

    yield from window.press(r"washi\.explore")
    yield from window.until(lambda: window.idle() and bpy.context.scene.washi.state, "the first look")
    yield from window.picture("2-explored")
    seen["explored"] = standing()

    yield from window.press(r"washi\.pick\(")
    yield from window.until(window.idle, "the look after the pick")
    yield from window.picture("3-picked")
    seen["picked"] = standing()

    yield from window.key("Z", ctrl=True)
    yield from window.until(window.idle, "the look after undo")
    yield from window.picture("4-undone")
    seen["undone"] = standing()

    yield from window.key("Z", ctrl=True, shift=True)
    yield from window.until(window.idle, "the look after redo")
    yield from window.picture("5-redone")
    seen["redone"] = standing()

    yield from window.press(r"washi\.apply\(")
    yield from window.until(window.idle, "the sheet")
    yield from window.picture("6-applied")
    seen["applied"] = standing()

    path = window.folder / "saved.blend"
    bpy.ops.wm.save_as_mainfile(filepath=str(path))
    yield 1.0
    bpy.ops.wm.open_mainfile(filepath=str(path))
    yield 3.0
    yield from window.open_tab("Washi")
    yield from window.until(window.idle, "the look after loading")
    yield from window.picture("7-reloaded")
    seen["reloaded"] = standing()

    yield from window.scroll("WHEELUPMOUSE", 30)
    bpy.context.scene.washi.samples = 600
    yield from window.until(lambda: not window.idle(), "the long look to begin")
    yield 2.0
    yield from window.picture("8-under-way")
    seen["under way"] = not window.idle()
    began = time.perf_counter()
    yield from window.key("ESC")
    yield from window.until(lambda: window.jobs.current is None, "the end of the cancelled look")
    seen["seconds to cancel"] = time.perf_counter() - began
    yield from window.until(window.idle, "the end of its thread")
    seen["seconds until its thread ended"] = time.perf_counter() - began
    yield from window.picture("9-cancelled")
    seen["cancelled"] = {**standing(), "error": window.jobs.error}


run(walk)
