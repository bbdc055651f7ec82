"""Batch exports: the same bytes whichever way, resumed, shared, checked, and whole or not there."""

from __future__ import annotations

import errno
import importlib.util
import json
import os
import shutil
import subprocess
import sys
import types
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

import washi_latent
from washi_latent.core import ModelInfo, TextureModel, WashiError, images, interpolate, load_model, material_maps, models
from washi_latent.core import export as export_module
from washi_latent.core.export import check_folder, estimate, export, plan, shard
from washi_latent.core.images import read_provenance
from washi_latent.core.items import WORK, Item, is_done, write_item
from washi_latent.core.locks import locked
from washi_latent.core.recipe import resolve
from washi_latent.core.recipe_reading import read_recipe

pytestmark = pytest.mark.usefixtures("both_models")

RECIPE = """[export]
models = ["small-sheet", "small-64"]
maps = ["base_color", "height", "opacity"]
formats = { height = "png16" }
noise_seeds = [0, 1]
name = "{points}/{model}-{label}-{noise_seed}"
[[points]]
name = "a"
seeds = "0-2"
"""


def _written(folder: Path, text: str) -> Path:
    path = folder / "recipe.toml"
    path.write_text(text)
    return path


def items_of(folder: Path, text: str = RECIPE) -> list[Item]:
    return plan(read_recipe(_written(folder, text)))


def contents(folder: Path) -> dict[str, bytes]:
    """Every file of an export, what is hidden included."""
    return {p.relative_to(folder).as_posix(): p.read_bytes() for p in sorted(folder.rglob("*")) if p.is_file()}


@pytest.fixture
def uncut(tmp_path: Path) -> dict[str, bytes]:
    """What an export that nobody disturbs gives."""
    export(items_of(tmp_path), tmp_path / "uncut")
    return contents(tmp_path / "uncut")


def test_a_sequence_is_measured_on_the_sheet_that_it_is_made_for(tmp_path: Path, sheet_model: TextureModel) -> None:
    """Another sheet's steps are others: on it, neighbours that look equally different here do not."""
    text = """[export]
models = ["small-sheet"]
sizes = [64]
noise_seeds = [7, 5]
name = "{index}-{noise_seed}"
[[points]]
sequence = { ends = ["seed:1", "seed:2"], count = 5, size = 64 }
"""
    items = items_of(tmp_path, text)
    ends = [resolve(seed, sheet_model.info) for seed in (1, 2)]
    expected, other = (interpolate(sheet_model, *ends, 3, size=64, seed=seed).latents.astype(np.float32) for seed in (5, 0))
    assert np.abs(expected - other).max() > 1e-3, "the sheets tell apart"
    for seed in (7, 5):
        found = {item.index: item.latent for item in items if item.noise_seed == seed}
        np.testing.assert_array_equal([found[i] for i in range(5)], expected)


def test_files_are_the_textures_and_say_what_they_are(tmp_path: Path, sheet_model: TextureModel) -> None:
    items = items_of(tmp_path)
    assert export(items, tmp_path / "out").made == len(items) == 9
    item = next(i for i in items if i.name == "a/small-sheet-seed-1-1")
    texture = sheet_model.generate(item.latent, 256, 1)[0]
    maps = material_maps(texture, sheet_model.info.channels, 0.1, True)
    written = np.asarray(Image.open(tmp_path / "out/a/small-sheet-seed-1-1_base_color.png"), np.float32) / 255
    assert np.abs(written - maps.base_color).max() <= 0.5 / 255 + 1e-6
    height = Image.open(tmp_path / "out/a/small-sheet-seed-1-1_height.png")
    assert height.mode == "I;16"
    assert np.abs(np.asarray(height, np.float32) / 65535 - maps.height).max() <= 0.5 / 65535 + 1e-6
    said = read_provenance(tmp_path / "out/a/small-sheet-seed-1-1_opacity.png")
    sidecar = json.loads((tmp_path / "out/a/small-sheet-seed-1-1.json").read_text())
    assert said is not None
    assert said["latent"] == sidecar["latent"] == item.latent.tolist()
    assert (said["map"], said["noise_seed"], said["points"], said["label"]) == ("opacity", 1, "a", "seed-1")
    manifest = json.loads((tmp_path / "out/manifest.json").read_text())
    assert list(manifest["items"]) == sorted(i.name for i in items)
    assert manifest["items"][item.name]["files"].keys() == sidecar["files"].keys()


def test_a_finished_export_is_left_alone_and_a_damaged_one_mended(tmp_path: Path, uncut: dict[str, bytes]) -> None:
    items, out = items_of(tmp_path), tmp_path / "uncut"
    before = {p: p.stat().st_ino for p in out.rglob("*.png")}
    assert export(items, out).made == 0
    assert {p: p.stat().st_ino for p in out.rglob("*.png")} == before
    altered, gone, forged = (out / f"a/small-64-seed-{i}-0_base_color.png" for i in range(3))
    altered.write_bytes(altered.read_bytes()[:-1] + b"x")
    gone.unlink()
    forged.with_name("small-64-seed-2-0.json").write_text("{")
    said = check_folder(out, items)
    assert len(said) == 4
    for part in ("seed-0-0_base_color.png was altered", "seed-1-0_base_color.png is missing", "its sidecar is missing", "small-64-seed-2-0 is missing"):
        assert any(part in sentence for sentence in said)
    assert export(items, out).made == 3
    assert contents(out) == uncut
    assert check_folder(out, items) == check_folder(out) == []


@pytest.mark.parametrize("place", [("id",), ("files", "small-64-seed-2-0_height.png", "bytes"), ("files", "small-64-seed-2-0_height.png"), ("files",)], ids=str)
@pytest.mark.parametrize("value", [float("nan"), "\ud800", ["x"], None], ids=repr)
def test_a_sidecar_of_other_values_is_none(place: tuple[str, ...], value: Any, tmp_path: Path, uncut: dict[str, bytes]) -> None:
    items, out = items_of(tmp_path), tmp_path / "uncut"
    sidecar = out / "a/small-64-seed-2-0.json"
    spoiled = inner = json.loads(sidecar.read_text())
    for part in place[:-1]:
        inner = inner[part]
    inner[place[-1]] = value
    sidecar.write_text(json.dumps(spoiled))
    assert any("small-64-seed-2-0" in sentence for sentence in check_folder(out))
    export_module.write_manifest(out)
    assert "a/small-64-seed-2-0" not in json.loads((out / "manifest.json").read_text())["items"]
    assert export(items, out).made == 1
    assert contents(out) == uncut


def test_a_place_that_can_not_be_an_exports_is_refused_before_anything_is_made(tmp_path: Path) -> None:
    items = items_of(tmp_path)
    (tmp_path / "file").write_text("x")
    (tmp_path / "taken" / "manifest.json").mkdir(parents=True)
    for place, said in (("file", "is a file, not a folder"), ("taken", "a folder of that name is there")):
        for call in (export, estimate):
            with pytest.raises(WashiError, match=said):
                call(items, tmp_path / place)
    assert not list(tmp_path.rglob("*.png"))


def test_a_file_that_is_cut_short_or_foreign_is_told(tmp_path: Path, uncut: dict[str, bytes]) -> None:
    out = tmp_path / "uncut"
    cut = out / "a/small-64-seed-0-0_height.png"
    cut.write_bytes(cut.read_bytes()[:-9])
    assert [w for w in check_folder(out) if "bytes instead of" in w and str(cut) in w]
    (out / "manifest.json").write_text("[]")
    with pytest.raises(WashiError, match="can't be read"):
        check_folder(out)
    (out / "manifest.json").unlink()
    with pytest.raises(WashiError, match="no manifest"):
        check_folder(out)


@pytest.mark.parametrize("way", [{"threads": 1}, {"threads": 3}, {"jobs": 2}], ids=str)
def test_every_way_gives_the_same_bytes(tmp_path: Path, uncut: dict[str, bytes], way: dict[str, int]) -> None:
    export(items_of(tmp_path), tmp_path / "out", **way)
    assert contents(tmp_path / "out") == uncut


def test_shards_together_are_the_whole(tmp_path: Path, uncut: dict[str, bytes]) -> None:
    items = items_of(tmp_path)
    for index in (3, 1, 2):
        export(shard(items, index, 3), tmp_path / "out")
    assert contents(tmp_path / "out") == uncut


@given(st.lists(st.tuples(st.integers(1, 64), st.integers(1, 64)), min_size=1, max_size=40), st.integers(1, 9))
def test_each_item_is_in_one_shard_of_its_weight(sizes: list[tuple[int, int]], count: int) -> None:
    items = [Item(str(i), "", "", "", "", np.zeros(1, np.float32), size, 0, {}, "", "", i) for i, size in enumerate(sizes)]
    shares = [shard(items, index + 1, count) for index in range(count)]
    assert [item.index for share in shares for item in share] == list(range(len(items)))
    heaviest = max(item.weight for item in items)
    for share in shares:
        assert sum(item.weight for item in share) <= sum(item.weight for item in items) / count + heaviest
    with pytest.raises(WashiError, match="does not exist"):
        shard(items, count + 1, count)


def test_threads_change_no_bytes_of_the_shipped_models(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("WASHI_LATENT_MODELS")
    for name in models.find_bundles():
        one, many = (load_model(name, threads=n) for n in (1, 4))
        latents = np.random.default_rng(2).normal(size=(3, one.latent_dim))
        size = 320 if one.info.size is None else None
        np.testing.assert_array_equal(one.generate(latents[:1], size, 3), many.generate(latents, size, 3)[:1])


def test_a_sequence_is_the_same_whatever_cores_there_are(tmp_path: Path) -> None:
    """Shards on machines with other numbers of cores have to agree on what there is to make."""
    text = '[export]\nmodels = ["small-sheet"]\nsizes = [64]\n[[points]]\nsequence = { ends = ["seed:1", "seed:2", "seed:3"], count = 4, size = 64 }\n'
    here = [(item.name, item.id) for item in plan(read_recipe(_written(tmp_path, text)))]
    script = (
        "import os, sys; hasattr(os, 'sched_setaffinity') and os.sched_setaffinity(0, [min(os.sched_getaffinity(0))]);"
        "from washi_latent.core.export import plan; from washi_latent.core.recipe_reading import read_recipe;"
        "print([(item.name, item.id) for item in plan(read_recipe(sys.argv[1]))])"
    )
    there = subprocess.run([sys.executable, "-c", script, tmp_path / "recipe.toml"], capture_output=True, text=True, check=True, cwd=Path(__file__).parents[2])
    assert there.stdout.strip() == repr(here)
    assert len({identity for _, identity in here}) == 7


def test_a_sheets_fields_are_drawn_once_for_all_its_items(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    drawn = []
    real = models.draw_fields
    monkeypatch.setattr(models, "draw_fields", lambda *given, **named: (drawn.append(given[:3]), real(*given, **named))[1])
    export(
        items_of(tmp_path, RECIPE.replace('name = "{', 'sizes = [64, 96]\nname = "{size}-{').replace('"small-sheet", "small-64"', '"small-sheet"')),
        tmp_path / "out",
    )
    assert sorted(drawn) == [(size, size, seed) for size in (64, 96) for seed in (0, 1)]


def test_a_changed_recipe_replaces_what_it_changes_and_leaves_no_old_map(tmp_path: Path) -> None:
    out = tmp_path / "out"
    export(items_of(tmp_path), out)
    changed = items_of(tmp_path, RECIPE.replace('"base_color", "height", "opacity"', '"base_color", "height"').replace('"png16"', '"png8"'))
    assert [w for w in check_folder(out, changed) if "another texture" in w]
    assert export(changed, out).made == len(changed)
    assert not list(out.rglob("*_opacity.png"))
    export(changed, tmp_path / "anew")
    assert contents(out) == contents(tmp_path / "anew")


def test_another_recipe_in_the_same_folder_is_kept_in_the_manifest(tmp_path: Path) -> None:
    first, second = items_of(tmp_path), items_of(tmp_path, RECIPE.replace('name = "a"', 'name = "b"'))
    export(first, tmp_path / "out")
    export(second, tmp_path / "out")
    assert check_folder(tmp_path / "out", [*first, *second]) == []


@pytest.mark.parametrize("which", [0, 4, 11, 30])
def test_a_full_disk_is_one_sentence_and_what_was_finished_stays(tmp_path: Path, uncut: dict[str, bytes], which: int, monkeypatch: pytest.MonkeyPatch) -> None:
    items, out, calls = items_of(tmp_path), tmp_path / "out", iter(range(1000))
    real = os.fsync

    def full(handle: int) -> None:
        if next(calls) >= which:
            raise OSError(errno.ENOSPC, "no space")
        real(handle)

    monkeypatch.setattr(images.os, "fsync", full)
    with pytest.raises(WashiError, match="disk is full"):
        export(items, out)
    monkeypatch.undo()
    assert sum(is_done(item, out) for item in items) == which // 4
    assert not [p for p in (out / WORK).rglob("*") if p.name != "lock"]
    assert {n: c for n, c in uncut.items() if n in contents(out)} == contents(out)


def test_a_full_disk_of_a_worker_process_is_told_too(tmp_path: Path) -> None:
    """A limit on the size of files, which the system itself enforces."""
    script = "import resource, sys; resource.setrlimit(resource.RLIMIT_FSIZE, (9000, 9000)); from washi_latent.cli import main; sys.exit(main(sys.argv[1:]))"
    items_of(tmp_path)
    for jobs in ("1", "2"):
        command = [sys.executable, "-c", script, "export", str(tmp_path / "recipe.toml"), "--out", str(tmp_path / "out"), "--jobs", jobs]
        done = subprocess.run(command, capture_output=True, text=True, cwd=Path(__file__).parents[2], check=False)
        assert (done.returncode, done.stderr.count("\n")) == (2, 1), done.stderr
        assert f"{tmp_path / 'out' / 'a'}/small-sheet-seed-" in done.stderr
        assert "could not be written, File too large" in done.stderr


def test_a_folder_that_cannot_be_one(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("x")
    with pytest.raises(WashiError, match="a part of the path is a file"):
        export(items_of(tmp_path), tmp_path / "file" / "out")
    with pytest.raises(WashiError, match="choose 1 to 1024"):
        export(items_of(tmp_path), tmp_path / "out", jobs=0)


def test_what_killed_runs_left_is_removed_and_what_others_do_is_not(tmp_path: Path, uncut: dict[str, bytes]) -> None:
    runs = tmp_path / "out" / WORK / "runs"
    for name in ("dead", "alive"):
        (runs / name).mkdir(parents=True)
        (runs / name / "half.png").write_bytes(b"half")
        (runs / f"{name}.lock").touch()
    with locked(runs / "alive.lock"):
        export(items_of(tmp_path), tmp_path / "out")
        assert sorted(p.name for p in runs.iterdir()) == ["alive", "alive.lock"]
        assert (runs / "alive" / "half.png").exists()
    export(items_of(tmp_path), tmp_path / "out")
    assert contents(tmp_path / "out") == uncut


def test_an_item_is_not_made_over_another_while_it_is_published(tmp_path: Path, model: TextureModel, uncut: dict[str, bytes]) -> None:
    """Two recipes that give one name: each item is there whole, with its own sidecar."""
    items = [i for i in items_of(tmp_path) if i.model == "small-64"]
    others = [Item.from_dict({**i.to_dict(), "id": "f" * 64, "latent": [1.0] * 12}) for i in items]
    out = tmp_path / "uncut"
    (out / WORK).mkdir(exist_ok=True)
    for item in others:
        write_item(item, model, out, out / WORK)
        assert is_done(item, out)
    assert export(items, out).made == len(items)


def test_the_package_may_have_another_name_as_inside_blender(tmp_path: Path, uncut: dict[str, bytes]) -> None:
    root = Path(washi_latent.__file__).parent
    for name in ("bl_ext", "bl_ext.user_default"):
        sys.modules[name] = types.ModuleType(name)
        sys.modules[name].__path__ = []
    name = "bl_ext.user_default.washi_latent"
    spec = importlib.util.spec_from_file_location(name, root / "__init__.py", submodule_search_locations=[str(root)])
    assert spec is not None
    assert spec.loader is not None
    sys.modules[name] = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(sys.modules[name])
    items_of(tmp_path)
    try:
        cli = importlib.import_module("bl_ext.user_default.washi_latent.cli")
        assert cli.main(["export", str(tmp_path / "recipe.toml"), "--out", str(tmp_path / "out"), "--jobs", "2"]) == 0
    finally:
        for name in [n for n in sys.modules if n.split(".")[0] == "bl_ext"]:
            del sys.modules[name]
    assert contents(tmp_path / "out") == uncut


def test_workers_find_packages_that_only_this_process_knows_of(tmp_path: Path, uncut: dict[str, bytes]) -> None:
    """As inside Blender, whose Python alone knows nothing of an extension's packages."""
    bare = Path(sys.base_prefix) / "bin" / "python3"
    if not bare.exists() or subprocess.run([bare, "-I", "-c", "import joblib"], capture_output=True, check=False).returncode == 0:
        pytest.skip("needs the Python that this environment was made from, without joblib")
    items_of(tmp_path)
    script = f"import sys; sys.path[:0] = {[str(Path(__file__).parents[2]), *sys.path]!r}; from washi_latent.cli import main; sys.exit(main(sys.argv[1:]))"
    command = [bare, "-I", "-c", script, "export", tmp_path / "recipe.toml", "--out", tmp_path / "out", "--jobs", "2"]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert (done.returncode, done.stderr) == (0, "")
    assert contents(tmp_path / "out") == uncut


def test_progress_counts_what_is_made_not_what_was_there(tmp_path: Path) -> None:
    items, told = items_of(tmp_path), list[float]()
    export(items, tmp_path / "out", progress=told.append)
    assert told == sorted(told)
    assert told[-1] == 1
    for item in items[:3]:
        (tmp_path / "out" / f"{item.name}.json").unlink()
    told.clear()
    export(items, tmp_path / "out", progress=told.append)
    assert [share for share in told if share < 0.3]
    assert told[-1] == 1
    told.clear()
    export(items, tmp_path / "out", progress=told.append)
    assert told[-1] == 1


def test_an_estimate_is_near_what_is_then_written(tmp_path: Path) -> None:
    items = items_of(tmp_path)
    judged = estimate(items, tmp_path / "out")
    assert not (tmp_path / "out").exists()
    assert (judged.items, judged.missing) == (9, 9)
    assert judged.seconds > 0
    export(items, tmp_path / "out")
    written = sum(p.stat().st_size for p in (tmp_path / "out").rglob("*") if p.is_file() and p.name != "manifest.json")
    assert judged.bytes == pytest.approx(written, rel=0.1)
    assert estimate(items, tmp_path / "out").missing == 0


@pytest.mark.parametrize(("jobs", "cores", "at_once"), [(1, 8, 1), (2, 8, 2), (1000, 4, 4), (1000, 64, 9), (3, 1, 1)])
def test_an_estimate_counts_no_more_jobs_than_can_run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, jobs: int, cores: int, at_once: int) -> None:
    monkeypatch.setattr(export_module, "cores", lambda: cores)
    monkeypatch.setattr(export_module, "_sample", lambda *_: (100, 2.0, 2.0))
    judged = estimate(items_of(tmp_path), tmp_path / "out", jobs)
    assert judged.missing == 9
    assert judged.seconds == pytest.approx(9 * 2.0 / at_once)


def test_another_model_of_that_name_is_not_taken(tmp_path: Path, small_bundle: ModelInfo) -> None:
    items = items_of(tmp_path, '[export]\nmodels = ["small-64"]\n[[points]]\nseeds = [0]\n')
    other: dict[str, Any] = {**items[0].to_dict(), "checksum": "0" * 64}
    with pytest.raises(WashiError, match="another one on this machine"):
        export([Item.from_dict(other)], tmp_path / "out")


def test_openexr_is_repeatable(tmp_path: Path) -> None:
    pytest.importorskip("OpenEXR")
    text = RECIPE.replace("formats = { height", 'format = "exr"\nformats = { opacity')
    export(items_of(tmp_path, text), tmp_path / "one")
    export(items_of(tmp_path, text), tmp_path / "two")
    assert len(list((tmp_path / "one").rglob("*.exr"))) == 18
    assert contents(tmp_path / "one") == contents(tmp_path / "two")
    shutil.rmtree(tmp_path / "one")


def test_runs_that_begin_and_end_together_do_not_disturb_each_other(tmp_path: Path) -> None:
    """One that ends takes the folder of runs away: never between another's making it and its place in it."""
    code = "import sys; from washi_latent.core.export import export\nfor _ in range(40): export([], sys.argv[1])"
    runs = [subprocess.Popen([sys.executable, "-c", code, str(tmp_path / "out")], stderr=subprocess.PIPE, text=True) for _ in range(3)]
    said = [run.communicate()[1] for run in runs]
    assert [run.returncode for run in runs] == [0, 0, 0], said
    assert not (tmp_path / "out" / WORK / "runs").exists()
