"""In the window: textures that are drawn while the artist drags an object, while a render runs, and while the extension is disabled."""

from __future__ import annotations

import sys
import tempfile
from pathlib import Path

import bpy

sys.path.insert(0, str(Path(__file__).parent))
from window import PACKAGE, Steps, Window, run


def walk(window: Window) -> Steps:
    seen, washi = window.seen, lambda: bpy.context.scene.washi
    session = sys.modules[f"{PACKAGE}.addon.session"]
    bpy.context.preferences.use_preferences_save = False  # other walks find the extension enabled
    others = set(Path(tempfile.gettempdir()).glob("washi-latent-*"))
    bpy.ops.washi.explore()
    yield from window.until(lambda: window.idle() and session.look(bpy.context.scene), "the first look")
    yield from window.open_tab("Washi")
    washi().size = "512"

    def state() -> list[object]:
        return [round(bpy.data.objects["Cube"].location.x, 3), "washi_latent" in bpy.data.objects["Cube"].active_material]

    def apply(index: int) -> None:
        with window.override():
            bpy.ops.washi.apply("EXEC_DEFAULT", index=index)

    def drawn() -> bool:
        return bool(window.jobs.held) or (window.jobs.current is not None and not window.jobs.current.running)

    apply(1)
    x, y = window.middle()
    yield from window.key("G", at=(x, y))
    yield from window.move(x + 60, y)
    yield from window.until(drawn, "the texture")
    yield 1.0
    seen["dragged"] = state()
    yield from window.click(x + 60, y)
    yield from window.until(window.idle, "the material")
    moved = state()
    seen["dropped"] = [moved[0] != 0, moved[1]]
    found = []
    for shift in (False, False, True, True):
        yield from window.key("Z", ctrl=True, shift=shift)
        yield 1.0
        found.append([state()[0] == moved[0], state()[1]])
    seen["undone and redone"] = found

    scene = bpy.context.scene
    scene.render.engine, scene.cycles.samples, scene.cycles.use_denoising = "CYCLES", 1, False
    scene.render.resolution_x, scene.render.resolution_y, scene.frame_end = 160, 120, 40
    scene.render.filepath = str(window.folder / "frames" / "frame_")
    washi().target_slot = "ACTIVE"
    before = bpy.data.objects["Cube"].active_material["washi_latent"]
    with window.override():
        bpy.ops.render.render("INVOKE_DEFAULT", animation=True)
    yield 0.5
    apply(2)
    yield from window.until(drawn, "the second texture")
    yield 0.5
    seen["rendering"] = [bpy.app.is_job_running("RENDER"), bpy.data.objects["Cube"].active_material["washi_latent"] == before, len(window.jobs.held)]
    yield from window.until(lambda: not bpy.app.is_job_running("RENDER"), "the end of the render")
    yield from window.until(window.idle, "the material")
    seen["rendered"] = bpy.data.objects["Cube"].active_material["washi_latent"] == before

    washi().size = "4096"
    apply(3)
    yield from window.until(lambda: window.jobs.current is not None and window.jobs.current.share > 0.02, "the third texture")
    yield 1.0
    bpy.ops.preferences.addon_disable(module=PACKAGE)
    yield 1.0
    seen["left on disk"] = [one.name for one in Path(tempfile.gettempdir()).glob("washi-latent-*") if one not in others]
    yield from window.picture("disabled")


run(walk)
