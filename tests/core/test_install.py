"""Bundles that are added from folders and zip files: verified, and never outside their folder."""

from __future__ import annotations

import json
import shutil
import zipfile
from pathlib import Path

import pytest

from washi_latent.core import ModelInfo, WashiError, find_bundles, install_bundle, load_model
from washi_latent.core.models import check_name
from washi_latent.core.progress import Cancelled


@pytest.fixture
def bundle(small_bundle: ModelInfo, tmp_path: Path) -> Path:
    folder = tmp_path / "from" / "small-64"
    shutil.copytree(small_bundle.folder, folder)
    (folder / "README.md").write_text("# Its card")
    (folder / "notes.txt").write_text("not of the model")
    return folder


def zipped(bundle: Path, prefix: str = "", **more: bytes) -> Path:
    path = bundle.parent / "bundle.zip"
    with zipfile.ZipFile(path, "w") as archive:
        for file in bundle.iterdir():
            archive.write(file, prefix + file.name)
        for name, content in more.items():
            archive.writestr(name, content)
    return path


@pytest.mark.parametrize("kind", ["folder", "zip", "zip with a folder"])
def test_it_works_afterwards_and_only_its_files_are_copied(bundle: Path, tmp_path: Path, kind: str) -> None:
    source = bundle if kind == "folder" else zipped(bundle, "" if kind == "zip" else "small-64/")
    info = install_bundle(source, tmp_path / "mine")
    assert info.folder == tmp_path / "mine" / "small-64"
    assert {file.name for file in info.folder.iterdir()} == {"model.json", "generator.onnx", "README.md"}
    assert load_model(info.folder, threads=1).generate([0.0] * 12).shape == (1, 32, 32, 3)
    assert install_bundle(source, tmp_path / "mine") == info, "again: in its place"


def left(folder: Path) -> list[str]:
    return sorted(file.name for file in folder.iterdir()) if folder.exists() else []


@pytest.mark.parametrize("name", ["../../evil.txt", "/tmp/evil.txt", "sub/../../evil", "C:\\evil", "..\\evil"])
def test_names_that_lead_out_are_refused(bundle: Path, tmp_path: Path, name: str) -> None:
    value = json.loads((bundle / "model.json").read_text())
    value["files"][name] = value["files"]["generator.onnx"]
    (bundle / "model.json").write_text(json.dumps(value))
    source = zipped(bundle, **{name: (bundle / "generator.onnx").read_bytes()})
    with pytest.raises(WashiError, match="leads out of its folder"):
        install_bundle(source, tmp_path / "mine")
    assert left(tmp_path / "mine") == []
    assert not list(tmp_path.rglob("*evil*"))


def test_a_file_that_grows_when_unpacked_is_refused(bundle: Path, tmp_path: Path) -> None:
    """A zip bomb: what is read is bounded by what the description says."""
    (bundle / "generator.onnx").write_bytes(bytes(50 << 20))
    path = bundle.parent / "bomb.zip"
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        for file in bundle.iterdir():
            archive.write(file, file.name)
    with pytest.raises(WashiError, match=r"generator\.onnx is larger than it may be"):
        install_bundle(path, tmp_path / "mine")
    assert left(tmp_path / "mine") == []


@pytest.mark.parametrize("what", ["no zip", "an empty zip", "nothing", "no json", "a list", "a missing file"])
def test_what_is_no_bundle_is_said(bundle: Path, tmp_path: Path, what: str) -> None:
    source = tmp_path / "source.zip"
    if what == "no zip":
        source.write_bytes(b"PK no")
    elif what == "an empty zip":
        zipfile.ZipFile(source, "w").close()
    elif what in {"no json", "a list"}:
        (bundle / "model.json").write_text("{" if what == "no json" else "[]")
        source = zipped(bundle)
    elif what == "a missing file":
        (bundle / "generator.onnx").unlink()
        source = bundle
    with pytest.raises(WashiError, match="get the bundle again"):
        install_bundle(source, tmp_path / "mine")
    assert left(tmp_path / "mine") == []


def test_cancelling_leaves_nothing(bundle: Path, tmp_path: Path) -> None:
    def cancel(_: float) -> None:
        raise Cancelled

    with pytest.raises(Cancelled):
        install_bundle(bundle, tmp_path / "mine", cancel)
    assert left(tmp_path / "mine") == []


@pytest.mark.parametrize("method", [zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED, zipfile.ZIP_BZIP2, zipfile.ZIP_LZMA])
def test_a_damaged_zip_is_said_whatever_its_compression(bundle: Path, tmp_path: Path, method: int) -> None:
    path = bundle.parent / "damaged.zip"
    with zipfile.ZipFile(path, "w", method) as archive:
        for file in bundle.iterdir():
            archive.write(file, file.name)
    content = bytearray(path.read_bytes())
    content[len(content) // 3 : len(content) // 3 + 50] = b"\xff" * 50
    path.write_bytes(content)
    with pytest.raises(WashiError, match="get the bundle again"):
        install_bundle(path, tmp_path / "mine")
    assert left(tmp_path / "mine") == []


def test_a_zip_whose_names_are_no_text_is_said(bundle: Path, tmp_path: Path) -> None:
    path = zipped(bundle, **{"紙.txt": b""})
    path.write_bytes(path.read_bytes().replace("紙.txt".encode(), b"\xff\xff\xff.txt"))
    with pytest.raises(WashiError, match="get the bundle again"):
        install_bundle(path, tmp_path / "mine")
    assert left(tmp_path / "mine") == []


@pytest.mark.parametrize(("count", "size"), [(70, 1), (5, 512 << 20)])
def test_what_would_fill_the_disk_is_refused_before_it_is_unpacked(bundle: Path, tmp_path: Path, count: int, size: int) -> None:
    value = json.loads((bundle / "model.json").read_text())
    value["files"] = {f"part-{i}": {"sha256": "0" * 64, "bytes": size} for i in range(count)}
    (bundle / "model.json").write_text(json.dumps(value))
    with pytest.raises(WashiError, match="absurdly large"):
        install_bundle(bundle, tmp_path / "mine")


@pytest.mark.parametrize("name", ["con", "nul.paper", "lpt1", "paper."])
def test_names_that_are_no_folder_everywhere_are_refused(bundle: Path, tmp_path: Path, name: str) -> None:
    value = json.loads((bundle / "model.json").read_text())
    (bundle / "model.json").write_text(json.dumps({**value, "name": name}))
    with pytest.raises(WashiError, match="its name is not"):
        install_bundle(bundle, tmp_path / "mine")
    with pytest.raises(WashiError, match="can't be named"):
        check_name(name)
    assert check_name("console.2") == "console.2"


@pytest.mark.parametrize("key", ["training", "evaluation"])
def test_facts_that_are_no_table_are_refused(bundle: Path, tmp_path: Path, key: str) -> None:
    value = json.loads((bundle / "model.json").read_text())
    (bundle / "model.json").write_text(json.dumps({**value, key: ["steps"]}))
    with pytest.raises(WashiError, match="no tables"):
        install_bundle(bundle, tmp_path / "mine")


def test_a_bundle_in_the_making_is_not_listed(bundle: Path, tmp_path: Path) -> None:
    shutil.copytree(bundle, tmp_path / "mine" / ".adding.x7")
    install_bundle(bundle, tmp_path / "mine")
    assert {name for name, found in find_bundles([tmp_path / "mine"]).items() if getattr(found, "folder", tmp_path).parent == tmp_path / "mine"} == {"small-64"}


def test_a_network_that_gives_another_size_than_was_asked_for_is_broken(bundle: Path) -> None:
    value = json.loads((bundle / "model.json").read_text())
    (bundle / "model.json").write_text(json.dumps({**value, "size": "any"}))
    model = load_model(bundle, threads=1)
    for count in (1, 40):
        with pytest.raises(WashiError, match="its network gives"):
            model.generate([[0.0] * 12] * count, 64)
