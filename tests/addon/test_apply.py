"""A texture's maps on objects: scale, light, pictures, provenance, assets. In the bpy module, rendered by Cycles."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

bpy = pytest.importorskip("bpy")

from rendering import MAPS, black, flat_sheets, flat_values, glow, plane, render, sheet, sky

from washi_latent.addon.apply import apply_sheet, digest, drop_ahead, mark_asset, pack_ahead, provenance_of
from washi_latent.addon.materials import PROVENANCE, PaperOptions
from washi_latent.core import WashiError

TILE_MM = 100.0


@pytest.fixture(autouse=True)
def empty_file() -> None:
    bpy.ops.wm.read_factory_settings(use_empty=True)


@pytest.fixture
def paper(tmp_path: Path) -> SimpleNamespace:
    return flat_sheets(tmp_path, 1)[0]


@pytest.fixture
def striped(tmp_path: Path) -> SimpleNamespace:
    """A tile whose height is 0 in the left and 1 in the right half, and opacity 0 below and 1 above."""
    values = flat_values(0, 1)
    values["height"] = np.repeat(np.float32([0, 1]), 8)[None].repeat(16, 0)
    values["opacity"] = np.repeat(np.float32([1, 0]), 8)[:, None].repeat(16, 1)
    return sheet(tmp_path, 0, values, TILE_MM)


@pytest.fixture
def saved(tmp_path: Path) -> Path:
    folder = tmp_path / "project"
    folder.mkdir()
    bpy.ops.wm.save_as_mainfile(filepath=str(folder / "scene.blend"))
    return folder


def counts() -> tuple[int, ...]:
    kinds = (bpy.data.materials, bpy.data.images, bpy.data.node_groups)
    return (*(len(kind) for kind in kinds), *(len(one.node_tree.nodes) for one in bpy.data.materials))


def changes(line: np.ndarray) -> int:
    return int((np.abs(np.diff(line > 0.5)) > 0).sum())


# True scale


def stripes(columns: int, across: float) -> list[tuple[int, int]]:
    """How often height, and opacity, change from left to right and from top to bottom in a square of this width, fewer first."""
    found = []
    for key in ("height", "opacity"):
        glow(bpy.data.materials["Paper"], key)
        picture = render(columns, columns, across=across)[..., 0]
        found.append(tuple(sorted((changes(picture[columns // 2]), changes(picture[:, columns // 2])))))
    return found


def is_true_scale(found: list[tuple[int, int]]) -> bool:
    """In five tiles' length lie ten halves; along the stripes nothing changes."""
    return all(along == 0 and 9 <= across <= 11 for along, across in found)


@pytest.mark.parametrize("coordinates", ["OBJECT", "UV"])
@pytest.mark.parametrize(("scale", "turn"), [((1, 1, 1), 0.0), ((2, 0.5, 1), 0.0), ((1, 1, 1), np.pi / 2)])
def test_a_tile_is_as_large_as_it_is(striped: SimpleNamespace, coordinates: str, scale: tuple[float, ...], turn: float) -> None:
    thing = plane("Plane", width=0.9 / scale[0], height=1.8 / scale[1])
    thing.scale, thing.rotation_euler = scale, (0, 0, turn)
    bpy.context.view_layer.update()
    apply_sheet(striped, "Paper", ["Plane"], options=PaperOptions(coordinates))
    assert is_true_scale(stripes(32, 0.5))


def test_the_uv_map_that_is_rendered_gives_the_scale(striped: SimpleNamespace) -> None:
    thing = plane("Plane", width=0.9, height=1.8)
    other = thing.data.uv_layers.new(name="Lightmap")
    for loop in other.data:
        loop.uv *= 0.25
    thing.data.uv_layers.active = other
    assert not other.active_render
    apply_sheet(striped, "Paper", ["Plane"], options=PaperOptions("UV"))
    assert is_true_scale(stripes(32, 0.5))


def test_the_scenes_unit_is_kept(striped: SimpleNamespace) -> None:
    bpy.context.scene.unit_settings.scale_length = 0.001
    plane("Plane", width=900, height=900)
    apply_sheet(striped, "Paper", ["Plane"])
    assert is_true_scale(stripes(32, 500))


def test_a_boxs_sides_are_not_smeared(striped: SimpleNamespace) -> None:
    bpy.ops.mesh.primitive_cube_add(size=1)
    box = bpy.context.object
    apply_sheet(striped, "Paper", [box.name])
    for turn in ((np.pi / 2, 0, 0), (0, np.pi / 2, 0)):
        box.rotation_euler = turn
        assert is_true_scale(stripes(32, 0.5))


def test_uv_without_a_map_are_refused(paper: SimpleNamespace) -> None:
    thing = plane("Plane")
    thing.data.uv_layers.remove(thing.data.uv_layers[0])
    with pytest.raises(WashiError, match="no UV map"):
        apply_sheet(paper, "Paper", ["Plane"], options=PaperOptions("UV"))
    assert not bpy.data.materials


# Light


def lit(opacity: float, translucency: float = 1.0, tmp_path: Path | None = None) -> float:
    values = flat_values(0, 1)
    values["base_color"] = np.full((16, 16, 3), 1, np.float32)
    values["opacity"] = np.full((16, 16), opacity, np.float32)
    apply_sheet(sheet(tmp_path, 0, values), "Paper", ["Plane"], options=PaperOptions(translucency=translucency))
    return float(render(2, 2, samples=64).mean())


def test_light_from_behind_passes_in_the_share_that_opacity_leaves(tmp_path: Path) -> None:
    plane("Plane", width=9, height=9)
    sun = bpy.data.objects.new("Sun", bpy.data.lights.new("Sun", "SUN"))
    sun.rotation_euler, sun.data.energy = (np.pi, 0, 0), np.pi * 0.8
    bpy.context.scene.collection.objects.link(sun)
    shown = [lit(opacity, tmp_path=tmp_path) for opacity in (1.0, 0.75, 0.5)]
    # A sun of strength pi on white scatters 1 through; almost nothing passes straight at these opacities.
    assert shown == pytest.approx([0, 0.25 * 0.8, 0.5 * 0.8], abs=0.03)
    assert lit(0.75, 2.0, tmp_path) == pytest.approx(0.5 * 0.8, abs=0.03)


def test_thin_paper_lets_one_see_through(tmp_path: Path) -> None:
    plane("Plane", width=9, height=9)
    sky((0.5, 0.5, 0.5))
    behind = plane("Behind", width=1, height=9)
    behind.location.z = -3
    behind.data.materials.append(black())
    contrast = []
    for opacity in (0.02, 0.7):
        values = flat_values(0, 1)
        values["opacity"] = np.full((16, 16), opacity, np.float32)
        apply_sheet(sheet(tmp_path, 0, values), "Paper", ["Plane"])
        line = render(9, 9, samples=32)[4].mean(-1)
        contrast.append(float(line[0] - line[4]))
    assert contrast[0] > 0.2
    assert contrast[1] < 0.05


@pytest.mark.parametrize("options", [PaperOptions("UV", "BUMP"), PaperOptions("UV", "NORMAL"), PaperOptions("OBJECT", "BUMP")])
def test_slopes_face_the_light(tmp_path: Path, options: PaperOptions) -> None:
    from washi_latent.core import normal_from_height

    wave = np.float32(0.5 + 0.5 * np.sin(2 * np.pi * (np.arange(64) + 0.5) / 64))[None].repeat(64, 0)
    values = flat_values(0, 1, 64)
    values["opacity"] = np.ones((64, 64), np.float32)
    # A tile of 3.2 mm: the relief of 0.5 mm is steep.
    values["height"], values["normal"] = wave, normal_from_height(wave, 0.5 / (3.2 / 64))
    plane("Plane", width=0.0032, height=0.0032)
    sun = bpy.data.objects.new("Sun", bpy.data.lights.new("Sun", "SUN"))
    # From the left, low.
    sun.rotation_euler, sun.data.energy = (0, -1.0, 0), 2.0
    bpy.context.scene.collection.objects.link(sun)
    apply_sheet(sheet(tmp_path, 0, values, 3.2), "Paper", ["Plane"], options=options)
    shown = render(16, 16, samples=16, across=0.0032).mean(-1)
    # The wave's gradient runs along U; the box projection lays U along the object's y where the surface faces up.
    line = shown.mean(1)[::-1] if options.coordinates == "OBJECT" else shown.mean(0)
    if options.coordinates == "OBJECT":
        assert np.ptp(line) < 0.1
        bpy.data.objects["Sun"].rotation_euler = (1.0, 0, 0)
        line = render(16, 16, samples=16, across=0.0032).mean(-1).mean(1)[::-1]
    rising = np.cos(2 * np.pi * (np.arange(16) + 0.5) / 16)
    expected = np.corrcoef(rising, line)[0, 1]
    assert abs(expected) > 0.9
    if options.coordinates == "UV":
        assert expected > 0, "slopes that rise to the right face the light on the left"


@pytest.mark.skipif(bpy.app.version >= (5, 0, 0), reason="newer ones take flat objects as flat")
def test_eevee_of_4_is_told_that_paper_is_thin(paper: SimpleNamespace) -> None:
    apply_sheet(paper, "Paper")
    ends = {node.target: node for node in bpy.data.materials["Paper"].node_tree.nodes if node.type == "OUTPUT_MATERIAL"}
    assert [link.from_socket.default_value for link in ends["EEVEE"].inputs["Thickness"].links] == [0.0]


# Materials and pictures


def test_every_map_is_shown_in_its_colour_space(paper: SimpleNamespace) -> None:
    plane("Plane")
    apply_sheet(paper, "Paper", ["Plane"], options=PaperOptions("UV", "NORMAL"))
    apply_sheet(paper, "Other", ["Plane"])
    spaces = {image.name: image.colorspace_settings.name for image in bpy.data.images}
    assert {name for name in spaces if name.startswith("Paper")} == {f"Paper {key}" for key in MAPS if key != "height"}
    assert {name for name in spaces if name.startswith("Other")} == {f"Other {key}" for key in MAPS if key != "normal"}
    assert {name.split()[1] for name, space in spaces.items() if space == "sRGB"} == {"base_color"}
    assert set(spaces.values()) == {"sRGB", "Non-Color"}


@pytest.mark.parametrize("options", [PaperOptions(), PaperOptions("UV"), PaperOptions("UV", "NORMAL"), PaperOptions(relief="NONE")])
def test_applying_again_adds_nothing(paper: SimpleNamespace, options: PaperOptions) -> None:
    plane("Plane")
    first = apply_sheet(paper, "Paper", ["Plane"], options=options)
    before = counts()
    assert apply_sheet(paper, "Paper", ["Plane"], options=options) == first
    assert counts() == before


def test_another_texture_of_the_same_name_is_another_material(tmp_path: Path) -> None:
    plane("Plane")
    first, second = flat_sheets(tmp_path, 2)
    made = [apply_sheet(one, "Paper", ["Plane"]).material for one in (first, second)]
    assert made == ["Paper", "Paper.001"]
    assert bpy.data.objects["Plane"].active_material.name == "Paper.001"


def test_an_artists_own_material_of_that_name_is_left_alone(paper: SimpleNamespace) -> None:
    mine = bpy.data.materials.new("Paper")
    assert apply_sheet(paper, "Paper").material == "Paper.001"
    assert PROVENANCE not in mine


@pytest.mark.parametrize(
    "change",
    [
        lambda tree: setattr(tree.nodes["Mapping"].inputs["Scale"], "default_value", (1, 2, 3)),
        lambda tree: tree.nodes.new("ShaderNodeHueSaturation"),
        lambda tree: tree.links.remove(tree.links[0]),
        lambda tree: tree.nodes["Mapping"].inputs["Rotation"].keyframe_insert("default_value"),
    ],
)
def test_nodes_that_the_artist_changed_are_left_as_they_are(paper: SimpleNamespace, change: Callable[[Any], Any]) -> None:
    first, second = plane("A"), plane("B")
    apply_sheet(paper, "Paper", ["A"])
    mine = first.active_material
    change(mine.node_tree)
    before = digest(mine)
    assert apply_sheet(paper, "Paper", ["B"]).material == "Paper.001"
    assert (first.active_material, digest(mine)) == (mine, before)
    assert second.active_material != mine
    assert apply_sheet(paper, "Paper", ["B"]).material == "Paper.001", "which is as it was made"


def test_nodes_that_were_only_moved_and_reloaded_count_as_they_were_made(paper: SimpleNamespace, saved: Path) -> None:
    plane("A")
    apply_sheet(paper, "Paper", ["A"])
    bpy.data.materials["Paper"].node_tree.nodes["Mapping"].location = (7, 7)
    bpy.ops.wm.save_mainfile()
    bpy.ops.wm.open_mainfile(filepath=str(saved / "scene.blend"))
    assert apply_sheet(paper, "Paper", ["A"]).material == "Paper"


def test_into_a_material_keeps_its_name_and_users(tmp_path: Path) -> None:
    for name in ("A", "B"):
        plane(name)
    first, second = flat_sheets(tmp_path, 2)
    apply_sheet(first, "Wall", ["A", "B"])
    before = counts()
    assert apply_sheet(second, "Other name", into="Wall").material == "Wall"
    assert {bpy.data.objects[name].active_material.name for name in ("A", "B")} == {"Wall"}
    assert provenance_of(bpy.data.materials["Wall"])["latent"] == second.provenance["latent"]
    assert counts() == before


def test_a_copy_of_the_material_keeps_its_pictures(tmp_path: Path) -> None:
    first, second = flat_sheets(tmp_path, 2)
    apply_sheet(first, "Paper")
    copy = bpy.data.materials["Paper"].copy()
    apply_sheet(second, "x", into="Paper")
    images = [node.image for node in copy.node_tree.nodes if node.type == "TEX_IMAGE"]
    assert len(images) == 4
    assert len(bpy.data.images) == 8
    assert all(image is not None for image in images)


def test_a_new_slot_is_added_only_where_it_is_asked_for(paper: SimpleNamespace) -> None:
    thing = plane("Plane")
    apply_sheet(paper, "Paper", ["Plane"])
    apply_sheet(paper, "Paper", ["Plane"])
    assert len(thing.material_slots) == 1
    apply_sheet(paper, "Paper", ["Plane"], new_slot=True)
    assert len(thing.material_slots) == 2


@pytest.mark.parametrize("kind", ["CURVE", "FONT", "META"])
def test_curves_and_texts_take_paper(paper: SimpleNamespace, kind: str) -> None:
    data = {"CURVE": lambda: bpy.data.curves.new("x", "CURVE"), "FONT": lambda: bpy.data.curves.new("x", "FONT"), "META": lambda: bpy.data.metaballs.new("x")}[
        kind
    ]()
    bpy.context.scene.collection.objects.link(bpy.data.objects.new("Thing", data))
    apply_sheet(paper, "Paper", ["Thing"])
    assert bpy.data.objects["Thing"].active_material.name == "Paper"


def test_objects_that_were_deleted_meanwhile_are_said_to_be(paper: SimpleNamespace) -> None:
    with pytest.raises(WashiError, match="not there any more: select others"):
        apply_sheet(paper, "Paper", ["gone"])
    assert not bpy.data.images


def test_objects_without_a_surface_are_refused(paper: SimpleNamespace) -> None:
    bpy.context.scene.collection.objects.link(bpy.data.objects.new("Empty", None))
    with pytest.raises(WashiError, match="shows a surface"):
        apply_sheet(paper, "Paper", ["Empty"])
    assert not bpy.data.materials


def test_a_map_that_is_gone_is_said_and_leaves_nothing(paper: SimpleNamespace) -> None:
    paper.files["roughness"].unlink()
    plane("Plane")
    with pytest.raises(WashiError, match="can't read"):
        apply_sheet(paper, "Paper", ["Plane"])
    assert not bpy.data.images
    assert not bpy.data.materials


def test_pictures_are_packed_and_live_on_without_their_files(paper: SimpleNamespace, tmp_path: Path) -> None:
    plane("Plane")
    apply_sheet(paper, "Paper", ["Plane"])
    for path in paper.files.values():
        path.unlink()
    bpy.ops.wm.save_as_mainfile(filepath=str(tmp_path / "packed.blend"))
    bpy.ops.wm.open_mainfile(filepath=str(tmp_path / "packed.blend"))
    assert all(image.packed_file and not image.filepath.startswith(str(tmp_path)) for image in bpy.data.images)
    glow(bpy.data.materials["Paper"], "height")
    assert render(1)[0, 0, 0] == pytest.approx(0.5, abs=0.01)


def test_pictures_beside_the_file_are_found_after_it_is_moved(paper: SimpleNamespace, saved: Path) -> None:
    plane("Plane")
    assert apply_sheet(paper, "Paper", ["Plane"], store="FILES").note is None
    bpy.ops.wm.save_mainfile()
    assert all(image.filepath.startswith("//textures") and not image.packed_file for image in bpy.data.images)
    moved = saved.rename(saved.parent / "moved")
    bpy.ops.wm.open_mainfile(filepath=str(moved / "scene.blend"))
    assert all(Path(bpy.path.abspath(image.filepath)).is_file() for image in bpy.data.images)


def test_pictures_of_another_version_of_the_file_are_never_overwritten(tmp_path: Path, saved: Path) -> None:
    first, second = flat_sheets(tmp_path, 2)
    apply_sheet(first, "Paper", store="FILES")
    content = {path: path.read_bytes() for path in (saved / "textures").iterdir()}
    apply_sheet(second, "x", into="Paper", store="FILES")
    apply_sheet(second, "x", into="Paper", store="FILES")
    assert {path: path.read_bytes() for path in content} == content
    assert len(list((saved / "textures").iterdir())) == 8


def test_before_the_first_save_pictures_are_packed_and_that_is_said(paper: SimpleNamespace) -> None:
    made = apply_sheet(paper, "Paper", store="FILES")
    assert made.note is not None
    assert all(image.packed_file for image in bpy.data.images)


def test_a_name_that_no_file_may_have_still_gives_files(paper: SimpleNamespace, saved: Path) -> None:
    apply_sheet(paper, 'a/b\\c: "x"', store="FILES")
    assert len(list((saved / "textures").iterdir())) == 4


def test_applying_reads_no_pixels(paper: SimpleNamespace) -> None:
    apply_sheet(paper, "Paper")
    assert len(bpy.data.images) == 4
    assert not any(image.has_data for image in bpy.data.images), "each would hold the window for as long as its file is unpacked"
    nodes = bpy.data.materials["Paper"].node_tree.nodes
    assert {node.interpolation for node in nodes if node.type == "TEX_IMAGE"} == {"Cubic"}, "small pictures are smoothed all the same"


def test_pictures_that_were_packed_ahead_are_used_and_the_others_go(tmp_path: Path) -> None:
    first, second = flat_sheets(tmp_path, 2)
    for number, _ in enumerate(pack_ahead([first.files, second.files], PaperOptions(), "PACKED")):
        assert len(bpy.data.images) == number + 1
    mine = bpy.data.images.new("Mine", 4, 4)
    before = {image.as_pointer() for image in bpy.data.images}
    apply_sheet(first, "Paper")
    assert {image.as_pointer() for image in bpy.data.images} == before
    drop_ahead()
    assert {image.name for image in bpy.data.images} == {mine.name, *(f"Paper {key}" for key in MAPS if key != "normal")}
    assert all(image.packed_file for image in bpy.data.images if image != mine)


def test_a_picture_that_was_removed_after_it_was_packed_is_read_again(paper: SimpleNamespace) -> None:
    list(pack_ahead([paper.files], PaperOptions(), "PACKED"))
    for image in list(bpy.data.images):
        bpy.data.images.remove(image)
    apply_sheet(paper, "Paper")
    assert len(bpy.data.images) == 4


def test_nothing_is_packed_ahead_for_pictures_beside_the_file(paper: SimpleNamespace, saved: Path) -> None:
    assert list(pack_ahead([paper.files], PaperOptions(), "FILES")) == []


# Provenance


def test_what_made_it_is_read_back(paper: SimpleNamespace) -> None:
    apply_sheet(paper, "Paper")
    known = provenance_of(bpy.data.materials["Paper"])
    assert {key: known[key] for key in paper.provenance} == paper.provenance
    assert known["tile_mm"] == TILE_MM


@pytest.mark.parametrize(
    "text", ["", "{", "[]", "null", '{"model": "m"}', '{"model": "m", "latent": [], "seed": 0, "size": [1], "version": "0"}', "[" * 100000]
)
def test_a_damaged_record_is_said(text: str) -> None:
    material = bpy.data.materials.new("Paper")
    with pytest.raises(WashiError, match="not made by"):
        provenance_of(material)
    material[PROVENANCE] = text
    with pytest.raises(WashiError, match="damaged"):
        provenance_of(material)
    material[PROVENANCE] = 3
    with pytest.raises(WashiError, match="damaged"):
        provenance_of(material)


# Assets


def test_an_asset_has_a_preview_of_its_texture(paper: SimpleNamespace) -> None:
    apply_sheet(paper, "Paper")
    note = mark_asset("Paper", "Paper/Washi").note
    assert note is not None
    assert "not saved" in note
    material = bpy.data.materials["Paper"]
    assert material.asset_data is not None
    preview = np.array(material.preview.image_pixels_float).reshape(256, 256, 4)
    assert preview[128, 128] == pytest.approx([0.5, 0.5, 0.5, 1], abs=0.02)
    assert len(bpy.data.images) == 4


def test_a_catalogue_is_written_once_and_others_stay(paper: SimpleNamespace, saved: Path) -> None:
    file = saved / "blender_assets.cats.txt"
    before = "# mine\n\nVERSION 1\n\n11111111-2222-3333-4444-555555555555:Wood:Wood"
    file.write_text(before)
    for name in ("A", "B"):
        apply_sheet(paper, name)
        assert mark_asset(name, "Paper/Washi").note is None
    lines = file.read_text().splitlines()
    assert lines[:5] == before.splitlines()
    assert len(lines) == 6
    identifier, path, simple = lines[5].split(":")
    assert (path, simple) == ("Paper/Washi", "Paper-Washi")
    assert {bpy.data.materials[name].asset_data.catalog_id for name in ("A", "B")} == {identifier}


def test_a_catalogue_that_is_there_is_used(paper: SimpleNamespace, saved: Path) -> None:
    known = "11111111-2222-3333-4444-555555555555"
    (saved / "blender_assets.cats.txt").write_text(f"VERSION 1\n{known}:Paper/Washi:mine\n")
    apply_sheet(paper, "Paper")
    mark_asset("Paper", "Paper/Washi")
    assert bpy.data.materials["Paper"].asset_data.catalog_id == known


def test_the_catalogue_lies_in_the_library_that_holds_the_file(paper: SimpleNamespace, tmp_path: Path) -> None:
    (tmp_path / "library" / "deep").mkdir(parents=True)
    libraries = bpy.context.preferences.filepaths.asset_libraries
    libraries.new(name="Mine", directory=str(tmp_path / "library"))
    try:
        bpy.ops.wm.save_as_mainfile(filepath=str(tmp_path / "library" / "deep" / "x.blend"))
        apply_sheet(paper, "Paper")
        mark_asset("Paper", "Washi")
        assert (tmp_path / "library" / "blender_assets.cats.txt").is_file()
    finally:
        libraries.remove(libraries[-1])


def test_a_catalogue_file_of_another_version_is_refused(paper: SimpleNamespace, saved: Path) -> None:
    file = saved / "blender_assets.cats.txt"
    file.write_text("VERSION 2\n")
    apply_sheet(paper, "Paper")
    with pytest.raises(WashiError, match="version"):
        mark_asset("Paper", "Washi")
    assert file.read_text() == "VERSION 2\n"


def test_importing_loads_nothing_heavy() -> None:
    code = "import sys, bpy; before = set(sys.modules); import washi_latent.addon.sequences; print(sorted({'numpy', 'scipy', 'PIL', 'onnxruntime', 'sklearn'} & (set(sys.modules) - before)))"
    out = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, cwd=Path(__file__).parents[2])
    assert out.stdout.strip().endswith("[]")


def test_textures_of_one_name_are_unpacked_into_files_of_their_own(saved: Path, tmp_path: Path) -> None:
    """Each job has its own folder, and its files may have the names of another's."""
    made = []
    for number in range(2):
        folder = tmp_path / str(number)
        folder.mkdir()
        texture = sheet(folder, 0, flat_values(number, 2), TILE_MM)
        texture.provenance["latent"] = [number, 0.5]
        made.append(apply_sheet(texture, "Paper").material)

    def shown() -> list[float]:
        images = [next(node.image for node in bpy.data.materials[name].node_tree.nodes if node.label == "Base color") for name in made]
        return [image.pixels[0] for image in images]

    before = shown()
    assert before[0] != before[1]
    bpy.ops.file.unpack_all(method="USE_LOCAL")
    for image in bpy.data.images:
        assert not image.packed_file
        image.reload()
    assert shown() == before
    assert len(list((saved / "textures").iterdir())) == 8
