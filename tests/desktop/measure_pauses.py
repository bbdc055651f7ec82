"""In the window: how long the main thread ever waits while a step of 200 samples is computed, and how long without one.

A timer that wants to beat every 10 ms notes when it does; nothing else is drawn than what the extension asks for. Beside the step
itself lie its parts alone: the window idle, the sidebar drawn as often as a step has it drawn, a status text as often, and work in the
thread that only sleeps, only counts in Python, or only runs the network.
"""

from __future__ import annotations

import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import bpy

sys.path.insert(0, str(Path(__file__).parent))
from window import PACKAGE, Steps, Window, run

SAMPLES = 200
BEAT = 0.01
OFTEN = 0.5
SECONDS = 5.0


class Heart:
    """Beats while it is on; `pauses` are the times between beats, in milliseconds, `quiet` those of them in which Blender drew no region."""

    def __init__(self, drawn: Callable[[], int]) -> None:
        self.pauses: list[float] = []
        self.quiet: list[float] = []
        self._drawn, self._before = drawn, drawn()
        self._last = time.perf_counter()
        self._registered = self._beat  # Blender knows it by identity, and each look-up makes another
        bpy.app.timers.register(self._registered)

    def _beat(self) -> float:
        now = time.perf_counter()
        self.pauses.append((now - self._last) * 1000)
        if (drawn := self._drawn()) == self._before:
            self.quiet.append(self.pauses[-1])
        self._last, self._before = now, drawn
        return BEAT

    def stop(self) -> list[float]:
        """The pauses, without the one before the first beat."""
        bpy.app.timers.unregister(self._registered)
        return self.pauses[1:]


class Ours:
    """How long the extension's own Python holds the main thread: drawing panels, and the ticks of jobs with all that they write."""

    def __init__(self) -> None:
        panels, jobs = (sys.modules[f"{PACKAGE}.addon.{name}"] for name in ("panels", "jobs"))
        self.longest, self.drawn, self.scenes = 0.0, 0, 0
        for one in panels.CLASSES:
            if one.__name__.endswith("VIEW_3D"):
                self._watch(one, "draw")
        self._watch(jobs.Jobs, "poll")
        self._watch(jobs.WASHI_OT_job, "_show")
        bpy.types.SpaceView3D.draw_handler_add(self._count, ("drawn",), "UI", "POST_PIXEL")
        bpy.types.SpaceView3D.draw_handler_add(self._count, ("scenes",), "WINDOW", "POST_PIXEL")

    def _watch(self, owner: Any, name: str) -> None:
        plain = getattr(owner, name)

        # Blender gives a function as many values as it names.
        def watched(one: Any, context: Any = None) -> Any:
            began = time.perf_counter()
            try:
                return plain(one) if context is None else plain(one, context)
            finally:
                self.longest = max(self.longest, (time.perf_counter() - began) * 1000)

        setattr(owner, name, watched)

    def _count(self, what: str) -> None:
        setattr(self, what, getattr(self, what) + 1)

    def take(self) -> dict[str, float]:
        """Longest stretch in milliseconds, how often the sidebar and the scene were drawn, since the last call."""
        seen = {"ours": self.longest, "sidebar": self.drawn, "scene": self.scenes}
        self.longest, self.drawn, self.scenes = 0.0, 0, 0
        return seen


def sleeping(tell: Callable[[float], None]) -> None:
    for number in range(int(SECONDS * 20)):
        time.sleep(0.05)
        tell(number / (SECONDS * 20))


def counting(tell: Callable[[float], None]) -> None:
    end, total = time.monotonic() + SECONDS, 0
    while time.monotonic() < end:
        for number in range(10_000):
            total += number
        tell(1 - (end - time.monotonic()) / SECONDS)


def drawing(model: Any) -> Callable[[Callable[[float], None]], None]:
    import numpy as np

    def work(tell: Callable[[float], None]) -> None:
        end = time.monotonic() + SECONDS
        while time.monotonic() < end:
            model.generate(np.zeros((8, model.latent_dim)), 128, progress=lambda _: tell(1 - (end - time.monotonic()) / SECONDS))

    return work


def walk(window: Window) -> Steps:
    jobs, engine, preferences = (sys.modules[f"{PACKAGE}.addon.{name}"] for name in ("jobs", "engine", "preferences"))
    yield from window.open_tab("Washi")
    yield from window.press(r"washi\.explore")
    yield from window.until(window.idle, "the first look, which also loads everything")
    bpy.context.scene.washi.samples = SAMPLES
    yield from window.until(window.idle, "a look with more samples")
    others = yield from window.find(r"washi\.others")
    model = engine.model(preferences.model_folder(bpy.context.scene.washi.model), preferences.threads())
    ours, measured = Ours(), window.seen.setdefault("measured", {})

    def measure(what: str, during: Steps) -> Steps:
        yield 2.0
        ours.take()
        heart = Heart(lambda: ours.drawn + ours.scenes)
        yield from during
        measured.setdefault(what, []).append({"pauses": heart.stop(), "quiet": heart.quiet[1:], **ours.take()})

    def at_times(act: Callable[[int], None]) -> Steps:
        for number in range(int(SECONDS / OFTEN)):
            act(number)
            yield OFTEN

    def job(work: Callable[[Callable[[float], None]], None]) -> Steps:
        jobs.jobs.run(jobs.Job("Measuring", work, lambda _: None))
        yield from until_done("work to begin")

    def step() -> Steps:
        yield from window.click(*others)
        yield from until_done("the step to begin")

    def until_done(what: str) -> Steps:
        yield from window.until(lambda: not window.idle(), what)
        yield from window.until(window.idle, "its end")

    for _ in range(int(window.arguments[0])):
        yield from measure("idle", at_times(lambda _: None))
        yield from measure("idle, sidebar drawn twice a second", at_times(lambda _: window.region("UI").tag_redraw()))
        yield from measure("idle, status text twice a second", at_times(lambda number: bpy.context.workspace.status_text_set(f"Measuring {number}")))
        bpy.context.workspace.status_text_set(None)
        yield from measure("idle, scene drawn twice a second", at_times(lambda _: window.region("WINDOW").tag_redraw()))
        yield from measure("thread sleeps", job(sleeping))
        yield from measure("thread counts in Python", job(counting))
        yield from measure("thread runs the network", job(drawing(model)))
        yield from measure("step of 200 samples", step())
    yield from window.picture("after")


run(walk)
