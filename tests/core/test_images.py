"""Pictures: what is written comes back; what can't be written is said, and nothing is lost."""

from __future__ import annotations

import errno
import os
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from washi_latent.core import WashiError, contact_sheet, read_image, write_png
from washi_latent.core.images import cannot_write, read_provenance, resize, write_atomically, write_json


def test_written_pictures_come_back(tmp_path: Path) -> None:
    picture = np.random.default_rng(0).random((9, 7, 3))
    write_png(tmp_path / "a.png", picture, {"model": "washi", "latent": [0.5]})
    np.testing.assert_allclose(read_image(tmp_path / "a.png"), picture, atol=0.5 / 255 + 1e-6)
    assert read_provenance(tmp_path / "a.png") == {"model": "washi", "latent": [0.5]}
    write_png(tmp_path / "h.png", picture[..., 0], bits=16)
    np.testing.assert_allclose(read_image(tmp_path / "h.png")[..., 0], picture[..., 0], atol=1 / 65535)


def test_a_full_disk_is_said_and_the_old_file_stays(tmp_path: Path) -> None:
    target = write_png(tmp_path / "a.png", np.zeros((4, 4)))
    before = target.read_bytes()

    def full(_: object) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    with pytest.raises(WashiError, match="disk is full"):
        write_atomically(target, full)
    assert target.read_bytes() == before
    assert [p.name for p in tmp_path.iterdir()] == ["a.png"]


@pytest.mark.skipif(not Path("/dev/full").is_char_device(), reason="Linux's disk that is always full")
def test_a_disk_that_fills_up_below_an_array_is_called_full() -> None:
    with open("/dev/full", "wb") as file, pytest.raises(OSError, match="written") as caught:
        np.zeros(100_000).tofile(file)
    assert "the disk is full" in str(cannot_write(Path("patches"), caught.value))


def test_places_that_cannot_be_written(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("x")
    for place in (tmp_path / "no" / "such.png", tmp_path / "file" / "x.png", tmp_path / ("n" * 300), tmp_path):
        with pytest.raises(WashiError) as caught:
            write_png(place, np.zeros((4, 4)))
        assert "\n" not in str(caught.value)


@pytest.mark.parametrize("name", ["紙" * 83 + ".png", "n" * 251 + ".png"])
def test_the_longest_name_that_a_system_takes_is_written(tmp_path: Path, name: str) -> None:
    assert write_png(tmp_path / name, np.zeros((4, 4))).stat().st_size
    assert len(list(tmp_path.iterdir())) == 1


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="a system without pipes in folders")
def test_a_pipe_stays_one(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe")
    with pytest.raises(WashiError, match="a device or a pipe"):
        write_png(tmp_path / "pipe", np.zeros((4, 4)))
    assert (tmp_path / "pipe").is_fifo()
    assert len(list(tmp_path.iterdir())) == 1


@pytest.mark.parametrize("picture", [np.zeros((2, 2, 2)), np.zeros(3), np.zeros((0, 4)), np.full((3, 3), np.nan)])
def test_what_is_no_picture_is_refused(tmp_path: Path, picture: np.ndarray) -> None:
    with pytest.raises(WashiError):
        write_png(tmp_path / "a.png", picture)
    assert not list(tmp_path.iterdir())


def test_what_a_reader_of_pictures_does_not_know_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "a.png"
    Image.new("RGB", (16, 16)).save(path, "DDS")
    content = bytearray(path.read_bytes())
    content[80:84] = b"\x00\x00\x00\x40"  # pixels of a kind that nobody has heard of
    path.write_bytes(content)
    with pytest.raises(WashiError, match="can't be read as a picture"):
        read_image(path)
    assert read_provenance(path) is None


def test_a_picture_of_too_many_pixels_is_called_that(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("washi_latent.core.images.MAX_PIXELS", 1_000_000)
    Image.new("L", (1001, 1000)).save(tmp_path / "a.png")
    with pytest.raises(WashiError, match="has 1001 x 1000 pixels: give a picture of at most 1 megapixels"):
        read_image(tmp_path / "a.png")


def test_bad_files_are_refused(tmp_path: Path) -> None:
    (tmp_path / "text.png").write_text("not a picture")
    Image.new("RGB", (64, 64)).save(tmp_path / "cut.png")
    (tmp_path / "cut.png").write_bytes((tmp_path / "cut.png").read_bytes()[:60])
    for name in ("text.png", "cut.png", "missing.png", "."):
        with pytest.raises(WashiError):
            read_image(tmp_path / name)
    assert read_provenance(tmp_path / "text.png") is None


def test_json_refuses_what_is_no_number(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="JSON"):
        write_json(tmp_path / "a.json", {"x": float("nan")})
    assert not list(tmp_path.iterdir())


def test_resize_keeps_the_mean() -> None:
    picture = np.random.default_rng(0).random((64, 64, 3)).astype(np.float32)
    np.testing.assert_allclose(resize(picture, 16, 32).mean((0, 1)), picture.mean((0, 1)), atol=0.02)
    assert resize(picture[..., 0], 16, 32).shape == (16, 32)


def test_contact_sheet_shows_all_and_frames_the_marked() -> None:
    sheet = contact_sheet(np.zeros((7, 16, 16, 5)), [str(i) for i in range(7)], columns=3, tile=32, marked=[4], title="Seven")
    assert sheet.shape[2] == 3
    assert (np.abs(sheet - np.array([31, 95, 169]) / 255).max(-1) < 0.01).sum() > 300
    with pytest.raises(WashiError):
        contact_sheet(np.zeros((0, 8, 8)))


def ramp(kind: str, most: float) -> np.ndarray:
    return np.linspace(0, most, 64 * 32).reshape(64, 32).astype(kind)


@pytest.mark.parametrize(
    ("kind", "most", "suffix"),
    [("<u2", 65535, "png"), ("<u2", 65535, "tif"), (">u2", 65535, "tif"), ("<i4", 2**31 - 1, "tif"), ("<f4", 1, "tif"), ("<f4", 255, "tif")],
)
def test_gray_of_any_depth_keeps_its_values(tmp_path: Path, kind: str, most: float, suffix: str) -> None:
    path = tmp_path / f"gray.{suffix}"
    Image.fromarray(ramp(kind, most)).save(path)
    with Image.open(path) as saved:
        assert saved.mode.startswith(("I", "F"))
    np.testing.assert_allclose(read_image(path)[..., 0], ramp("f8", 1), atol=1e-4)


def test_values_that_are_no_numbers_are_no_picture(tmp_path: Path) -> None:
    Image.fromarray(np.full((16, 16), np.nan, np.float32)).save(tmp_path / "nan.tif")
    with pytest.raises(WashiError, match="can't be read as a picture"):
        read_image(tmp_path / "nan.tif")


def test_what_is_transparent_lies_on_white(tmp_path: Path) -> None:
    pixels = np.zeros((16, 16, 4), np.uint8)
    pixels[:, 8:, 3] = 255
    Image.fromarray(pixels).save(tmp_path / "alpha.png")
    read = read_image(tmp_path / "alpha.png")
    assert read[:, :8].min() == 1
    assert read[:, 8:].max() == 0


def test_a_photograph_is_turned_as_its_camera_says(tmp_path: Path) -> None:
    exif = Image.Exif()
    exif[0x0112] = 6
    Image.new("RGB", (40, 80)).save(tmp_path / "turned.jpg", exif=exif)
    assert read_image(tmp_path / "turned.jpg").shape == (40, 80, 3)


def test_a_picture_that_is_too_large_says_how_large_it_may_be(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    Image.new("L", (64, 64)).save(tmp_path / "large.png")
    monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", 1000)
    with pytest.raises(WashiError, match="at most 178 megapixels"):
        read_image(tmp_path / "large.png")
