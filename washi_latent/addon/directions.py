"""The named directions of the model as sliders: what they lead to, and going there. Main thread only."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

import bpy

from . import engine, preferences, session
from .jobs import Job, jobs, redraw
from .references import Reference, reference
from .references import found as datablock
from .translations import MESSAGE

if TYPE_CHECKING:
    from ..core.analysis import Direction

REST = 0.1
"""Seconds that the sliders rest before what they lead to is drawn."""

Wanted = tuple[str, int, bytes, bytes]
"""A preview: the model's folder, the noise seed, packed latents of where the search stands and of where the sliders lead."""


def found(scene: bpy.types.Scene) -> tuple[Direction, ...] | None:
    """Directions of the scene's model, the strongest first; None until they are found."""
    stands = session.place(scene)
    return engine.kept_directions(preferences.model_folder(stands.model), preferences.directions_folder()) if stands else None


def find(scene: bpy.types.Scene, operator: bpy.types.Operator | None = None) -> set[str]:
    """Find the directions of the scene's model; an operator's result."""
    folder, cache, threads = preferences.model_folder(scene.washi.model), preferences.directions_folder(), preferences.threads()

    def work(progress: engine.Tell) -> object:
        return engine.find_directions(folder, threads, cache, progress)

    return jobs.run(Job(MESSAGE("Finding directions"), work, lambda _: redraw(), "directions", quiet=True), operator)


def slider(name: str) -> str:
    """The slider of a direction."""
    return name.replace(" ", "_")


def amounts(scene: bpy.types.Scene) -> dict[str, float]:
    """What the sliders say, of the directions that the model has, by name; none that is at 0."""
    said = {one.name: getattr(scene.washi.directions, slider(one.name)) for one in found(scene) or ()}
    return {name: amount for name, amount in said.items() if amount}


def go(scene: bpy.types.Scene, wanted: Mapping[str, float]) -> str | None:
    """Walk to where amounts of directions lead, and look there; what went wrong in one sentence, or None."""
    if not wanted:
        return MESSAGE("Every direction is at 0: move a slider first")
    return session.walk(scene, lambda search: search.step_to(engine.unpacked(engine.along(str(search.model.info.folder), search.state.node.center, wanted))))


# What the sliders lead to


class Preview:
    """The textures where the search stands and where the sliders lead, drawn beside other work; a newer one replaces an older."""

    def __init__(self) -> None:
        self.scene: Reference = ""
        self._resting: Wanted | None = None
        self._begun: Wanted | None = None
        self._job: Job | None = None
        self._made: dict[int, tuple[Wanted, dict[bytes, engine.Bytes]]] = {}

    def wants(self, scene: bpy.types.Scene) -> bool:
        """Whether there is something to draw that isn't begun."""
        return self._lacks(scene) is not None

    def _lacks(self, scene: bpy.types.Scene) -> Wanted | None:
        """What a scene asks for, that isn't drawn or begun: each scene has its own, for two windows may show two."""
        wanted = asked(scene)
        made = self._made.get(scene.session_uid)
        return None if wanted == self._begun or (made is not None and made[0] == wanted) else wanted

    def pictures(self, scene: bpy.types.Scene) -> tuple[tuple[bytes, engine.Bytes], tuple[bytes, engine.Bytes]] | None:
        """Before and after, latents and pictures; while sliders move the last one, None before there is one of this place."""
        wanted, there = asked(scene), self._made.get(scene.session_uid)
        if wanted is None or there is None or there[0][:3] != wanted[:3]:
            return None
        (_, _, before, after), made = there
        return (before, made[before]), (after, made[after])

    def tick(self) -> float | None:
        """Take up what is drawn; begin what is wanted once it rests and no other work is under way; seconds until the next look."""
        if self._job is not None and not self._job.running:
            job, self._job = self._job, None
            jobs.error = job.finish() or jobs.error
            redraw()
        scene = datablock(bpy.data.scenes, self.scene)
        wanted = self._lacks(scene) if scene is not None else None
        if scene is None or wanted is None:
            return REST if self._job is not None else None
        if wanted == self._resting and jobs.current is None:
            self._begin(wanted, scene)
        self._resting = wanted
        return REST

    def _begin(self, wanted: Wanted, scene: bpy.types.Scene) -> None:
        folder, _, before, after = wanted
        packed, number, threads = scene.washi.state, scene.session_uid, preferences.threads()

        def work(progress: engine.Tell) -> dict[bytes, engine.Bytes]:
            return engine.thumbnails(packed, folder, threads, list(dict.fromkeys((before, after))), progress, engine.EDGE)

        def done(pictures: dict[bytes, engine.Bytes]) -> None:
            self._made[number] = wanted, pictures

        self._dismiss()
        self._begun, self._job = wanted, Job(MESSAGE("Drawing the texture"), work, done)
        self._job.begin()

    def _dismiss(self) -> None:
        if self._job is not None:
            jobs.dismiss(self._job)
        self._job = None

    def forget(self) -> None:
        """Let go of everything."""
        self._dismiss()
        self._resting = self._begun = None
        self._made.clear()


preview = Preview()


def asked(scene: bpy.types.Scene) -> Wanted | None:
    """The preview that the sliders ask for; None where there are none."""
    stands, known = session.place(scene), found(scene)
    if stands is None or not known or known[0].vector.nbytes != len(stands.here):  # of another model of that name
        return None
    folder = preferences.model_folder(stands.model)
    return folder, engine.noise_seed(scene.washi.state), stands.here, engine.along(folder, stands.here, amounts(scene))


def show_when_drawn(scene: bpy.types.Scene) -> None:
    """Draw what the sliders lead to once panels are drawn: a slider was moved, or the search."""
    if bpy.app.background or bpy.app.timers.is_registered(_tick) or not preview.wants(scene):
        return
    preview.scene = reference(scene)
    bpy.app.timers.register(_tick, first_interval=REST)


def _tick() -> float | None:
    return preview.tick()


def forget() -> None:
    """Let go of everything: another file, or the extension is disabled."""
    if bpy.app.timers.is_registered(_tick):
        bpy.app.timers.unregister(_tick)
    preview.forget()
