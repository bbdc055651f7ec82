"""In the window: a sequence whose textures miss their places, in two languages; a file that opens with a long look; a note that comes and goes."""

from __future__ import annotations

import struct
import sys
from pathlib import Path
from typing import Any

import bpy

sys.path.insert(0, str(Path(__file__).parent))
from window import PACKAGE, Steps, Window, run


def opened() -> None:
    """Open the panel Sequence, which is closed at first, and close what lies above it."""
    panels = sys.modules[f"{PACKAGE}.addon.panels"]
    found = [next(one for one in panels.CLASSES if one.__name__ == f"WASHI_PT_{name}_VIEW_3D") for name in ("apply", "sequence", "write")]
    for one in reversed(found):
        bpy.utils.unregister_class(one)
    for one in found:
        one.bl_options = set() if "sequence" in one.__name__ else {"DEFAULT_CLOSED"}
        bpy.utils.register_class(one)


def strip_of(window: Window) -> Any:
    return sys.modules[f"{PACKAGE}.addon.strip"].strip(bpy.context.scene)


def walk(window: Window) -> Steps:
    seen, view, washi = window.seen, bpy.context.preferences.view, lambda: bpy.context.scene.washi
    strip, session = (sys.modules[f"{PACKAGE}.addon.{name}"] for name in ("strip", "session"))
    opened()
    yield from window.open_tab("Washi")
    bpy.ops.washi.explore()
    yield from window.until(lambda: window.idle() and session.look(bpy.context.scene), "the first look")
    bpy.ops.washi.pick("EXEC_DEFAULT", index=5)
    yield from window.until(window.idle, "the look after a pick")

    # Two ends that hardly differ leave nothing to spread out: no texture between them has a place of its own.
    washi().sequence.spacing, washi().sequence.count = "similarity", 5
    here = session.latent(bpy.context.scene)
    strip.set_point(bpy.context.scene, "A", struct.pack(f"<{len(here)}d", *here))
    strip.set_point(bpy.context.scene, "B", struct.pack(f"<{len(here)}d", here[0] + 1e-3, *here[1:]))
    yield from window.scroll("WHEELDOWNMOUSE", 60)
    yield from window.until(lambda: window.idle() and strip_of(window), "the strip")
    yield from window.scroll("WHEELDOWNMOUSE", 60)
    yield from window.picture("1-flagged")
    seen["flagged"] = list(strip_of(window).status)
    view.language, view.use_translate_interface = "ja_JP", True
    yield 1.5
    yield from window.picture("2-flagged-ja")
    view.language = "en_US"
    yield 1.0

    washi().sequence_end = ""
    yield from window.scroll("WHEELUPMOUSE", 60)
    washi().size = "512"
    bpy.ops.washi.apply()
    yield from window.until(window.idle, "the sheet")
    yield from window.picture("3-note-comes")
    yield 3.0
    yield from window.picture("4-note-there")
    seen["note"] = window.jobs.note

    washi().samples = 2000
    yield 1.0
    path = window.folder / "long.blend"
    bpy.ops.wm.save_as_mainfile(filepath=str(path))
    bpy.ops.wm.open_mainfile(filepath=str(path))
    yield 4.0
    yield from window.open_tab("Washi")
    yield from window.until(lambda: window.jobs.current is not None and window.jobs.current.share > 0.1, "the long look to begin again")
    yield 1.0
    yield from window.picture("5-long-look-of-a-file")
    seen["shown"] = [operator.bl_idname for operator in window.window.modal_operators]
    yield from window.press(r"washi\.cancel", step=(20, 10))
    yield from window.until(lambda: window.jobs.current is None, "the end")
    yield from window.picture("6-cancelled-by-button")
    seen["cancelled"] = {"samples": washi().samples, "note": window.jobs.note, "error": window.jobs.error}


run(walk)
