"""In the window: find a model's directions, drag a slider, look at the preview, go there, undo; in two languages."""

from __future__ import annotations

import shutil
import sys
from pathlib import Path
from typing import Any

import bpy

sys.path.insert(0, str(Path(__file__).parent))
from window import PACKAGE, TICK, Found, Steps, Window, run


def opened() -> None:
    """Open the panel Advanced, which is closed at first."""
    panels = sys.modules[f"{PACKAGE}.addon.panels"]
    names = ("WASHI_PT_advanced_VIEW_3D", "WASHI_PT_directions_VIEW_3D")
    found = [next(one for one in panels.CLASSES if one.__name__ == name) for name in names]
    for one in reversed(found):
        bpy.utils.unregister_class(one)
    for one in found:
        one.bl_options = set()
        bpy.utils.register_class(one)


def under(window: Window) -> str:
    """The property of the slider under the mouse, or ""."""
    bpy.context.window_manager.clipboard = ""
    with window.override("UI"):
        if bpy.ops.ui.copy_data_path_button.poll():
            bpy.ops.ui.copy_data_path_button()
    return bpy.context.window_manager.clipboard


def slider(window: Window, path: str) -> Found:
    """Where a slider lies."""
    region = window.region()
    x = region.x + region.width // 2
    for y in range(region.y + region.height - 8, region.y + 8, -8):
        yield from window.move(x, y)
        if under(window) == path:
            return x, y
    raise LookupError(f"no slider of {path}")


def standing(directions: Any) -> dict[str, Any]:
    scene = bpy.context.scene
    pictures = directions.preview.pictures(scene)
    return {
        "places": len(scene.washi.history),
        "at": scene.washi.history_index,
        "amounts": directions.amounts(scene),
        "different": bool(pictures) and pictures[0][0] != pictures[1][0],
        "drawn": not directions.preview.wants(scene),
        "images": sorted(image.name for image in bpy.data.images if image.source != "VIEWER"),
    }


def walk(window: Window) -> Steps:
    seen, view = window.seen, bpy.context.preferences.view
    directions = sys.modules[f"{PACKAGE}.addon.directions"]
    shutil.rmtree(sys.modules[f"{PACKAGE}.addon.preferences"].directions_folder(), ignore_errors=True)
    opened()
    seen["before"] = standing(directions)
    yield from window.open_tab("Washi")
    bpy.context.scene.washi.seed = 2
    bpy.ops.washi.explore()
    yield from window.until(lambda: window.idle() and bpy.context.scene.washi.state, "the first look")
    with window.override():
        bpy.ops.washi.pick("EXEC_DEFAULT", index=5)
    yield from window.until(window.idle, "the look after a pick")

    yield from window.press(r"washi\.find_directions")
    yield 1.5
    yield from window.picture("1-finding")
    yield from window.until(lambda: window.idle() and directions.found(bpy.context.scene), "the directions")
    yield from window.scroll("WHEELDOWNMOUSE", 20)
    yield from window.until(lambda: not directions.preview.wants(bpy.context.scene), "the first preview")
    yield from window.picture("2-found")
    seen["found"] = standing(directions)

    x, y = yield from slider(window, "washi.directions.brightness")
    window.window.event_simulate(type="LEFTMOUSE", value="PRESS", x=x, y=y)
    yield TICK
    for across in range(0, 60, 6):
        window.window.event_simulate(type="MOUSEMOVE", value="NOTHING", x=x + across, y=y)
        yield TICK
    yield from window.until(lambda: standing(directions)["different"] and standing(directions)["drawn"], "the preview while the slider is held")
    yield from window.picture("3-held")
    seen["held"] = standing(directions)
    window.window.event_simulate(type="LEFTMOUSE", value="RELEASE", x=x + 54, y=y)
    yield 0.5
    bpy.context.scene.washi.directions.relief = -0.6
    bpy.ops.ed.undo_push(message="Relief")
    window.region().tag_redraw()  # as a hand on the slider would: the preview begins where panels are drawn
    yield from window.until(lambda: standing(directions)["drawn"], "the preview of both")
    yield from window.move(*window.middle())
    yield from window.picture("4-directions")
    seen["moved"] = standing(directions)

    view.language, view.use_translate_interface = "ja_JP", True
    yield 1.5
    yield from window.picture("5-directions-ja")
    view.language = "en_US"
    yield 1.0

    yield from window.press(r"washi\.go_along")
    yield from window.until(window.idle, "the look there")
    yield from window.until(lambda: not directions.preview.wants(bpy.context.scene), "the preview there")
    yield from window.picture("6-gone")
    seen["gone"] = standing(directions)

    yield from window.key("Z", ctrl=True)
    yield from window.until(lambda: window.idle() and not directions.preview.wants(bpy.context.scene), "the preview after undo")
    yield from window.picture("7-undone")
    seen["undone"] = standing(directions)


run(walk)
