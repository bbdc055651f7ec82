"""Jobs as a window runs them: in threads, ended at the next sign of progress, replaced by newer ones."""

from __future__ import annotations

import re
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import nullcontext
from types import SimpleNamespace
from typing import Any

import pytest

bpy = pytest.importorskip("bpy")

from washi_latent.addon import jobs as module
from washi_latent.addon.jobs import Job, Jobs
from washi_latent.core import WashiError


@pytest.fixture
def gestures() -> list[Any]:
    """What runs in the window besides."""
    return []


@pytest.fixture
def renders() -> set[str]:
    """What Blender is at work on besides."""
    return set()


@pytest.fixture
def jobs(monkeypatch: pytest.MonkeyPatch, gestures: list[Any], renders: set[str]) -> Iterator[Jobs]:
    """Jobs of a window, whose timer the tests turn by hand."""
    timers = SimpleNamespace(is_registered=lambda _: True, register=lambda _: None, unregister=lambda _: None)
    context = SimpleNamespace(window_manager=SimpleNamespace(windows=[SimpleNamespace(modal_operators=gestures)]))
    monkeypatch.setattr(
        module,
        "bpy",
        SimpleNamespace(app=SimpleNamespace(background=False, timers=timers, is_job_running=renders.__contains__), context=context, types=bpy.types),
    )
    monkeypatch.setattr(module, "redraw", lambda: None)
    made = Jobs()
    yield made
    made.close()


def until(jobs: Jobs, done: Callable[[], bool], seconds: float = 20) -> None:
    end = time.monotonic() + seconds
    while not done():
        assert time.monotonic() < end
        jobs.poll()
        time.sleep(0.005)


def endless(begun: threading.Event, seen: list[str]) -> Callable[[Callable[[float], None]], Any]:
    def work(tell: Callable[[float], None]) -> None:
        begun.set()
        try:
            while True:
                tell(0.5)
                time.sleep(0.005)
        finally:
            seen.append("thread ended")

    return work


def test_a_result_is_written_once_and_what_waits_comes_next(jobs: Jobs) -> None:
    seen: list[Any] = []
    for number in range(3):
        jobs.run(Job("job", lambda tell, n=number: (tell(0.5), n)[1], seen.append))
    until(jobs, lambda: jobs.current is None)
    assert seen == [0, 1, 2]


def sliced(seen: list[Any], count: int = 3) -> Callable[[Any], Iterator[None]]:
    """What makes so many slices of a result, and notes each."""

    def before(result: Any) -> Iterator[None]:
        for number in range(count):
            seen.append((result, number))
            yield

    return before


def test_slices_are_done_one_a_tick_and_before_the_result_is_written(jobs: Jobs) -> None:
    seen: list[Any] = []
    jobs.run(Job("job", lambda _: "sheet", lambda result: seen.append(f"{result} written"), before=sliced(seen)))
    assert jobs.current is not None
    jobs.current.wait(20)
    counts = []
    while jobs.current is not None:
        assert jobs.poll() is (len(counts) < 3)
        counts.append(len(seen))
    assert counts == [1, 2, 3, 4]
    assert seen[-1] == "sheet written"


def test_giving_up_between_slices_writes_nothing_and_cleans_up(jobs: Jobs) -> None:
    seen: list[Any] = []
    jobs.run(Job("job", lambda _: "sheet", lambda _: seen.append("written"), before=sliced(seen), ended=lambda: seen.append("cleaned")))
    assert jobs.current is not None
    jobs.current.wait(20)
    jobs.poll()
    jobs.cancel()
    until(jobs, lambda: "cleaned" in seen)
    assert seen == [("sheet", 0), "cleaned"]


@pytest.mark.parametrize("stroke", ["SCULPT_OT_brush_stroke", "GREASE_PENCIL_OT_brush_stroke"])
def test_nothing_is_written_in_the_middle_of_a_stroke(jobs: Jobs, gestures: list[Any], stroke: str) -> None:
    seen: list[Any] = []
    area, _, name = stroke.partition("_OT_")
    options = getattr(getattr(bpy.ops, area.lower()), name).bl_options
    gestures += [
        SimpleNamespace(bl_idname="WM_OT_context_modal_mouse", bl_options={"UNDO"}),  # in Python, as an extension's that watches for hours
        SimpleNamespace(bl_idname=stroke, bl_options=options),
        None,
    ]
    jobs.run(Job("job", lambda _: "sheet", seen.append, before=sliced(seen, 1)))
    assert jobs.current is not None
    jobs.current.wait(20)
    for _ in range(3):
        assert jobs.poll()
    assert seen == []
    held = gestures.pop(1)
    until(jobs, lambda: jobs.current is None)
    assert seen == [("sheet", 0), "sheet"]
    gestures.append(held)
    jobs.run(Job("look", lambda _: "look", seen.append, quiet=True))
    until(jobs, lambda: jobs.current is None)
    assert seen[-1] == "look", "which writes nothing"


def test_what_a_render_would_see_waits_for_its_end_and_others_go_on(jobs: Jobs, renders: set[str]) -> None:
    """Blender crashes where a material's pictures change while Cycles reads them."""
    seen: list[Any] = []
    renders.add("RENDER")
    jobs.run(Job("apply", lambda _: "sheet", seen.append, before=sliced(seen, 1), seen=True))
    jobs.run(Job("look", lambda _: "look", seen.append))
    until(jobs, lambda: "look" in seen)
    assert jobs.poll(), "there is more to come"
    assert (seen, jobs.current, "when the render ends" in jobs.note) == (["look"], None, True)
    jobs.give_up()
    renders.clear()
    until(jobs, lambda: not jobs.held and jobs.current is None)
    assert seen == ["look", ("sheet", 0), "sheet"]


def test_what_waits_for_a_render_is_replaced_by_its_kind_and_goes_with_the_file(jobs: Jobs, renders: set[str]) -> None:
    seen: list[str] = []
    renders.add("RENDER")
    for name in ("old", "new"):
        jobs.run(Job(name, lambda _: None, lambda _: seen.append("written"), "write 1", lambda name=name: seen.append(name), seen=True))
        until(jobs, lambda: jobs.current is None and not jobs.waiting)
    assert seen == ["old"]
    jobs.leave()
    assert (seen, jobs.held) == (["old", "new"], [])


def test_a_slice_that_fails_is_said(jobs: Jobs) -> None:
    def before(_: Any) -> Iterator[None]:
        yield
        raise WashiError("the picture is gone: generate it again")

    seen: list[str] = []
    jobs.run(Job("job", lambda _: None, lambda _: seen.append("written"), before=before, ended=lambda: seen.append("cleaned")))
    until(jobs, lambda: jobs.current is None)
    assert jobs.error == "the picture is gone: generate it again"
    assert seen == ["cleaned"]


def test_cancelling_drops_everything_and_cleans_up(jobs: Jobs) -> None:
    begun, seen = threading.Event(), []
    jobs.run(Job("job", endless(begun, seen), lambda _: seen.append("written"), ended=lambda: seen.append("cleaned")))
    jobs.run(Job("next", lambda _: None, lambda _: seen.append("written"), ended=lambda: seen.append("next cleaned")))
    assert begun.wait(20)
    jobs.cancel()
    assert jobs.current is None, "the window is free at once"
    until(jobs, lambda: "cleaned" in seen)
    assert seen == ["next cleaned", "thread ended", "cleaned"]
    assert jobs.error == ""


def test_giving_up_is_said_at_once_and_the_next_job_need_not_wait(jobs: Jobs, monkeypatch: pytest.MonkeyPatch) -> None:
    drawn: list[str] = []
    monkeypatch.setattr(module, "redraw", lambda: drawn.append(jobs.note))
    begun, let_go, seen = threading.Event(), threading.Event(), []

    def deaf(tell: Callable[[float], None]) -> str:
        begun.set()
        assert let_go.wait(20)
        return "late"

    jobs.run(Job("old", deaf, seen.append, "look", lambda: seen.append("old cleaned")))
    jobs.run(Job("waiting", lambda _: None, lambda _: seen.append("waited")))
    assert begun.wait(20)
    jobs.give_up()
    assert (jobs.current, jobs.waiting, jobs.error, drawn) == (None, [], "", ["Cancelled"])
    jobs.run(Job("new", lambda _: "new", seen.append, "look"), SimpleNamespace(report=None))
    until(jobs, lambda: "new" in seen)
    assert (seen, jobs.note) == (["new"], ""), "the old one is still at work"
    let_go.set()
    until(jobs, lambda: "old cleaned" in seen)
    assert seen == ["new", "old cleaned"]


def test_a_newer_job_of_a_kind_replaces_the_older_and_no_other(jobs: Jobs) -> None:
    begun, seen = threading.Event(), []
    jobs.run(Job("old", endless(begun, []), lambda _: seen.append("old"), "look"))
    assert begun.wait(20)
    jobs.run(Job("other", lambda _: None, lambda _: seen.append("other"), "write"))
    jobs.run(Job("new", lambda _: None, lambda _: seen.append("new"), "look"))
    until(jobs, lambda: jobs.current is None and not jobs.waiting)
    assert sorted(seen) == ["new", "other"]


def test_those_that_a_newer_one_replaces_hear_of_it_and_no_other(jobs: Jobs) -> None:
    begun, seen = threading.Event(), []

    def job(name: str, kind: str, work: Callable[[Any], Any] = lambda _: None) -> Job:
        return Job(name, work, lambda _: None, kind, replaced=lambda: seen.append(name))

    jobs.run(job("running", "look", endless(begun, [])))
    assert begun.wait(20)
    jobs.run(job("second", "look"))
    assert seen == ["running"]
    jobs.run(job("other", "write", endless(begun, [])))
    jobs.run(job("third", "look"))
    assert seen in (["running"], ["running", "second"])  # the second may be done
    count = len(seen)
    jobs.cancel()
    assert len(seen) == count, "nothing took the others' place"


def test_closing_waits_for_threads(jobs: Jobs) -> None:
    begun, seen = threading.Event(), []
    jobs.run(Job("job", endless(begun, seen), lambda _: None, ended=lambda: seen.append("cleaned")))
    assert begun.wait(20)
    jobs.close()
    assert seen == ["thread ended", "cleaned"]


@pytest.mark.parametrize(
    ("problem", "sentence"),
    [
        (WashiError("choose another"), "choose another"),
        (MemoryError(), "not enough memory for this: choose"),
        (ImportError(name="scipy"), r"missing \(scipy\): install"),
        (ZeroDivisionError(), r"went wrong inside Washi Latent \(ZeroDivisionError\): save your work"),
    ],
)
def test_what_went_wrong_is_one_sentence(jobs: Jobs, problem: Exception, sentence: str, capsys: pytest.CaptureFixture[str]) -> None:
    def work(_: object) -> None:
        raise problem

    jobs.run(Job("job", work, lambda _: None))
    until(jobs, lambda: jobs.current is None)
    assert "\n" not in jobs.error
    assert re.search(sentence, jobs.error)


@pytest.mark.parametrize(
    ("kind", "value", "acts"),
    [("Z", "PRESS", True), ("LEFTMOUSE", "PRESS", True), ("Z", "RELEASE", False), ("MOUSEMOVE", "NOTHING", False), ("MIDDLEMOUSE", "PRESS", False)],
)
def test_what_waits_for_a_job_hears_of_the_next_action_first(monkeypatch: pytest.MonkeyPatch, kind: str, value: str, acts: bool) -> None:
    heard: list[bool] = []
    monkeypatch.setattr(module, "before_acting", [lambda: heard.append(True)])
    assert module.WASHI_OT_job.modal(None, None, SimpleNamespace(type=kind, value=value)) == {"PASS_THROUGH"}
    assert bool(heard) == acts


class Workspace:
    """A workspace whose status text can be read."""

    def __init__(self, number: int) -> None:
        self.session_uid, self.text = number, ""

    def status_text_set(self, text: str | None) -> None:
        self.text = text or ""


@pytest.fixture
def workspaces(monkeypatch: pytest.MonkeyPatch) -> tuple[Workspace, Workspace, list[str]]:
    """Two workspaces of a window, and the timers in it."""
    here, there, timers = Workspace(1), Workspace(2), ["timer"]
    context = SimpleNamespace(temp_override=lambda **_: nullcontext(), window_manager=SimpleNamespace(event_timer_remove=timers.remove))
    texts = SimpleNamespace(pgettext_iface=str)
    registered = SimpleNamespace(is_registered=lambda _: False)
    app = SimpleNamespace(background=False, translations=texts, timers=registered)
    monkeypatch.setattr(module, "bpy", SimpleNamespace(app=app, context=context, data=SimpleNamespace(workspaces=[here, there])))
    monkeypatch.setattr(module, "redraw", lambda: None)
    monkeypatch.setattr(module.WASHI_OT_job, "windows", {7: "timer"})
    monkeypatch.setattr(module, "jobs", Jobs())
    return here, there, timers


def watcher() -> SimpleNamespace:
    """What watches in the window, as far as it is an object of ours."""
    watching = SimpleNamespace(_window=7, _shown=None, _shown_at=0.0)
    watching.show = lambda workspace: module.WASHI_OT_job._show(watching, SimpleNamespace(workspace=workspace))
    return watching


def test_a_workspace_that_was_left_while_a_job_ran_keeps_no_progress(workspaces: tuple[Workspace, Workspace, list[str]]) -> None:
    here, there, timers = workspaces
    module.jobs.current, watching = Job("Drawing", lambda _: None, lambda _: None), watcher()
    watching.show(here)
    module.jobs.current.share, watching._shown_at = 0.5, 0.0
    watching.show(there)
    assert (here.text[:7], there.text[:11]) == ("Drawing", "Drawing 50%")
    module.WASHI_OT_job._end(watching)
    assert (here.text, there.text, timers) == ("", "", [])


def test_nothing_of_a_job_is_left_in_the_window_where_the_extension_is_disabled(workspaces: tuple[Workspace, Workspace, list[str]]) -> None:
    here, _, timers = workspaces
    module.jobs.current, watching = Job("Drawing", lambda _: None, lambda _: None), watcher()
    watching.show(here)
    module.jobs.leave()
    assert (here.text, timers, module.WASHI_OT_job.windows) == ("", [], {})
    module.WASHI_OT_job._end(watching)  # where Blender ends the operator after that, its timer is gone already
