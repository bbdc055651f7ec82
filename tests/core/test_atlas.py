"""An atlas in a bundle: what is written is read, searches and finds are better for it, and nothing breaks without."""

from __future__ import annotations

import io
import re
import shutil
import zipfile
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from conftest import DIM, description, small_network
from scipy.spatial.distance import cdist

from washi_latent.cli import main
from washi_latent.core import ModelInfo, Search, SearchSettings, TextureModel, WashiError, find_latents, load_model
from washi_latent.core.atlas import ATLAS_FILE, atlas_latents, atlas_of, read_atlas, write_atlas
from washi_latent.core.find import counted, picture_features, preview_edge
from washi_latent.core.models import amend_bundle, write_bundle
from washi_latent.core.preference import features_of

COUNT = 1024


@pytest.fixture(scope="module")
def mapped(small_bundle: ModelInfo, tmp_path_factory: pytest.TempPathFactory) -> ModelInfo:
    return write_atlas(shutil.copytree(small_bundle.folder, tmp_path_factory.mktemp("atlas") / "small-64"), COUNT)


@pytest.fixture
def own(mapped: ModelInfo, tmp_path: Path) -> Path:
    return Path(shutil.copytree(mapped.folder, tmp_path / "small-64"))


def test_what_is_written_is_read(mapped: ModelInfo) -> None:
    model = load_model(mapped.folder)
    atlas = atlas_of(model)
    assert atlas is not None
    assert atlas.latents.shape == (COUNT, DIM)
    some = [0, 77, COUNT - 1]
    np.testing.assert_allclose(atlas.features[some], features_of(model, atlas.latents[some], 0), atol=1e-3)
    assert atlas_of(model) is atlas


def test_a_bundle_without_has_none(small_bundle: ModelInfo) -> None:
    assert read_atlas(small_bundle) is None


def test_an_altered_file_is_refused_before_it_is_read(own: Path) -> None:
    info = load_model(own).info
    content = bytearray((own / ATLAS_FILE).read_bytes())
    content[len(content) // 2] ^= 1
    (own / ATLAS_FILE).write_bytes(content)
    with pytest.raises(WashiError, match="checksum"):
        read_atlas(info)


def _saved(**arrays: Any) -> bytes:
    buffer = io.BytesIO()
    np.savez_compressed(buffer, **arrays)
    return buffer.getvalue()


CHECKED = atlas_latents(COUNT, DIM)[-4:]
GOOD: dict[str, Any] = {"version": np.array(1), "features": np.ones((COUNT, 24), np.uint16), "lowest": np.zeros(24), "highest": np.ones(24), "checked": CHECKED}


def _encrypted() -> bytes:
    content = bytearray(_saved(**GOOD))
    for mark, flag in ((b"PK\x03\x04", 6), (b"PK\x01\x02", 8)):
        for found in re.finditer(re.escape(mark), bytes(content)):
            content[found.start() + flag] |= 1
    return bytes(content)


def _with_header(header: bytes) -> bytes:
    with zipfile.ZipFile(io.BytesIO(_saved(**GOOD))) as good, zipfile.ZipFile(buffer := io.BytesIO(), "w") as archive:
        for name in good.namelist():
            odd = b"\x93NUMPY\x01\x00" + len(header).to_bytes(2, "little") + header
            archive.writestr(name, odd if name == "lowest.npy" else good.read(name))
    return buffer.getvalue()


BAD: dict[str, dict[str, Any]] = {
    "missing": {"checked": None},
    "newer": {"version": np.array(2)},
    "text": {"version": np.array("1")},
    "other features": {"features": np.ones((COUNT, 7), np.uint16)},
    "few": {"features": np.ones((9, 24), np.uint16)},
    "floats": {"features": np.ones((COUNT, 24))},
    "nan": {"highest": np.full(24, np.nan)},
    "huge": {"lowest": np.full(24, -1e308), "highest": np.full(24, 1e308)},
    "shorter": {"lowest": np.zeros(7)},
    "other latents": {"checked": CHECKED + 1},
    "other dimension": {"checked": CHECKED[:, :3]},
    "bomb": {"features": np.zeros((1 << 21, 24), np.uint16)},
    "objects": {"lowest": np.array([{"a": 1}], object)},
}


@pytest.mark.parametrize(
    "content",
    [
        b"x",
        b"PK\x03\x04 no archive",
        _encrypted(),
        _with_header(b"((((("),
        *(_saved(**{k: v for k, v in (GOOD | bad).items() if v is not None}) for bad in BAD.values()),
    ],
    ids=["byte", "archive", "encrypted", "header", *BAD],
)
def test_one_that_cant_be_used_is_left_alone(own: Path, content: bytes) -> None:
    model = load_model(amend_bundle(own, {ATLAS_FILE: content}).folder)
    assert read_atlas(model.info) is None
    assert len(Search(model, seed=1).sample().latents) == 50


def test_one_that_can_is_used(own: Path) -> None:
    assert read_atlas(amend_bundle(own, {ATLAS_FILE: _saved(**GOOD)})) is not None


@pytest.mark.parametrize("count", [0, 1023, 1 << 19])
def test_too_few_or_too_many_textures_are_refused(small_bundle: ModelInfo, count: int) -> None:
    with pytest.raises(WashiError, match="choose 1024"):
        write_atlas(small_bundle.folder, count)


@pytest.fixture
def unmeasured(monkeypatch: pytest.MonkeyPatch) -> None:
    """Measuring takes a minute or two: what can't be written is to be refused before."""

    def fail(*_: object) -> None:
        raise AssertionError("textures were measured first")

    monkeypatch.setattr("washi_latent.core.atlas.features_of", fail)


@pytest.mark.usefixtures("unmeasured")
def test_a_folder_that_holds_something_else_is_refused_at_once(own: Path) -> None:
    (own / "notes.txt").write_text("mine")
    with pytest.raises(WashiError, match=r"notes\.txt"):
        write_atlas(own, COUNT)


@pytest.mark.usefixtures("unmeasured")
def test_a_place_that_cant_be_written_is_refused_at_once(own: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def read_only(*_: object, **__: object) -> None:
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr("tempfile.TemporaryFile", read_only)
    with pytest.raises(WashiError, match="not allowed"):
        write_atlas(own, COUNT)


def test_the_folder_may_be_the_one_where_one_is(own: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(own)
    assert read_atlas(write_atlas(".", COUNT)) is not None


def test_a_model_keeps_its_name_and_a_linked_folder_stays_one(own: Path) -> None:
    folder = own.rename(own.with_name("Elsewhere"))
    link = own.with_name("small")
    link.symlink_to(folder, target_is_directory=True)
    info = write_atlas(link, COUNT)
    assert info.name == "small-64"
    assert link.is_symlink()
    assert read_atlas(load_model(folder).info) is not None


def test_a_card_that_is_not_listed_stays(own: Path) -> None:
    (own / "README.md").write_text("# Mine")
    write_atlas(own, COUNT)
    assert (own / "README.md").read_text() == "# Mine"


def test_a_model_that_is_trained_anew_meanwhile_gets_no_atlas_of_the_old_one(own: Path) -> None:
    def train(share: float) -> None:
        if share == 1:
            write_bundle(own, description(), {"generator.onnx": small_network(scale=2)})

    with pytest.raises(WashiError, match="meanwhile"):
        write_atlas(own, COUNT, train)
    assert read_atlas(load_model(own).info) is None


def test_candidates_from_elsewhere_follow_the_picks(mapped: ModelInfo) -> None:
    model = load_model(mapped.folder)
    atlas = atlas_of(model)
    assert atlas is not None
    wanted = atlas.space(features_of(model, np.random.default_rng(8).normal(size=(1, DIM)), 0))[0]
    settings = SearchSettings(elsewhere=1.0, radius=3.0, shell=False)
    search = Search(model, seed=3, settings=settings)
    distances = []
    for _ in range(6):
        candidates = search.sample()
        assert cdist(candidates.latents, atlas.latents).min(1).max() < 1e-5
        away = np.linalg.norm(atlas.space(features_of(model, candidates.latents, 0)) - wanted, axis=1)
        distances.append(away.mean())
        search.pick(int(candidates.representatives.indices[away[candidates.representatives.indices].argmin()]), seen=candidates.seen)
    assert distances[-1] < 0.8 * distances[0]
    again = Search(load_model(mapped.folder), state=search.state)
    np.testing.assert_array_equal(again.sample().latents, search.sample().latents)
    np.testing.assert_array_equal(again.latents(), search.sample().latents)


def test_no_texture_of_the_atlas_is_a_candidate_twice(mapped: ModelInfo) -> None:
    """However sure the picks are: fifty candidates with nine twins are forty-one."""
    search = Search(load_model(mapped.folder), seed=3, settings=SearchSettings(samples=80, radius=5.0, elsewhere=0.8))
    for _ in range(6):
        latents = search.sample().latents
        assert len(np.unique(latents, axis=0)) == len(latents)
        search.pick(int(search.sample().representatives.indices[0]))


@pytest.mark.parametrize("noise_seed", [0, 5])
@pytest.mark.parametrize("seed", [1, 2, 3])
def test_finds_nearer_textures_than_any_of_the_atlas(mapped: ModelInfo, seed: int, noise_seed: int) -> None:
    model = load_model(mapped.folder)
    atlas = atlas_of(model)
    assert atlas is not None
    picture = model.generate(np.random.default_rng(seed).normal(size=DIM))[0]
    wanted = atlas.space.within_reach(atlas.space(picture_features(picture, preview_edge(model))))
    shares: list[float] = []
    found = find_latents(model, picture, 256, shares.append, noise_seed)
    assert found.shape == (256, DIM)
    away = np.linalg.norm(counted(atlas.space(features_of(model, found, noise_seed)) - wanted), axis=1)
    assert away[0] < np.linalg.norm(counted(atlas.space.points - wanted), axis=1).min()
    assert (np.diff(away) > -0.01).all()  # the atlas keeps sixteen bits
    assert shares == sorted(shares)
    assert shares[-1] == 1
    np.testing.assert_array_equal(found, find_latents(model, picture, 256, noise_seed=noise_seed))


def test_finding_with_an_atlas_makes_fewer_pictures(mapped: ModelInfo, model: TextureModel, monkeypatch: pytest.MonkeyPatch) -> None:
    made = [0]
    generate = TextureModel.generate

    def counting(self: TextureModel, latents: Any, *more: Any, **named: Any) -> Any:
        made[0] += len(np.atleast_2d(latents))
        return generate(self, latents, *more, **named)

    monkeypatch.setattr(TextureModel, "generate", counting)
    picture = np.random.default_rng(0).random((64, 64, 3))
    counts = []
    for bundle in (model.info.folder, mapped.folder):
        made[0] = 0
        find_latents(load_model(bundle), picture)
        counts.append(made[0])
    assert counts[1] < 0.6 * counts[0]


def test_the_command_writes_it(small_bundle: ModelInfo, tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("washi_latent.core.atlas.write_atlas.__defaults__", (COUNT, *write_atlas.__defaults__[1:]))  # type: ignore[index]
    folder = Path(shutil.copytree(small_bundle.folder, tmp_path / "small-64"))
    asked: list[int | None] = []

    def loading(name: Path, **more: Any) -> TextureModel:
        asked.append(more.get("threads"))
        return load_model(name, **more)

    monkeypatch.setattr("washi_latent.core.atlas.load_model", loading)
    assert main(["atlas", str(folder), "--threads", "1"]) == 0
    assert asked == [1]
    assert capsys.readouterr().out.strip().endswith(ATLAS_FILE)
    assert read_atlas(load_model(folder).info) is not None
    assert main(["atlas", str(tmp_path / "nothing")]) == 2
    assert main(["atlas", str(folder), "--threads", "0"]) == 2
    assert asked == [1]
