"""Bundles: what a good one gives, and that a bad one is refused in one sentence."""

from __future__ import annotations

import contextlib
import dataclasses
import hashlib
import json
import os
import shutil
import signal
import subprocess
import sys
import threading
from collections.abc import Callable
from pathlib import Path
from subprocess import PIPE

import numpy as np
import pytest
from conftest import DIM, EDGE, description, sheet_network, small_network

from washi_latent.core import ModelInfo, TextureModel, WashiError, find_bundles, list_models, load_model, models, verify, write_bundle
from washi_latent.core.fields import FIELD_NAMES, GROUPS
from washi_latent.core.interrupts import Held, Terminable
from washi_latent.core.models import SheetModel, amend_bundle
from washi_latent.core.progress import Cancelled


@pytest.fixture
def bundle(small_bundle: ModelInfo, tmp_path: Path) -> Path:
    """A copy that a test may spoil."""
    return Path(shutil.copytree(small_bundle.folder, tmp_path / "copy"))


def edit(bundle: Path, **changes: object) -> None:
    path = bundle / "model.json"
    path.write_text(json.dumps({**json.loads(path.read_text()), **changes}))


def replace_file(bundle: Path, name: str, content: bytes) -> None:
    """Another file with a checksum that fits: a hostile author can do that."""
    (bundle / name).write_bytes(content)
    entry = {"sha256": hashlib.sha256(content).hexdigest(), "bytes": len(content)}
    edit(bundle, files={**json.loads((bundle / "model.json").read_text())["files"], name: entry})


def test_generates_within_range_and_by_latent_alone(model: TextureModel) -> None:
    latents = np.random.default_rng(0).normal(size=(21, DIM))
    images = model.generate(latents)
    assert images.shape == (21, EDGE, EDGE, 3)
    assert images.dtype == np.float32
    assert images.min() >= 0
    assert images.max() <= 1
    np.testing.assert_allclose(images[7], model.generate(latents[7])[0], atol=1e-6)


def test_one_name_one_model(models_folder: Path, small_bundle: ModelInfo) -> None:
    assert load_model("small-64").info == small_bundle
    assert "small-64" in [info.name for info in list_models()]
    assert verify(small_bundle.folder).files["generator.onnx"][1] == (small_bundle.folder / "generator.onnx").stat().st_size


def test_the_callers_folder_counts_first(models_folder: Path, bundle: Path) -> None:
    moved = bundle.parent / "more" / "small-64"
    moved.parent.mkdir()
    bundle.rename(moved)
    edit(moved, title="Mine")
    assert load_model("small-64", extra=[moved.parent]).info.title == "Mine"
    assert load_model("small-64").info.title != "Mine"


def test_unknown_models_name_the_known(models_folder: Path) -> None:
    with pytest.raises(WashiError, match="small-64"):
        load_model("no-such-model")
    for name in ("", "../small-64", "Ä"):
        with pytest.raises(WashiError):
            load_model(name)
    with pytest.raises(WashiError, match="auto, onnx or torch"):
        load_model("small-64", "tensorflow")  # type: ignore[arg-type]


def test_broken_bundles_are_listed_as_broken(bundle: Path) -> None:
    edit(bundle, schema_version=99)
    found = find_bundles([bundle.parent])
    assert isinstance(found["copy"], WashiError)
    assert "copy" not in [info.name for info in list_models([bundle.parent])]


def truncate(bundle: Path) -> None:
    path = bundle / "generator.onnx"
    path.write_bytes(path.read_bytes()[:-100])


def flip(bundle: Path) -> None:
    path = bundle / "generator.onnx"
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 1
    path.write_bytes(content)


def link(bundle: Path) -> None:
    path = bundle / "generator.onnx"
    outside = bundle.parent / "outside.onnx"
    path.rename(outside)
    path.symlink_to(outside)


SPOILED: dict[str, Callable[[Path], object]] = {
    "truncated": truncate,
    "altered": flip,
    "a link out of the folder": link,
    "missing": lambda b: (b / "generator.onnx").unlink(),
    "not JSON": lambda b: (b / "model.json").write_text("{"),
    "not an object": lambda b: (b / "model.json").write_text("[]"),
    "deep nesting": lambda b: (b / "model.json").write_text("[" * 100_000),
    "absurdly long": lambda b: (b / "model.json").write_text(" " * (2 << 20)),
    "later schema": lambda b: edit(b, schema_version=2),
    "no channels": lambda b: edit(b, channels=[]),
    "odd channels": lambda b: edit(b, channels=[1, 2]),
    "wrong number of channels": lambda b: edit(b, channels=["red"]),
    "wrong latent": lambda b: edit(b, latent={"dim": DIM + 1, "prior": "normal"}),
    "absurd latent": lambda b: edit(b, latent={"dim": 10**9, "prior": "normal"}),
    "other prior": lambda b: edit(b, latent={"dim": DIM, "prior": "uniform"}),
    "wrong size": lambda b: edit(b, size=[EDGE, EDGE * 2]),
    "absurd size": lambda b: edit(b, size=[10**9, 10**9]),
    "size of text": lambda b: edit(b, size=["a", "b"]),
    "name with a path": lambda b: edit(b, name="../x"),
    "scale of text": lambda b: edit(b, millimetres_per_pixel="x"),
    "no files": lambda b: edit(b, files={}),
    "file out of the folder": lambda b: edit(b, files={"../generator.onnx": {"sha256": "0" * 64, "bytes": 3}}),
    "absurd file": lambda b: edit(b, files={"generator.onnx": {"sha256": "0" * 64, "bytes": 1 << 50}}),
    "checksum of another": lambda b: edit(b, files={"generator.onnx": {"sha256": "0" * 64, "bytes": (b / "generator.onnx").stat().st_size}}),
    "garbage with a fitting checksum": lambda b: replace_file(b, "generator.onnx", b"\x08\x07garbage" * 50),
    "another network with a fitting checksum": lambda b: replace_file(b, "generator.onnx", small_network(dim=7)),
    "another shape with a fitting checksum": lambda b: replace_file(b, "generator.onnx", small_network(edge=16)),
    "weights in another file": lambda b: replace_file(b, "generator.onnx", small_network() + b"\x0a\x08location\x12\x0b/etc/passwd"),
}


@pytest.mark.parametrize("spoil", SPOILED.values(), ids=SPOILED.keys())
def test_bad_bundles_are_refused_in_one_sentence(bundle: Path, spoil: Callable[[Path], object]) -> None:
    spoil(bundle)
    with pytest.raises(WashiError) as caught:
        load_model(bundle)
    assert "\n" not in str(caught.value)
    assert len(str(caught.value)) < 500


@pytest.mark.parametrize("latents", [np.zeros((2, DIM + 1)), np.zeros((2, 2, DIM)), np.full((1, DIM), np.nan), [["a"] * DIM], None])
def test_bad_latents_are_refused(model: TextureModel, latents: object) -> None:
    with pytest.raises(WashiError):
        model.generate(latents)  # type: ignore[arg-type]


@pytest.mark.parametrize("size", [0, -8, 16, 4097, (32, 64), 10**9])
def test_sizes_that_a_fixed_model_cannot_make_are_refused(model: TextureModel, size: object) -> None:
    with pytest.raises(WashiError, match="32 x 32"):
        model.generate(np.zeros(DIM), size)  # type: ignore[arg-type]


# Sheets


def test_sheets_of_any_size_and_seed(sheet_model: TextureModel) -> None:
    z = np.random.default_rng(0).normal(size=(2, DIM))
    a = sheet_model.generate(z, (64, 96), seed=1)
    assert a.shape == (2, 64, 96, 5)
    np.testing.assert_array_equal(a, sheet_model.generate(z, (64, 96), seed=1))
    assert np.abs(a - sheet_model.generate(z, (64, 96), seed=2)).mean() > 0.01


def test_sheets_tile(sheet_model: TextureModel) -> None:
    """The line between the last row and the first is a line like any other: its rank among all is anywhere."""
    ranks = []
    for seed in range(40):
        sheet = sheet_model.generate(np.zeros(DIM), (64, 96), seed=seed)[0, ..., 0]
        for axis in (0, 1):
            lines = np.abs(np.roll(sheet, -1, axis) - sheet).mean(1 - axis)
            ranks.append((lines < lines[-1]).mean())
    assert np.mean(ranks) == pytest.approx(0.5, abs=0.12)  # four standard errors of 80 ranks


def test_strips_join_exactly(sheet_model: TextureModel, monkeypatch: pytest.MonkeyPatch) -> None:
    whole = sheet_model.generate(np.ones(DIM), 128, seed=3)
    monkeypatch.setattr(type(sheet_model), "_AT_ONCE", 1)
    np.testing.assert_allclose(sheet_model.generate(np.ones(DIM), 128, seed=3), whole, atol=1e-6)


@pytest.mark.parametrize("size", [0, -8, 12, 8200, 10**9, (8, 12)])
def test_sizes_that_no_sheet_has_are_refused(sheet_model: TextureModel, size: object) -> None:
    with pytest.raises(WashiError):
        sheet_model.generate(np.zeros(DIM), size)  # type: ignore[arg-type]


def test_too_much_memory_is_refused_before_anything_is_drawn(sheet_model: TextureModel) -> None:
    with pytest.raises(WashiError, match="GB"):
        sheet_model.generate(np.zeros((100_000, DIM)), 4096)


# Writing


def test_a_written_bundle_replaces_the_old_whole(tmp_path: Path) -> None:
    for title in ("first", "second"):
        write_bundle(tmp_path / "mine", description(title=title), {"generator.onnx": small_network(), f"{title}.txt": b"x"})
    assert sorted(p.name for p in (tmp_path / "mine").iterdir()) == ["generator.onnx", "model.json", "second.txt"]
    assert [p.name for p in tmp_path.iterdir()] == ["mine"]
    assert load_model(tmp_path / "mine").info.title == "second"


def test_a_bundle_that_cannot_be_written_leaves_the_old_one(bundle: Path) -> None:
    with pytest.raises(WashiError):
        write_bundle(bundle, description(size=[1, 1]), {"generator.onnx": small_network()})
    assert load_model(bundle).info.size == (EDGE, EDGE)
    assert [p.name for p in bundle.parent.iterdir()] == ["copy"]


@pytest.mark.parametrize("after", [False, True], ids=["before a move", "after a move"])
@pytest.mark.parametrize("moves", [1, 2])
def test_ctrl_c_while_a_bundle_is_replaced_leaves_a_whole_one(bundle: Path, monkeypatch: pytest.MonkeyPatch, moves: int, after: bool) -> None:
    move, made = os.replace, [0]

    def interrupted(*places: str | Path) -> None:
        made[0] += 1
        if made[0] != moves:
            move(*places)
            return
        if after:
            move(*places)
        raise KeyboardInterrupt

    monkeypatch.setattr(os, "replace", interrupted)
    with pytest.raises(KeyboardInterrupt):
        write_bundle(bundle, description(title="new"), {"generator.onnx": small_network()})
    assert load_model(bundle).info.title == ("new" if (moves, after) == (2, True) else "A small model")
    assert [p.name for p in bundle.parent.iterdir()] == ["copy"]


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_while_a_bundle_is_replaced_comes_once_it_is_there(bundle: Path, monkeypatch: pytest.MonkeyPatch, number: int) -> None:
    move = os.replace

    def interrupted(*places: str | Path) -> None:
        move(*places)
        os.kill(os.getpid(), number)

    monkeypatch.setattr(os, "replace", interrupted)
    with Terminable(), pytest.raises(KeyboardInterrupt):
        write_bundle(bundle, description(title="new"), {"generator.onnx": small_network()})
    assert load_model(bundle).info.title == "new"
    assert [p.name for p in bundle.parent.iterdir()] == ["copy"]


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_that_is_ignored_stays_so(number: signal.Signals) -> None:
    """A shell has what it runs in the background ignore Ctrl-C, which is meant for another."""
    before = signal.signal(number, signal.SIG_IGN)
    try:
        with Terminable(), Held() as held:
            os.kill(os.getpid(), number)
            assert not held.heard
        assert signal.getsignal(number) is signal.SIG_IGN
    finally:
        signal.signal(number, before)


def test_a_bundle_that_is_replaced_while_it_is_read_is_read_once_more(bundle: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The description of one must not be held against the network of the other."""
    read, times = models.read_file, [0]

    def replaced(info: ModelInfo, name: str) -> bytes:
        times[0] += 1
        if times[0] == 1:
            write_bundle(bundle, description(title="new"), {"generator.onnx": small_network(scale=0.7)})
        return read(info, name)

    monkeypatch.setattr(models, "read_file", replaced)
    assert load_model(bundle, threads=1).info.title == "new"
    times[0] = 0
    assert verify(bundle).title == "new"
    edit(bundle, files={"generator.onnx": {"sha256": "0" * 64, "bytes": (bundle / "generator.onnx").stat().st_size}})
    with pytest.raises(WashiError, match="damaged or altered"):
        verify(bundle)


@pytest.mark.parametrize(
    "read",
    [load_model, verify, models.read_info, lambda bundle: load_model(bundle.name, extra=[bundle.parent])],
    ids=["load", "verify", "description", "by name"],
)
def test_readers_wait_while_a_bundle_changes_places(bundle: Path, monkeypatch: pytest.MonkeyPatch, read: Callable[[Path], object]) -> None:
    move, readers, found = os.replace, list[threading.Thread](), list[object]()

    def slowly(*places: str | Path) -> None:
        move(*places)
        if not readers:  # the old one is away, the new one not yet here
            readers.append(threading.Thread(target=lambda: found.append(read(bundle))))
            readers[0].start()
            readers[0].join(0.1)

    monkeypatch.setattr(os, "replace", slowly)
    write_bundle(bundle, description(title="new"), {"generator.onnx": small_network()})
    readers[0].join()
    assert len(found) == 1


def test_what_another_process_has_added_since_is_read(bundle: Path) -> None:
    before = amend_bundle(bundle, {"notes.txt": b"first"})
    amend_bundle(bundle, {"notes.txt": b"second"})
    assert models.read_addition(before, "notes.txt") == b"second"
    (bundle / "notes.txt").write_bytes(b"forged")
    with pytest.raises(WashiError, match="damaged or altered"):
        models.read_addition(models.read_info(bundle), "notes.txt")
    write_bundle(bundle, description(), {"generator.onnx": small_network(scale=0.7), "notes.txt": b"of another"})
    assert models.read_addition(before, "notes.txt") is None


_AMEND = """
import sys
from washi_latent.core.models import amend_bundle
folder, name = sys.argv[1:]
print("ready", flush=True)
sys.stdin.readline()
for number in range(20):
    amend_bundle(folder, {f"{name}{number}.txt": name.encode()})
"""


def test_two_processes_amend_one_bundle_one_after_another(bundle: Path) -> None:
    own = dict(load_model(bundle).info.files)
    processes = [subprocess.Popen([sys.executable, "-c", _AMEND, bundle, name], stdin=PIPE, stdout=PIPE, stderr=PIPE, text=True) for name in ("a", "b")]
    for process in processes:
        assert process.stdout is not None
        assert process.stdout.readline() == "ready\n"
    for process in processes:
        assert process.stdin is not None
        process.stdin.write("go\n")
        process.stdin.flush()
    assert [process.communicate()[1] for process in processes] == ["", ""]
    assert set(verify(bundle).files) == {*own, *(f"{name}{number}.txt" for name in "ab" for number in range(20))}
    assert [p.name for p in bundle.parent.iterdir()] == ["copy"]


def test_what_was_made_of_a_bundle_is_not_written_into_another(bundle: Path) -> None:
    before = load_model(bundle).info
    write_bundle(bundle, description(), {"generator.onnx": small_network(scale=0.7)})
    with pytest.raises(WashiError, match="replaced meanwhile"):
        amend_bundle(bundle, {"notes.txt": b"x"}, before)
    assert set(verify(bundle).files) == {"generator.onnx"}


@pytest.mark.skipif(os.geteuid() == 0, reason="root may write anywhere")
def test_a_read_only_place_is_said(tmp_path: Path) -> None:
    tmp_path.chmod(0o500)
    with pytest.raises(WashiError, match="not allowed"):
        write_bundle(tmp_path / "mine", description(), {"generator.onnx": small_network()})


def test_a_file_in_the_way_is_said(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("x")
    with pytest.raises(WashiError):
        write_bundle(tmp_path / "file" / "mine", description(), {"generator.onnx": small_network()})


@pytest.mark.parametrize(
    "groups", [{"drops": 5}, {"drops": None}, {"drops": [["drops"]]}, {"gold": ["flakes"]}, ["drops"], "drops", dict(reversed(list(GROUPS.items())))], ids=str
)
def test_sheet_bundles_of_other_groups_are_refused(groups: object, sheet_model: TextureModel, tmp_path: Path) -> None:
    copy = Path(shutil.copytree(sheet_model.info.folder, tmp_path / "copy"))
    named = {name: list(members) for name, members in groups.items()} if isinstance(groups, dict) and groups.keys() == GROUPS.keys() else groups
    edit(copy, options={**sheet_model.info.options, "groups": named})
    with pytest.raises(WashiError, match="other groups of fields"):
        load_model(copy)


def test_fields_that_a_network_tells_nothing_of_are_drawn(sheet_model: TextureModel) -> None:
    """A bundle may name some of the groups only: every other may be seen."""
    assert isinstance(sheet_model, SheetModel)
    info = dataclasses.replace(sheet_model.info, options={**sheet_model.info.options, "groups": {"drops": ["drops"]}})
    some = SheetModel(info, sheet_model._network, sheet_model._tile, 1, lambda latents: np.ones((len(latents), 1), np.float32))
    latents = np.random.default_rng(3).normal(size=(2, DIM))
    np.testing.assert_array_equal(some.generate(latents, 64, 1), sheet_model.generate(latents, 64, 1))


def test_a_sheet_is_the_same_whatever_was_drawn_before(sheet_model: TextureModel) -> None:
    """Groups are drawn as papers ask for them, after one whose drawing was ended too."""
    assert isinstance(sheet_model, SheetModel)
    names = list(GROUPS)
    info = dataclasses.replace(sheet_model.info, options={**sheet_model.info.options, "groups": {name: list(GROUPS[name]) for name in names}})
    asked = np.zeros(len(names), np.float32)

    def network(latents: np.ndarray, fields: np.ndarray) -> np.ndarray:
        """As a sheet model's: of groups that aren't asked for, nothing is seen."""
        seen = fields.copy()
        for name, some in zip(names, asked, strict=True):
            seen[:, [FIELD_NAMES.index(member) for member in GROUPS[name]]] *= some
        return sheet_model._network(latents, fields=seen)

    def model() -> SheetModel:
        return SheetModel(info, network, sheet_model._tile, 1, lambda latents: np.tile(asked, (len(latents), 1)))

    calls = 0

    def end(_: float) -> None:
        nonlocal calls
        calls += 1
        if calls > 12:
            raise Cancelled

    kept = model()
    for chosen in ([], [0], [3, 4], [1, 2], [0, 4], []):
        asked[:] = [number in chosen for number in range(len(names))]
        whole = SheetModel(info, network, sheet_model._tile, 1).generate(np.zeros(DIM), 64, 2)
        calls = 0
        with contextlib.suppress(Cancelled):
            kept.generate(np.zeros(DIM), 64, 2, end)
        np.testing.assert_array_equal(kept.generate(np.zeros(DIM), 64, 2), whole)


@pytest.mark.parametrize("backend", ["onnx", "torch"])
def test_groups_of_fields_belong_to_sheet_models_alone(backend: str, bundle: Path) -> None:
    """Whatever another model's description says of them, and of a margin."""
    name, content = "generator.onnx", (bundle / "generator.onnx").read_bytes()
    changes: dict[str, object] = {"options": {"groups": ["strands"], "margin": "wide"}}
    if backend == "torch":
        pytest.importorskip("torch")
        from safetensors.torch import save

        from washi_latent.core.networks import build_generator

        name, content = "generator.safetensors", save(build_generator("dcgan", {"latent_dim": DIM, "features": 1}).state_dict())
        changes = {"options": {"features": 1, "groups": ["strands"], "margin": "wide"}, "architecture": "dcgan", "size": [64, 64]}
    info = write_bundle(bundle.parent / "odd", description(**changes), {name: content})
    assert load_model(info.folder, backend, threads=1).generate(np.zeros(DIM)).shape[0] == 1  # type: ignore[arg-type]


def test_no_textures_are_none(model: TextureModel, sheet_model: TextureModel) -> None:
    assert model.generate(np.zeros((0, DIM))).shape == (0, EDGE, EDGE, 3)
    assert sheet_model.generate(np.zeros((0, DIM)), (40, 64)).shape == (0, 40, 64, 5)


def test_sheet_bundles_of_other_fields_are_refused(tmp_path: Path) -> None:
    facts = description(architecture="sheet", options={"fields": ["long"], "margin": 1}, channels=["red"] * 5, size="any")
    info = write_bundle(tmp_path / "sheet", facts, {"generator.onnx": sheet_network()})
    with pytest.raises(WashiError, match="fields"):
        load_model(info.folder)


@pytest.mark.parametrize("also", ["notes.txt", "raw/photograph.png", "README.md", ".git/HEAD"])
def test_a_folder_that_is_no_bundle_is_never_replaced(tmp_path: Path, also: str) -> None:
    """A model named like a folder of photographs would take their place."""
    mine = tmp_path / "mine"
    (mine / also).parent.mkdir(parents=True)
    (mine / also).write_text("precious")
    with pytest.raises(WashiError, match="would be lost: choose another folder"):
        write_bundle(mine, description(), {"generator.onnx": small_network()})
    assert (mine / also).read_text() == "precious"
    assert [path.name for path in tmp_path.iterdir()] == ["mine"]


def test_a_bundle_with_a_stranger_in_it_is_never_replaced(bundle: Path, tmp_path: Path) -> None:
    for name in ("Thumbs.db", ".DS_Store"):
        (bundle / name).write_text("left by a system")
    write_bundle(bundle, description(), {"generator.onnx": small_network()})
    (bundle / "notes.txt").write_text("precious")
    with pytest.raises(WashiError, match=r"notes\.txt"):
        write_bundle(bundle, description(), {"generator.onnx": small_network()})
    assert (bundle / "notes.txt").read_text() == "precious"


def test_sheet_networks_of_other_channels_are_refused(sheet_model: TextureModel, tmp_path: Path) -> None:
    for number, channels in enumerate((["red", "green", "blue"], ["height", "opacity", "red", "green", "blue"])):
        copy = tmp_path / f"copy{number}"
        shutil.copytree(sheet_model.info.folder, copy)
        edit(copy, channels=channels)
        with pytest.raises(WashiError, match=("its network gives", "first three channels")[number]):
            load_model(copy)


@pytest.mark.parametrize("size", [8, 24, (16, 64)])
def test_sheets_that_fields_cannot_fill_are_refused_by_the_description_already(sheet_model: TextureModel, size: object) -> None:
    with pytest.raises(WashiError, match="multiples of 8 from 32 to 8192"):
        sheet_model.info.check_size(size)  # type: ignore[arg-type]


def test_what_the_system_only_remembers_counts_as_free(sheet_model: TextureModel, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    facts = tmp_path / "meminfo"
    monkeypatch.setattr(models, "MEMORY_FACTS", facts)
    facts.write_text("MemTotal: 64000000 kB\nMemFree: 10 kB\nMemAvailable: 32000000 kB\n")
    assert models._available_memory() == pytest.approx(32e6 * 1024 * 0.9 + 2**29)
    facts.write_text("MemTotal: 64000000 kB\nMemFree: 10 kB\nMemAvailable: 10 kB\n")
    with pytest.raises(WashiError, match="GB"):
        sheet_model.generate(np.zeros((40, DIM)), 1024)


@pytest.mark.parametrize("size", [64, (48, 160), (160, 48), 200, None])
@pytest.mark.parametrize("count", [1, 9])
def test_a_corner_is_what_the_whole_texture_shows_there(size: object, count: int, sheet_model: TextureModel) -> None:
    latents = np.random.default_rng(4).normal(size=(count, DIM))
    whole = sheet_model.generate(latents, size, 7)  # type: ignore[arg-type]
    for edge in (40, 96):
        np.testing.assert_allclose(sheet_model.corner(latents, edge, size, 7), whole[:, :edge, :edge], atol=1e-6)  # type: ignore[arg-type]


def test_a_corner_of_a_model_of_one_size_is_cut(model: TextureModel) -> None:
    latents = np.random.default_rng(4).normal(size=(3, DIM))
    np.testing.assert_array_equal(model.corner(latents, 9), model.generate(latents)[:, :9, :9])


def test_no_more_than_a_corner_is_made(sheet_model: TextureModel, monkeypatch: pytest.MonkeyPatch) -> None:
    pixels: list[int] = []
    network = sheet_model._network

    def counting(latents: np.ndarray, **inputs: np.ndarray) -> np.ndarray:
        made = network(latents, **inputs)
        pixels.append(made.shape[0] * made.shape[2] * made.shape[3])
        return made

    monkeypatch.setattr(sheet_model, "_network", counting)
    sheet_model.corner(np.zeros((3, DIM)), 64, 512)
    assert sum(pixels) == 3 * 64 * 64
