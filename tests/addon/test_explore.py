"""Exploring through the operators, in background mode."""

from __future__ import annotations

import math
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

bpy = pytest.importorskip("bpy")

from washi_latent.addon import engine, panels, previews, session
from washi_latent.addon import jobs as jobs_module
from washi_latent.addon.jobs import Job, jobs
from washi_latent.core import ModelInfo, Search, SearchSettings, load_model, unpack_state


def scene() -> Any:
    return bpy.context.scene


def stands() -> engine.Place:
    found = session.place(scene())
    assert found is not None
    return found


def shown() -> engine.Look:
    found = session.look(scene())
    assert found is not None
    return found


def test_exploring_shows_what_the_core_shows(washi: Any, models_folder: Path) -> None:
    washi.seed = 7
    assert bpy.ops.washi.explore() == {"FINISHED"}
    expected = Search(
        load_model(models_folder / "small-64"),
        seed=7,
    ).sample()
    assert shown().shown == tuple(expected.representatives.indices)
    assert shown().pictures.shape == (50, 128, 128, 4)
    assert b"".join(shown().latents) == expected.latents.tobytes()
    # Rows from the bottom up: the first row of Blender's is the last of the picture.
    small = shown().pictures[3, ::-1, :, :3].reshape(32, 4, 32, 4, 3).mean((1, 3)) / 255
    assert np.abs(small - expected.images[3]).mean() < 0.02


def test_a_pick_walks_there_and_the_next_textures_come_by_themselves(washi: Any) -> None:
    bpy.ops.washi.explore()
    wanted = shown().latents[5]
    bpy.ops.washi.pick(index=5)
    assert np.allclose(np.frombuffer(stands().centers[1]), np.frombuffer(wanted), rtol=1e-14)
    assert stands().current == 1
    assert shown().key == stands().key
    assert len(washi.history) == 2
    assert washi.history_index == 1


def test_no_gesture_has_the_scene_drawn_anew(washi: Any) -> None:
    """What Blender hears of a change is followed by eight pictures of a viewport, and by a render that begins again."""
    changed: list[str] = []

    def note(_: Any, graph: Any) -> None:
        changed.extend(update.id.name for update in graph.updates)

    bpy.ops.washi.explore()
    bpy.context.view_layer.update()
    bpy.app.handlers.depsgraph_update_post.append(note)
    try:
        bpy.ops.washi.pick(index=5)
        bpy.ops.washi.keep(name="kept")
        bpy.ops.washi.others()
        bpy.ops.washi.aim(name="kept")
        washi.reach = 0.5
        washi.method = "coverage"
        washi.favourites[0].name = "renamed"
        bpy.ops.washi.back()
        washi.history_index = 1
        bpy.context.view_layer.update()
    finally:
        bpy.app.handlers.depsgraph_update_post.remove(note)
    assert changed == []
    assert [row.name for row in washi.favourites] == ["renamed"]
    assert (washi.history_index, washi.method, washi.aim, washi.target, stands().current) == (1, "coverage", "favourite", "renamed", 1)
    assert washi.reach == pytest.approx(0.5)


@pytest.fixture
def begun(washi: Any) -> Iterator[list[Job]]:
    """Jobs of a window that were begun; their threads never end."""
    threads: list[Job] = []
    timers = SimpleNamespace(is_registered=lambda _: True)
    with pytest.MonkeyPatch.context() as window:
        window.setattr(jobs_module, "bpy", SimpleNamespace(app=SimpleNamespace(background=False, timers=timers), context=bpy.context))
        window.setattr(Job, "begin", lambda self: threads.insert(len(threads), self))
        window.setattr(Job, "running", True)
        yield threads
    jobs.current = None
    jobs.waiting.clear()
    jobs._leaving.clear()


def test_a_place_that_another_replaced_before_it_was_seen_is_looked_at_when_undo_leads_back(washi: Any, begun: list[Job]) -> None:
    session.write(scene(), engine.begin(session.preferences.model_folder("small-64"), 0, 0))
    session.look_soon(scene())
    first = washi.state
    session.others(scene())
    washi.state = first
    assert not session.given_up(scene())
    session.look_soon(scene())
    session.look_soon(scene())
    assert session.given_up(scene()), "until it is done"
    jobs.give_up()
    assert session.given_up(scene()), "Esc is an artist's word"


def test_a_gesture_reads_no_atlas_anew(washi: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """It is on the main thread, and an atlas holds thousands of textures."""
    read: list[str] = []

    def reading(info: ModelInfo) -> None:
        read.append(info.name)

    monkeypatch.setattr("washi_latent.core.atlas.read_atlas", reading)
    engine.forget_models()
    bpy.ops.washi.explore()
    assert read == ["small-64"]
    bpy.ops.washi.pick(index=3)
    bpy.ops.washi.keep(index=4)
    bpy.ops.washi.back()
    assert read == ["small-64"]
    folder, packed = session.preferences.model_folder("small-64"), washi.state
    engine.forget_models()
    for index in (1, 2):  # as in a file that was opened a moment ago
        packed = engine.walk(packed, folder, lambda search, index=index: engine.keep(search, f"kept {index}", index))
    assert read == ["small-64"] * 2


def test_exploring_in_two_scenes_at_a_time_ends_neither(begun: list[Job]) -> None:
    other = bpy.data.scenes.new("Other")
    session.begin(scene())
    session.begin(other)
    session.begin(other)
    assert jobs.current is begun[0]
    assert len(jobs.waiting) == 1


def test_a_linked_scene_of_the_same_name_is_looked_at_when_it_is_drawn(washi: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    bpy.ops.washi.explore()
    bpy.ops.wm.save_as_mainfile(filepath=str(tmp_path / "scene.blend"))
    bpy.ops.wm.read_factory_settings(use_empty=True)
    with bpy.data.libraries.load(str(tmp_path / "scene.blend"), link=True) as (_, there):
        there.scenes = ["Scene"]
    theirs, seen = there.scenes[0], list[Any]()
    assert theirs.name == scene().name
    engine.forget_models()
    session.forget()
    window = SimpleNamespace(app=SimpleNamespace(background=False, timers=SimpleNamespace(is_registered=lambda _: False, register=seen.append)), data=bpy.data)
    with monkeypatch.context() as inside:
        inside.setattr(session, "bpy", window)
        session.look_when_drawn(theirs)
    seen[0]()
    assert session.look(theirs) is not None


def test_back_forward_and_other_branches(washi: Any) -> None:
    bpy.ops.washi.explore()
    assert not bpy.ops.washi.back.poll()
    bpy.ops.washi.pick(index=1)
    first = shown()
    bpy.ops.washi.back()
    assert stands().current == 0
    bpy.ops.washi.forward()
    assert shown() is first
    bpy.ops.washi.back()
    bpy.ops.washi.pick(index=2)
    bpy.ops.washi.jump(index=1)
    assert stands().parents == (-1, 0, 0)
    assert stands().branches == (0, 0, 1)
    assert shown() is first


def test_others_are_others_at_the_same_place(washi: Any) -> None:
    bpy.ops.washi.explore()
    before = shown()
    bpy.ops.washi.others()
    assert len(washi.history) == 1
    assert set(shown().latents).isdisjoint(before.latents)


def test_a_changed_setting_looks_again_and_goes_on_after_the_first_pick(washi: Any) -> None:
    bpy.ops.washi.explore()
    washi.samples = 20
    washi.representatives = 5
    assert len(shown().pictures) == 20
    assert len(shown().shown) == 5
    bpy.ops.washi.pick(index=0)
    assert (len(shown().pictures), len(shown().shown)) == (20, 5)


def test_settings_follow_where_the_search_stands(washi: Any) -> None:
    bpy.ops.washi.explore()
    first = washi.reach, washi.aim
    bpy.ops.washi.pick(index=0)
    washi.aim = "last"
    washi.spread = math.radians(30)
    narrow = washi.concentration
    assert narrow > 0
    bpy.ops.washi.back()
    assert (washi.reach, washi.aim) == first
    assert washi.concentration == 0
    bpy.ops.washi.forward()
    assert washi.concentration == narrow
    assert washi.spread == pytest.approx(math.radians(30), abs=1e-5)


def test_half_a_step_is_half_the_way(washi: Any) -> None:
    bpy.ops.washi.explore()
    picture = shown()
    washi.step = 0.5
    assert shown() is picture, "the same pictures: only the pick walks less"
    bpy.ops.washi.pick(index=4)
    wanted = np.frombuffer(picture.latents[4]) / 2
    assert np.allclose(np.frombuffer(stands().centers[1]), wanted)


def test_favourites_are_kept_renamed_visited_aimed_at_and_forgotten(washi: Any) -> None:
    bpy.ops.washi.explore()
    bpy.ops.washi.keep(index=3)
    bpy.ops.washi.keep(name="Bark", index=4)
    kept = stands().kept
    assert kept == (shown().latents[3], shown().latents[4])
    washi.favourites[0].name = "Moss"
    assert stands().favourites == ("Moss", "Bark")
    bpy.ops.washi.visit(name="Bark")
    assert stands().centers[1] == kept[1]
    washi.target = "Moss"
    washi.aim = "favourite"
    assert unpack_state(washi.state).node.settings.direction == "favourite:Moss"
    bpy.ops.washi.forget(name="Moss")
    assert [row.name for row in washi.favourites] == ["Bark"]
    assert unpack_state(washi.state).node.settings.direction == "last"
    assert shown().key == stands().key


def test_a_name_that_is_taken_is_refused_and_the_old_one_comes_back(washi: Any) -> None:
    bpy.ops.washi.explore()
    bpy.ops.washi.keep(name="Moss")
    bpy.ops.washi.keep(name="Bark", index=1)
    washi.favourites[1].name = "Moss"
    assert [row.name for row in washi.favourites] == ["Moss", "Bark"]
    assert "another name" in session.jobs.error


def test_impossible_gestures_say_so_in_one_sentence(washi: Any) -> None:
    bpy.ops.washi.explore()
    with pytest.raises(RuntimeError, match="no candidate 99: pick one"):
        bpy.ops.washi.pick(index=99)
    with pytest.raises(RuntimeError, match="no place 9: choose"):
        bpy.ops.washi.jump(index=9)
    washi.representatives = 60
    assert "60 representatives of 50 samples" in session.jobs.error
    assert washi.representatives == 12


def test_a_missing_model_says_what_to_do(washi: Any) -> None:
    washi.model = "gone"
    with pytest.raises(RuntimeError, match="not here: add it, or choose another"):
        bpy.ops.washi.explore()
    assert washi.state == ""


def test_the_settings_start_as_the_core_s(washi: Any) -> None:
    bpy.ops.washi.explore()
    node = unpack_state(washi.state).node
    names = ("samples", "representatives", "method", "shell", "step")
    assert [getattr(washi, name) for name in names] == [getattr(SearchSettings(), name) for name in names]
    assert washi.radius == pytest.approx(node.settings.radius)


def test_no_setting_that_walks_the_search_can_be_animated(washi: Any) -> None:
    """Each frame would walk it, outside of undo, while rendering too."""
    bpy.ops.washi.explore()
    walking = ("spread", "reach", "concentration", "radius", "aim", "samples", "representatives", "method", "elsewhere", "nearest", "shell", "step")
    for name in (*walking, "history_index"):
        assert not washi.bl_rna.properties[name].is_animatable, name


def test_two_windows_that_show_two_scenes_come_to_rest(washi: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """What one's panels need does not take away what the other's do."""
    bpy.ops.washi.explore()
    monkeypatch.setattr(engine, "_KEPT_BYTES", 1)
    first, second = scene(), scene().copy()
    session.walk(second, lambda search: search.pick(4))
    for one in (first, second):
        session.look_soon(one)
        session.thumbnails_soon(one)
        previews.small.update({small: np.zeros((8, 8, 4), np.uint8) for small in session.small_pictures(one)})
    session.thumbnails_soon(first)
    assert session.look(first) is not None
    assert session.look(second) is not None
    assert set(previews.small) == {*session.small_pictures(first), *session.small_pictures(second)}
    bpy.data.scenes.remove(second)
    session.thumbnails_soon(first)
    assert set(previews.small) == set(session.small_pictures(first))


def test_a_search_that_began_is_not_written_where_another_model_was_chosen_meanwhile(washi: Any, begun: list[Job]) -> None:
    session.begin(scene())
    session.choose_model(scene(), "washi-sheet")
    begun[0].done(engine.begin(session.preferences.model_folder("small-64"), 0, 0))
    assert (washi.model, washi.state) == ("washi-sheet", "")


def test_small_pictures_that_can_not_be_drawn_are_not_tried_over_and_over(washi: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """Panels ask for them whenever they are drawn, and they are drawn when it failed."""
    bpy.ops.washi.explore()
    tried: list[int] = []

    def failing(*_: Any) -> None:
        tried.append(1)
        raise MemoryError

    monkeypatch.setattr(engine, "thumbnails", failing)
    timers = SimpleNamespace(is_registered=lambda _: False, register=lambda look: look())
    window = SimpleNamespace(app=SimpleNamespace(background=False, timers=timers), data=bpy.data, context=bpy.context)
    monkeypatch.setattr(session, "bpy", window)
    for _ in range(3):
        session.look_when_drawn(scene())
    assert len(tried) == 1
    session.thumbnails_soon(scene())
    assert len(tried) == 2, "the next gesture tries again"


def test_points_of_an_earlier_model_of_this_name_are_not_drawn(washi: Any) -> None:
    bpy.ops.washi.explore()
    bpy.ops.washi.sequence_from(end="A")
    washi.sequence_end = engine.to_text((1.0, 2.0))
    assert {len(latent) for *_, latent in session.small_pictures(scene())} == {len(stands().here)}


def test_a_search_that_can_not_be_read_is_said_and_left_alone(washi: Any) -> None:
    bpy.ops.washi.explore()
    washi.state = saved = washi.state.replace('"nodes"', '"places"')
    for act in (bpy.ops.washi.explore, bpy.ops.washi.others):
        with pytest.raises(RuntimeError, match="can't be read: begin a new one"):
            act()
    assert washi.state == saved
    bpy.ops.washi.explore(restart=True)
    assert stands().model == "small-64"


def test_what_was_kept_is_chosen_in_the_list_and_another_once_it_is_let_go(washi: Any) -> None:
    bpy.ops.washi.explore()
    for name in ("Moss", "Bark"):
        bpy.ops.washi.keep(name=name)
    assert washi.favourite_index == 1
    bpy.ops.washi.forget(name="Bark")
    assert washi.favourite_index == 0
    bpy.ops.washi.keep(name="Stone")
    bpy.ops.washi.keep(name="Moss", index=4)
    assert washi.favourites[washi.favourite_index].name == "Moss"


def test_a_button_that_can_not_be_pressed_says_why(washi: Any) -> None:
    for operator in (bpy.ops.washi.pick, bpy.ops.washi.back, bpy.ops.washi.forward, bpy.ops.washi.apply, bpy.ops.washi.sequence_write):
        with pytest.raises(RuntimeError, match="no search here yet: begin with Explore"):
            operator()
    bpy.ops.washi.explore()
    with pytest.raises(RuntimeError, match="where the search began"):
        bpy.ops.washi.back()
    with pytest.raises(RuntimeError, match="nothing ahead"):
        bpy.ops.washi.forward()
    for operator in (bpy.ops.washi.continue_from_material, bpy.ops.washi.mark_asset):
        with pytest.raises(RuntimeError, match="not made by Washi Latent"):
            operator()
    with pytest.raises(RuntimeError, match="opens over a 3D viewport"):
        bpy.ops.washi.gallery()


def test_another_number_of_cores_holds_for_models_that_are_loaded_already(model: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    loaded: list[int] = []

    def load(_: str, threads: int) -> Any:
        loaded.append(threads)
        return model

    monkeypatch.setattr("washi_latent.core.models.load_model", load)
    engine.forget_models()
    for threads in (1, 2, 2):
        engine.model(str(model.info.folder), threads)
    engine.forget_models()
    assert loaded == [1, 2]


def test_a_model_s_card_says_its_units(models_folder: Path) -> None:
    facts = engine.card(str(models_folder / "small-64"))
    assert (facts["Size"], facts["Scale"]) == ("32 × 32 px", "0.1 mm/px")


@pytest.mark.parametrize(("units", "count", "columns"), [(11.8, 12, 3), (11.8, 8, 2), (24.0, 12, 4), (6.0, 12, 1), (11.8, 48, 3), (11.8, 1, 1)])
def test_all_pictures_of_a_step_are_seen_at_once_where_they_can_be(units: float, count: int, columns: int) -> None:
    """In a sidebar of usual width twelve stand in three columns, eight in two; a narrow one has them large and scrolls."""
    assert panels.columns_of(units, count) == columns
