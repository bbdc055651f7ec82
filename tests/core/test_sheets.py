"""Many textures in one picture, or in one numbered row of files."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from washi_latent.core import WashiError, write_png
from washi_latent.core.sheets import check_atlas, check_room, checksum, earlier_rows, number_files, write_atlas


def textures(folder: Path, count: int, edge: int = 24, key: str = "height") -> list[dict[str, Path]]:
    rng = np.random.default_rng(0)
    return [
        {
            "base_color": write_png(folder / f"{i}_c.png", rng.random((edge, edge + 8, 3))),
            key: write_png(folder / f"{i}_h.png", rng.random((edge, edge + 8)), bits=16),
        }
        for i in range(count)
    ]


@pytest.mark.parametrize("count", [1, 2, 5, 12])
def test_every_texture_lies_in_its_cell_and_goes_on_around_it(tmp_path: Path, count: int) -> None:
    given = textures(tmp_path, count)
    atlas = write_atlas(given, tmp_path / "atlas", "paper")
    assert atlas.columns * atlas.rows >= count
    for key, path in atlas.files.items():
        whole = np.asarray(Image.open(path))
        cell_h, cell_w = whole.shape[0] // atlas.rows, whole.shape[1] // atlas.columns
        for i, texture in enumerate(given):
            alone = np.asarray(Image.open(texture[key]))
            row, column = divmod(i, atlas.columns)
            top = whole.shape[0] - (row + 1) * cell_h
            cell = whole[top : top + cell_h, column * cell_w : (column + 1) * cell_w]
            assert cell.dtype == alone.dtype
            y, x = np.mgrid[:cell_h, :cell_w]
            across, down = round(atlas.border_x * cell_w), round(atlas.border_y * cell_h)
            assert across == down > 1
            np.testing.assert_array_equal(cell, alone[(y - down) % alone.shape[0], (x - across) % alone.shape[1]])


def test_textures_that_do_not_fit_together_are_refused(tmp_path: Path) -> None:
    (tmp_path / "a").mkdir()
    (tmp_path / "b").mkdir()
    small, large = textures(tmp_path / "a", 1), textures(tmp_path / "b", 1, edge=32)
    with pytest.raises(WashiError, match="another size"):
        write_atlas([*small, *large], tmp_path, "x")
    with pytest.raises(WashiError, match="different maps"):
        write_atlas([*small, *textures(tmp_path / "b", 1, key="opacity")], tmp_path, "x")
    with pytest.raises(WashiError, match="no textures"):
        write_atlas([], tmp_path, "x")


def test_an_atlas_that_graphics_cards_do_not_take_is_refused(tmp_path: Path) -> None:
    wide = {"height": write_png(tmp_path / "wide.png", np.zeros((1, 9000)))}
    with pytest.raises(WashiError, match="smaller size or fewer"):
        write_atlas([wide, wide], tmp_path, "x")


def test_files_are_numbered_from_one_and_hold_the_same(tmp_path: Path) -> None:
    given = textures(tmp_path, 3)
    first = number_files(given, tmp_path / "film", "paper")
    assert {path.name for path in first.values()} == {"paper_base_color_0001.png", "paper_height_0001.png"}
    for i, texture in enumerate(given):
        for key, path in first.items():
            assert path.with_name(path.name.replace("0001", f"{i + 1:04d}")).read_bytes() == texture[key].read_bytes()


def test_another_film_of_the_same_name_leaves_the_first_alone(tmp_path: Path) -> None:
    given = textures(tmp_path, 3)
    first = number_files(given, tmp_path / "film", "paper")
    assert number_files(given, tmp_path / "film", "paper") == first
    other = number_files(given[::-1], tmp_path / "film", "paper")
    assert not set(other.values()) & set(first.values())


def test_a_file_that_is_gone_is_said(tmp_path: Path) -> None:
    given = textures(tmp_path, 2)
    given[1]["height"].unlink()
    with pytest.raises(WashiError, match="can't be read"):
        write_atlas(given, tmp_path, "x")
    with pytest.raises(WashiError, match="can't be read"):
        number_files(given, tmp_path, "x")


def test_progress_can_end_the_work(tmp_path: Path) -> None:
    from washi_latent.core import Cancelled

    def stop(share: float) -> None:
        if share > 0.3:
            raise Cancelled

    for work in (write_atlas, number_files):
        with pytest.raises(Cancelled):
            work(textures(tmp_path, 4), tmp_path / "out", "x", stop)


def test_a_checksum_is_remembered_until_the_file_is_written_again(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    file = tmp_path / "a.png"
    file.write_bytes(b"one")
    first = checksum(file)
    with monkeypatch.context() as patch:
        patch.setattr("washi_latent.core.sheets._bytes", lambda _: pytest.fail("was read again"))
        assert checksum(file) == first
    file.write_bytes(b"others")
    assert checksum(file) != first
    file.unlink()
    with pytest.raises(WashiError, match="can't be read"):
        checksum(file)


def test_an_atlas_is_refused_by_numbers_with_the_same_words() -> None:
    check_atlas(9, 4096, 4096)
    with pytest.raises(WashiError, match="5 x 4 textures of 4096 x 4096 pixels are more than graphics cards take"):
        check_atlas(17, 4096, 4096)


def test_room_on_a_disk_is_what_textures_take(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("washi_latent.core.sheets.free_bytes", lambda _: 2**30)
    check_room(100, 1024, 1024, {tmp_path: 5})
    with pytest.raises(WashiError, match=r"150 textures of 1024 x 1024 pixels need about 1.1 GB in .* and 1.0 GB are free there"):
        check_room(150, 1024, 1024, {tmp_path: 5})
    with pytest.raises(WashiError, match=r"^a texture of 16384 x 16384 pixels needs about 1.9 GB in"):
        check_room(1, 16384, 16384, {tmp_path: 5})


def test_folders_on_one_disk_share_its_room(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("washi_latent.core.sheets.free_bytes", lambda _: 2**30)
    both = {tmp_path / "out": 5, tmp_path / "beside" / "textures": 5}
    check_room(68, 1024, 1024, both)
    with pytest.raises(WashiError, match=r"100 textures of 1024 x 1024 pixels need about 1.5 GB in .*/out \+ .*/textures and 1.0 GB are free there"):
        check_room(100, 1024, 1024, both)
    numbers = iter(range(2))
    monkeypatch.setattr("washi_latent.core.sheets.check_folder", lambda _: next(numbers))
    check_room(100, 1024, 1024, both)


def test_a_folder_that_can_not_be_written_to_is_said(tmp_path: Path) -> None:
    (tmp_path / "textures").write_text("a file")
    with pytest.raises(WashiError, match="textures could not be written, a part of the path is a file"):
        check_room(1, 8, 8, {tmp_path / "textures": 1})
    assert not list(tmp_path.glob("tmp*"))


def test_earlier_rows_of_a_name_are_counted_and_stay(tmp_path: Path) -> None:
    given, folder = textures(tmp_path, 3), tmp_path / "films"
    first = next(iter(number_files(given, folder, "paper").values()))
    assert earlier_rows(first, "paper") == (0, 0)
    number_files(given, folder, "paper-thin")
    (folder / "paper-holiday").mkdir()
    (folder / "paper-0123abcd").write_bytes(b"a file")
    assert earlier_rows(first, "paper") == (0, 0)
    last = next(iter(number_files(given[::-1], folder, "paper").values()))
    assert earlier_rows(last, "paper") == (1, sum(file.stat().st_size for file in first.parent.iterdir()))
    assert first.is_file()
