"""From the search to materials and back, through the operators."""

from __future__ import annotations

import errno
import json
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

bpy = pytest.importorskip("bpy")

from washi_latent.addon import engine, session, strip
from washi_latent.addon.jobs import jobs
from washi_latent.addon.operators.apply import active_material
from washi_latent.core import load_model, surfaces, write_png
from washi_latent.core.texture_features import texture_features


def plane() -> Any:
    bpy.ops.mesh.primitive_plane_add(size=1)
    return bpy.context.object


def made(material: Any) -> dict[str, Any]:
    return json.loads(material["washi_latent"])


@pytest.fixture
def explored(washi: Any) -> Any:
    bpy.ops.washi.explore()
    return washi


def test_the_pick_becomes_the_selected_objects_material(explored: Any) -> None:
    bpy.ops.washi.pick(index=3)
    thing = plane()
    assert bpy.ops.washi.apply() == {"FINISHED"}
    material = thing.active_material
    stands = session.place(bpy.context.scene)
    assert made(material)["latent"] == list(engine.unpacked(stands.centers[1]))
    assert made(material)["model"] == "small-64"
    assert all(image.packed_file for image in bpy.data.images if image.type == "IMAGE" and image.users)


def test_candidates_and_favourites_are_applied_by_name(explored: Any) -> None:
    bpy.ops.washi.keep(index=4, name="Moss")
    thing = plane()
    bpy.ops.washi.apply(favourite="Moss")
    assert thing.active_material.name == "Moss"
    wanted = session.look(bpy.context.scene).latents
    assert made(thing.active_material)["latent"] == list(engine.unpacked(wanted[4]))
    bpy.ops.washi.apply(index=7)
    assert made(thing.active_material)["latent"] == list(engine.unpacked(wanted[7]))


def test_into_the_active_material_replaces_what_it_shows(explored: Any) -> None:
    thing = plane()
    bpy.ops.washi.apply(index=1)
    name, count = thing.active_material.name, len(bpy.data.images)
    explored.target_slot = "ACTIVE"
    bpy.ops.washi.apply(index=2)
    assert thing.active_material.name == name
    assert (len(bpy.data.materials), len(bpy.data.images)) == (1, count)


def test_an_object_without_a_material_says_what_to_do(explored: Any) -> None:
    plane()
    explored.target_slot = "ACTIVE"
    with pytest.raises(RuntimeError, match="no material to replace: choose"):
        bpy.ops.washi.apply()


def test_pictures_beside_the_file(explored: Any, tmp_path: Path) -> None:
    bpy.ops.wm.save_as_mainfile(filepath=str(tmp_path / "scene.blend"))
    plane()
    explored.store = "FILES"
    bpy.ops.washi.apply()
    assert any((tmp_path / "textures").glob("*.png"))


def test_continue_from_a_material_in_another_file(explored: Any, tmp_path: Path) -> None:
    bpy.ops.washi.pick(index=3)
    plane()
    bpy.ops.washi.apply()
    wanted = session.place(bpy.context.scene).centers[1]
    path = tmp_path / "scene.blend"
    bpy.ops.wm.save_as_mainfile(filepath=str(path))
    bpy.ops.wm.read_factory_settings(use_empty=True)
    with bpy.data.libraries.load(str(path)) as (_, there):
        there.materials = ["Washi 1"]
    thing = plane()
    thing.data.materials.append(bpy.data.materials["Washi 1"])
    assert bpy.ops.washi.continue_from_material() == {"FINISHED"}
    stands = session.place(bpy.context.scene)
    assert (stands.model, stands.centers[stands.current]) == ("small-64", wanted)
    assert session.look(bpy.context.scene) is not None


def test_continue_needs_a_material_of_ours(explored: Any) -> None:
    thing = plane()
    thing.data.materials.append(bpy.data.materials.new("Plain"))
    assert not bpy.ops.washi.continue_from_material.poll()
    thing.active_material["washi_latent"] = "{}"
    with pytest.raises(RuntimeError, match="damaged: apply a texture"):
        bpy.ops.washi.continue_from_material()


def test_mark_as_asset(explored: Any, tmp_path: Path) -> None:
    bpy.ops.wm.save_as_mainfile(filepath=str(tmp_path / "scene.blend"))
    thing = plane()
    bpy.ops.washi.apply()
    assert bpy.ops.washi.mark_asset(catalogue="Paper/Washi") == {"FINISHED"}
    catalogues = (tmp_path / "blender_assets.cats.txt").read_text()
    assert f"{thing.active_material.asset_data.catalog_id}:Paper/Washi:" in catalogues
    assert thing.active_material.preview.image_size[0] == 256


def wanted_image(path: Path, kind: str) -> None:
    """An image datablock of a picture: of its file, packed, or with the picture in its pixels alone, where the file shows something else."""
    image = bpy.data.images.load(str(path))
    image.name = "wanted"
    if kind == "packed":
        image.pack()
        path.unlink()
    elif kind == "changed":
        pixels = np.array(image.pixels[:], np.float32)
        write_png(path, np.zeros((8, 8, 3)))
        image.reload()
        image.scale(*(int(np.sqrt(pixels.size // 4)),) * 2)
        image.pixels.foreach_set(pixels)
    elif kind == "float":
        light = np.array(image.pixels[:], np.float32)
        light = np.where(light <= 0.04045, light / 12.92, ((light + 0.055) / 1.055) ** 2.4).astype(np.float32)
        edge = image.size[0]
        bpy.data.images.remove(image)
        bpy.data.images.new("wanted", edge, edge, float_buffer=True).pixels.foreach_set(light)


@pytest.mark.parametrize("kind", ["file", "image", "packed", "changed", "float"])
def test_a_picture_of_a_texture_finds_its_like(explored: Any, tmp_path: Path, models_folder: Path, kind: str) -> None:
    model = load_model(models_folder / "small-64", threads=1)
    wanted = np.random.default_rng(3).standard_normal(model.latent_dim)
    picture = model.generate(wanted)[0]
    path = write_png(tmp_path / "wanted.png", picture)
    if kind == "file":
        bpy.ops.washi.find_picture(filepath=str(path))
    else:
        wanted_image(path, kind)
        bpy.ops.washi.find_picture(image="wanted")
    stands = session.place(bpy.context.scene)
    assert stands.current == 1
    # Likeness is the textures', wherever their parts lie.
    others = np.random.default_rng(4).standard_normal((20, model.latent_dim))
    features = texture_features(model.generate(np.stack([wanted, engine.unpacked(stands.centers[1]), *others])))
    distances = np.linalg.norm((features[1:] - features[0]) / features.std(0), axis=1)
    assert distances[0] < distances[1:].min()


@pytest.mark.parametrize("kind", ["image", "packed"])
def test_the_main_thread_reads_no_pixels_where_a_file_has_them(explored: Any, tmp_path: Path, kind: str) -> None:
    wanted_image(write_png(tmp_path / "wanted.png", np.random.default_rng(0).random((32, 32, 3))), kind)
    assert bpy.ops.washi.find_picture(image="wanted") == {"FINISHED"}
    assert not bpy.data.images["wanted"].has_data


def test_a_file_that_is_no_picture_is_said(explored: Any, tmp_path: Path) -> None:
    (tmp_path / "no.png").write_text("no")
    with pytest.raises(RuntimeError, match="can't be read as a picture: give"):
        bpy.ops.washi.find_picture(filepath=str(tmp_path / "no.png"))
    assert "no.png" in jobs.error
    with pytest.raises(RuntimeError, match="no pixels: choose another"):
        bpy.ops.washi.find_picture(image="missing")


def unwrapped(name: str, edge: float) -> Any:
    bpy.ops.mesh.primitive_plane_add(size=edge)
    bpy.context.object.name = name
    return bpy.context.object


def select(*things: Any) -> None:
    for thing in bpy.context.scene.objects:
        thing.select_set(thing in things)
    bpy.context.view_layer.objects.active = things[0] if things else None


def tiles(thing: Any) -> float:
    nodes = thing.active_material.node_tree.nodes
    return next(node for node in nodes if node.type == "MAPPING").inputs["Scale"].default_value[0]


def linked(path: Path, kind: str, name: str) -> Any:
    with bpy.data.libraries.load(str(path), link=True) as (_, there):
        setattr(there, kind, [name])
    return getattr(bpy.data, kind)[name, str(path)]


@pytest.fixture
def library(explored: Any, tmp_path: Path) -> Path:
    """A file with an object "Plane" that shows "Washi 0"; the scene is new again, with a search."""
    thing = unwrapped("Plane", 1)
    bpy.ops.washi.apply()
    assert thing.active_material.name == "Washi 0"
    path = tmp_path / "library.blend"
    bpy.ops.wm.save_as_mainfile(filepath=str(path))
    bpy.ops.wm.read_factory_settings(use_empty=True)
    bpy.context.scene.washi.model = "small-64"
    bpy.ops.washi.explore()
    return path


def test_a_linked_material_of_the_same_name_is_not_taken_for_the_files_own(library: Path) -> None:
    own = bpy.data.materials.new("Washi 0")
    if own.node_tree is None:
        own.use_nodes = True
    before = sorted(node.name for node in own.node_tree.nodes)
    thing = unwrapped("Wall", 1)
    thing.data.materials.append(linked(library, "materials", "Washi 0"))
    bpy.context.scene.washi.target_slot = "ACTIVE"
    with pytest.raises(RuntimeError, match="belongs to another file: make it local"):
        bpy.ops.washi.apply()
    assert sorted(node.name for node in own.node_tree.nodes) == before
    assert thing.active_material.library is not None
    with pytest.raises(RuntimeError, match="belongs to another file: make it local"):
        bpy.ops.washi.mark_asset(catalogue="")
    assert own.asset_data is None


def test_a_linked_object_of_the_same_name_is_not_taken_for_the_files_own(library: Path) -> None:
    own, theirs = unwrapped("Plane", 1), linked(library, "objects", "Plane")
    bpy.context.collection.objects.link(theirs)
    select(theirs)
    with pytest.raises(RuntimeError, match="belong to another file: make them local"):
        bpy.ops.washi.apply()
    assert own.active_material is None


def test_a_library_override_shows_the_paper_in_its_own_slot(library: Path, tmp_path: Path) -> None:
    theirs = linked(library, "objects", "Plane")
    bpy.context.collection.objects.link(theirs)
    own = theirs.override_create()
    bpy.context.collection.objects.link(own)
    assert not own.data.is_editable
    select(own)
    bpy.ops.washi.pick(index=2)
    assert bpy.ops.washi.apply() == {"FINISHED"}
    assert own.active_material.name == "Washi 1"
    assert theirs.active_material.library is not None
    bpy.ops.wm.save_as_mainfile(filepath=str(tmp_path / "scene.blend"))
    bpy.ops.wm.open_mainfile(filepath=str(tmp_path / "scene.blend"))
    assert "Washi 1" in [thing.active_material.name for thing in bpy.data.objects if thing.override_library]


def test_what_nothing_shows_is_kept_and_said(explored: Any, tmp_path: Path) -> None:
    unwrapped("Plane", 1)
    select()
    assert bpy.ops.washi.apply() == {"FINISHED"}
    assert "Nothing was selected" in jobs.note
    bpy.ops.wm.save_as_mainfile(filepath=str(tmp_path / "scene.blend"))
    bpy.ops.wm.open_mainfile(filepath=str(tmp_path / "scene.blend"))
    assert [material.name for material in bpy.data.materials] == ["Washi 0"]
    assert any(image.packed_file for image in bpy.data.images)


def test_one_texture_has_its_true_scale_on_two_objects(explored: Any) -> None:
    small, large = unwrapped("Small", 1), unwrapped("Large", 10)
    explored.coordinates = "UV"
    for thing in (small, large):
        select(thing)
        bpy.ops.washi.apply()
    assert tiles(large) == pytest.approx(10 * tiles(small))
    count = len(bpy.data.materials), len(bpy.data.images)
    for thing in (large, small):
        select(thing)
        bpy.ops.washi.apply()
    assert (len(bpy.data.materials), len(bpy.data.images)) == count, "each finds its own again"
    assert tiles(large) == pytest.approx(10 * tiles(small))


def test_another_scale_of_the_only_object_replaces_its_material(explored: Any) -> None:
    thing = unwrapped("Plane", 1)
    explored.coordinates = "UV"
    bpy.ops.washi.apply()
    before = tiles(thing)
    thing.scale = (2, 2, 2)
    bpy.context.view_layer.update()
    bpy.ops.washi.apply()
    assert (tiles(thing), len(bpy.data.materials)) == (pytest.approx(2 * before), 1)


def test_objects_of_different_scales_together_are_said(explored: Any) -> None:
    things = unwrapped("Small", 1), unwrapped("Large", 10)
    explored.coordinates = "UV"
    select(*things)
    bpy.ops.washi.apply()
    assert "different scales: apply to one at a time" in jobs.note
    select(things[0])
    bpy.ops.washi.apply()
    assert "different scales" not in jobs.note


def test_what_can_be_refused_at_once_draws_nothing(explored: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    drawn: list[Any] = []
    monkeypatch.setattr(engine, "draw_sheet", lambda *_, **__: drawn.append(1))
    thing = unwrapped("Plane", 1)
    thing.data.uv_layers.remove(thing.data.uv_layers[0])
    explored.coordinates = "UV"
    with pytest.raises(RuntimeError, match="no UV map: unwrap it"):
        bpy.ops.washi.apply()
    assert not drawn


@pytest.mark.parametrize("name", ["wall/left", "../outside", "紙" * 60])
def test_a_favourite_of_any_name_is_applied_and_writes_nowhere_else(explored: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str) -> None:
    inside = tmp_path / "a" / "b"
    inside.mkdir(parents=True)
    monkeypatch.setattr("tempfile.mkdtemp", lambda prefix="": str(inside))
    thing = unwrapped("Plane", 1)
    bpy.ops.washi.keep(name=name)
    kept = session.place(bpy.context.scene).favourites[-1]
    assert bpy.ops.washi.apply(favourite=kept) == {"FINISHED"}
    assert thing.active_material is not None
    assert [path for path in tmp_path.rglob("*") if path.is_file()] == []


def test_a_new_search_keeps_the_favourites(explored: Any) -> None:
    bpy.ops.washi.keep(index=4, name="Moss")
    kept = session.place(bpy.context.scene).kept
    bpy.ops.washi.explore(restart=True)
    stands = session.place(bpy.context.scene)
    assert (stands.favourites, stands.kept, len(stands.parents)) == (("Moss",), kept, 1)
    thing = unwrapped("Plane", 1)
    bpy.ops.washi.apply()
    thing.active_material["washi_latent"] = json.dumps({**made(thing.active_material), "seed": 5})
    bpy.ops.washi.continue_from_material()
    stands = session.place(bpy.context.scene)
    assert (stands.favourites, engine.noise_seed(explored.state)) == (("Moss",), 5)


def test_a_search_that_cannot_be_read_can_be_begun_anew(explored: Any) -> None:
    explored.state = explored.state.replace('"centers":"', '"centers":"!')
    assert bpy.ops.washi.explore(restart=True) == {"FINISHED"}
    assert session.look(bpy.context.scene) is not None


def test_only_the_maps_that_are_shown_are_drawn(explored: Any, tmp_path: Path) -> None:
    bpy.ops.wm.save_as_mainfile(filepath=str(tmp_path / "scene.blend"))
    unwrapped("Plane", 1)
    explored.store = "FILES"
    bpy.ops.washi.apply()
    drawn = {path.name.split("_", 2)[2].rsplit("_", 1)[0] for path in (tmp_path / "textures").glob("*.png")}
    assert drawn == {"base_color", "height", "roughness", "opacity"}


@pytest.mark.parametrize("full", ["the disk", "the folder"])
def test_what_can_not_be_kept_is_said_before_anything_is_drawn(explored: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, full: str) -> None:
    bpy.ops.wm.save_as_mainfile(filepath=str(tmp_path / "scene.blend"))
    plane()
    explored.store = "FILES"
    monkeypatch.setattr(jobs, "run", lambda *_: pytest.fail("a job was begun"))
    if full == "the disk":
        # Room for the maps once: they are drawn on the disk on which they are kept, too.
        monkeypatch.setattr("washi_latent.core.sheets.free_bytes", lambda _: 32 * 32 * 4 * 1.5)
        monkeypatch.setattr("washi_latent.core.sheets.check_folder", lambda _: 1)
        sentence = "a texture of 32 x 32 pixels needs about 0.0 GB in .*textures and 0.0 GB are free there"
    else:
        (tmp_path / "textures").write_text("a file")
        sentence = "textures could not be written, a part of the path is a file"
    with pytest.raises(RuntimeError, match=sentence):
        bpy.ops.washi.apply()
    assert not bpy.data.materials


def test_uv_are_measured_once_an_object_and_before_anything_is_drawn(explored: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    explored.coordinates = "UV"
    things = [unwrapped("A", 1.0), unwrapped("B", 2.0)]
    select(*things)
    steps: list[str] = []
    measure, draw = surfaces.measure, engine.draw_sheet
    monkeypatch.setattr(surfaces, "measure", lambda *given: steps.append("measured") or measure(*given))
    monkeypatch.setattr(engine, "draw_sheet", lambda *given: steps.append("drawn") or draw(*given))
    bpy.ops.washi.apply()
    assert steps == ["measured", "measured", "drawn"]
    assert "unwrapped at different scales" in jobs.note
    assert tiles(things[0]) == pytest.approx(np.sqrt((1 + 4 * 4) / 5) / 0.0032)


def test_an_object_whose_uv_have_no_area_takes_the_scale_of_the_others(explored: Any) -> None:
    explored.coordinates = "UV"
    flat, thing = unwrapped("Flat", 1.0), unwrapped("Thing", 2.0)
    for loop in flat.data.uv_layers[0].uv:
        loop.vector = (0, 0)
    select(flat, thing)
    assert bpy.ops.washi.apply() == {"FINISHED"}
    assert tiles(flat) == tiles(thing) == pytest.approx(2 / 0.0032)
    select(flat)
    with pytest.raises(RuntimeError, match="the UV map has no area: unwrap"):
        bpy.ops.washi.apply()


@pytest.mark.parametrize("write", ["apply", "sequence_write"])
def test_an_object_that_is_edited_shows_the_uv_as_they_are_now(explored: Any, write: str) -> None:
    explored.coordinates = "UV"
    bpy.ops.washi.pick(index=3)
    strip.from_last_step(bpy.context.scene)
    explored.sequence.count = 1
    thing = unwrapped("Thing", 1.0)
    bpy.ops.object.mode_set(mode="EDIT")
    bpy.ops.transform.resize(value=(3, 3, 3))
    assert getattr(bpy.ops.washi, write)() == {"FINISHED"}
    assert thing.mode == "EDIT"
    assert tiles(thing) == pytest.approx(3 / 0.0032)
    bpy.ops.object.mode_set(mode="OBJECT")
    assert tiles(thing) == pytest.approx(3 / 0.0032)


def test_an_object_that_shares_its_mesh_with_one_that_is_edited_shows_the_uv_as_they_are_now(explored: Any) -> None:
    explored.coordinates = "UV"
    thing = unwrapped("Thing", 1.0)
    other = thing.copy()
    bpy.context.scene.collection.objects.link(other)
    select(thing)
    bpy.ops.object.mode_set(mode="EDIT")
    bpy.ops.transform.resize(value=(3, 3, 3))
    other.select_set(True)
    thing.select_set(False)
    assert bpy.ops.washi.apply() == {"FINISHED"}
    assert tiles(other) == pytest.approx(3 / 0.0032)


@pytest.fixture
def waiting(monkeypatch: pytest.MonkeyPatch) -> list[Any]:
    """Jobs, which a window would run in a thread: `land` runs one."""
    found: list[Any] = []
    monkeypatch.setattr(jobs, "run", lambda job, operator=None: found.append(job) or {"FINISHED"})
    return found


def land(job: Any) -> str | None:
    job._run()
    return job.finish()


def test_what_is_renamed_meanwhile_gets_its_texture_and_nothing_else_does(explored: Any, waiting: list[Any]) -> None:
    thing, other = unwrapped("Lamp", 1.0), unwrapped("Door", 1.0)
    select(thing)
    bpy.ops.washi.apply()
    thing.name, other.name = "Shade", "Lamp"
    assert land(waiting.pop()) is None
    assert thing.active_material is not None
    assert other.active_material is None
    material = thing.active_material
    explored.target_slot = "ACTIVE"
    bpy.ops.washi.apply(index=2)
    bpy.ops.washi.mark_asset(catalogue="")
    material.name = "Shoji"
    bpy.data.materials.new("Washi 0")
    for job in waiting:
        assert land(job) is None
    assert made(material)["latent"] == list(engine.unpacked(session.look(bpy.context.scene).latents[2]))
    assert [one.name for one in bpy.data.materials if one.asset_data] == ["Shoji"]


def test_an_object_that_is_gone_leaves_its_name_to_others(explored: Any, waiting: list[Any]) -> None:
    thing = unwrapped("Lamp", 1.0)
    select(thing)
    bpy.ops.washi.apply()
    bpy.data.objects.remove(thing)
    other = unwrapped("Lamp", 1.0)
    assert "are not there any more" in (land(waiting[0]) or "")
    assert other.active_material is None


def test_a_scene_that_is_renamed_meanwhile_has_its_search(washi: Any, waiting: list[Any]) -> None:
    bpy.ops.washi.explore()
    bpy.context.scene.name = "Hall"
    assert land(waiting[0]) is None
    assert bpy.context.scene.washi.state


@pytest.mark.parametrize("write", ["apply", "sequence_write"])
def test_the_scale_is_that_of_the_scene_in_which_it_was_asked_for(explored: Any, waiting: list[Any], write: str) -> None:
    bpy.ops.washi.pick(index=3)
    strip.from_last_step(bpy.context.scene)
    explored.sequence.count = 1
    thing = unwrapped("Lamp", 1.0)
    select(thing)
    bpy.context.scene.unit_settings.scale_length = 0.001
    waiting.clear()
    getattr(bpy.ops.washi, write)()
    other = bpy.data.scenes.new("Other")
    with bpy.context.temp_override(scene=other):
        assert land(waiting[0]) is None
    assert tiles(thing) == pytest.approx(1 / 3.2)


def test_an_asset_whose_catalogue_can_not_be_written_is_none(explored: Any, tmp_path: Path) -> None:
    bpy.ops.wm.save_as_mainfile(filepath=str(tmp_path / "scene.blend"))
    thing = plane()
    bpy.ops.washi.apply()
    (tmp_path / "blender_assets.cats.txt").write_bytes(b"\xff")
    with pytest.raises(RuntimeError, match="can't be read: repair"):
        bpy.ops.washi.mark_asset(catalogue="Paper")
    assert thing.active_material.asset_data is None


def test_a_picture_that_may_not_be_read_is_said(explored: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    wanted_image(write_png(tmp_path / "wanted.png", np.random.default_rng(0).random((32, 32, 3))), "image")
    bpy.data.images["wanted"].filepath = str(tmp_path / "locked" / "wanted.png")

    def no(*_: Any) -> Any:
        raise PermissionError(errno.EACCES, "Permission denied")

    # Whoever runs the tests may be allowed everything.
    monkeypatch.setattr("washi_latent.addon.pictures.Path", lambda _: SimpleNamespace(is_file=no, open=no))
    with pytest.raises(RuntimeError, match="no pixels: choose another"):
        bpy.ops.washi.find_picture(image="wanted")


def test_a_pinned_material_is_the_one_that_is_meant(explored: Any) -> None:
    thing = plane()
    bpy.ops.washi.apply(index=1)
    shown, pinned = thing.active_material, thing.active_material.copy()
    editor = SimpleNamespace(type="NODE_EDITOR", pin=True, id=pinned)
    assert active_material(SimpleNamespace(space_data=editor, object=thing)) is pinned
    editor.pin = False
    assert active_material(SimpleNamespace(space_data=editor, object=thing)) == shown
    assert active_material(SimpleNamespace(space_data=None, object=thing)) == shown
    assert active_material(SimpleNamespace(space_data=None, object=None)) is None


def test_a_script_s_timer_applies_too(explored: Any) -> None:
    """There no window is known, and with it neither what is selected nor what is active."""
    thing = plane()
    with bpy.context.temp_override(window=None):
        assert not bpy.ops.washi.continue_from_material.poll()
        bpy.ops.washi.apply()
        assert bpy.ops.washi.continue_from_material.poll()
    assert "washi_latent" in thing.active_material


def test_textures_that_were_tried_and_that_nothing_shows_are_not_saved(explored: Any, tmp_path: Path) -> None:
    """Blender leaves out a material without users, and saves its pictures: a file would grow with each that is tried."""
    thing = plane()
    for index in range(4):
        bpy.ops.washi.apply(index=index)
    tried = [one for one in bpy.data.materials if one.users == 0]
    assert len(tried) == 3
    tried[0].node_tree.nodes.new("ShaderNodeHueSaturation")
    kept = bpy.data.materials.new("Mine"), tried[0], thing.active_material
    bpy.ops.ed.undo_push(message="Tried")
    bpy.ops.wm.save_as_mainfile(filepath=str(tmp_path / "scene.blend"))
    assert set(bpy.data.materials) == set(kept)
    assert len([image for image in bpy.data.images if image.users]) == 2 * len([n for n in kept[2].node_tree.nodes if n.type == "TEX_IMAGE"])
    bpy.ops.ed.undo()
    bpy.ops.ed.redo()
    assert len(bpy.data.materials) == 5, "undo knows them still"


@pytest.mark.parametrize("mode", ["EDIT", "SCULPT", "TEXTURE_PAINT"])
def test_what_is_edited_or_sculpted_gets_the_material_without_being_selected(explored: Any, mode: str) -> None:
    thing = plane()
    bpy.ops.object.select_all(action="DESELECT")
    bpy.ops.object.mode_set(mode=mode)
    assert not thing.select_get()
    bpy.ops.washi.apply()
    assert "washi_latent" in thing.active_material


def test_undo_takes_an_asset_s_mark_back_in_edit_mode_too(explored: Any) -> None:
    name = plane().name
    bpy.ops.washi.apply()
    bpy.ops.object.mode_set(mode="EDIT")
    bpy.ops.ed.undo_push(message="Edit Mode")
    bpy.ops.washi.mark_asset()

    def marked() -> bool:
        return bpy.data.objects[name].active_material.asset_data is not None

    assert marked()
    bpy.ops.ed.undo()
    assert not marked()
    bpy.ops.ed.redo()
    assert marked()
