"""Sequences as materials: what is seen in Cycles changes as the sequence says."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest

bpy = pytest.importorskip("bpy")

from rendering import MAPS, flat_sheets, glow, level_of, plane, render, row

from washi_latent.addon.apply import provenance_of
from washi_latent.addon.materials import PaperOptions
from washi_latent.addon.sequences import (
    POSITION,
    Blend,
    Film,
    Variation,
    animated_material,
    blending_material,
    one_material_each,
    varying_material,
)
from washi_latent.core import WashiError
from washi_latent.core.sheets import number_files, write_atlas

COUNT = 5
LEVELS = [(i + 1) / (COUNT + 1) for i in range(COUNT)]


@pytest.fixture(autouse=True)
def empty_file() -> None:
    bpy.ops.wm.read_factory_settings(use_empty=True)


@pytest.fixture(scope="module")
def sheets(tmp_path_factory: pytest.TempPathFactory) -> list[SimpleNamespace]:
    return flat_sheets(tmp_path_factory.mktemp("sheets"), COUNT)


@pytest.fixture(scope="module")
def atlas(sheets: list[SimpleNamespace], tmp_path_factory: pytest.TempPathFactory):
    return write_atlas([one.files for one in sheets], tmp_path_factory.mktemp("atlas"), "paper")


@pytest.fixture(scope="module")
def film_files(sheets: list[SimpleNamespace], tmp_path_factory: pytest.TempPathFactory):
    return number_files([one.files for one in sheets], tmp_path_factory.mktemp("film"), "paper")


def counts() -> tuple[int, ...]:
    kinds = (bpy.data.materials, bpy.data.images, bpy.data.node_groups, bpy.data.actions)
    return (*(len(kind) for kind in kinds), *sorted(len(one.node_tree.nodes) for one in bpy.data.materials))


def glowing(names, key: str) -> None:
    for name in names:
        glow(bpy.data.materials[name], key)


def expected(key: str, level: float) -> float:
    return {"base_color": level, "height": level, "normal": 0.5 + level / 8, "roughness": 0.5 + level / 2, "opacity": 1 - level / 2}[key]


def seen(pixels: np.ndarray, key: str) -> np.ndarray:
    return level_of(pixels) if key == "base_color" else pixels[..., 0]


def options_for(key: str) -> PaperOptions:
    return PaperOptions("UV", "NORMAL") if key == "normal" else PaperOptions("OBJECT", "BUMP")


# A material for each texture


@pytest.mark.parametrize("key", MAPS)
def test_one_each_shows_the_sequence_along_the_objects(sheets: list[SimpleNamespace], key: str) -> None:
    objects = row(COUNT)
    made = one_material_each(sheets, "Row", objects, options=options_for(key))
    glowing(made.materials, key)
    assert seen(render(COUNT), key)[0] == pytest.approx([expected(key, level) for level in LEVELS], abs=0.01)


@pytest.mark.parametrize(("order", "reverse"), [("X", False), ("X", True), ("NAME", False), ("GIVEN", False)])
def test_objects_are_taken_in_the_order_that_was_chosen(sheets: list[SimpleNamespace], order: str, reverse: bool) -> None:
    names = {"Panel 10": 0, "Panel 2": 1, "Panel 1": 2}
    for name, x in names.items():
        plane(name, x - 1)
    wanted = {"X": ["Panel 10", "Panel 2", "Panel 1"], "NAME": ["Panel 1", "Panel 2", "Panel 10"], "GIVEN": ["Panel 2", "Panel 10", "Panel 1"]}[order]
    made = one_material_each(sheets[:3], "Row", ["Panel 2", "Panel 10", "Panel 1"], order, reverse)
    shown = [bpy.data.objects[name].active_material.name for name in (wanted[::-1] if reverse else wanted)]
    assert shown == list(made.materials)


@pytest.mark.parametrize("count", [2, 3, 9])
def test_ends_get_the_ends_however_many_objects_there_are(sheets: list[SimpleNamespace], count: int) -> None:
    objects = row(count)
    made = one_material_each(sheets, "Row", objects)
    shown = [made.materials.index(bpy.data.objects[name].active_material.name) for name in objects]
    assert (shown[0], shown[-1]) == (0, COUNT - 1)
    assert shown == sorted(shown)


def test_linked_duplicates_get_their_own_textures(sheets: list[SimpleNamespace]) -> None:
    first = plane("A")
    plane("B", mesh=first.data)
    one_material_each(sheets[:2], "Row", ["A", "B"])
    assert bpy.data.objects["A"].active_material != bpy.data.objects["B"].active_material


def test_slots_of_one_object_get_the_sequence(sheets: list[SimpleNamespace]) -> None:
    plane("Fan")
    made = one_material_each(sheets, "Row", ["Fan"], in_slots=True)
    assert [slot.material.name for slot in bpy.data.objects["Fan"].material_slots] == list(made.materials)
    made = one_material_each(sheets[:3], "Row", ["Fan"], in_slots=True)
    assert [slot.material.name for slot in bpy.data.objects["Fan"].material_slots] == list(made.materials)
    assert len(bpy.data.materials) == 3


def test_a_shorter_sequence_leaves_nothing_of_the_longer_one(sheets: list[SimpleNamespace]) -> None:
    objects = row(COUNT)
    one_material_each(sheets, "Row", objects)
    one_material_each(sheets[:2], "Row", objects)
    assert len(bpy.data.materials) == 2
    assert len(bpy.data.images) == 8


def test_a_material_that_the_artist_renamed_is_still_the_sequences(sheets: list[SimpleNamespace]) -> None:
    objects = row(2)
    one_material_each(sheets[:2], "Row", objects)
    bpy.data.materials["Row 01"].name = "My favourite"
    assert one_material_each(sheets[:2], "Row", objects).materials == ("My favourite", "Row 02")


# A film


@pytest.mark.parametrize("key", MAPS)
def test_a_film_shows_every_map_at_its_frame(sheets, film_files, key: str) -> None:
    plane("Screen")
    made = animated_material(sheets, film_files, "Film", ["Screen"], Film(1, COUNT), options_for(key))
    glowing(made.materials, key)
    for frame in (1, 3, COUNT):
        bpy.context.scene.frame_set(frame)
        assert seen(render(1), key)[0, 0] == pytest.approx(expected(key, LEVELS[frame - 1]), abs=0.01)


FORWARD, BACK = [0, 1, 2, 3, 4], [3, 2, 1]


@pytest.mark.parametrize(
    ("film", "wanted"),
    [
        (Film(11, 15, repeat="ONCE"), [0, 0, *FORWARD, 4, 4]),
        (Film(11, 15, repeat="LOOP"), [3, 4, *FORWARD, 0, 1]),
        (Film(11, 15, repeat="PING_PONG"), [2, 1, *FORWARD, 3, 2]),
        (Film(11, 15, offset=2, repeat="LOOP"), [0, 1, 2, 3, 4, 0, 1, 2, 3]),
    ],
)
def test_the_film_repeats_as_chosen(sheets, film_files, film: Film, wanted: list[int]) -> None:
    plane("Screen")
    made = animated_material(sheets, film_files, "Film", ["Screen"], film)
    material = bpy.data.materials[made.materials[0]]
    drivers = material.node_tree.animation_data.drivers
    assert all(one.driver.is_simple_expression for one in drivers), "would not run where Python scripts are off"
    shown = []
    for frame in range(9, 18):
        bpy.context.scene.frame_set(frame)
        tree = material.evaluated_get(bpy.context.evaluated_depsgraph_get()).node_tree
        shown.append({node.image_user.frame_offset for node in tree.nodes if node.type == "TEX_IMAGE"})
    assert shown == [{number} for number in wanted]


def test_a_film_of_many_frames_holds_each_texture_as_long(sheets, film_files) -> None:
    counted = [eval(Film(1, 100).expression(COUNT), {"frame": f, "floor": np.floor}) for f in range(1, 101)]
    assert np.bincount(np.array(counted, int)).tolist() == [20] * COUNT


def test_a_closed_loop_shows_its_seam_once(sheets, film_files, tmp_path: Path) -> None:
    closed = [*sheets[:4], sheets[0]]
    plane("Screen")
    made = animated_material(closed, number_files([one.files for one in closed], tmp_path, "loop"), "Film", ["Screen"], Film(1, 8))
    glowing(made.materials, "base_color")
    levels = []
    for frame in range(1, 10):
        bpy.context.scene.frame_set(frame)
        levels.append(float(level_of(render(1))[0, 0]))
    assert levels == pytest.approx([LEVELS[i] for i in (0, 0, 1, 1, 2, 2, 3, 3, 0)], abs=0.01)


def test_a_film_that_ends_before_it_starts_is_refused(sheets, film_files) -> None:
    with pytest.raises(WashiError, match="before it starts"):
        animated_material(sheets, film_files, "Film", film=Film(20, 10))
    assert not bpy.data.materials


# Blending


@pytest.mark.parametrize("key", MAPS)
def test_a_surface_blends_from_the_first_to_the_last(sheets, atlas, key: str) -> None:
    plane("Wall", width=9)
    made = blending_material(sheets, atlas, "Blend", ["Wall"], Blend("SURFACE"), options_for(key))
    glowing(made.materials, key)
    # Red is mixed as linear light: where pixels lie on a texture, its own is seen.
    shown = seen(render(9), key)[0]
    assert np.all(np.diff(shown) * (expected(key, 1) - expected(key, 0)) > 0)
    assert shown[4] == pytest.approx(expected(key, LEVELS[2]), abs=0.02)


def test_blending_has_no_jump(sheets, atlas) -> None:
    plane("Wall", width=64)
    made = blending_material(sheets, atlas, "Blend", ["Wall"], Blend("SURFACE"))
    glowing(made.materials, "opacity")
    shown = render(64)[0, :, 0]
    line = np.interp((np.arange(64) + 0.5) / 64, np.linspace(0, 1, COUNT), [expected("opacity", level) for level in LEVELS])
    assert shown == pytest.approx(line, abs=0.012)


def test_a_value_drives_the_blend_and_keeps_its_keyframes(sheets, atlas) -> None:
    plane("Wall")
    for _ in range(2):
        made = blending_material(sheets, atlas, "Blend", ["Wall"], Blend("VALUE", value=0.25))
        tree = bpy.data.materials[made.materials[0]].node_tree
        value = tree.nodes[POSITION].outputs[0]
        if tree.animation_data is None or tree.animation_data.action is None:
            value.default_value = 0.0
            value.keyframe_insert("default_value", frame=1)
            value.default_value = 1.0
            value.keyframe_insert("default_value", frame=11)
    glowing(made.materials, "height")
    for frame, level in ((1, LEVELS[0]), (6, LEVELS[2]), (11, LEVELS[-1])):
        bpy.context.scene.frame_set(frame)
        assert render(1)[0, 0, 0] == pytest.approx(level, abs=0.02)


def test_vertex_colour_drives_the_blend(sheets, atlas) -> None:
    wall = plane("Wall", width=5)
    paint = wall.data.color_attributes.new("Paint", "FLOAT_COLOR", "POINT")
    for i, corner in enumerate(paint.data):
        corner.color = (1, 1, 1, 1) if i in (1, 2) else (0, 0, 0, 1)
    made = blending_material(sheets, atlas, "Blend", ["Wall"], Blend("ATTRIBUTE", attribute="Paint"))
    glowing(made.materials, "height")
    shown = render(5)[0, :, 0]
    assert np.all(np.diff(shown) > 0.05)


def test_the_objects_position_drives_the_blend(sheets, atlas) -> None:
    made = blending_material(sheets, atlas, "Blend", row(COUNT), Blend("OBJECT", axis="X", first=-2.0, last=2.0))
    glowing(made.materials, "height")
    assert render(COUNT)[0, :, 0] == pytest.approx(LEVELS, abs=0.02)


def test_distance_to_an_empty_drives_the_blend(sheets, atlas) -> None:
    plane("Wall", width=9)
    empty = bpy.data.objects.new("Lamp", None)
    empty.empty_display_size, empty.location = 2.0, (-4, 0, 0)
    empty.scale = (4, 4, 4)
    bpy.context.scene.collection.objects.link(empty)
    made = blending_material(sheets, atlas, "Blend", ["Wall"], Blend("DISTANCE", empty="Lamp"))
    glowing(made.materials, "height")
    shown = render(9)[0, :, 0]
    assert shown[0] == pytest.approx(LEVELS[0], abs=0.05)
    assert shown[-1] == pytest.approx(LEVELS[-1], abs=0.05)
    assert np.all(np.diff(shown) > 0)


def test_blending_by_distance_needs_an_empty(sheets, atlas) -> None:
    with pytest.raises(WashiError, match="needs an empty"):
        blending_material(sheets, atlas, "Blend", blend=Blend("DISTANCE", empty="Gone"))


# Varying by object


@pytest.mark.parametrize("key", MAPS)
def test_each_object_shows_the_texture_of_its_index(sheets, atlas, key: str) -> None:
    objects = row(7)
    made = varying_material(sheets, atlas, "Many", objects, Variation("INDEX", number=True), options_for(key))
    glowing(made.materials, key)
    assert seen(render(7), key)[0] == pytest.approx([expected(key, LEVELS[i % COUNT]) for i in range(7)], abs=0.01)


def test_five_hundred_instances_share_one_material_and_show_every_texture(sheets, atlas) -> None:
    source = plane("Leaf")
    made = varying_material(sheets, atlas, "Many", ["Leaf"], Variation("RANDOM", seed=3))
    for i in range(499):
        plane(f"Leaf {i}", x=(i + 1) % 25 - 12, y=(i + 1) // 25 - 9.5, mesh=source.data)
    source.location = (-12, -9.5, 0)
    glowing(made.materials, "height")
    shown = render(25, 20)[..., 0]
    nearest = np.abs(shown[..., None] - LEVELS).argmin(-1)
    assert np.abs(shown - np.array(LEVELS)[nearest]).max() < 0.02
    share = np.bincount(nearest.ravel(), minlength=COUNT) / shown.size
    assert np.all(np.abs(share - 1 / COUNT) < 0.08)
    assert len(bpy.data.materials) == 1


# All forms


def make(form: str, sheets, atlas, film_files, objects):
    return {
        "EACH": lambda: one_material_each(sheets, "Washi", objects),
        "FILM": lambda: animated_material(sheets, film_files, "Washi", objects),
        "BLEND": lambda: blending_material(sheets, atlas, "Washi", objects),
        "VALUE": lambda: blending_material(sheets, atlas, "Washi", objects, Blend("VALUE")),
        "VARIATION": lambda: varying_material(sheets, atlas, "Washi", objects),
    }[form]()


FORMS = ("EACH", "FILM", "BLEND", "VALUE", "VARIATION")


@pytest.mark.parametrize("form", FORMS)
def test_making_it_again_replaces_what_was_made(sheets, atlas, film_files, form: str) -> None:
    objects = row(COUNT)
    first = make(form, sheets, atlas, film_files, objects)
    before = counts()
    drivers = sum(len(m.node_tree.animation_data.drivers) for m in bpy.data.materials if m.node_tree.animation_data)
    assert make(form, sheets, atlas, film_files, objects) == first
    assert counts() == before
    assert sum(len(m.node_tree.animation_data.drivers) for m in bpy.data.materials if m.node_tree.animation_data) == drivers


@pytest.mark.parametrize("form", FORMS)
def test_another_form_of_the_same_name_takes_its_place(sheets, atlas, film_files, form: str) -> None:
    objects = row(COUNT)
    for other in FORMS:
        make(other, sheets, atlas, film_files, objects)
    make(form, sheets, atlas, film_files, objects)
    assert len(bpy.data.materials) == (COUNT if form == "EACH" else 1)
    assert len(bpy.data.images) == (4 * COUNT if form == "EACH" else 4)


@pytest.mark.parametrize("form", FORMS)
def test_the_first_texture_and_all_latents_are_remembered(sheets, atlas, film_files, form: str) -> None:
    made = make(form, sheets, atlas, film_files, [])
    known = provenance_of(bpy.data.materials[made.materials[0]])
    assert known["latent"] == sheets[0].provenance["latent"]
    if form != "EACH":
        assert known["sequence"]["latents"] == [one.provenance["latent"] for one in sheets]


@pytest.mark.parametrize("form", FORMS)
def test_no_textures_are_refused_and_leave_nothing(atlas, film_files, form: str) -> None:
    with pytest.raises(WashiError, match="no textures"):
        make(form, [], atlas, film_files, [])
    assert not bpy.data.materials


@pytest.mark.parametrize("form", FORMS)
def test_a_picture_that_is_missing_leaves_everything_as_it_was(sheets, atlas, film_files, tmp_path: Path, form: str) -> None:
    objects = row(COUNT)
    make(form, sheets, atlas, film_files, objects)
    before = counts()
    missing = {"opacity": tmp_path / "gone.png"}
    broken = [*sheets[:-1], SimpleNamespace(**{**vars(sheets[-1]), "files": {**sheets[-1].files, **missing}})]
    with pytest.raises(WashiError, match="can't read"):
        make(form, broken, replace(atlas, files={**atlas.files, **missing}), {**film_files, **missing}, objects)
    assert counts() == before
    assert all(node.image is not None for one in bpy.data.materials for node in one.node_tree.nodes if node.type == "TEX_IMAGE")
