"""The search in the .blend file: undo, redo, save, reload, append; nothing grows with use."""

from __future__ import annotations

import resource
from pathlib import Path
from typing import Any

import pytest

bpy = pytest.importorskip("bpy")

from washi_latent.addon import session


def stands() -> Any:
    return session.place(bpy.context.scene)


def gesture(operator: str, **arguments: Any) -> None:
    """An operator and its undo step, which Blender pushes by itself in the window only; a pick pushes its own."""
    getattr(bpy.ops.washi, operator)(**arguments)
    if operator != "pick":
        bpy.ops.ed.undo_push(message=operator)


def test_undo_and_redo_follow_step_by_step(washi: Any) -> None:
    bpy.ops.ed.undo_push(message="before")
    bpy.ops.washi.explore()
    states = [bpy.context.scene.washi.state]
    for operator, arguments in (
        ("pick", {"index": 2}),
        ("others", {}),
        ("keep", {"name": "Moss"}),
        ("pick", {"index": 5}),
        ("back", {}),
        ("forget", {"name": "Moss"}),
    ):
        gesture(operator, **arguments)
        states.append(bpy.context.scene.washi.state)
    for state in states[-2::-1]:
        bpy.ops.ed.undo()
        washi = bpy.context.scene.washi
        assert washi.state == state
        assert washi.history_index == stands().current
        assert len(washi.history) == len(stands().parents)
        assert [row.name for row in washi.favourites] == list(stands().favourites)
    bpy.ops.ed.undo()
    assert bpy.context.scene.washi.state == ""
    for state in states:
        bpy.ops.ed.redo()
        assert bpy.context.scene.washi.state == state
    assert session.look_soon(bpy.context.scene) == {"FINISHED"}
    assert session.look(bpy.context.scene).key == stands().key


def test_in_edit_mode_undo_and_redo_follow_step_by_step_too(washi: Any) -> None:
    bpy.ops.washi.explore()
    bpy.ops.mesh.primitive_plane_add(size=1)
    bpy.ops.ed.undo_push(message="Add")
    name = bpy.context.object.name
    bpy.ops.object.mode_set(mode="EDIT")
    bpy.ops.ed.undo_push(message="Edit Mode")

    def cut() -> None:
        bpy.ops.mesh.subdivide()
        bpy.ops.ed.undo_push(message="Subdivide")

    def seen() -> tuple[str, str, int, str, list[str]]:
        thing = bpy.data.objects[name]
        thing.update_from_editmode()
        settings = bpy.context.scene.washi
        return settings.state, settings.sequence_start, len(thing.data.polygons), thing.mode, [one.name for one in bpy.data.materials]

    acts = (
        cut,
        lambda: gesture("pick", index=2),
        cut,
        lambda: gesture("others"),
        lambda: gesture("keep", name="Moss"),
        lambda: gesture("sequence_from", end="A"),
        bpy.ops.washi.apply,
        lambda: gesture("pick", index=5),
        cut,
    )
    states = [seen()]
    for act in acts:
        act()
        states.append(seen())
    for state in states[-2::-1]:
        bpy.ops.ed.undo()
        assert seen() == state
    for state in states[1:]:
        bpy.ops.ed.redo()
        assert seen() == state


def hairy() -> None:
    bpy.ops.object.particle_system_add()
    bpy.context.object.particle_systems[0].settings.type = "HAIR"


MODES = {
    "SCULPT": (None, "SCULPT"),
    "TEXTURE_PAINT": (None, "PAINT_TEXTURE"),
    "VERTEX_PAINT": (None, "PAINT_VERTEX"),
    "WEIGHT_PAINT": (None, "PAINT_WEIGHT"),
    "PARTICLE_EDIT": (hairy, "PARTICLE"),
}


def test_undo_follows_the_search_where_a_mode_is_another(washi: Any) -> None:
    for mode, (prepare, known) in MODES.items():
        bpy.ops.wm.read_factory_settings()
        bpy.context.scene.washi.model = "small-64"
        bpy.ops.washi.explore()
        if prepare is not None:
            prepare()
        bpy.ops.object.mode_set(mode=mode)
        bpy.ops.ed.undo_push(message="Mode")
        assert bpy.context.mode == known
        states = [bpy.context.scene.washi.state]
        for index in (2, 5):
            gesture("pick", index=index)
            states.append(bpy.context.scene.washi.state)
        for state in states[-2::-1]:
            bpy.ops.ed.undo()
            assert bpy.context.scene.washi.state == state, mode
        for state in states[1:]:
            bpy.ops.ed.redo()
            assert bpy.context.scene.washi.state == state, mode


def test_undo_follows_the_search_between_strokes_of_sculpting(washi: Any) -> None:
    """Back from a step that holds the file to a stroke, Blender by itself takes back nothing."""
    bpy.ops.wm.read_factory_settings()
    bpy.context.scene.washi.model = "small-64"
    bpy.ops.washi.explore()
    bpy.ops.object.mode_set(mode="SCULPT")
    bpy.ops.ed.undo_push(message="Sculpt Mode")

    def seen() -> tuple[float, int, int]:
        mask = bpy.data.objects["Cube"].data.attributes.get(".sculpt_mask")
        materials = [one for one in bpy.data.materials if "washi_latent" in one]
        return round(mask.data[0].value, 2) if mask else 0.0, stands().current, len(materials)

    def stroke(value: float) -> None:
        bpy.ops.paint.mask_flood_fill(mode="VALUE", value=value)
        bpy.ops.ed.undo_push(message="Stroke")

    states = [seen()]
    for act in (0.2, 2, 3, 0.4, 0.5, 5, 0.6, bpy.ops.washi.apply, 7, 0.7):
        if isinstance(act, float):
            stroke(act)
        elif isinstance(act, int):
            bpy.ops.washi.pick(index=act)
        else:
            act()
        states.append(seen())
    back = [states[-1]]
    while back[-1] != states[0]:
        bpy.ops.ed.undo()
        back.append(seen())
    assert list(dict.fromkeys(back)) == states[::-1]
    assert len(back) <= len(states) + 3, "a step more where a stroke came before one of the search"
    forth = [back[-1]]
    while forth[-1] != states[-1]:
        bpy.ops.ed.redo()
        forth.append(seen())
    assert list(dict.fromkeys(forth)) == states


def test_undo_follows_the_search_while_a_picture_is_painted(washi: Any) -> None:
    bpy.ops.wm.read_factory_settings()
    bpy.context.scene.washi.model = "small-64"
    bpy.ops.washi.explore()
    window = bpy.context.window_manager.windows[0]
    area = window.screen.areas[0]
    area.type = "IMAGE_EDITOR"
    area.spaces.active.image, area.spaces.active.mode = bpy.data.images.new("Painted", 64, 64), "PAINT"
    region = next(one for one in area.regions if one.type == "WINDOW")
    states = []
    for number in range(3):
        with bpy.context.temp_override(window=window, area=area, region=region):
            if number:
                gesture("pick", index=number)
            else:
                bpy.ops.ed.undo_push(message="Painting")
            states.append(bpy.context.scene.washi.state)
    for state in states[-2::-1]:
        bpy.ops.ed.undo()
        assert bpy.context.scene.washi.state == state


def test_a_saved_search_comes_back_with_the_same_pictures(washi: Any, tmp_path: Path) -> None:
    bpy.ops.washi.explore()
    bpy.ops.washi.keep(index=1, name="苔")
    bpy.ops.washi.pick(index=2)
    state, look = washi.state, session.look(bpy.context.scene)
    bpy.ops.wm.save_as_mainfile(filepath=str(tmp_path / "scene.blend"))
    bpy.ops.wm.read_factory_settings(use_empty=True)
    session.engine.forget_models()
    bpy.ops.wm.open_mainfile(filepath=str(tmp_path / "scene.blend"))
    washi = bpy.context.scene.washi
    assert washi.state == state
    assert [row.name for row in washi.favourites] == ["苔"]
    assert session.look(bpy.context.scene) is None
    assert bpy.ops.washi.explore() == {"FINISHED"}
    assert (session.look(bpy.context.scene).pictures == look.pictures).all()


@pytest.mark.parametrize("link", [False, True])
def test_a_scene_that_is_appended_or_linked_brings_its_search(washi: Any, tmp_path: Path, link: bool) -> None:
    bpy.ops.washi.explore()
    bpy.ops.washi.pick(index=2)
    bpy.context.scene.name, state = "Paper", washi.state
    bpy.ops.wm.save_as_mainfile(filepath=str(tmp_path / "scene.blend"))
    bpy.ops.wm.read_factory_settings(use_empty=True)
    with bpy.data.libraries.load(str(tmp_path / "scene.blend"), link=link) as (_, there):
        there.scenes = ["Paper"]
    scene = bpy.data.scenes["Paper"]
    assert scene.washi.state == state
    assert len(scene.washi.history) == 2
    assert session.look_soon(scene) == {"FINISHED"}
    assert session.look(scene) is not None
    assert bpy.context.scene.washi.state == ""


LINKED_SCENE: dict[str, dict[str, Any]] = {
    "choose_model": {"name": "washi-sheet"},
    "sequence_from": {"end": "A"},
    "sequence_remove": {"index": 0},
    "sequence_swap": {},
    "pick": {"index": 1},
    "keep": {"name": "more"},
    "explore": {"restart": True},
}


@pytest.mark.parametrize("operator", LINKED_SCENE)
def test_what_would_not_be_saved_in_a_linked_scene_is_refused(washi: Any, operator: str, tmp_path: Path) -> None:
    bpy.ops.washi.explore()
    bpy.ops.washi.sequence_from(end="A")
    bpy.ops.washi.pick(index=2)
    bpy.ops.washi.sequence_from(end="B")
    bpy.ops.washi.sequence_from(end="BETWEEN")
    bpy.ops.washi.pick(index=3)
    bpy.ops.wm.save_as_mainfile(filepath=str(tmp_path / "scene.blend"))
    bpy.ops.wm.read_factory_settings(use_empty=True)
    with bpy.data.libraries.load(str(tmp_path / "scene.blend"), link=True) as (_, there):
        there.scenes = ["Scene"]
    theirs = there.scenes[0]

    def said() -> tuple[Any, ...]:
        washi = theirs.washi
        return washi.state, washi.model, washi.sequence_start, washi.sequence_end, [point.latent for point in washi.sequence.between]

    before = said()
    with bpy.context.temp_override(scene=theirs), pytest.raises(RuntimeError, match="belongs to another file"):
        getattr(bpy.ops.washi, operator)(**LINKED_SCENE[operator])
    assert said() == before


def datablocks() -> dict[str, int]:
    return {name: len(getattr(bpy.data, name)) for name in dir(bpy.data) if isinstance(getattr(bpy.data, name), bpy.types.bpy_prop_collection)}


def resident() -> int:
    with open("/proc/self/statm", encoding="ascii") as file:
        return int(file.read().split()[1]) * resource.getpagesize()


@pytest.mark.skipif(not Path("/proc/self/statm").exists(), reason="memory is read from /proc")
def test_two_hundred_steps_leave_nothing_behind(washi: Any, tmp_path: Path) -> None:
    bpy.ops.washi.explore()
    bpy.ops.wm.save_as_mainfile(filepath=str(tmp_path / "before.blend"), compress=False)
    for number in range(60):  # until looks are kept no longer and allocators are warm
        bpy.ops.washi.pick(index=number % 50)
    before, memory = datablocks(), resident()
    for number in range(200):
        bpy.ops.washi.pick(index=number % 50)
    assert datablocks() == before
    assert resident() - memory < 50 << 20


def test_two_hundred_steps_take_little_room_in_the_file(washi: Any, tmp_path: Path) -> None:
    """With 100 dimensions, as the shipped model has, and what every pick teaches."""
    import numpy as np

    from washi_latent.core.preference import Seen

    folder = session.preferences.model_folder("washi-sheet")
    washi.model = "washi-sheet"
    session.write(bpy.context.scene, session.engine.begin(folder, 0, 0))
    bpy.ops.wm.save_as_mainfile(filepath=str(tmp_path / "before.blend"), compress=False)
    rng = np.random.default_rng(0)

    def walk(search: Any) -> None:
        for number in range(200):
            features = rng.standard_normal((50, 24)).astype(np.float32)
            search.pick(number % 50, seen=Seen(features, np.arange(8), features[8]))

    session.write(bpy.context.scene, session.engine.walk(washi.state, folder, walk))
    assert len(bpy.context.scene.washi.history) == 201
    bpy.ops.wm.save_as_mainfile(filepath=str(tmp_path / "after.blend"), compress=False)
    grown = (tmp_path / "after.blend").stat().st_size - (tmp_path / "before.blend").stat().st_size
    assert 200 * 100 * 4 < grown < 300_000


def test_what_was_said_of_another_file_is_said_no_more(washi: Any, tmp_path: Path) -> None:
    bpy.ops.washi.explore()
    bpy.ops.wm.save_as_mainfile(filepath=str(tmp_path / "scene.blend"))
    bpy.ops.mesh.primitive_plane_add()
    bpy.ops.washi.apply()
    assert "is ready" in session.jobs.note
    bpy.ops.wm.open_mainfile(filepath=str(tmp_path / "scene.blend"))
    assert session.jobs.note == ""


def test_a_scene_of_another_file_is_not_searched(washi: Any, tmp_path: Path) -> None:
    bpy.ops.washi.explore()
    bpy.context.scene.name = "Theirs"
    path = tmp_path / "scene.blend"
    bpy.ops.wm.save_as_mainfile(filepath=str(path))
    bpy.ops.wm.read_factory_settings(use_empty=True)
    with bpy.data.libraries.load(str(path), link=True) as (_, there):
        there.scenes = ["Theirs"]
    theirs = bpy.data.scenes["Theirs", str(path)]
    state = theirs.washi.state
    with bpy.context.temp_override(scene=theirs):
        for act in (lambda: bpy.ops.washi.others(), lambda: bpy.ops.washi.pick(index=1), lambda: bpy.ops.washi.explore(restart=True)):  # noqa: PLW0108 - the same
            with pytest.raises(RuntimeError, match="belongs to another file: make it local"):
                act()
        theirs.washi.samples = 20
        assert "belongs to another file" in session.jobs.error
    assert (theirs.washi.state, theirs.washi.samples) == (state, 50)
