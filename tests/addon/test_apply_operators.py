"""From the search to materials and back, through the operators."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

bpy = pytest.importorskip("bpy")

from washi_latent.addon import engine, session
from washi_latent.addon.jobs import jobs
from washi_latent.core import load_model, write_png
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
