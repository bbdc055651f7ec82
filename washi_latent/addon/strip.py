"""The sequence of a scene: its points, what is shown of it, and how it is written into materials. Main thread only."""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import bpy

from . import engine, preferences, previews, session
from .jobs import Job, before_acting, jobs, redraw
from .references import Reference, found, reference
from .translations import MESSAGE, sentence

FIELDS = {"A": "sequence_start", "B": "sequence_end"}
_given_up: set[engine.Asked] = set()
_drawn: Reference = ""
"""The scene whose panels were drawn last without its sequence."""


@dataclass(eq=False)
class _Picked:
    """A pick whose sequence is being written.

    Attributes:
        scene: that of the search. kind: of the job that writes. node: index and latent of where it led.
        owed: its undo step waits for the sequence, to be one with it. undone: it was taken back, so that nothing is written.
    """

    scene: Reference
    kind: str
    node: tuple[int, bytes]
    owed: bool = True
    undone: bool = False

    def stands(self) -> bool:
        """Whether the search still holds it."""
        scene = found(bpy.data.scenes, self.scene)
        place = session.place(scene) if scene is not None else None
        index, latent = self.node
        return place is not None and place.centers[index : index + 1] == (latent,)


_picked: list[_Picked] = []
"""The picks whose sequences are being written; at most one of a scene, and at most one, the last, whose undo step waits."""


def asked(scene: bpy.types.Scene) -> engine.Asked | None:
    """Which sequence the settings say; None before both ends are set."""
    washi, stands, texts = scene.washi, session.place(scene), session.points(scene)
    if stands is None or not all(texts):
        return None
    chosen = washi.sequence
    points = tuple(engine.from_text(text) for text in texts)
    if any(len(point) != len(stands.centers[0]) for point in points):  # of another model
        return None
    folder = preferences.model_folder(stands.model)
    return engine.Asked(folder, engine.noise_seed(washi.state), points, chosen.count, chosen.spacing, chosen.path)


def strip(scene: bpy.types.Scene) -> engine.Strip | None:
    """What is shown of it, once it is computed."""
    wanted = asked(scene)
    return engine.kept_strip(wanted) if wanted is not None else None


def set_point(scene: bpy.types.Scene, end: str, latent: bytes) -> None:
    """Make a packed latent of the scene's model an end, "A" or "B", or one more key point, "BETWEEN"; points of another model go."""
    session.changing()
    washi = scene.washi
    if washi.sequence_model not in ("", washi.model):
        washi.sequence.between.clear()
        washi.sequence_start = washi.sequence_end = ""
    washi.sequence_model = washi.model
    if end == "BETWEEN":
        washi.sequence.between.add().latent = engine.to_text(latent)
    else:
        setattr(washi, FIELDS[end], engine.to_text(latent))
    redraw()


def follow(scene: bpy.types.Scene) -> None:
    """After a pick: the end that follows is where the search stands."""
    end, stands = scene.washi.sequence.follow, session.place(scene)
    if end != "NONE" and stands is not None:
        set_point(scene, end, stands.here)


def from_last_step(scene: bpy.types.Scene) -> None:
    """The sequence from where the search stood to where it stands."""
    stands = session.place(scene)
    if stands is not None and stands.parents[stands.current] >= 0:
        scene.washi.sequence.between.clear()
        set_point(scene, "A", stands.centers[stands.parents[stands.current]])
        set_point(scene, "B", stands.here)


# Showing


def show(scene: bpy.types.Scene, operator: bpy.types.Operator | None = None) -> set[str]:
    """Compute what is shown, unless it is there; an operator's result."""
    wanted, threads = asked(scene), preferences.threads()
    if wanted is None:
        return jobs.fail(MESSAGE("The sequence has no two ends of this model: set A and B"), operator)
    if engine.kept_strip(wanted) is not None:
        return {"FINISHED"}
    jobs.make_way("strip")  # of these very points, too
    _given_up.add(wanted)  # until it is done

    def work(progress: engine.Tell) -> engine.Strip:
        return engine.sequence(wanted, threads, progress)

    def shown(_: object = None) -> None:
        _given_up.discard(wanted)

    return jobs.run(Job(MESSAGE("Interpolating"), work, shown, "strip", replaced=shown, quiet=True), operator)


def show_when_drawn(scene: bpy.types.Scene) -> None:
    """Compute it once panels are drawn: an end or a setting has changed."""
    wanted = asked(scene)
    idle = jobs.current is None and not bpy.app.background
    if wanted is None or not idle or wanted in _given_up or engine.kept_strip(wanted) is not None or bpy.app.timers.is_registered(_show_now):
        return
    global _drawn  # noqa: PLW0603 - a timer takes no arguments
    _drawn = reference(scene)
    bpy.app.timers.register(_show_now)


def _show_now() -> None:
    scene = found(bpy.data.scenes, _drawn)
    if scene is not None and asked(scene) is not None:
        show(scene)


def plot_icon(found: engine.Strip) -> int:
    """The icon of its plot."""
    return previews.icon("plot", found.plot, found)


# Writing


def writing(scene: bpy.types.Scene) -> str:
    """The kind of the job that writes a scene's sequence: two windows may show two scenes, and one waits for the other."""
    return f"write {scene.session_uid}"


def write(context: bpy.types.Context, operator: bpy.types.Operator | None = None, with_pick: bool = False) -> set[str]:
    """Draw the sequence and put it into materials, in one undo step, with a pick's where that waits; an operator's result."""
    from ..core.errors import WashiError
    from .apply import drop_ahead, file_name, files_beside, is_unused, keep_unused, measured, pack_ahead
    from .materials import PaperOptions, shown_maps
    from .operators.apply import options_of, selected

    scene = context.scene
    wanted, washi, threads = asked(scene), scene.washi, preferences.threads()
    kind = writing(scene)
    settle()
    problem = _problem(scene)

    def refuse(problem: str) -> set[str]:
        if with_pick:
            session.push(MESSAGE("Pick"))
        return jobs.fail(problem, operator)

    if wanted is None or problem:
        return refuse(problem)
    name, form, size = washi.sequence.material or "Washi Sequence", washi.sequence.form, int(washi.size)
    store, beside = washi.store, None if form == "FILM" else files_beside(washi.store)
    paper, film = PaperOptions(**options_of(washi)), Path(bpy.data.filepath).parent / "textures" if form == "FILM" else None
    maps = shown_maps(paper)
    try:
        finish, surfaces = _finisher(selected(context), washi, paper)
        engine.check_sequence(wanted, size, form, len(maps), Path(tempfile.gettempdir()), film or beside)
    except WashiError as error:
        return refuse(str(error))
    temporary, lengths = Path(tempfile.mkdtemp(prefix="washi-latent-")), dict[Reference, Any]()

    def work(progress: engine.Tell) -> engine.Drawn:
        lengths.update(measured(surfaces))
        drawn = engine.draw_sequence(wanted, threads, size, temporary, file_name(name), form, film, progress, maps)
        return engine.keep_drawn(drawn, file_name(name), beside)

    def before(drawn: engine.Drawn) -> Iterator[None]:
        if form == "FILM":
            return iter(())
        return pack_ahead([one.files for one in drawn.sheets] if drawn.atlas is None else [drawn.atlas.files], paper, store)

    def done(drawn: engine.Drawn) -> None:
        if picked is not None and picked.undone:
            return
        if picked is None or not picked.owed:
            settle()  # a pick of another scene's, of which nothing is written yet
            session.hold_sculpture()
        made = finish(drawn, name, lengths)
        unused = [one for name in made.materials if (one := found(bpy.data.materials, name)) is not None and is_unused(one)]
        kept = keep_unused(unused) if unused else None
        jobs.note = made.note or kept or sentence(MESSAGE("The sequence is in {count} materials"), count=len(made.materials))
        count, size = drawn.earlier
        if count:
            # They are not removed: undo, or another file of the folder, may need them.
            jobs.note = sentence(
                MESSAGE("{count} earlier films of this name take {megabytes} MB in the folder textures: remove those that no file shows any more"),
                count=count,
                megabytes=f"{size / 1e6:.1f}",
            )
        if not settle():
            session.push(MESSAGE("Write Sequence"))

    def ended() -> None:
        drop_ahead()
        shutil.rmtree(temporary, ignore_errors=True)
        _let_go(picked)

    stands = session.place(scene)
    picked = _Picked(reference(scene), kind, (stands.current, stands.here)) if with_pick and stands is not None else None
    _picked[:] = [*(one for one in _picked if one.kind != kind), *([picked] if picked is not None else ())]  # this takes the place of the scene's own
    return jobs.run(Job(MESSAGE("Drawing the sequence"), work, done, kind, ended, before, seen=True), operator)


def _let_go(picked: _Picked | None) -> None:
    """A pick's sequence was written, or will not be."""
    if picked is not None and picked in _picked:
        if picked.owed:
            settle()
        _picked.remove(picked)


def _problem(scene: bpy.types.Scene) -> str:
    """Why the sequence can't be written, in one sentence; empty where it can."""
    if asked(scene) is None:
        return MESSAGE("The sequence has no two ends of this model: set A and B")
    if scene.washi.sequence.form == "FILM" and not bpy.data.filepath:
        return MESSAGE("A film's pictures lie in a folder beside the file: save the file first")
    return ""


def write_with_pick(context: bpy.types.Context) -> None:
    """After a pick: the sequence of this step goes into the materials, in one undo step with the pick."""
    from_last_step(context.scene)
    write(context, with_pick=True)


def settle() -> bool:
    """Push the undo step of a pick that waits for its sequence: that was written, or can't be waited for; whether there was one."""
    owing = [picked for picked in _picked if picked.owed]
    if not owing:
        return False
    for picked in owing:
        picked.owed = False
    session.push(MESSAGE("Pick"))
    return True


@bpy.app.handlers.persistent
def _before_undo(_: object) -> None:
    """A pick that waits was done last: undo takes back this, and nothing before it."""
    settle()


@bpy.app.handlers.persistent
def _after_undo(_: object) -> None:
    """The sequence of a pick that was taken back is not written."""
    for picked in [picked for picked in _picked if not picked.stands()]:
        picked.undone = True
        jobs.drop(picked.kind)


def _finisher(objects: list[Reference], washi: Any, paper: Any) -> tuple[Callable[[engine.Drawn, str, Any], Any], Any]:
    """What puts a drawn sequence into materials, with the settings as they are now and the lengths of the UV; the surfaces to measure for it.

    Raises:
        WashiError: with these settings it would not.
    """
    from . import sequences

    chosen, store = washi.sequence, washi.store
    form, order, reverse, in_slots = chosen.form, chosen.order, chosen.reverse, chosen.in_slots
    film = sequences.Film(chosen.frame_start, chosen.frame_end, chosen.offset, chosen.repeat)
    blend = sequences.Blend(chosen.blend_by, chosen.axis, chosen.attribute, chosen.empty, chosen.first, chosen.last)
    vary = sequences.Variation(chosen.vary_by, chosen.vary_seed, chosen.vary_number, chosen.vary_shift)
    surfaces = sequences.check({"FILM": film, "BLEND": blend}.get(form), objects, paper)

    def finish(drawn: engine.Drawn, name: str, known: Any) -> Any:
        if form == "EACH":
            return sequences.one_material_each(drawn.sheets, name, objects, order, reverse, in_slots, paper, store, known)
        if form == "FILM":
            return sequences.animated_material(drawn.sheets, drawn.first, name, objects, film, paper, known)
        if form == "BLEND":
            return sequences.blending_material(drawn.sheets, drawn.atlas, name, objects, blend, paper, store, known)
        return sequences.varying_material(drawn.sheets, drawn.atlas, name, objects, vary, paper, store, known)

    return finish, surfaces


def forget() -> None:
    """Let go of everything: another file, or the extension is disabled."""
    _given_up.clear()
    _picked.clear()


def register() -> None:
    """Follow undo and redo, and what is done while a sequence is drawn."""
    for handlers, one in _HANDLERS:
        handlers.append(one)
    before_acting.append(settle)


def unregister() -> None:
    """Take it away, and let go of everything."""
    for handlers, one in _HANDLERS:
        handlers.remove(one)
    before_acting.remove(settle)
    forget()


_HANDLERS = (
    (bpy.app.handlers.undo_pre, _before_undo),
    (bpy.app.handlers.redo_pre, _before_undo),
    (bpy.app.handlers.undo_post, _after_undo),
    (bpy.app.handlers.redo_post, _after_undo),
)
