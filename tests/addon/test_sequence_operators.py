"""A sequence through the operators: its points, its strip, its materials, and written as one goes."""

from __future__ import annotations

import json
import os
import shutil
import tempfile
import threading
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any
from unittest.mock import MagicMock

import numpy as np
import pytest

bpy = pytest.importorskip("bpy")

from washi_latent.addon import engine, panels, preferences, previews, session, strip
from washi_latent.addon import jobs as jobs_module
from washi_latent.addon.jobs import jobs
from washi_latent.core import interpolate, load_model


@pytest.fixture
def explored(washi: Any) -> Any:
    bpy.ops.washi.explore()
    return washi


def stands() -> engine.Place:
    return session.place(bpy.context.scene)


def row(count: int) -> list[Any]:
    things = []
    for number in range(count):
        bpy.ops.mesh.primitive_plane_add(size=0.1, location=(number, 0, 0))
        things.append(bpy.context.object)
    for thing in things:
        thing.select_set(True)
    return things


def latent_of(material: Any) -> list[float]:
    return json.loads(material["washi_latent"])["latent"]


def both_ends(explored: Any) -> None:
    bpy.ops.washi.keep(index=1, name="Moss")
    bpy.ops.washi.sequence_from(end="A", source="FAVOURITE", favourite="Moss")
    bpy.ops.washi.pick(index=4)
    bpy.ops.washi.sequence_from(end="B", source="HERE")


def test_the_strip_is_what_the_core_interpolates(explored: Any, models_folder: Path) -> None:
    both_ends(explored)
    explored.sequence.count = 3
    explored.sequence.spacing = "similarity"
    assert bpy.ops.washi.sequence_show() == {"FINISHED"}
    found = strip.strip(bpy.context.scene)
    ends = [np.frombuffer(one) for one in (stands().kept[0], stands().centers[1])]
    expected = interpolate(load_model(models_folder / "small-64"), *ends, 3, "similarity")
    assert b"".join(found.latents) == expected.latents.tobytes()
    assert found.pictures.shape == (5, 128, 128, 4)
    assert found.neighbour_ratio == expected.metrics.neighbour_step_ratio
    assert found.plot.shape == (512, 512, 4)


def test_the_strips_of_two_scenes_in_two_windows_are_both_kept(explored: Any) -> None:
    both_ends(explored)
    explored.sequence.count = 1
    first, second = bpy.context.scene, bpy.context.scene.copy()
    second.washi.sequence.count = 2
    for scene in (first, second):
        strip.show(scene)
    assert [len(strip.strip(scene).latents) for scene in (first, second)] == [3, 4]


def test_key_points_lie_between_and_turn_around(explored: Any) -> None:
    both_ends(explored)
    bpy.ops.washi.keep(index=7, name="Bark")
    bpy.ops.washi.sequence_from(end="BETWEEN", source="FAVOURITE", favourite="Bark")
    explored.sequence.count = 1
    bpy.ops.washi.sequence_show()
    found = strip.strip(bpy.context.scene)
    points = (stands().kept[0], stands().kept[1], stands().centers[1])
    assert np.allclose([np.frombuffer(found.latents[i]) for i in (0, 2, 4)], [np.frombuffer(one) for one in points])
    bpy.ops.washi.sequence_swap()
    assert strip.asked(bpy.context.scene).points == points[::-1]
    bpy.ops.washi.sequence_remove(index=0)
    assert len(strip.asked(bpy.context.scene).points) == 2


def test_without_ends_it_says_what_to_do(explored: Any) -> None:
    with pytest.raises(RuntimeError, match="set A and B"):
        bpy.ops.washi.sequence_write()


def test_an_end_from_a_material(explored: Any) -> None:
    row(1)
    bpy.ops.washi.apply(index=5)
    bpy.ops.washi.sequence_from(end="A", source="MATERIAL")
    assert engine.from_text(explored.sequence_start) == session.look(bpy.context.scene).latents[5]
    bpy.context.object.active_material = None
    with pytest.raises(RuntimeError, match="no material: select"):
        bpy.ops.washi.sequence_from(end="A", source="MATERIAL")


@pytest.mark.parametrize(("form", "materials"), [("EACH", 4), ("FILM", 1), ("BLEND", 1), ("VARY", 1)])
def test_every_form_is_written_and_written_again_in_its_place(explored: Any, tmp_path: Path, form: str, materials: int) -> None:
    bpy.ops.wm.save_as_mainfile(filepath=str(tmp_path / "scene.blend"))
    both_ends(explored)
    explored.sequence.count, explored.sequence.form = 2, form
    things = row(4)
    assert bpy.ops.washi.sequence_write() == {"FINISHED"}
    assert len(bpy.data.materials) == materials
    assert len({thing.active_material.name for thing in things}) == materials
    before = len(bpy.data.images), len(bpy.data.node_groups)
    explored.sequence.spacing = "similarity"
    bpy.ops.washi.sequence_write()
    assert (len(bpy.data.materials), (len(bpy.data.images), len(bpy.data.node_groups))) == (materials, before)


def test_one_material_a_texture_lies_in_order(explored: Any) -> None:
    both_ends(explored)
    explored.sequence.count = 2
    things = row(4)
    bpy.ops.washi.sequence_write()
    bpy.ops.washi.sequence_show()
    wanted = [list(engine.unpacked(latent)) for latent in strip.strip(bpy.context.scene).latents]
    assert [latent_of(thing.active_material) for thing in things] == wanted


def test_a_film_of_an_unsaved_file_says_what_to_do(explored: Any) -> None:
    both_ends(explored)
    explored.sequence.form = "FILM"
    with pytest.raises(RuntimeError, match="save the file first"):
        bpy.ops.washi.sequence_write()


def linked_plane(folder: Path) -> None:
    bpy.ops.mesh.primitive_plane_add()
    theirs = bpy.context.object
    bpy.data.libraries.write(str(folder / "theirs.blend"), {theirs})
    name = theirs.name
    bpy.data.objects.remove(theirs)
    with bpy.data.libraries.load(str(folder / "theirs.blend"), link=True) as (_, wanted):
        wanted.objects = [name]
    bpy.context.scene.collection.objects.link(bpy.data.objects[name])
    bpy.data.objects[name].select_set(True)


def without_uv(_: Path) -> None:
    bpy.context.scene.washi.coordinates = "UV"
    mesh = row(1)[0].data
    mesh.uv_layers.remove(mesh.uv_layers[0])


REFUSED: dict[str, tuple[dict[str, Any], Any, str]] = {
    "no empty": ({"form": "BLEND", "blend_by": "DISTANCE"}, None, "needs an empty"),
    "no way": ({"form": "BLEND", "blend_by": "OBJECT", "first": 1, "last": 1}, None, "at the same position"),
    "film": ({"form": "FILM", "frame_start": 20, "frame_end": 10}, None, "ends at frame 10, before it starts at 20"),
    "linked": ({"form": "EACH"}, linked_plane, "belong to another file"),
    "no UV map": ({"form": "VARY"}, without_uv, "has no UV map"),
    "atlas": ({"form": "VARY", "count": 2}, None, "2 x 2 textures of 32 x 32 pixels are more than graphics cards take"),
}


@pytest.mark.parametrize("case", REFUSED)
def test_what_materials_would_refuse_is_said_before_anything_is_drawn(explored: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, case: str) -> None:
    bpy.ops.wm.save_as_mainfile(filepath=str(tmp_path / "scene.blend"))
    settings, prepare, sentence = REFUSED[case]
    both_ends(explored)
    for name, value in settings.items():
        setattr(explored.sequence, name, value)
    if prepare is not None:
        prepare(tmp_path)
    monkeypatch.setattr("washi_latent.core.sheets.LARGEST", 2 * 32)  # two textures, without what goes on around them
    monkeypatch.setattr(jobs, "run", lambda *_: pytest.fail("a job was begun"))
    with pytest.raises(RuntimeError, match=sentence):
        bpy.ops.washi.sequence_write()
    assert not bpy.data.materials


def test_a_pick_whose_sequence_is_refused_at_once_has_its_undo_step(explored: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    pushed: list[str] = []
    monkeypatch.setattr(session, "push", pushed.append)
    explored.sequence.as_you_go, explored.sequence.form, explored.sequence.blend_by = True, "BLEND", "DISTANCE"
    bpy.ops.washi.pick(index=3)
    assert pushed == ["Pick"]
    assert "needs an empty" in jobs.error


@pytest.mark.parametrize("form", ["EACH", "FILM", "BLEND"])
def test_a_disk_without_room_is_said_before_anything_is_drawn(explored: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, form: str) -> None:
    bpy.ops.wm.save_as_mainfile(filepath=str(tmp_path / "scene.blend"))
    both_ends(explored)
    explored.sequence.form, explored.sequence.count = form, 2
    full = tmp_path / "textures" if form == "FILM" else Path(tempfile.gettempdir())
    monkeypatch.setattr("washi_latent.core.sheets.check_folder", hash)  # each on a disk of its own
    monkeypatch.setattr("washi_latent.core.sheets.free_bytes", lambda folder: 1000 if folder == full else 2**40)
    with pytest.raises(RuntimeError, match=r"4 textures of 32 x 32 pixels need about 0.0 GB in .* and 0.0 GB are free there"):
        bpy.ops.washi.sequence_write()
    assert not bpy.data.materials


def film_of_a_pick(explored: Any, folder: Path) -> Any:
    bpy.ops.wm.save_as_mainfile(filepath=str(folder / "scene.blend"))
    explored.sequence.as_you_go, explored.sequence.count, explored.sequence.form = True, 1, "FILM"
    thing = row(1)[0]
    bpy.ops.washi.pick(index=3)
    return thing


@pytest.mark.parametrize("relief", ["BUMP", "NONE"])
def test_a_film_keeps_the_maps_that_it_shows_and_no_others(explored: Any, tmp_path: Path, relief: str) -> None:
    explored.relief = relief
    material = film_of_a_pick(explored, tmp_path).active_material
    shown = {Path(node.image.filepath).name.removesuffix("_0001.png") for node in material.node_tree.nodes if node.type == "TEX_IMAGE"}
    assert len(shown) == (4 if relief == "BUMP" else 3)
    (folder,) = (tmp_path / "textures").iterdir()
    assert {file.name.removesuffix(f"_{i:04d}.png") for i, file in zip((1, 2, 3) * len(shown), sorted(folder.iterdir()), strict=True)} == shown


def test_earlier_films_stay_and_are_told_of(explored: Any, tmp_path: Path) -> None:
    film_of_a_pick(explored, tmp_path)
    assert jobs.note == "The sequence is in 1 materials"
    (first,) = (tmp_path / "textures").iterdir()
    bpy.ops.washi.pick(index=5)
    megabytes = sum(file.stat().st_size for file in first.iterdir()) / 1e6
    assert jobs.note.startswith(f"1 earlier films of this name take {megabytes:.1f} MB in the folder textures")
    assert len(list((tmp_path / "textures").iterdir())) == 2


def test_a_film_as_an_asset_has_its_first_texture_as_preview(explored: Any, tmp_path: Path) -> None:
    thing = film_of_a_pick(explored, tmp_path)
    bpy.context.view_layer.objects.active = thing
    assert bpy.ops.washi.mark_asset(catalogue="") == {"FINISHED"}
    preview = thing.active_material.preview
    pixels = np.empty(engine.PREVIEW**2, np.int32)
    preview.image_pixels.foreach_get(pixels)
    (first,) = (tmp_path / "textures").glob("*/*_base_color_0001.png")
    assert pixels.tobytes() == engine.preview(str(first))


def test_each_pick_writes_its_step_and_the_next_replaces_it(explored: Any) -> None:
    explored.sequence.as_you_go, explored.sequence.count = True, 1
    things = row(3)
    for index in (3, 8):
        bpy.ops.washi.pick(index=index)
        ends = stands().centers[stands().parents[stands().current]], stands().centers[stands().current]
        assert np.allclose([latent_of(things[i].active_material) for i in (0, 2)], [engine.unpacked(end) for end in ends])
        assert len(bpy.data.materials) == 3


def test_a_pick_and_its_sequence_are_one_undo_step(explored: Any) -> None:
    explored.sequence.as_you_go, explored.sequence.count = True, 1
    row(3)
    bpy.ops.ed.undo_push(message="before")
    before = explored.state
    bpy.ops.washi.pick(index=3)
    assert len(bpy.data.materials) == 3
    bpy.ops.ed.undo()
    assert bpy.context.scene.washi.state == before
    assert len(bpy.data.materials) == 0
    bpy.ops.ed.redo()
    assert len(bpy.data.materials) == 3
    assert stands().current == 1


@pytest.mark.parametrize("form", ["EACH", "FILM"])
def test_every_pick_pushes_one_undo_step_even_if_its_sequence_fails(explored: Any, monkeypatch: pytest.MonkeyPatch, form: str) -> None:
    pushed: list[str] = []
    monkeypatch.setattr(session, "push", pushed.append)
    explored.sequence.as_you_go, explored.sequence.count, explored.sequence.form = True, 1, form
    for number in range(2):
        bpy.ops.washi.pick(index=number)
    assert pushed == ["Pick", "Pick"]
    assert ("save the file first" in jobs.error) == (form == "FILM")


def test_a_sequence_that_is_given_up_leaves_the_next_pick_its_own_step(explored: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """In a window the next pick may come while the sequence of the one before is still drawn."""
    pushed: list[str] = []
    waiting: list[Any] = []
    monkeypatch.setattr(session, "push", pushed.append)
    monkeypatch.setattr(strip.jobs, "run", lambda job, operator=None: waiting.append(job) or {"FINISHED"})
    explored.sequence.as_you_go = True
    bpy.ops.washi.pick(index=1)
    assert pushed == []
    bpy.ops.washi.pick(index=2)
    assert pushed == ["Pick"], "the first pick's, before the second changes anything"
    first, second = (job for job in waiting if job.kind.startswith("write "))
    first.ended()
    assert pushed == ["Pick"]
    second.ended()
    assert pushed == ["Pick", "Pick"]


@pytest.fixture
def waiting(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> list[Any]:
    """Jobs that write, which a window would run in a thread: `land` runs one."""
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))  # those that none lands leave their folders
    found: list[Any] = []
    run = jobs.run
    monkeypatch.setattr(jobs, "run", lambda job, operator=None: found.append(job) or {"FINISHED"} if job.kind.startswith("write ") else run(job, operator))
    return found


def test_the_panel_shows_how_far_the_writing_of_its_scenes_sequence_is(explored: Any, waiting: list[Any], monkeypatch: pytest.MonkeyPatch) -> None:
    both_ends(explored)
    bpy.ops.washi.sequence_write()
    shown: list[Any] = []
    monkeypatch.setattr(panels, "_progress", lambda _layout, job: shown.append(job))
    other = bpy.data.scenes.new("Other")
    for scene, wanted in ((bpy.context.scene, waiting[-1:]), (other, [])):
        monkeypatch.setattr(jobs, "current", waiting[-1])
        context = SimpleNamespace(scene=scene, space_data=None, region=None, area=None, window_manager=bpy.context.window_manager)
        panels.Sequence.draw(SimpleNamespace(layout=MagicMock()), context)  # type: ignore[arg-type]
        monkeypatch.setattr(jobs, "current", None)
        assert shown == wanted
        shown.clear()
    bpy.data.scenes.remove(other)


def land(job: Any) -> str | None:
    job._run()
    return job.finish()


def picked_after_a_move(explored: Any) -> tuple[str, Any]:
    """The search before a pick that waits for its sequence, and what was done before it."""
    explored.sequence.as_you_go, explored.sequence.count = True, 1
    thing = row(1)[0]
    bpy.ops.ed.undo_push(message="before")
    thing.location.x = 5
    bpy.ops.ed.undo_push(message="Move")
    before = explored.state
    bpy.ops.washi.pick(index=3)
    assert bpy.context.scene.washi.state != before
    return before, thing.name


def moved(name: str) -> bool:
    return bpy.data.objects[name].location.x == 5


def test_undo_while_a_picks_sequence_is_drawn_takes_back_the_pick_and_nothing_more(explored: Any, waiting: list[Any]) -> None:
    before, name = picked_after_a_move(explored)
    bpy.ops.ed.undo()
    assert bpy.context.scene.washi.state == before
    assert moved(name)
    assert land(waiting[0]) is None
    assert not bpy.data.materials
    assert bpy.context.scene.washi.state == before
    bpy.ops.ed.redo()
    assert stands().current == 1
    assert moved(name)
    assert not bpy.data.materials


def test_undo_in_edit_mode_while_a_picks_sequence_is_drawn_takes_back_the_pick_and_nothing_more(explored: Any, waiting: list[Any]) -> None:
    explored.sequence.as_you_go, explored.sequence.count = True, 1
    thing = row(1)[0]
    bpy.ops.ed.undo_push(message="before")
    bpy.ops.object.mode_set(mode="EDIT")
    bpy.ops.ed.undo_push(message="Edit Mode")
    bpy.ops.mesh.subdivide()
    bpy.ops.ed.undo_push(message="Subdivide")
    before, name = explored.state, thing.name

    def seen() -> tuple[bool, int, int]:
        edited = bpy.data.objects[name]
        edited.update_from_editmode()
        return bpy.context.scene.washi.state == before, len(edited.data.polygons), len(bpy.data.materials)

    bpy.ops.washi.pick(index=3)
    bpy.ops.ed.undo()
    assert seen() == (True, 4, 0)
    land(waiting[0])
    assert seen() == (True, 4, 0)
    bpy.ops.ed.redo()
    assert seen() == (False, 4, 0)
    bpy.ops.washi.pick(index=5)
    land(waiting[1])
    assert seen() == (False, 4, 3)
    bpy.ops.ed.undo()
    assert seen() == (False, 4, 0)
    assert stands().current == 1
    bpy.ops.ed.redo()
    assert seen() == (False, 4, 3)
    assert stands().current == 2


def test_undo_further_back_while_a_picks_sequence_is_drawn(explored: Any, waiting: list[Any]) -> None:
    _, name = picked_after_a_move(explored)
    bpy.ops.ed.undo()
    bpy.ops.ed.undo()
    assert not moved(name)
    land(waiting[0])
    for _ in range(2):
        bpy.ops.ed.redo()
    assert moved(name)
    assert stands().current == 1


def test_redo_while_a_picks_sequence_is_drawn_keeps_the_pick(explored: Any, waiting: list[Any]) -> None:
    before, name = picked_after_a_move(explored)
    bpy.ops.ed.undo()
    land(waiting[0])
    bpy.ops.washi.pick(index=5)
    bpy.ops.ed.redo()
    assert stands().current == 1
    land(waiting[1])
    assert bpy.data.materials
    bpy.ops.ed.undo()
    assert stands().current == 1, "the sequence was written after the pick had got its own step"
    assert not bpy.data.materials
    bpy.ops.ed.undo()
    assert bpy.context.scene.washi.state == before
    assert moved(name)


ACTS: dict[str, Callable[[], Any]] = {
    "others": bpy.ops.washi.others,
    "write": bpy.ops.washi.sequence_write,
    "a key": jobs_module.acting,
    "an end": lambda: bpy.ops.washi.sequence_from(end="A"),
    "swap": bpy.ops.washi.sequence_swap,
    "remove": bpy.ops.washi.sequence_remove,
    "model": lambda: bpy.ops.washi.choose_model(name="small-64"),
    "sliders": bpy.ops.washi.reset_directions,
    "apply": bpy.ops.washi.apply,
    "asset": lambda: bpy.ops.washi.mark_asset(catalogue=""),
    "find": lambda: bpy.ops.washi.find_picture(image="wanted"),
}


def marked_before(name: str) -> None:
    """Give an object a material of ours by hand."""
    material = bpy.data.materials.new("Ours")
    material["washi_latent"] = "{}"
    bpy.data.objects[name].data.materials.append(material)


@pytest.mark.parametrize("act", ACTS)
def test_what_is_done_while_a_picks_sequence_is_drawn_is_a_step_of_its_own(
    explored: Any, waiting: list[Any], monkeypatch: pytest.MonkeyPatch, act: str
) -> None:
    pushed: list[str] = []
    monkeypatch.setattr(session, "push", pushed.append)
    _, name = picked_after_a_move(explored)
    assert pushed == []
    if act == "asset":
        marked_before(name)
    bpy.data.images.new("wanted", 32, 32)
    ACTS[act]()
    assert pushed[0] == "Pick"
    del pushed[1 : 1 + (act in {"apply", "asset", "find"})]
    assert land(waiting[-1]) is None
    assert pushed == ["Pick", "Write Sequence"]


def test_an_undo_of_something_else_leaves_a_picks_sequence_alone(explored: Any, waiting: list[Any]) -> None:
    _, name = picked_after_a_move(explored)
    jobs_module.acting()
    bpy.data.objects[name].location.y = 7
    bpy.ops.ed.undo_push(message="Move again")
    bpy.ops.ed.undo()
    assert bpy.data.objects[name].location.y == 0
    land(waiting[0])
    assert len(bpy.data.materials) == 3
    assert stands().current == 1


def of_another_scene(explored: Any, material: str) -> Any:
    """A window that shows a copy of the scene, whose sequence gets a name of its own."""
    scene = bpy.context.scene.copy()
    scene.washi.sequence.material = material
    return scene


def test_a_sequence_of_another_scene_waits_for_one_that_is_being_written(explored: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    timers = SimpleNamespace(is_registered=lambda _: True, register=lambda _: None, unregister=lambda _: None)
    both_ends(explored)
    explored.sequence.count, explored.sequence.material = 1, "First"
    second = of_another_scene(explored, "Second")
    kept = jobs_module.Jobs()
    drawn = strip.engine.draw_sequence
    began, goes_on = threading.Event(), threading.Event()

    def drawing(*given: Any) -> Any:
        began.set()
        assert goes_on.wait(60)
        return drawn(*given)

    monkeypatch.setattr(strip, "jobs", kept)
    monkeypatch.setattr(strip.engine, "draw_sequence", drawing)
    with monkeypatch.context() as window:
        app = SimpleNamespace(background=False, timers=timers, is_job_running=bpy.app.is_job_running)
        window.setattr(jobs_module, "bpy", SimpleNamespace(app=app, context=bpy.context))
        strip.write(bpy.context)
        assert began.wait(60)
        with bpy.context.temp_override(scene=second):
            strip.write(bpy.context)
            strip.write(bpy.context)  # this replaces the scene's own alone
        assert kept.current is not None
        assert [kept.current.kind, *(job.kind for job in kept.waiting)] == [f"write {scene.session_uid}" for scene in (bpy.data.scenes[0], second)]
        goes_on.set()
        while kept.current is not None:
            kept.current.wait(60)
            kept.poll()
    assert kept.error == ""
    assert sorted(material.name for material in bpy.data.materials) == [f"{name} 0{number}" for name in ("First", "Second") for number in (1, 2, 3)]


def test_picks_of_two_scenes_whose_sequences_are_drawn_are_undone_each_by_itself(explored: Any, waiting: list[Any], monkeypatch: pytest.MonkeyPatch) -> None:
    pushed: list[str] = []
    monkeypatch.setattr(session, "push", pushed.append)
    explored.sequence.as_you_go, explored.sequence.count, explored.sequence.material = True, 1, "First"
    second = of_another_scene(explored, "Second")
    bpy.ops.washi.pick(index=3)
    with bpy.context.temp_override(scene=second):
        bpy.ops.washi.pick(index=4)
    assert pushed == ["Pick"]
    assert land(waiting[0]) is None
    assert pushed == ["Pick", "Pick", "Write Sequence"], "the second pick was done before the first sequence was written"
    second.washi.state = explored.state  # as undo does
    strip._after_undo(None)
    assert land(waiting[1]) is None
    assert pushed == ["Pick", "Pick", "Write Sequence"]
    assert {material.name[:5] for material in bpy.data.materials} == {"First"}


def test_an_end_follows_the_picks(explored: Any) -> None:
    both_ends(explored)
    fixed = explored.sequence_end
    explored.sequence.follow = "A"
    bpy.ops.washi.pick(index=2)
    assert engine.from_text(explored.sequence_start) == stands().centers[stands().current]
    assert explored.sequence_end == fixed


def test_a_sequence_of_another_model_is_not_joined(explored: Any) -> None:
    both_ends(explored)
    explored.sequence_start = engine.to_text([0.0] * 5)
    assert strip.asked(bpy.context.scene) is None


def test_ends_of_another_model_of_as_many_numbers_are_not_this_ones(explored: Any, models_folder: Any, tmp_path: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    other = tmp_path / "models" / "small-other"
    shutil.copytree(models_folder / "small-64", other)
    text = (other / "model.json").read_text()
    (other / "model.json").write_text(text.replace('"small-64"', '"small-other"'))
    monkeypatch.setenv("WASHI_LATENT_MODELS", os.pathsep.join((str(models_folder), str(other.parent))))
    preferences.refresh_models()
    both_ends(explored)
    scene = bpy.context.scene
    ends, pictures = session.points(scene), session.small_pictures(scene)
    previews.small.update({one: np.zeros((8, 8, 4), np.uint8) for one in pictures})
    bpy.ops.washi.choose_model(name="small-other")
    bpy.ops.washi.explore()
    assert strip.asked(scene) is None
    assert session.points(scene) == ("", "")
    session.thumbnails_soon(scene)
    assert not previews.small, "the same latent is another texture of another model"
    bpy.ops.washi.choose_model(name="small-64")
    assert session.points(scene) == ends, "they are its own again"
    bpy.ops.washi.choose_model(name="small-other")
    bpy.ops.washi.sequence_from(end="A", source="HERE")
    assert session.points(scene)[1:] == ("",)
    assert strip.asked(scene) is None


@pytest.mark.parametrize("form", ["EACH", "VARY"])
def test_a_sequence_that_nothing_shows_is_kept_and_said(explored: Any, tmp_path: Path, form: str) -> None:
    both_ends(explored)
    explored.sequence.count, explored.sequence.form = 1, form
    assert bpy.ops.washi.sequence_write() == {"FINISHED"}
    assert "Nothing was selected" in jobs.note
    count = len(bpy.data.materials)
    bpy.ops.wm.save_as_mainfile(filepath=str(tmp_path / "scene.blend"))
    bpy.ops.wm.open_mainfile(filepath=str(tmp_path / "scene.blend"))
    assert len(bpy.data.materials) == count > 0


def test_a_shorter_sequence_leaves_nothing_of_a_longer_one_that_nothing_shows(explored: Any) -> None:
    both_ends(explored)
    explored.sequence.count = 2
    bpy.ops.washi.sequence_write()
    assert len(bpy.data.materials) == 4
    explored.sequence.count = 1
    bpy.ops.washi.sequence_write()
    assert (len(bpy.data.materials), len(bpy.data.images)) == (3, 3 * 4)
    row(1)[0].data.materials.append(bpy.data.materials[1])
    shown, protected = bpy.data.materials[1], bpy.data.materials[2]
    del protected["washi_latent_kept"]  # as if the artist had protected it
    explored.sequence.form = "BLEND"
    for thing in bpy.context.selected_objects:
        thing.select_set(False)
    bpy.ops.washi.sequence_write()
    assert len(bpy.data.materials) == 3
    assert {shown, protected} < set(bpy.data.materials)


def test_a_library_override_takes_a_sequence_into_the_slots_it_has(explored: Any, tmp_path: Path) -> None:
    thing = row(1)[0]
    thing.data.materials.append(bpy.data.materials.new("Plain"))
    path, name = tmp_path / "library.blend", thing.name
    bpy.ops.wm.save_as_mainfile(filepath=str(path))
    bpy.ops.wm.read_factory_settings(use_empty=True)
    bpy.context.scene.washi.model = "small-64"
    bpy.ops.washi.explore()
    both_ends(bpy.context.scene.washi)
    with bpy.data.libraries.load(str(path), link=True) as (_, there):
        there.objects = [name]
    own = there.objects[0].override_create()
    bpy.context.collection.objects.link(own)
    own.select_set(True)
    chosen = bpy.context.scene.washi.sequence
    chosen.count = 1
    for in_slots in (False, True):
        chosen.in_slots = in_slots
        assert bpy.ops.washi.sequence_write() == {"FINISHED"}
        assert [slot.material.name[:5] for slot in own.material_slots] == ["Washi"]


@pytest.mark.parametrize(("form", "store"), [("FILM", "PACKED"), ("EACH", "FILES"), ("BLEND", "FILES")])
def test_a_long_japanese_name_fits_every_file(explored: Any, tmp_path: Path, form: str, store: str) -> None:
    bpy.ops.wm.save_as_mainfile(filepath=str(tmp_path / "和紙.blend"))
    both_ends(explored)
    explored.store, explored.sequence.form, explored.sequence.count = store, form, 1
    explored.sequence.material = "雲龍紙と落水紙のあいだ" * 9
    row(1)
    assert bpy.ops.washi.sequence_write() == {"FINISHED"}
    assert all(path.name.startswith("雲龍紙") for path in (tmp_path / "textures").iterdir())
