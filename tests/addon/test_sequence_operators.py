"""A sequence through the operators: its points, its strip, its materials, and written as one goes."""

from __future__ import annotations

import json
import os
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pytest

bpy = pytest.importorskip("bpy")

from washi_latent.addon import engine, preferences, previews, session, strip
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
    first, second = (job for job in waiting if job.kind == "write")
    first.ended()
    assert pushed == ["Pick"]
    second.ended()
    assert pushed == ["Pick", "Pick"]


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
    ends, pictures = session.points(scene), session.small_pictures(scene, stands())
    previews.keep_only(pictures, "small-64", 0)
    previews.small.update({latent: np.zeros((8, 8, 4), np.uint8) for latent in pictures})
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
