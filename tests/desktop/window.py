"""Inside Blender's window: walk through it with mouse and keys as an artist would, and write down what was seen.

A walk is a generator function that takes a `Window`. It yields seconds to let Blender go on for, and leaves values in `seen`. Buttons
are found by what they do, not by where they lie: the mouse goes over the region until Blender says that the button under it is the
one that was asked for.
"""

from __future__ import annotations

import json
import re
import subprocess
import sys
import traceback
from collections.abc import Callable, Generator, Iterator
from pathlib import Path
from typing import Any

import bpy

Steps = Iterator[float]
Found = Generator[float, None, tuple[int, int] | None]
PACKAGE = "bl_ext.user_default.washi_latent"
TICK = 0.05
PATIENCE = 240.0  # seconds; the window is drawn by software, on machines that may be busy


class Window:
    """The one window, and where pictures and what was seen go."""

    def __init__(self, folder: Path, arguments: list[str]) -> None:
        self.folder = folder
        self.arguments = arguments
        self.seen: dict[str, Any] = {}

    # Where things are: looked up each time, undo and loading a file move them.

    @property
    def window(self) -> bpy.types.Window:
        return bpy.context.window_manager.windows[0]

    def area(self, kind: str = "VIEW_3D") -> bpy.types.Area:
        return max((area for area in self.window.screen.areas if area.type == kind), key=lambda area: area.width * area.height)

    def region(self, kind: str = "UI", area: str = "VIEW_3D") -> bpy.types.Region:
        return next(region for region in self.area(area).regions if region.type == kind)

    def override(self, kind: str = "WINDOW", area: str = "VIEW_3D") -> Any:
        """A context as if the mouse were there."""
        return bpy.context.temp_override(window=self.window, area=self.area(area), region=self.region(kind, area))

    # Hands

    def move(self, x: int, y: int) -> Steps:
        self.window.event_simulate(type="MOUSEMOVE", value="NOTHING", x=x, y=y)
        yield TICK

    def click(self, x: int, y: int) -> Steps:
        yield from self.move(x, y)
        for value in ("PRESS", "RELEASE"):
            self.window.event_simulate(type="LEFTMOUSE", value=value, x=x, y=y)
            yield TICK

    def key(self, kind: str, at: tuple[int, int] | None = None, **modifiers: bool) -> Steps:
        """Press a key with the mouse in the middle of the viewport, or at a place."""
        x, y = at or self.middle()
        yield from self.move(x, y)
        for value in ("PRESS", "RELEASE"):
            self.window.event_simulate(type=kind, value=value, x=x, y=y, **modifiers)
            yield TICK

    def scroll(self, wheel: str, notches: int, kind: str = "UI", area: str = "VIEW_3D") -> Steps:
        x, y = self.middle(kind, area)
        for _ in range(notches):
            self.window.event_simulate(type=wheel, value="PRESS", x=x, y=y)
            yield TICK
        yield 0.5

    def middle(self, kind: str = "WINDOW", area: str = "VIEW_3D") -> tuple[int, int]:
        region = self.region(kind, area)
        return region.x + region.width // 3, region.y + region.height // 2

    # Eyes

    def picture(self, name: str) -> Steps:
        """Let the window draw, and its panels slide to their places, then keep a picture of the screen."""
        yield 1.5
        subprocess.run(["import", "-window", "root", str(self.folder / f"{name}.png")], check=True)

    def until(self, condition: Callable[[], Any], what: str) -> Steps:
        """Wait for something; the walk ends with an error where it doesn't come."""
        waited = 0.0
        while not condition():
            if waited > PATIENCE:
                raise TimeoutError(f"waited {PATIENCE:.0f} s for {what}")
            waited += TICK
            yield TICK

    @property
    def jobs(self) -> Any:
        """What the extension has to do."""
        return sys.modules[f"{PACKAGE}.addon.jobs"].jobs

    def idle(self) -> bool:
        """Whether no job of the extension runs."""
        watched = any(operator.bl_idname == "WASHI_OT_job" for operator in self.window.modal_operators)
        return not (self.jobs.current or self.jobs.waiting or watched)

    def button_under(self, kind: str = "UI", area: str = "VIEW_3D") -> str:
        """The call that the button under the mouse makes, or ""."""
        bpy.context.window_manager.clipboard = ""
        with self.override(kind, area):
            if not bpy.ops.ui.copy_python_command_button.poll():
                return ""
            bpy.ops.ui.copy_python_command_button()
        return bpy.context.window_manager.clipboard

    def find(self, call: str, kind: str = "UI", area: str = "VIEW_3D", step: tuple[int, int] = (60, 14)) -> Found:
        """Find a button by a pattern of its call, such as "washi.explore": gives its place. Scrolls down to it.

        `step` is how far apart, across and down, it looks: less than the button's size. Icons want (20, 14), which takes longer.
        """
        others: set[str] = set()
        for _ in range(6):
            place = yield from self._scan(call, others, kind, area, step)
            if place:
                return place
            yield from self.scroll("WHEELDOWNMOUSE", 5, kind, area)
        raise LookupError(f"no button does {call}; seen: {sorted(others)}")

    def _scan(self, call: str, others: set[str], kind: str, area: str, step: tuple[int, int]) -> Found:
        """Go over what is visible, from the top. A busy window is late to see the mouse: on a hit, the last few places are looked at again."""
        region, way = self.region(kind, area), []
        for y in range(region.y + region.height - 8, region.y + 8, -step[1]):
            for x in range(region.x + 30, region.x + region.width - 30, step[0]):
                way.append((x, y))
                self.window.event_simulate(type="MOUSEMOVE", value="NOTHING", x=x, y=y)
                yield 0.01
                under = self.button_under(kind, area)
                others.add(under)
                for place in reversed(way[-4:]) if re.search(call, under) else ():
                    yield from self.move(*place)
                    yield 0.3
                    if re.search(call, self.button_under(kind, area)):
                        return place
        return None

    def press(self, call: str, **where: Any) -> Steps:
        """Click on the first button that does `call`."""
        place = yield from self.find(call, **where)
        yield from self.click(*place)

    def open_tab(self, name: str, area: str = "VIEW_3D") -> Steps:
        """Open the sidebar with N, then click along its tabs until the one is open."""
        if not self.area(area).spaces.active.show_region_ui:
            yield from self.key("N", self.middle("WINDOW", area))
            yield 1.0
        region = self.region("UI", area)
        x = region.x + region.width - 8
        for y in range(region.y + region.height - 20, region.y + 20, -20):
            if self.region("UI", area).active_panel_category == name:
                return
            yield from self.click(x, y)
        raise LookupError(f"the sidebar has no tab {name}")


def run(walk: Callable[[Window], Steps]) -> None:
    """Drive a walk by a timer, write `seen.json` into the folder that the script was given, quit."""
    folder, *arguments = sys.argv[sys.argv.index("--") + 1 :]
    window = Window(Path(folder), arguments)

    def end(error: str | None) -> None:
        window.seen["error"] = error
        (window.folder / "seen.json").write_text(json.dumps(window.seen, indent=1), "utf-8")
        bpy.ops.wm.quit_blender()

    def whole() -> Steps:
        yield 3.0  # the window draws itself first
        yield from walk(window)

    steps = whole()

    def tick() -> float | None:
        try:
            return next(steps)
        except StopIteration:
            end(None)
        except Exception:  # noqa: BLE001 - whatever it is, the test says it
            subprocess.run(["import", "-window", "root", str(window.folder / "error.png")], check=False)
            end(traceback.format_exc())
        return None

    bpy.app.timers.register(tick, persistent=True)
