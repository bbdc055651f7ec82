"""The gallery: what the light fell on, large over an editor, to be picked by pointing.

One gallery is open at a time. It owns a draw handler, a timer and textures, never a datablock; it reads the search from the
scene whenever it draws, so that undo, the panel and jobs need not tell it anything. What it does it does through the
operators of the panel, each one undo step.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from functools import partial
from time import monotonic
from typing import Any

import bpy
import gpu

from . import engine, gallery_drawing, gallery_engine, gallery_view, panels, preferences, previews, session, strip
from .gallery_geometry import Cover, Layout, Rectangle, arrange, uncovered
from .gallery_view import Pictures, Stop, Style, Thumbnail, View
from .jobs import Job, jobs, redrawn_too
from .translations import MESSAGE, able, sentence, translated

TICK = 0.05
"""Seconds between two looks at what changed."""
REST = 0.2
"""Seconds that the pointer rests on a thumbnail before a larger sheet of it is drawn."""
LISTEN = 60.0
"""Seconds after which the gallery stops listening for a moment: Blender saves no automatic backup while an operator listens."""
STILL, PAUSE = 1.0, 0.1
"""Seconds without mouse or keys before it does, so that none is missed; and for which it does."""
PAN = 40
"""Pixels that fingers move on a trackpad for one member of a cluster, at a UI scale of 1."""
SHEETS = 32
"""Larger sheets that are remembered."""
EDITORS = {"VIEW_3D": bpy.types.SpaceView3D, "NODE_EDITOR": bpy.types.SpaceNodeEditor, "IMAGE_EDITOR": bpy.types.SpaceImageEditor}
NUMBERS = ("ONE", "TWO", "THREE", "FOUR", "FIVE", "SIX", "SEVEN", "EIGHT", "NINE")
DIGITS = tuple("123456789")
"""Of the number pad."""
ARROWS = {"LEFT_ARROW": (-1, 0), "RIGHT_ARROW": (1, 0), "UP_ARROW": (0, 1), "DOWN_ARROW": (0, -1)}
WHEEL = {"WHEELUPMOUSE": -1, "WHEELDOWNMOUSE": 1}
PUSH_THEMSELVES = frozenset({"pick"})
"""Operators that push their undo step, or have it wait for a sequence that is written with it."""
HELP = (
    (MESSAGE("Click, 1–9"), MESSAGE("Pick This")),
    (MESSAGE("Wheel"), MESSAGE("Similar Ones")),
    ("N", MESSAGE("Other Papers")),
    (MESSAGE("Backspace"), MESSAGE("Step Back")),
    ("F", MESSAGE("Keep This")),
    ("A", MESSAGE("Sequence Start")),
    ("B", MESSAGE("Sequence End")),
)
"""Keys and what they do; in words that Blender itself has no other translation of."""

Wanted = tuple[bytes, int]
"""A sheet: packed latent, edge."""


class Gallery:
    """An open gallery: where it lies, what is pointed at, its textures."""

    def __init__(self, context: bpy.types.Context, area: bpy.types.Area) -> None:
        self.layout: Layout | None = None
        self.hovered: int | None = 0
        self.note = ""
        self._area = area.as_pointer()
        self._region = next(region for region in area.regions if region.type == "WINDOW").as_pointer()
        self._look: engine.Look | None = None
        self._paper: gallery_engine.Paper | None = None
        self._scrolled: dict[int, int] = {}
        self._panned = 0
        self._textures: dict[tuple[Any, ...], gpu.types.GPUTexture] = {}
        self._sheets: dict[Wanted, Any] = {}
        self._job: Job | None = None
        self._wanted: Wanted | None = None
        self._rests_since = self._listens_since = self._touched = monotonic()
        self.listens = True
        self._space = EDITORS[area.type]
        self._handler = self._space.draw_handler_add(self._draw, (), "WINDOW", "POST_PIXEL")
        self._timer = context.window_manager.event_timer_add(TICK, window=context.window)
        redrawn_too.append(self.redraw)

    def close(self) -> None:
        """Leave nothing behind."""
        redrawn_too.remove(self.redraw)
        self._space.draw_handler_remove(self._handler, "WINDOW")
        bpy.context.window_manager.event_timer_remove(self._timer)
        self._dismiss()
        self._textures.clear()
        self._sheets.clear()
        self.redraw()

    def redraw(self) -> None:
        """Ask for the region to be drawn anew."""
        found = self.find()
        if found is not None:
            found[1].tag_redraw()

    def find(self) -> tuple[bpy.types.Area, bpy.types.Region] | None:
        """Area and region that it was opened in; None once they are gone or show another editor."""
        for window in bpy.context.window_manager.windows:
            for area in window.screen.areas:
                if area.as_pointer() == self._area and EDITORS.get(area.type) is self._space:
                    return next(((area, region) for region in area.regions if region.as_pointer() == self._region), None)
        return None

    # Listening

    def touch(self) -> None:
        """A mouse or a key was moved."""
        self._touched = monotonic()

    def pause(self) -> bool:
        """Stop listening for a moment, where it is time to; whether it does."""
        now = monotonic()
        due = now - self._listens_since > LISTEN and now - self._touched > STILL and jobs.current is None
        if due and bpy.context.preferences.filepaths.use_auto_save_temporary_files:
            self.listens = False
            bpy.app.timers.register(partial(_listen_again, self), first_interval=PAUSE)
        return not self.listens

    def listen(self) -> None:
        """Listen again."""
        self.listens, self._listens_since = True, monotonic()

    # What is shown

    def thumbnails(self) -> tuple[Thumbnail, ...]:
        """What each thumbnail shows."""
        if self._look is None:
            return ()
        result = []
        for representative in self._look.shown:
            members = self._look.members(representative)
            place = self._scrolled.get(representative, 0) % len(members)
            result.append(Thumbnail(members[place], place, len(members)))
        return tuple(result)

    def candidate(self, index: int | None) -> int | None:
        """The candidate that a thumbnail shows; None where there is no such thumbnail."""
        shown = self.thumbnails()
        return shown[index].candidate if index is not None and index < len(shown) else None

    def point(self, index: int | None) -> None:
        """Look at a thumbnail; between thumbnails the last one stays."""
        if index is not None and index != self.hovered:
            self.hovered = index
            self._rests_since = monotonic()
            self.redraw()

    def scroll(self, by: int) -> None:
        """Show the next member, or the one before, of the cluster that is looked at."""
        if self._look is not None and self.hovered is not None and self.hovered < len(self._look.shown):
            representative = self._look.shown[self.hovered]
            self._scrolled[representative] = self._scrolled.get(representative, 0) + by
            self._rests_since = monotonic()
            self.redraw()

    def pan(self, pixels: int) -> None:
        """Scroll by fingers on a trackpad."""
        self._panned += pixels
        step = PAN * bpy.context.preferences.system.ui_scale
        if abs(self._panned) >= step:
            self.scroll(1 if self._panned > 0 else -1)
            self._panned = 0

    # What is done

    def call(self, operator: str, **arguments: Any) -> bool:
        """Do something as the panel does it, as one undo step; whether it went well: if not, `jobs.error` says why.

        The step is pushed here: an operator that pushed it itself would open Blender's panel of the last operation over the help.
        """
        run = getattr(bpy.ops.washi, operator)
        self.note = ""
        self.redraw()
        try:
            done = run.poll() and run("EXEC_DEFAULT", **arguments) == {"FINISHED"}
        except RuntimeError:  # what the operator reported as an error
            return False
        if done and operator not in PUSH_THEMSELVES:
            session.push(run.get_rna_type().name)
        return done

    def ready(self, index: int | None) -> int | None:
        """The candidate of a thumbnail; None while what is shown is old."""
        return self.candidate(index) if session.look(bpy.context.scene) is self._look else None

    def others(self) -> None:
        """Draw anew; begin where there is nothing yet."""
        if session.look(bpy.context.scene) is None:
            bpy.ops.washi.explore()
        else:
            self.call("others")

    def pick(self, index: int | None) -> None:
        """Walk to what a thumbnail shows."""
        candidate = self.ready(index)
        if candidate is not None:
            self.call("pick", index=candidate)

    def keep(self) -> None:
        """Keep what is looked at as a favourite."""
        candidate = self.ready(self.hovered)
        if candidate is not None and self.call("keep", index=candidate):
            stands = session.place(bpy.context.scene)
            assert stands is not None
            self.note = sentence(MESSAGE("Kept as {name}"), name=stands.favourites[-1])

    def mark(self, end: str) -> None:
        """Make what is looked at an end of a sequence."""
        candidate = self.ready(self.hovered)
        if candidate is not None:
            self.call("sequence_from", end=end, source="HERE", index=candidate)

    def _follow(self, scene: bpy.types.Scene) -> None:
        """Take over a new look; until there is one the old one stays."""
        stands, look = session.place(scene), session.look(scene)
        if look is self._look or (look is None and stands is not None):
            return
        self._textures.clear()
        self._look = look
        self._scrolled = {}
        self._rests_since = monotonic()
        if stands is not None:
            self._paper = gallery_engine.paper(preferences.model_folder(stands.model))

    # Pictures

    def _texture(self, kind: str, candidate: int, edge: int) -> gpu.types.GPUTexture:
        assert self._look is not None
        pixels = self._look.pictures[candidate]
        return self._kept((kind, candidate, edge), lambda: (gallery_engine.tiled if kind == "tiled" else gallery_engine.enlarged)(pixels, edge))

    def _preview(self, candidate: int, edge: int) -> gpu.types.GPUTexture:
        sheet = self._sheet(candidate, edge)
        return self._texture("enlarged", candidate, edge) if sheet is None else self._kept(("sheet", candidate, edge), lambda: sheet)

    def _stop(self, stop: Stop, edge: int) -> gpu.types.GPUTexture | None:
        found = strip.strip(bpy.context.scene)
        pixels = (
            found.pictures[found.latents.index(stop.latent)]
            if found and stop.latent in found.latents
            else previews.small.get(session.small(bpy.context.scene, stop.latent))
        )
        return None if pixels is None else self._kept(("stop", stop.latent, edge), lambda: gallery_engine.enlarged(pixels, edge))

    def _kept(self, key: tuple[Any, ...], make: Callable[[], Any]) -> gpu.types.GPUTexture:
        """A texture that is made once a look and size."""
        if key not in self._textures:
            self._textures[key] = gallery_drawing.texture(make())
        return self._textures[key]

    def _sheet(self, candidate: int, edge: int) -> Any:
        """Pixels of a larger sheet; None while it isn't drawn."""
        wanted = self._sheet_wanted(candidate, edge)
        return None if wanted is None else self._sheets.get(wanted)

    # Pictures that take a while

    def tick(self) -> None:
        """Draw in a thread what isn't there yet, once the pointer rests and no other work waits."""
        if self._job is not None and not self._job.running:
            self._job.finish()
            self._job = None
            self.redraw()
        wanted = self._missing()
        if wanted == self._wanted:
            return
        self._dismiss()
        if wanted is not None and monotonic() - self._rests_since >= REST:
            self._wanted = wanted
            self._job = self._begin(wanted)

    def _missing(self) -> Wanted | None:
        """The larger sheet of what is looked at, where there is none yet."""
        candidate, preview = self.ready(self.hovered), self.layout.preview if self.layout else None
        if candidate is None or preview is None or jobs.current is not None:
            return None
        wanted = self._sheet_wanted(candidate, preview.width)
        return None if wanted in self._sheets else wanted

    def _sheet_wanted(self, candidate: int, edge: int) -> Wanted | None:
        size = self._paper.sheet_edge(edge) if self._paper else None
        return None if size is None or self._look is None else (self._look.latents[candidate], size)

    def _begin(self, wanted: Wanted) -> Job:
        scene, sheets = bpy.context.scene, self._sheets
        stands = session.place(scene)
        assert stands is not None

        def done(pixels: Any) -> None:
            while len(sheets) >= SHEETS:
                del sheets[next(iter(sheets))]
            sheets[wanted] = pixels

        work = gallery_engine.sheet(scene.washi.state, preferences.model_folder(stands.model), preferences.threads(), *wanted)
        job = Job(MESSAGE("Drawing a larger sheet"), work, done)
        job.begin()
        return job

    def _dismiss(self) -> None:
        if self._job is not None:
            jobs.dismiss(self._job)
        self._job = self._wanted = None

    # Drawing

    def _draw(self) -> None:
        context = bpy.context
        region = context.region
        if region is None or region.as_pointer() != self._region or context.scene is None:
            return
        session.look_when_drawn(context.scene)
        self._follow(context.scene)
        style = Style(context.preferences.system.ui_scale, gallery_view.accent())
        view = self._view(context.scene)
        area = uncovered(region.width, region.height, covers(context.area, region))
        rows = gallery_view.help_rows(view.help, area, style)
        layout = arrange(area, style.scale, len(view.thumbnails), view.tileable, rows)
        if self.layout is None or layout.thumbnails != self.layout.thumbnails:
            self._textures.clear()  # made for another size
        self.layout = layout
        enlarged, tiled = partial(self._texture, "enlarged"), partial(self._texture, "tiled")
        gallery_view.paint(view, layout, Pictures(enlarged, self._preview, tiled, self._stop), style)

    def _view(self, scene: bpy.types.Scene) -> View:
        stands, here, job = session.place(scene), session.look(scene), jobs.current
        thumbnails = self.thumbnails()
        paper = self._paper
        status, alarm = self._status(scene, stands)
        return View(
            title=next((title for name, title, _ in preferences.models() if stands and name == stands.model), "Washi Latent"),
            place=panels.step_name(stands, stands.current) if stands else "",
            stops=self._stops(scene),
            status=status,
            alarm=alarm,
            progress=job.share if job else None,
            stale=here is None,
            thumbnails=self._marked(scene, stands, thumbnails),
            hovered=self.hovered,
            tileable=paper is None or paper.tileable,
            preview_caption=self._preview_caption(),
            tiled_caption=sentence(MESSAGE("Tiled 2 × 2, {width:.1f} mm"), width=2 * paper.width(engine.EDGE)) if paper else "",
            help=tuple((sentence(key), sentence(words)) for key, words in (*HELP, ("Esc", MESSAGE("Cancel") if job else MESSAGE("Leave Gallery")))),
        )

    def _status(self, scene: bpy.types.Scene, stands: engine.Place | None) -> tuple[str, bool]:
        """The line under the title, and whether it says that something went wrong."""
        if jobs.error:
            return translated(jobs.error), True
        if jobs.current is not None:
            return sentence(jobs.current.title), False
        if self._look is None or session.look(scene) is None:
            return sentence(MESSAGE("Nothing to show here yet: press N to look around")), False
        if self.note:
            return self.note, False
        if stands is not None and len(self._look.shown) < stands.settings["representatives"]:
            return sentence(MESSAGE("Only {count} of the textures here differ: go farther to see more"), count=len(self._look.shown)), False
        return sentence(MESSAGE("Pick the paper that comes closest to what you look for: the search goes there and looks around it")), False

    def _ends(self, scene: bpy.types.Scene) -> dict[str, bytes]:
        """Ends of the sequence by letter, as far as they are set and of this model."""
        stands = session.place(scene)
        found = {letter: engine.from_text(getattr(scene.washi, name)) for letter, name in strip.FIELDS.items() if getattr(scene.washi, name)}
        return {letter: latent for letter, latent in found.items() if stands and len(latent) == len(stands.centers[0])}

    def _stops(self, scene: bpy.types.Scene) -> tuple[Stop, ...]:
        """The sequence, once the panel has computed it; until then its ends."""
        found, ends = strip.strip(scene), self._ends(scene)
        if found is None:
            return tuple(Stop(latent, letter) for letter, latent in ends.items())
        last = len(found.latents) - 1
        letters = {0: "A", last: "B"}
        return tuple(Stop(latent, letters.get(i, ""), found.status[i] != "ok") for i, latent in enumerate(found.latents))

    def _marked(self, scene: bpy.types.Scene, stands: engine.Place | None, thumbnails: tuple[Thumbnail, ...]) -> tuple[Thumbnail, ...]:
        """Thumbnails with the marks of favourites and of a sequence's ends."""
        if stands is None or self._look is None:
            return thumbnails
        marks = {"♥": stands.kept, **{letter: (latent,) for letter, latent in self._ends(scene).items()}}
        latents = self._look.latents
        return tuple(replace(one, marks=" ".join(mark for mark, kept in marks.items() if latents[one.candidate] in kept)) for one in thumbnails)

    def _preview_caption(self) -> str:
        """What the large picture shows, and how wide that is."""
        candidate, preview = self.candidate(self.hovered), self.layout.preview if self.layout else None
        paper = self._paper
        if paper is None or candidate is None or preview is None:
            return ""
        size = paper.sheet_edge(preview.width)
        if size is not None and self._sheet(candidate, preview.width) is not None:
            return sentence(MESSAGE("A larger sheet, {width:.1f} mm"), width=paper.width(size))
        return sentence(MESSAGE("Enlarged, {width:.1f} mm"), width=paper.width(engine.EDGE))


_open: Gallery | None = None


def close() -> None:
    """Close the gallery, if one is open."""
    global _open
    gallery, _open = _open, None
    if gallery is not None:
        gallery.close()


def _listen_again(gallery: Gallery) -> None:
    """After a pause."""
    if gallery is not _open or gallery.listens:
        return
    found = gallery.find()
    window = next((one for one in bpy.context.window_manager.windows if found and found[0] in one.screen.areas[:]), None)
    if found is None or window is None:
        close()
        return
    with bpy.context.temp_override(window=window, area=found[0], region=found[1]):
        bpy.ops.washi.gallery("INVOKE_DEFAULT")


def covers(area: bpy.types.Area, region: bpy.types.Region) -> list[Cover]:
    """Regions of the area that lie over its main one."""
    return [
        Cover(Rectangle(other.x - region.x, other.y - region.y, other.width, other.height), other.alignment)
        for other in area.regions
        if other.type != "WINDOW" and other.width > 1 and other.height > 1
    ]


class WASHI_OT_gallery(bpy.types.Operator):
    """Show the textures large, over this editor, and pick by pointing"""

    bl_idname = "washi.gallery"
    bl_label = "Gallery"
    bl_options = set()

    _gallery: Gallery | None = None

    @classmethod
    def poll(cls, context: bpy.types.Context) -> bool:
        """In editors that have room for it."""
        room = not bpy.app.background and context.scene is not None and context.area is not None and context.area.type in EDITORS
        return able(cls, room, MESSAGE("The gallery opens over a 3D viewport, a node editor or an image editor"))

    def invoke(self, context: bpy.types.Context, event: bpy.types.Event) -> set[str]:
        """Open it, or close the one that is open."""
        global _open  # noqa: PLW0603 - there is one
        if _open is not None and not _open.listens:
            _open.listen()
            self._gallery = _open
            context.window_manager.modal_handler_add(self)
            return {"RUNNING_MODAL"}
        if _open is not None:
            close()
            return {"FINISHED"}
        self._gallery = _open = Gallery(context, context.area)
        context.window_manager.modal_handler_add(self)
        if session.look(context.scene) is None and jobs.current is None:
            bpy.ops.washi.explore()
        self._gallery.redraw()
        return {"RUNNING_MODAL"}

    def modal(self, context: bpy.types.Context, event: bpy.types.Event) -> set[str]:
        """Act on what happens over the gallery; everything else passes through."""
        gallery = self._gallery
        found = gallery.find() if gallery is not None and gallery is _open else None
        if gallery is None or found is None:
            return self._end()
        if event.type == "TIMER":
            gallery.tick()
            return {"FINISHED", "PASS_THROUGH"} if gallery.pause() else {"PASS_THROUGH"}
        if not event.type.startswith("TIMER"):
            gallery.touch()
        at = position(*found, event)
        if at is None or event.ctrl or event.alt or event.oskey or event.type.startswith("TIMER") or event.type in {"WINDOW_DEACTIVATE", "NONE"}:
            return {"PASS_THROUGH"}
        if event.type in {"ESC", "RIGHTMOUSE"} and event.value == "PRESS":
            # While work goes on, Esc ends that first.
            return {"PASS_THROUGH"} if event.type == "ESC" and jobs.current is not None else self._end()
        act(gallery, event, at)
        return {"RUNNING_MODAL"}

    def cancel(self, context: bpy.types.Context) -> None:
        """Blender ends its operators: another file is loaded, or it quits."""
        self._end()

    def _end(self) -> set[str]:
        if self._gallery is _open:
            close()
        self._gallery = None
        return {"FINISHED"}


def position(area: bpy.types.Area, region: bpy.types.Region, event: bpy.types.Event) -> tuple[int, int] | None:
    """Where the mouse is on the gallery; None beside it or over a sidebar that covers it."""
    x, y = event.mouse_x - region.x, event.mouse_y - region.y
    inside = 0 <= x < region.width and 0 <= y < region.height
    return (x, y) if inside and not any(cover.rectangle.contains(x, y) for cover in covers(area, region)) else None


def act(gallery: Gallery, event: bpy.types.Event, at: tuple[int, int]) -> None:
    """What a mouse or a key means."""
    under = gallery.layout.thumbnail_at(*at) if gallery.layout else None
    if event.type in {"MOUSEMOVE", "INBETWEEN_MOUSEMOVE"}:
        gallery.point(under)
    elif event.type == "TRACKPADPAN" and under is not None:
        gallery.pan(event.mouse_y - event.mouse_prev_y)
    elif event.value != "PRESS":
        return
    elif event.type in WHEEL and under is not None:
        gallery.point(under)
        gallery.scroll(WHEEL[event.type])
    elif event.type == "LEFTMOUSE":
        gallery.point(under)
        gallery.pick(under)
    elif event.type in ARROWS and gallery.layout is not None:
        gallery.point(gallery.layout.neighbour(gallery.hovered, *ARROWS[event.type]))
    else:
        _press(gallery, event.type.removeprefix("NUMPAD_"))


def _press(gallery: Gallery, key: str) -> None:
    """What a key means."""
    if key in NUMBERS or key in DIGITS:
        gallery.pick(NUMBERS.index(key) if key in NUMBERS else DIGITS.index(key))
    elif key in {"RET", "ENTER"}:
        gallery.pick(gallery.hovered)
    elif key == "N":
        gallery.others()
    elif key == "BACK_SPACE":
        gallery.call("back")
    elif key == "F":
        gallery.keep()
    elif key in {"A", "B"}:
        gallery.mark(key)


CLASSES = (WASHI_OT_gallery,)
