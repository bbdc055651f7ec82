"""Material maps: against calculus, and read back by other programs."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from washi_latent.core import WashiError
from washi_latent.core.images import read_provenance
from washi_latent.core.maps import FORMATS, MAPS, estimate_height, linear, material_maps, normal_from_height, write_map, write_maps

CHANNELS = ("red", "green", "blue", "height", "opacity")


def waves(edge: int = 64) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """A periodic relief with its exact slopes to the right and down, in pixels a pixel, for a relief of 5 pixels."""
    y, x = np.mgrid[:edge, :edge] * (2 * np.pi / edge)
    height = 0.5 + 0.2 * np.sin(x) + 0.1 * np.cos(2 * y)
    step = 2 * np.pi / edge * 5
    return height, 0.2 * np.cos(x) * step, -0.2 * np.sin(2 * y) * step


def test_normal_follows_the_slope_in_both_conventions() -> None:
    height, across, down = waves(256)
    normal = normal_from_height(height, 5.0) * 2 - 1
    np.testing.assert_allclose(np.linalg.norm(normal, axis=-1), 1, atol=1e-5)
    np.testing.assert_allclose(normal[..., 0] / normal[..., 2], -across, atol=2e-4)
    # Green is up: where the relief rises downward, the surface faces up.
    np.testing.assert_allclose(normal[..., 1] / normal[..., 2], down, atol=2e-4)
    directx = normal_from_height(height, 5.0, "directx") * 2 - 1
    np.testing.assert_allclose(directx[..., 1], -normal[..., 1], atol=1e-6)


def test_maps_of_a_periodic_texture_are_periodic() -> None:
    rng = np.random.default_rng(0)
    texture = rng.random((32, 48, 5)).astype(np.float32)
    maps = material_maps(texture, CHANNELS, 0.1, periodic=True)
    moved = material_maps(np.roll(texture, (7, 11), (0, 1)), CHANNELS, 0.1, periodic=True)
    for name in MAPS:
        np.testing.assert_allclose(np.roll(maps.map(name), (7, 11), (0, 1)), moved.map(name), atol=1e-6)


def test_channels_of_the_model_are_used_and_others_estimated() -> None:
    texture = np.random.default_rng(1).random((16, 16, 5)).astype(np.float32)
    full = material_maps(texture, CHANNELS)
    np.testing.assert_array_equal(full.height, texture[..., 3])
    np.testing.assert_array_equal(full.opacity, texture[..., 4])
    assert full.estimated == ()
    assert full.relief_mm == 0.5
    plain = material_maps(texture[..., :3], CHANNELS[:3])
    assert plain.estimated == ("height", "normal", "roughness", "opacity")
    for name in MAPS:
        assert plain.map(name).shape[:2] == (16, 16)
        assert 0 <= plain.map(name).min() <= plain.map(name).max() <= 1


def test_estimated_height_follows_light_fibres_and_flat_paper_is_flat() -> None:
    picture = np.full((64, 64, 3), 0.8, np.float32)
    np.testing.assert_array_equal(estimate_height(picture), 0.5)
    picture[30:33] = 0.9
    height = estimate_height(picture)
    assert height[31].min() > height[:20].max()


def test_rough_relief_makes_rough_paper() -> None:
    flat = np.full((64, 64, 5), 0.5, np.float32)
    rough = flat.copy()
    rough[..., 3] += 0.2 * (np.random.default_rng(2).random((64, 64)) - 0.5)
    assert material_maps(rough, CHANNELS).roughness.mean() > material_maps(flat, CHANNELS).roughness.mean() + 0.05


def test_png_of_8_and_16_bits_reads_back(tmp_path: Path) -> None:
    png = pytest.importorskip("png")
    values = np.random.default_rng(3).random((9, 13, 3)).astype(np.float32)
    eight = write_map(tmp_path / "a.png", values, True, "png8", {"model": "x"})
    np.testing.assert_array_equal(np.asarray(Image.open(eight)), np.round(values * 255))
    sixteen = write_map(tmp_path / "b.png", values, False, "png16", {"model": "和紙"})
    width, height, rows, info = png.Reader(filename=str(sixteen)).read()
    assert (width, height, info["bitdepth"]) == (13, 9, 16)
    np.testing.assert_array_equal(np.array(list(rows)).reshape(9, 13, 3), np.round(values.astype(np.float64) * 65535))
    assert read_provenance(sixteen) == {"model": "和紙"}
    gray = write_map(tmp_path / "c.png", values[..., 0], False, "png16")
    np.testing.assert_array_equal(np.asarray(Image.open(gray)), np.round(values[..., 0].astype(np.float64) * 65535))


def test_exr_holds_linear_colour_and_untouched_data(tmp_path: Path) -> None:
    openexr = pytest.importorskip("OpenEXR")
    values = np.random.default_rng(4).random((8, 10, 3)).astype(np.float32)
    with openexr.File(str(write_map(tmp_path / "a.exr", values, True, "exr", {"model": "x"}))) as file:
        np.testing.assert_allclose(file.channels()["RGB"].pixels, linear(values), rtol=1e-3, atol=1e-4)
        assert "x" in str(file.header()["washi-latent"])
    with openexr.File(str(write_map(tmp_path / "b.exr", values[..., 0], False, "exr"))) as file:
        np.testing.assert_allclose(file.channels()["Y"].pixels, values[..., 0], rtol=1e-3, atol=1e-4)


@pytest.mark.parametrize("form", FORMATS)
def test_maps_are_named_and_nothing_else_is_left(tmp_path: Path, form: str) -> None:
    if form == "exr":
        pytest.importorskip("OpenEXR")
    maps = material_maps(np.random.default_rng(5).random((8, 8, 5)), CHANNELS)
    written = write_maps(maps, tmp_path / "out", "kozo", MAPS, form)
    assert set(written) == set(MAPS)
    assert sorted(p.name for p in (tmp_path / "out").iterdir()) == sorted(p.name for p in written.values())


@pytest.mark.parametrize(
    "call",
    [
        lambda folder: material_maps(np.zeros((4, 4))),
        lambda folder: material_maps(np.full((8, 8, 3), np.nan)),
        lambda folder: material_maps(np.zeros((8, 8, 3)), CHANNELS),
        lambda folder: material_maps(np.zeros((8, 8, 3)), (), 0.0),
        lambda folder: material_maps(np.zeros((8, 8, 3))).map("shine"),
        lambda folder: write_map(folder / "x.tga", np.zeros((4, 4)), False, "tga"),
        lambda folder: write_map(folder / "no" / "x.png", np.zeros((4, 4)), False),
        lambda folder: write_map(folder / "no" / "x.png", np.zeros((4, 4, 3)), False, "png16"),
        lambda folder: write_map(folder / "no" / "x.exr", np.zeros((4, 4, 3)), False, "exr"),
        lambda folder: write_map(folder / "x.png", np.full((4, 4), np.inf), False),
    ],
)
def test_what_can_not_be_is_said_in_one_sentence(tmp_path: Path, call) -> None:
    with pytest.raises(WashiError) as caught:
        call(tmp_path)
    assert "\n" not in str(caught.value)
    assert list(tmp_path.iterdir()) == []
