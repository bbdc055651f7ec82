"""A sheet model of photographs: statistics that know papers apart, a seamless bundle, resume, and mistakes said in one sentence."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

torch = pytest.importorskip("torch")
pytest.importorskip("onnx")

from PIL import Image
from safetensors.torch import save

from washi_latent.core import ModelInfo, WashiError, load_model, write_bundle
from washi_latent.training import TrainOptions, photograph_pipeline, train
from washi_latent.training.beginning import Beginning
from washi_latent.training.data import SHEET_PATCH as CROP
from washi_latent.training.data import photograph_patches
from washi_latent.training.loop import load_state, save_state
from washi_latent.training.sheet_photographs import ColorAxes, PaperSpace, PhotographTrainer, Settings, build_network, crop_statistics, network_options

TINY = Settings(features=4, discriminator_features=4, batch=4, edge=64, layouts=2, warm_up=1, r1_every=1)
COLORS = ((200, 180, 150), (90, 70, 110), (150, 160, 140))


def paper(color: tuple[int, int, int], seed: int, shape: tuple[int, int] = (150, 170)) -> Image.Image:
    grain = np.random.default_rng(seed).normal(0, 6, (*shape, 1))
    return Image.fromarray((grain + color).clip(0, 255).astype(np.uint8))


@pytest.fixture
def photographs(tmp_path: Path) -> Path:
    folder = tmp_path / "photographs"
    folder.mkdir()
    for i, color in enumerate(COLORS):
        paper(color, i).save(folder / f"{i}.png")
    return folder


@pytest.fixture(scope="module")
def tile() -> NDArray[np.uint8]:
    return np.random.default_rng(0).normal(128, 24, (4, 128, 128)).clip(0, 255).astype(np.uint8)


@pytest.fixture
def quick(monkeypatch: pytest.MonkeyPatch, tile: NDArray[np.uint8]) -> None:
    """Small networks and a small tile; a teacher that is not here."""
    monkeypatch.setattr(photograph_pipeline, "fibre_tile", lambda: tile)
    monkeypatch.setattr(photograph_pipeline, "TEACHER", "no-such-model")
    made = photograph_pipeline.PhotographTrainer
    monkeypatch.setattr(photograph_pipeline, "PhotographTrainer", lambda patches, tile, seed, start: made(patches, tile, seed, start, TINY))
    monkeypatch.setattr(photograph_pipeline, "network_options", lambda: network_options(TINY))


def few(photographs: Path, **changes: Any) -> TrainOptions:
    chosen = {"images": photographs, "out": photographs.parent / "mine", "kind": "sheet", "patches": 800, "iterations": 2, "evaluate": False, "threads": 1}
    return TrainOptions(**{**chosen, **changes})


def trainer_of(photographs: Path, tile: NDArray[np.uint8], seed: int = 0, **start: Any) -> PhotographTrainer:
    return PhotographTrainer(photograph_patches(photographs, 60, 0, CROP, 1.0), tile, seed, settings=TINY, **start)


@pytest.mark.usefixtures("quick")
def test_photographs_become_a_seamless_model(photographs: Path) -> None:
    said: list[str] = []
    info = train(few(photographs), say=said.append)
    assert any("not here" in line for line in said)
    assert info.channels == ("red", "green", "blue")
    assert (info.size, info.tileable, info.millimetres_per_pixel) == (None, True, None)
    model, latent = load_model(info.folder), np.random.default_rng(0).normal(size=100)
    sheet = model.generate(latent, (64, 96), seed=2)
    assert sheet.shape == (1, 64, 96, 3)
    np.testing.assert_allclose(sheet, load_model(info.folder, "torch").generate(latent, (64, 96), seed=2), atol=1e-3)
    card = (info.folder / "README.md").read_text()
    assert "photographs" in card
    assert "estimates" in card
    assert list((photographs.parent / "mine.training").glob("samples-*.png"))


@pytest.mark.usefixtures("quick")
def test_sheets_are_periodic(photographs: Path) -> None:
    """Rolled fields give the rolled sheet: the border is like any other place."""
    model: Any = load_model(train(few(photographs), say=lambda _: None).folder)
    latent = np.random.default_rng(1).normal(size=(1, 100)).astype(np.float32)
    margin = model.info.options["margin"]
    padded = model.fields(64, 64, 5)
    sheet = model.generate(latent, 64, seed=5)[0]
    fields = np.roll(padded[:, margin:-margin, margin:-margin], (13, 40), (1, 2))
    around = np.pad(fields, ((0, 0), (margin,) * 2, (margin,) * 2), mode="wrap")
    rolled = np.moveaxis(model._network(latent, fields=around[None]), 1, -1)[0]
    np.testing.assert_allclose(rolled, np.roll(sheet, (13, 40), (0, 1)), atol=1e-5)


@pytest.mark.usefixtures("quick")
def test_training_goes_on_and_is_evaluated(photographs: Path) -> None:
    train(few(photographs), say=lambda _: None)
    said: list[str] = []
    info = train(few(photographs, iterations=3, evaluate=True), say=said.append)
    assert any("going on from step 2" in line for line in said)
    assert set(info.evaluation["kinds"]) == {"photograph 1", "photograph 2", "photograph 3"}
    assert "photograph 3" in (info.folder / "README.md").read_text()
    with pytest.raises(WashiError, match="other settings"):
        train(few(photographs, millimetres_per_pixel=0.1), say=lambda _: None)


def test_a_resumed_run_equals_an_uncut_one(photographs: Path, tile: NDArray[np.uint8]) -> None:
    whole = trainer_of(photographs, tile, 3)
    for _ in range(3):
        whole.step()
    first = trainer_of(photographs, tile, 3)
    first.step()
    save_state(first.state(), photographs.parent / "state.safetensors")
    second = trainer_of(photographs, tile, 3)
    second.step()
    second.step()
    second.restore(load_state(photographs.parent / "state.safetensors"))
    second.step()
    second.step()
    for a, b in zip(whole.generator.parameters(), second.generator.parameters(), strict=True):
        torch.testing.assert_close(a, b, atol=1e-5, rtol=1e-4)
    np.testing.assert_allclose(whole.samples(2), second.samples(2), atol=1e-4)


def test_the_photographs_colours_are_learned(photographs: Path, tile: NDArray[np.uint8]) -> None:
    settings = Settings(features=8, batch=8, edge=32, layouts=2, warm_up=1000, memory=0.9)
    trainer = PhotographTrainer(photograph_patches(photographs, 60, 0, CROP, 1.0), tile, settings=settings)
    first = trainer.step()["statistics"]
    for _ in range(200):
        last = trainer.step()["statistics"]
    assert last < first / 2
    made = trainer.samples(40).mean((1, 2)) * 255
    apart = np.linalg.norm(made[:, None] - np.array(COLORS, np.float32), axis=-1)
    assert (apart.min(0) < 25).all(), "every photograph has a generated sheet of about its colour"


def test_a_trained_model_of_more_channels_is_a_start(photographs: Path, tile: NDArray[np.uint8]) -> None:
    plain = trainer_of(photographs, tile)
    weights = {name: torch.full_like(value, 0.25) for name, value in plain.generator.state_dict().items()}
    weights["out.weight"] = torch.arange(5.0)[:, None, None, None].repeat(1, *plain.generator.out.weight.shape[1:])
    fewer = len(plain.generator.fields) - 1
    weights["mix.weight"] = torch.full((TINY.features * (fewer + 1), 192), 0.5)  # a model without the last field
    weights["mix.bias"] = torch.full((TINY.features * (fewer + 1),), 0.5)
    weights["of another version"] = torch.zeros(3)
    info = bundle(photographs.parent / "first", {**plain.options, "fields": plain.generator.fields[:-1]}, weights)
    begun = trainer_of(photographs, tile, start=Beginning.of(info)).generator
    np.testing.assert_array_equal(begun.out.weight[:, 0, 0, 0].detach(), [0, 1, 2])
    np.testing.assert_array_equal(begun.convolutions[0].bias.detach(), 0.25)
    mix = begun.mix.weight.view(TINY.features, fewer + 2, 192)
    assert (mix[:, :fewer] == 0.5).all()
    assert (mix[:, fewer] == 0).all()
    assert (mix[:, -1] == 0.5).all()


def bundle(folder: Path, options: dict[str, Any], weights: dict[str, Any]) -> ModelInfo:
    description = {
        "title": "A sheet model", "license": "CC0-1.0", "architecture": "sheet", "options": options, "latent": {"dim": 100, "prior": "normal"},
        "channels": ["red", "green", "blue"], "size": "any", "size_multiple": 8, "tileable": True,
    }  # fmt: skip
    return write_bundle(folder, description, {"generator.safetensors": save(weights)})


def other_layers(folder: Path) -> ModelInfo:
    """A model whose weights have fitting shapes here and there, but belong to other layers."""
    options = {**network_options(TINY), "layers": ["c3", "c3"]}
    return bundle(folder, options, build_network(options).state_dict())


@pytest.mark.usefixtures("quick")
def test_a_model_of_other_layers_is_refused_before_anything_is_made(photographs: Path, tmp_path: Path) -> None:
    said: list[str] = []
    with pytest.raises(WashiError, match=r"can't begin with the model old, whose network has other layers"):
        train(few(photographs, begin_with=str(other_layers(tmp_path / "old").folder)), say=said.append)
    assert not said
    assert not list(tmp_path.glob("mine*"))


@pytest.mark.usefixtures("quick")
def test_a_model_says_what_its_training_began_with(photographs: Path, tmp_path: Path) -> None:
    assert train(few(photographs), say=lambda _: None).training["begins_with"] == "random weights"
    options = network_options(TINY)
    first = bundle(tmp_path / "first", options, build_network(options).state_dict())
    info = train(few(photographs, begin_with=str(first.folder), resume=False), say=lambda _: None)
    assert info.training["begins_with"] == "first"
    assert info.training["command"].endswith(" --begin-with first")
    assert info.training["command"] in (info.folder / "README.md").read_text()


@pytest.mark.usefixtures("quick")
def test_weights_of_another_network_than_a_models_description_says_are_refused(photographs: Path, tmp_path: Path) -> None:
    said: list[str] = []
    for number, weights in enumerate(({"paint": torch.zeros(3)}, {"mix.weight": torch.zeros(3, 192), "mix.bias": torch.zeros(3)})):
        info = bundle(tmp_path / f"odd-{number}", network_options(TINY), weights)
        with pytest.raises(WashiError, match=r"the weights of the model odd-. are not those of the network that it describes"):
            train(few(photographs, begin_with=str(info.folder)), say=said.append)


@pytest.mark.usefixtures("quick")
def test_of_a_teacher_of_other_layers_nothing_is_taken(photographs: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(photograph_pipeline, "TEACHER", str(other_layers(tmp_path / "old").folder))
    said: list[str] = []
    train(few(photographs), say=said.append)
    assert "other layers: starting from nothing" in said[0]


def test_statistics_know_papers_not_places() -> None:
    """A turned, mirrored or moved crop has the same statistics; another colour, contrast or grain has others."""
    rng = np.random.default_rng(0)
    noise = torch.from_numpy(rng.normal(0, 0.1, (1, 3, 96, 96)).astype(np.float32))
    smooth = torch.nn.functional.avg_pool2d(noise, 5, 1, 2) * 5
    own = crop_statistics(noise)
    assert own.shape == (1, 54)
    for same in (torch.rot90(noise, 1, (2, 3)), noise.flip(3)):
        torch.testing.assert_close(crop_statistics(same), own, atol=0.1, rtol=0)  # a border's pixels have no neighbours
    moved = float((crop_statistics(noise.roll((16, 48), (2, 3))) - own).norm())
    for other in (noise + 0.3, noise * 1.5, smooth):
        assert float((crop_statistics(other) - own).norm()) > 5 * moved


def test_recipes_keep_papers_apart() -> None:
    rng = torch.Generator().manual_seed(0)
    papers = torch.randn(3, 54, generator=rng) * 2
    statistics = papers.repeat_interleave(100, 0) + 0.2 * torch.randn(300, 54, generator=rng)
    recipes = PaperSpace.of(statistics, 33)(statistics)
    assert recipes.shape == (300, 33)
    torch.testing.assert_close(recipes.mean(0), torch.zeros(33), atol=1e-3, rtol=0)
    assert float(recipes.std(0).max()) < 1.01
    within, between = (recipes[:100] - recipes[:100].mean(0)).std(), (recipes[:100].mean(0) - recipes[100:].mean(0)).norm()
    assert float(between) > 5 * float(within)
    same = PaperSpace.of(papers[:1].repeat(50, 1), 33)(papers[:1])
    assert bool(torch.isfinite(same).all()), "one paper, always the same, is a recipe too"


def test_colour_axes_see_fine_structure_at_one_contrast() -> None:
    crops = np.stack([np.asarray(paper(color, i, (128, 128))) for i, color in enumerate(COLORS)])
    pictures = torch.from_numpy(crops).permute(0, 3, 1, 2).float() / 255
    seen = ColorAxes.of(crops)(pictures)
    contrast = float((seen[:, 0] - seen[:, 0].mean((1, 2), keepdim=True)).std())
    assert 0.05 < contrast < 0.2
    levels = seen.mean((2, 3))
    assert float((levels[0] - levels[1]).norm()) > 10 * contrast


def test_crops_keep_one_scale(tmp_path: Path) -> None:
    """Stripes of 8 pixels stay so, or get the width that the scale says."""
    stripes = np.repeat((np.arange(400) // 8 % 2 * 255).astype(np.uint8)[None, :, None], 400, 0).repeat(3, 2)
    Image.fromarray(stripes).save(tmp_path / "a.png")
    for scale, width in ((1.0, 8), (2.0, 4)):
        patches = photograph_patches(tmp_path, 20, 0, CROP, scale)
        assert patches.train.shape[1:] == (CROP, CROP, 3)
        power = np.abs(np.fft.rfft(patches.train[:, 0, :, 0].astype(float) - 127.5, axis=1)).mean(0)
        assert power.argmax() == CROP // (2 * width)


def test_every_tenth_photograph_is_held_out(tmp_path: Path) -> None:
    for i in range(11):
        paper((10 * i + 20,) * 3, i).save(tmp_path / f"{i:02d}.png")
    (tmp_path / "05 broken.png").write_text("no picture")
    patches = photograph_patches(tmp_path, 60, 0, CROP, 1.0)
    assert len(patches.kinds) == 11
    assert set(patches.held_out_kinds) == {9}
    assert set(patches.train_kinds) == {*range(11)} - {9}
    assert abs(patches.held_out.mean() - 110) < 2


def test_mistakes_are_one_sentence(tmp_path: Path, photographs: Path) -> None:
    empty, small, broken = (tmp_path / name for name in ("empty", "small", "broken"))
    for folder in (empty, small, broken):
        folder.mkdir()
    paper((90, 90, 90), 0, (CROP - 1, 300)).save(small / "a.png")
    (broken / "a.png").write_text("no picture")
    bad: list[dict[str, Any]] = [
        {"images": empty},
        {"images": small},
        {"images": broken},
        {"images": tmp_path / "missing"},
        {"millimetres_per_pixel": 0.04},  # 128 pixels at 0.1 mm are 320 of these: the photographs are too small
        {"millimetres_per_pixel": 1.0},
        {"millimetres_per_pixel": 0.1, "kind": "dcgan"},
    ]
    for changes in bad:
        with pytest.raises(WashiError) as caught:
            train(few(photographs, **changes), say=lambda _: None)
        assert "\n" not in str(caught.value)
    assert not (tmp_path / "mine").exists()
