"""Sliders of a model's directions: found once, gone along, back at 0 wherever the search moves."""

from __future__ import annotations

import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

bpy = pytest.importorskip("bpy")

from washi_latent.addon import directions, engine, preferences, properties, session
from washi_latent.core import Direction, TextureModel, along, named_directions
from washi_latent.core.analysis import PROPERTIES


@pytest.fixture(autouse=True)
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Where directions are kept, elsewhere than the user's."""
    monkeypatch.setattr(preferences, "directions_folder", lambda: tmp_path / "directions")
    return tmp_path / "directions"


@pytest.fixture
def names(washi: Any) -> list[str]:
    """The model's directions, found; the search stands one step from where it began."""
    bpy.ops.washi.explore()
    bpy.ops.washi.pick(index=3)
    assert bpy.ops.washi.find_directions() == {"FINISHED"}
    return [one.name for one in directions.found(scene()) or ()]


@pytest.fixture
def preview() -> Iterator[directions.Preview]:
    """A preview of the scene, whose timer the tests turn by hand."""
    made = directions.Preview()
    made.scene = scene().name
    yield made
    made.forget()


def scene() -> Any:
    return bpy.context.scene


def here() -> np.ndarray:
    stands = session.place(scene())
    assert stands is not None
    return np.frombuffer(stands.here)


def sliders() -> dict[str, float]:
    return {
        one.identifier: getattr(scene().washi.directions, one.identifier) for one in properties.WASHI_PG_directions.bl_rna.properties if one.type == "FLOAT"
    }


def move(name: str, amount: float) -> None:
    setattr(scene().washi.directions, directions.slider(name), amount)


def test_there_is_a_slider_for_everything_that_is_measured(washi: Any) -> None:
    assert set(sliders()) == {directions.slider(name) for name in PROPERTIES}


def test_directions_are_the_core_s(names: list[str], model: TextureModel) -> None:
    assert names == [one.name for one in named_directions(model)]
    assert len(names) >= 2


def test_sliders_are_gone_along_together_and_the_next_textures_come(names: list[str], model: TextureModel) -> None:
    start, vectors = here(), {one.name: one.vector for one in named_directions(model)}
    move(names[0], 0.5)
    move(names[1], -0.25)
    assert bpy.ops.washi.go_along() == {"FINISHED"}
    expected = along(start, [vectors[name] for name in names[:2]], [0.5, -0.25], model.info.prior_radius)
    np.testing.assert_allclose(here(), expected)
    np.testing.assert_allclose(np.linalg.norm(here()), np.linalg.norm(start))
    assert not any(sliders().values())
    assert len(scene().washi.history) == 3
    assert session.look(scene()) is not None


def test_a_script_says_how_far_along_what(names: list[str], model: TextureModel) -> None:
    start, first = here(), named_directions(model)[0]
    bpy.ops.washi.go_along(directions=[{"name": names[0], "amount": 0.4}])
    np.testing.assert_allclose(here(), along(start, first.vector, 0.4, model.info.prior_radius), rtol=1e-6)  # Blender's numbers are single


def test_what_can_t_be_gone_along_is_said_in_one_sentence(washi: Any) -> None:
    bpy.ops.washi.explore()
    with pytest.raises(RuntimeError, match="not found yet: find them first"):
        bpy.ops.washi.go_along(directions=[{"name": "brightness", "amount": 0.5}])
    bpy.ops.washi.find_directions()
    with pytest.raises(RuntimeError, match=r"no direction 'weight': choose from .*brightness"):
        bpy.ops.washi.go_along(directions=[{"name": "weight", "amount": 0.5}])
    with pytest.raises(RuntimeError, match="at 0: move a slider first"):
        bpy.ops.washi.go_along()
    assert len(washi.history) == 1


ELSEWHERE = {
    "pick": lambda washi: bpy.ops.washi.pick(index=1),
    "back": lambda washi: bpy.ops.washi.back(),
    "history": lambda washi: setattr(washi, "history_index", 0),
    "another model": lambda washi: session.choose_model(scene(), "another"),
    "reset": lambda washi: bpy.ops.washi.reset_directions(),
}
STAYS = {
    "others": lambda washi: bpy.ops.washi.others(),
    "keep": lambda washi: bpy.ops.washi.keep(),
    "samples": lambda washi: setattr(washi, "samples", 20),
}


@pytest.mark.parametrize("gesture", ELSEWHERE)
def test_sliders_are_at_0_wherever_the_search_moves(names: list[str], gesture: str) -> None:
    move(names[0], 0.5)
    ELSEWHERE[gesture](scene().washi)
    assert not any(sliders().values())
    assert not scene().washi.directions.is_property_set(directions.slider(names[0])), "nothing is left in the file"


@pytest.mark.parametrize("gesture", STAYS)
def test_sliders_stay_while_the_search_does(names: list[str], gesture: str) -> None:
    move(names[0], 0.5)
    STAYS[gesture](scene().washi)
    assert directions.amounts(scene()) == {names[0]: 0.5}


def test_what_was_found_is_there_in_the_next_session(names: list[str], cache: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert [path.name for path in cache.iterdir()] == ["small-64.json"]
    engine.forget_models()
    assert directions.found(scene()) is None, "a panel loads no model"
    monkeypatch.setattr(engine, "find_directions", None)
    bpy.ops.washi.pick(index=0)
    session.engine.model(preferences.model_folder("small-64"), 1)
    assert [one.name for one in directions.found(scene()) or ()] == names


def test_moving_a_slider_changes_neither_search_nor_error(names: list[str]) -> None:
    state = scene().washi.state
    session.jobs.error = "as it was"
    for amount in np.linspace(-1, 1, 9):
        move(names[0], amount)
    assert scene().washi.state == state
    assert session.jobs.error == "as it was"


def turn(preview: directions.Preview, times: int = 1) -> None:
    """So many ticks; then, if something is drawn, until it is."""
    for _ in range(times):
        preview.tick()
    end = time.monotonic() + 30
    while preview._job is not None:
        assert time.monotonic() < end
        preview.tick()
        time.sleep(0.005)


def test_the_preview_shows_where_the_sliders_lead(names: list[str], preview: directions.Preview) -> None:
    assert preview.pictures(scene()) is None
    turn(preview, 2)
    (before, _), (after, _) = preview.pictures(scene())
    assert before == after == here().tobytes(), "sliders at 0 lead nowhere"
    move(names[0], 0.8)
    turn(preview, 2)
    shown = preview.pictures(scene())
    assert shown[0][0] == here().tobytes()
    assert shown[1][0] == engine.along(preferences.model_folder("small-64"), here().tobytes(), directions.amounts(scene()))
    assert shown[0][1].shape == (engine.EDGE, engine.EDGE, 4)
    bpy.ops.washi.go_along()
    assert preview.pictures(scene()) is None, "of another place"
    picture = shown[1][1]
    turn(preview, 2)
    np.testing.assert_array_equal(preview.pictures(scene())[0][1], picture)


def test_two_windows_that_show_two_scenes_come_to_rest(names: list[str], preview: directions.Preview) -> None:
    first, second = scene(), scene().copy()
    session.walk(second, lambda search: search.back())
    for one in (first, second):
        preview.scene = one.name
        turn(preview, 2)
    first.name = "Hall"
    assert not preview.wants(first)
    assert not preview.wants(second)
    assert preview.pictures(first) is not None
    assert preview.pictures(second) is not None


def test_nothing_is_drawn_while_sliders_move(names: list[str], preview: directions.Preview) -> None:
    drawn = []
    for amount in (0.1, 0.2, 0.3):
        move(names[0], amount)
        preview.tick()
        drawn.append(preview._job)
    assert drawn == [None, None, None]
    turn(preview)
    assert preview.pictures(scene())[1][0] != here().tobytes()
    assert not preview.wants(scene())


def test_a_newer_preview_replaces_the_older(names: list[str], preview: directions.Preview, monkeypatch: pytest.MonkeyPatch) -> None:
    def endless(*arguments: Any) -> None:
        while True:
            arguments[4](0.5)
            time.sleep(0.005)

    drawing = engine.thumbnails
    monkeypatch.setattr(engine, "thumbnails", endless)
    for _ in range(2):
        preview.tick()
    older = preview._job
    assert older is not None
    monkeypatch.setattr(engine, "thumbnails", drawing)
    move(names[0], 0.5)
    turn(preview, 2)
    assert preview.pictures(scene())[1][0] != here().tobytes()
    older.wait(20)
    assert not older.running


def test_a_preview_that_fails_says_so_once(names: list[str], preview: directions.Preview, monkeypatch: pytest.MonkeyPatch) -> None:
    from washi_latent.core import WashiError

    def broken(*_: Any) -> None:
        raise WashiError("the model broke: get another")

    monkeypatch.setattr(engine, "thumbnails", broken)
    turn(preview, 2)
    assert session.jobs.error == "the model broke: get another"
    assert not preview.wants(scene())
    assert preview.tick() is None


def test_a_search_of_another_model_of_that_name_has_no_preview(names: list[str], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(engine._directions, preferences.model_folder("small-64"), (Direction(names[0], np.eye(5)[0], 1, 1),))
    move(names[0], 0.5)
    assert directions.asked(scene()) is None
    with pytest.raises(RuntimeError, match="of 12 numbers each"):
        bpy.ops.washi.go_along()


def test_drawing_panels_starts_nothing_in_background(names: list[str]) -> None:
    directions.show_when_drawn(scene())
    assert not bpy.app.timers.is_registered(directions._tick)
