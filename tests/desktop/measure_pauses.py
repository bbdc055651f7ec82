"""In the window: how long the main thread ever waits, idle and while a step of 200 samples is computed.

A timer that wants to beat every 10 ms notes when it does; nothing else is drawn than what the extension asks for.
"""

from __future__ import annotations

import sys
import time
from pathlib import Path

import bpy

sys.path.insert(0, str(Path(__file__).parent))
from window import Steps, Window, run

SAMPLES = 200
BEAT = 0.01


class Heart:
    """Beats while it is on; `pauses` are the times between beats, in milliseconds."""

    def __init__(self) -> None:
        self.pauses: list[float] = []
        self._last = time.perf_counter()
        self._registered = self._beat  # Blender knows it by identity, and each look-up makes another
        bpy.app.timers.register(self._registered)

    def _beat(self) -> float:
        now = time.perf_counter()
        self.pauses.append((now - self._last) * 1000)
        self._last = now
        return BEAT

    def stop(self) -> list[float]:
        """The pauses, without the one before the first beat."""
        bpy.app.timers.unregister(self._registered)
        return self.pauses[1:]


def walk(window: Window) -> Steps:
    yield from window.open_tab("Washi")
    yield from window.press(r"washi\.explore")
    yield from window.until(window.idle, "the first look, which also loads everything")
    bpy.context.scene.washi.samples = SAMPLES
    yield from window.until(window.idle, "a look with more samples")
    others = yield from window.find(r"washi\.others")
    window.seen["idle"], window.seen["step"] = [], []
    for _ in range(int(window.arguments[0])):
        yield 1.0
        heart = Heart()
        yield 8.0
        window.seen["idle"].append(heart.stop())
        heart = Heart()
        yield from window.click(*others)
        yield from window.until(lambda: not window.idle(), "the step to begin")
        yield from window.until(window.idle, "a step")
        window.seen["step"].append(heart.stop())
    yield from window.picture("after")


run(walk)
