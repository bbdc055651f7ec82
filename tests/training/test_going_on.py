"""A training goes on only with what it began with, and says what is different."""

from __future__ import annotations

import json
import os
import shutil
from pathlib import Path
from typing import Any

import pytest
from PIL import Image

pytest.importorskip("torch")
pytest.importorskip("onnx")


from washi_latent.core import WashiError
from washi_latent.core.locks import unless_locked
from washi_latent.training import TrainOptions, train
from washi_latent.training.data import photograph_patches
from washi_latent.training.loop import CHECKPOINT
from washi_latent.training.pipeline import make_patches, settle


@pytest.fixture
def work(tmp_path: Path) -> Path:
    folder = tmp_path / "work"
    folder.mkdir()
    return folder


def begin(photographs: Path, work: Path, checkpoint: bool = True, **changes: object) -> list[str]:
    """Begin a training or go on with it, up to its first step; what it says."""
    said: list[str] = []
    options = TrainOptions(**{"images": photographs, "out": work.with_name("mine"), "patches": 64, "evaluate": False, **changes}).checked()  # type: ignore[arg-type]
    settle(options, work)
    make_patches(options, work, said.append)
    if checkpoint:
        (work / CHECKPOINT).write_bytes(b"weights")
    return said


def photographs_used(work: Path) -> int:
    return len(json.loads((work / "patches" / "kinds.json").read_text()))


def contents(folder: Path) -> dict[Path, bytes]:
    return {p: p.read_bytes() for p in folder.rglob("*") if p.is_file()}


def test_other_photographs_are_noticed(photographs: Path, work: Path) -> None:
    """Neither a photograph more, nor one less, nor another of the same name goes unnoticed, and nothing is changed then."""
    begin(photographs, work)
    before, third = contents(work), photographs / "2.png"
    kept, stamp = third.read_bytes(), third.stat().st_mtime

    def refused() -> None:
        with pytest.raises(WashiError, match=r"photographs in .* are not those that .* --restart"):
            begin(photographs, work)
        assert contents(work) == before

    shutil.copyfile(third, photographs / "3.png")
    refused()
    (photographs / "3.png").unlink()
    third.unlink()
    refused()
    third.write_bytes(kept)
    os.utime(third, (stamp + 60, stamp + 60))
    refused()
    os.utime(third, (stamp, stamp))
    assert begin(photographs, work) == []  # the patches are there
    shutil.copyfile(third, photographs / "3.png")
    begin(photographs, work, resume=False)
    assert photographs_used(work) == 4
    assert begin(photographs, work) == []


def test_other_settings_are_noticed(photographs: Path, work: Path) -> None:
    begin(photographs, work)
    before = contents(work)
    with pytest.raises(WashiError, match="other settings"):
        begin(photographs, work, seed=5)
    assert contents(work) == before


def test_what_a_training_began_with_can_not_be_changed(work: Path, tmp_path: Path) -> None:
    """Else the card would name a model that the training did not begin with."""
    scans = tmp_path / "scans"
    scans.mkdir()
    Image.new("RGB", (200, 200)).save(scans / "scan.png")
    begin(scans, work, kind="sheet", patches=400, begin_with="washi-sheet")
    with pytest.raises(WashiError, match="other settings"):
        begin(scans, work, kind="sheet", patches=400)
    begin(scans, work, kind="sheet", patches=400, begin_with="washi-sheet")
    path = work / "settings.json"
    path.write_text(json.dumps({name: value for name, value in json.loads(path.read_text()).items() if name != "begin_with"}))
    begin(scans, work, kind="sheet", patches=400)


def test_too_few_pictures_to_evaluate_with_are_said_before_training(photographs: Path, work: Path) -> None:
    """The figures come last, hours later."""
    for path in photographs.iterdir():
        Image.open(path).resize((200, 200)).save(path)
    with pytest.raises(WashiError, match="3 held-out pictures are too few to evaluate with"):
        begin(photographs, work, kind="sheet", evaluate=True)
    begin(photographs, work, kind="sheet")


def test_a_moved_folder_of_photographs_is_the_same(photographs: Path, work: Path) -> None:
    begin(photographs, work)
    begin(photographs.rename(photographs.with_name("moved")), work)


def test_a_training_of_an_earlier_version_goes_on(photographs: Path, work: Path) -> None:
    """It did not note which photographs it was of; from then on they are noted."""
    begin(photographs, work)
    for path in (work / "settings.json", work / "patches" / "settings.json"):
        value = json.loads(path.read_text())
        del value["pictures"]
        path.write_text(json.dumps(value))
    assert begin(photographs, work) == []
    (photographs / "2.png").unlink()
    with pytest.raises(WashiError, match="--restart"):
        begin(photographs, work)


def test_a_training_that_never_began_binds_nobody(photographs: Path, work: Path) -> None:
    good = photographs / "0.png"
    content = good.read_bytes()
    for path in photographs.iterdir():
        path.write_text("no picture")
    with pytest.raises(WashiError, match="can be used"):
        begin(photographs, work)
    good.write_bytes(content)
    begin(photographs, work, seed=1)


def test_patches_of_other_photographs_are_not_used(photographs: Path, work: Path) -> None:
    begin(photographs, work, checkpoint=False)
    (photographs / "2.png").unlink()
    begin(photographs, work)
    assert photographs_used(work) == 2


def test_damaged_settings_are_said(photographs: Path, work: Path) -> None:
    begin(photographs, work)
    for damaged in ("{", "[]"):
        (work / "settings.json").write_text(damaged)
        with pytest.raises(WashiError, match="can't be read"):
            begin(photographs, work)


@pytest.mark.parametrize("name", ["settings.json", "train.npy", "held_out_kinds.npy", "kinds.json"])
@pytest.mark.parametrize("content", [b"", b"[", b"1", b"\x93NUMPY\x01\x00"], ids=repr)
def test_damaged_patches_are_cut_anew(name: str, content: bytes, photographs: Path, work: Path) -> None:
    begin(photographs, work)
    before = contents(work / "patches")
    (work / "patches" / name).write_bytes(content)
    assert any("cutting patches" in line for line in begin(photographs, work))
    assert contents(work / "patches") == before


def test_photographs_that_can_not_be_used_are_told(photographs: Path, work: Path) -> None:
    (photographs / "nowhere.png").symlink_to(photographs / "gone.png")
    (photographs / "folder.png").mkdir()
    Image.new("RGB", (20, 90)).save(photographs / "narrow.png")
    (photographs / "damaged.jpg").write_bytes(b"\xff\xd8\xff")
    said = begin(photographs, work)
    assert len(said) == 2
    assert said[1].startswith("2 of 5 photographs can't be used: 1 smaller than 64 pixels (first: narrow.png), 1 unreadable or too large (first: ")
    assert "damaged.jpg can't be read as a picture" in said[1]
    assert photographs_used(work) == 3


def test_photographs_that_can_not_be_used_cost_no_patches(photographs: Path) -> None:
    """Of a folder full of thumbnails, the few photographs must give as many as were asked for."""
    for i in range(60):
        Image.new("RGB", (32, 32)).save(photographs / f"thumbnail-{i}.png")
    patches = photograph_patches(photographs, 900)
    assert len(patches.kinds) == 3
    assert 890 <= len(patches.train) <= 910


def test_one_that_is_too_large_is_not_called_unreadable_alone(work: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("washi_latent.core.images.MAX_PIXELS", 5000)
    (tmp_path / "scans").mkdir()
    Image.new("RGB", (90, 90)).save(tmp_path / "scans" / "scan.png")
    with pytest.raises(WashiError, match=r"1 unreadable or too large \(first: .*scan.png has 90 x 90 pixels: give a picture of at most"):
        begin(tmp_path / "scans", work)


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"begin_with": "washi-sheet"}, "belongs to a sheet model"),
        ({"begin_with": "no-such-model", "kind": "sheet"}, "there is no model"),
        ({"begin_with": "washi-dcgan-64", "kind": "sheet"}, "can't begin with the model washi-dcgan-64"),
        ({"begin_with": "small-sheet", "kind": "sheet"}, "can't begin with the model small-sheet"),
        ({"begin_with": "no-such-model", "kind": "sheet", "images": None, "synthetic": True}, "there is no model"),
    ],
    ids=str,
)
@pytest.mark.usefixtures("both_models")
def test_what_a_training_can_not_begin_with_is_said_before_anything_is_made(changes: dict[str, Any], said: str, photographs: Path, tmp_path: Path) -> None:
    with pytest.raises(WashiError, match=said):
        train(**{"images": photographs, "out": tmp_path / "mine", **changes})
    assert not list(tmp_path.glob("mine*"))


@pytest.mark.parametrize("kind", ["dcgan", "sheet"])
def test_two_trainings_are_never_at_work_in_one_folder(kind: str, photographs: Path, tmp_path: Path) -> None:
    """They would write into one checkpoint."""
    work = tmp_path / "mine.training"
    work.mkdir()
    (work / CHECKPOINT).write_bytes(b"of the other")
    with unless_locked(work / ".lock"), pytest.raises(WashiError, match="another training is at work in"):
        train(images=photographs, out=tmp_path / "mine", kind=kind, resume=False, say=lambda _: None)
    assert (work / CHECKPOINT).read_bytes() == b"of the other"
    with unless_locked(work / ".lock") as free:
        assert free
