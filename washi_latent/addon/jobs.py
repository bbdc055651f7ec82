"""Work that takes a while: in a thread with progress and Esc where there is a window, to its end on the spot in background.

One job runs at a time; others wait their turn. A new one replaces those of its kind, waiting or running. Threads never see Blender:
`Job.work` computes, `Job.done` runs on the main thread and writes the result, not in the middle of a stroke or a drag, nor what is seen while a render runs.
"""

from __future__ import annotations

import threading
import time
import traceback
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Any, ClassVar

import bpy

from .translations import MESSAGE, translated

TICK = 0.03


@dataclass(eq=False)
class Job:
    """One piece of work.

    Attributes:
        title: what is done, for the panel and the status bar.
        work: computes, in a thread; takes what is told the progress.
        done: takes the result, on the main thread.
        before: what `done` needs besides, made on the main thread from the result in slices, one a tick, so that the window goes on between them.
        kind: a newer job of the same kind makes it needless; "" for none.
        ended: cleans up, on the main thread, however the work ended.
        replaced: hears that a newer one of its kind takes its place, before it is done.
        quiet: it writes nothing into the file, and need not wait for the end of a stroke or a drag.
        seen: what it writes is seen by a render: it waits for the end of one that runs, and others go on meanwhile.
    """

    title: str
    work: Callable[[Callable[[float], None]], Any]
    done: Callable[[Any], None]
    kind: str = ""
    ended: Callable[[], None] = lambda: None
    before: Callable[[Any], Iterator[None]] = lambda _: iter(())
    replaced: Callable[[], None] = lambda: None
    quiet: bool = False
    seen: bool = False
    share: float = 0.0
    _stop: threading.Event = field(default_factory=threading.Event)
    _thread: threading.Thread | None = None
    _result: Any = None
    _error: BaseException | None = None
    _slices: Iterator[None] | None = None

    def begin(self) -> None:
        """Start the thread."""
        self._thread = threading.Thread(target=self._run, name=f"Washi Latent: {self.title}", daemon=True)
        self._thread.start()

    def _run(self) -> None:
        try:
            self._result = self.work(self.tell)
        except BaseException as error:  # noqa: BLE001 - whatever it is, the main thread says it
            self._error = error

    def tell(self, share: float) -> None:
        """Progress; ends the work where that was asked."""
        from ..core.progress import Cancelled

        if self._stop.is_set():
            raise Cancelled
        self.share = min(1.0, max(self.share, share))

    @property
    def running(self) -> bool:
        """Whether the thread is at work."""
        return self._thread is not None and self._thread.is_alive()

    def stop(self) -> None:
        """Ask the thread to end; what it still gives is dropped."""
        self._stop.set()

    def wait(self, seconds: float) -> None:
        """Wait for the thread's end."""
        if self._thread is not None:
            self._thread.join(seconds)

    def slice(self) -> bool:
        """Once the thread has ended, on the main thread: do a slice of what comes before `done`; whether there was one."""
        if self._error is not None or self._stop.is_set():
            return False
        try:
            if self._slices is None:
                self._slices = self.before(self._result)
            next(self._slices)
        except StopIteration:
            return False
        except BaseException as error:  # noqa: BLE001 - `finish` says it
            self._error = error
            return False
        return True

    def finish(self) -> str | None:
        """Write the result; what went wrong in one sentence, or None."""
        try:
            while self.slice():
                pass
            return self._finish()
        finally:
            self.ended()

    def _finish(self) -> str | None:
        from ..core.errors import WashiError
        from ..core.progress import Cancelled

        try:
            if self._error is not None:
                raise self._error
            if not self._stop.is_set():
                self.done(self._result)
        except Cancelled:
            return None
        except WashiError as error:
            return str(error)
        except MemoryError:
            return MESSAGE("There is not enough memory for this: choose a smaller size or fewer samples")
        except ImportError as error:
            return MESSAGE(f"A part of Washi Latent is missing ({error.name}): install the extension again")
        except Exception as error:  # noqa: BLE001 - an artist gets a sentence, the console the rest
            traceback.print_exception(error)
            return MESSAGE(f"Something went wrong inside Washi Latent ({type(error).__name__}): save your work, and report it with what the console says")
        return None


class Jobs:
    """The jobs of this Blender."""

    def __init__(self) -> None:
        self.current: Job | None = None
        self.waiting: list[Job] = []
        self.error = ""
        self.note = ""
        self.held: list[Job] = []
        """What is computed, and waits for the end of a render."""
        self._leaving: list[Job] = []

    def run(self, job: Job, operator: bpy.types.Operator | None = None) -> set[str]:
        """Start a job, or run it to its end where there is no window; an operator's result."""
        if operator is not None:  # what comes by itself leaves the last message to be read
            self.error = self.note = ""
        if bpy.app.background:
            job._run()
            problem = job.finish()
            if problem:
                return self.fail(problem, operator)
            return {"FINISHED"}
        if job.kind:
            self.make_way(job.kind)
        self.waiting.append(job)
        self._next()
        # From a timer: a setting's update, which may have called this, must not call operators.
        _watch_soon()
        return {"FINISHED"}

    def fail(self, problem: str, operator: bpy.types.Operator | None = None) -> set[str]:
        """Say what went wrong, in the panel and through the operator."""
        self.error = problem
        if operator is not None:
            operator.report({"ERROR"}, translated(problem))
        return {"CANCELLED"}

    def poll(self) -> bool:
        """On the main thread: write what is done, go on to the next; whether there is more."""
        for job in [job for job in self._leaving if not job.running]:
            self._leaving.remove(job)
            job.finish()
        if self.current is not None and not self.current.running:
            if (not self.current.quiet and in_a_gesture()) or self._hold() or self.current.slice():
                return True
            job, self.current = self.current, None
            problem = job.finish()
            if problem:
                self.error = problem
        self._next()
        return self.current is not None or bool(self._leaving or self.held)

    def _hold(self) -> bool:
        """Put a job aside that a render that runs must not see; whether it is."""
        job = self.current
        if job is None or not job.seen or not rendering():
            return False
        self.held.append(job)
        self.current, self.note = None, MESSAGE("The texture is drawn: it goes into the material when the render ends")
        redraw()
        self._next()
        return True

    def _next(self) -> None:
        if self.current is None and self.held and not rendering():
            self.current = self.held.pop(0)
        elif self.current is None and self.waiting:
            self.current = self.waiting.pop(0)
            self.current.begin()

    def make_way(self, kind: str) -> None:
        """End jobs of one kind for a newer one."""
        for older in (*self.waiting, *self.held, self.current):
            if older is not None and older.kind == kind:
                older.replaced()
        self.drop(kind)

    def drop(self, kind: str) -> None:
        """End jobs of one kind."""
        for jobs in (self.waiting, self.held):
            for job in [job for job in jobs if job.kind == kind]:
                jobs.remove(job)
                job.ended()
        if self.current is not None and self.current.kind == kind:
            self._drop()

    def _drop(self) -> None:
        if self.current is not None:
            self.dismiss(self.current)
            self.current = None

    def dismiss(self, job: Job) -> None:
        """Ask a job to end, one that runs beside these too; what it still gives is dropped, and `close` waits for it."""
        job.stop()
        self._leaving.append(job)

    def cancel(self) -> None:
        """End everything; results so far stay, what is under way is dropped."""
        for job in self.waiting:
            job.ended()
        self.waiting.clear()
        self._drop()

    def give_up(self) -> None:
        """The artist wants no more of it: end everything, and say so at once; threads may take another moment."""
        if self.current is not None or self.waiting:
            self.cancel()
            self.note = MESSAGE("Cancelled")
        redraw()

    def close(self) -> None:
        """End everything and wait for the threads: Blender is about to let go of this module."""
        self.leave()
        self.end_threads()
        for job in self._leaving:
            job.ended()
        self._leaving.clear()

    def end_threads(self) -> None:
        """Stop the threads, without Blender."""
        for job in (*self._leaving, *([self.current] if self.current else [])):
            job.stop()
            job.wait(5)

    def leave(self) -> None:
        """End everything, and the operators that watch with it: another file is loaded, or Blender lets go of this."""
        self.cancel()
        for job in self.held:
            job.ended()
        self.held.clear()
        for window in list(WASHI_OT_job.windows):
            _unwatch(window)
        if bpy.app.timers.is_registered(_watch):
            bpy.app.timers.unregister(_watch)


jobs = Jobs()


def _watch_soon() -> None:
    if not bpy.app.timers.is_registered(_watch):
        bpy.app.timers.register(_watch)


def _watch() -> None:
    """Watch in every window: Blender tells an operator of the keys and buttons in its own window alone."""
    for window in _unwatched() if jobs.current is not None else ():
        with bpy.context.temp_override(window=window):
            bpy.ops.washi.job("INVOKE_DEFAULT")


def _unwatched() -> list[bpy.types.Window]:
    return [window for window in bpy.context.window_manager.windows if window.as_pointer() not in WASHI_OT_job.windows]


def _unwatch(window: int) -> None:
    """An operator no longer watches there; what it said is taken back, in workspaces that were left meanwhile, too."""
    timer = WASHI_OT_job.windows.pop(window, None)
    if timer is not None:
        bpy.context.window_manager.event_timer_remove(timer)
    for workspace in [one for one in bpy.data.workspaces if one.session_uid in _told]:
        with bpy.context.temp_override(workspace=workspace):
            workspace.status_text_set(None)
    _told.clear()


_told: set[int] = set()
"""Workspaces that show progress: each keeps a status text of its own."""


class WASHI_OT_job(bpy.types.Operator):
    """Watches over jobs: shows progress, writes results, ends them on Esc"""

    bl_idname = "washi.job"
    bl_label = "Washi Job"
    bl_options = {"INTERNAL"}

    windows: ClassVar[dict[int, bpy.types.Timer]] = {}
    """Where one watches, and its timer."""
    _window = 0
    _shown: str | None = None
    _shown_at = 0.0

    def invoke(self, context: bpy.types.Context, _event: bpy.types.Event) -> set[str]:
        """Watch until nothing is left."""
        if context.window is None or bpy.app.background:
            return {"CANCELLED"}
        self._window = context.window.as_pointer()
        WASHI_OT_job.windows[self._window] = context.window_manager.event_timer_add(TICK, window=context.window)
        context.window_manager.modal_handler_add(self)
        return {"RUNNING_MODAL"}

    def modal(self, context: bpy.types.Context, event: bpy.types.Event) -> set[str]:
        """A tick, or Esc; everything else passes through."""
        # In the preferences or a file browser Esc closes the window.
        if event.type == "ESC" and event.value == "PRESS" and jobs.current is not None and not context.screen.is_temporary:
            jobs.give_up()
            self._show(context)
            return {"RUNNING_MODAL"}
        if event.type != "TIMER":
            if event.value == "PRESS" and event.type not in _LOOKING:
                acting()
            return {"PASS_THROUGH"}
        if not jobs.poll():
            self._end()
            return {"FINISHED"}
        if _unwatched():
            _watch_soon()
        self._show(context)
        return {"PASS_THROUGH"}

    def cancel(self, context: bpy.types.Context) -> None:
        """Blender ends its operators: the window is closed, another file is loaded, or it quits."""
        self._end()
        if not WASHI_OT_job.windows:
            jobs.cancel()

    def _show(self, context: bpy.types.Context) -> None:
        job = jobs.current
        texts = bpy.app.translations
        text = f"{texts.pgettext_iface(job.title)} {job.share:.0%}   {texts.pgettext_iface('Esc: cancel')}" if job else None
        # Drawing progress must not take what it is the progress of: by software it takes a twentieth of a second.
        if text != self._shown and (job is None or time.monotonic() - self._shown_at > 0.5):
            self._shown, self._shown_at = text, time.monotonic()
            if context.workspace is not None:
                context.workspace.status_text_set(text)
                _told.add(context.workspace.session_uid)
            redraw()

    def _end(self) -> None:
        _unwatch(self._window)
        redraw()


class WASHI_OT_cancel(bpy.types.Operator):
    """End what is being computed; what is there stays"""

    bl_idname = "washi.cancel"
    bl_label = "Cancel"
    bl_options = {"INTERNAL"}

    def execute(self, _context: bpy.types.Context) -> set[str]:
        """End all jobs."""
        jobs.give_up()
        return {"FINISHED"}


before_acting: list[Callable[[], None]] = []
"""What has to happen before the artist's next action."""
_LOOKING = {"MIDDLEMOUSE", "WHEELUPMOUSE", "WHEELDOWNMOUSE", "TRACKPADPAN", "TRACKPADZOOM", "MOUSEMOVE", "INBETWEEN_MOUSEMOVE"}
"""Events that turn a view and change nothing."""


def acting() -> None:
    """The artist goes on while a job runs: what waits for the job's end must not be mixed with what comes now."""
    for tell in before_acting:
        tell()


def in_a_gesture() -> bool:
    """Whether the artist is in the middle of a stroke or a drag: an undo step that is pushed then holds half of it."""
    operators = [one for window in bpy.context.window_manager.windows for one in window.modal_operators]
    return any(_makes_a_step(one) for one in operators if one is not None)  # None: of an extension that was disabled


def rendering() -> bool:
    """Whether a render or a bake runs: where materials and pictures change while Cycles reads them, Blender may crash."""
    return any(bpy.app.is_job_running(kind) for kind in ("RENDER", "OBJECT_BAKE"))


def _makes_a_step(operator: bpy.types.Operator) -> bool:
    """Whether an operator takes the mouse until it ends, or is Blender's own and ends in an undo step: extensions' may watch for hours."""
    own = bpy.types.Operator.bl_rna_get_subclass_py(operator.bl_idname) is None
    return "BLOCKING" in operator.bl_options or (own and "UNDO" in operator.bl_options)


redrawn_too: list[Callable[[], None]] = []
"""Of what else shows jobs, what asks for it to be drawn anew."""


def redraw() -> None:
    """Redraw the sidebars, where the panel is, and what else shows jobs; never a viewport's scene, which can take long."""
    for window in bpy.context.window_manager.windows:
        for area in window.screen.areas:
            if area.type in {"VIEW_3D", "NODE_EDITOR", "IMAGE_EDITOR"}:
                for region in area.regions:
                    if region.type == "UI":
                        region.tag_redraw()
    for ask in redrawn_too:
        ask()


CLASSES = (WASHI_OT_job, WASHI_OT_cancel)
