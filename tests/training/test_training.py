"""Training on a handful of photographs: a bundle that loads, resume, a clean stop, and mistakes said in one sentence."""

from __future__ import annotations

import os
import shutil
import signal
from pathlib import Path
from typing import Any

import numpy as np
import pytest

torch = pytest.importorskip("torch")
pytest.importorskip("onnx")

from joblib import Parallel
from PIL import Image
from safetensors.torch import save
from scipy.stats import energy_distance as scipy_energy_distance
from scipy.stats import kstest

from washi_latent.core import ModelInfo, TextureModel, WashiError, load_model, verify, write_bundle
from washi_latent.core.fields import FIELD_NAMES, GATED, GROUPS, gate, metal_tone
from washi_latent.core.models import SheetModel, check_latents, read_file, torch_generator
from washi_latent.core.sheet_network import build
from washi_latent.training import TrainOptions, pipeline, sheet_pipeline, train
from washi_latent.training.beginning import Beginning
from washi_latent.training.data import Patches, cut_patches, photograph_patches
from washi_latent.training.dcgan import DCGANTrainer, untrained
from washi_latent.training.evaluation import density_and_coverage, energy_distance, frechet_distance, sample_energy_distance
from washi_latent.training.export import export_bundle, sheet_inputs, tile_bytes, weights_bytes
from washi_latent.training.loop import CHECKPOINT, Schedule, load_state, run, save_state
from washi_latent.training.pairs import PAINTS, SILVER_PAINTS
from washi_latent.training.pipeline import settle
from washi_latent.training.sheet import (
    CHANNELS,
    GROUP_NUMBERS,
    RECIPE,
    SCORES,
    SheetTrainer,
    build_network,
    draw_paper,
    make_pairs,
    network_options,
    normal_scores,
    quantile_functions,
    random_sheet_kind,
    recipe_vector,
    score_values,
)
from washi_latent.training.washi import draw_parameters, encode_srgb, fibre_tile


def few(photographs: Path, **changes: object) -> TrainOptions:
    return TrainOptions(
        **{"images": photographs, "out": photographs.parent / "mine", "patches": 64, "iterations": 2, "evaluate": False, "threads": 1, **changes}
    )  # type: ignore[arg-type]


def test_photographs_become_a_model_on_both_backends(photographs: Path) -> None:
    said: list[str] = []
    info = train(few(photographs), say=said.append)
    assert said
    latents = np.random.default_rng(0).normal(size=(4, 100))
    pictures = load_model(info.folder).generate(latents)
    assert pictures.shape == (4, 64, 64, 3)
    np.testing.assert_allclose(pictures, load_model(info.folder, "torch").generate(latents), atol=1e-3)
    assert "photographs" in (info.folder / "README.md").read_text()
    assert list((photographs.parent / "mine.training").glob("samples-*.png"))


def test_what_comes_after_the_steps_keeps_to_the_threads_too(photographs: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    threads: list[int | None] = []

    def loading(folder: Path, *rest: Any, **named: Any) -> TextureModel:
        threads.append(named.get("threads"))
        return load_model(folder, *rest, **named)

    def measuring(folder: Path, **named: Any) -> ModelInfo:
        threads.append(named.get("threads"))
        return load_model(folder).info

    monkeypatch.setattr("washi_latent.training.pipeline.load_model", loading)
    monkeypatch.setattr("washi_latent.training.pipeline.evaluate", lambda *_, **__: None)
    monkeypatch.setattr("washi_latent.training.write_atlas", measuring)
    train(few(photographs, evaluate=True, threads=1), say=lambda _: None)
    assert threads == [1, 1]


@pytest.mark.parametrize(("threads", "jobs"), [(1, 1), (3, 3), (None, 7)])
def test_the_evaluation_of_sheets_keeps_to_the_threads(threads: int | None, jobs: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    given: list[int] = []

    def evaluating(_: object, jobs: int, say: object) -> dict[str, Any]:
        given.append(jobs)
        raise WashiError("enough")

    monkeypatch.setattr(sheet_pipeline, "cores", lambda: 7)
    monkeypatch.setattr(sheet_pipeline, "kinds_files", lambda _: {})
    monkeypatch.setattr(sheet_pipeline, "card_pictures", lambda *_: {})
    monkeypatch.setattr(sheet_pipeline, "load_model", lambda *_, **__: None)
    monkeypatch.setattr(sheet_pipeline, "evaluate_sheets", evaluating)
    network = network_options(4, ("c1",))
    module = build_network(network).eval()
    options = TrainOptions(out=tmp_path / "mine", kind="sheet", synthetic=True, threads=threads)
    with pytest.raises(WashiError, match="enough"):
        sheet_pipeline.export_sheet(module, fibre_tile(size=128), {**network, "margin": module.margin}, {"command": ""}, options, lambda _: None)
    assert given == [jobs]


def test_training_goes_on_where_it_stopped(photographs: Path) -> None:
    train(few(photographs), say=lambda _: None)
    said: list[str] = []
    train(few(photographs, iterations=3), say=said.append)
    assert any("going on from step 2" in line for line in said)
    with pytest.raises(WashiError, match="other settings"):
        train(few(photographs, seed=5), say=lambda _: None)
    train(few(photographs, seed=5, resume=False), say=lambda _: None)


def test_interrupting_keeps_what_was_reached(photographs: Path) -> None:
    patches = photograph_patches(photographs, 64)

    class Interrupted(DCGANTrainer):
        def step(self) -> dict[str, float]:
            if self.iteration == 1:
                os.kill(os.getpid(), signal.SIGINT)
            return super().step()

    trainer = Interrupted(patches)
    assert run(trainer, photographs.parent / "work", Schedule(iterations=50), lambda *_: None, lambda _: None) == "stopped"
    assert trainer.iteration == 2
    assert load_state(photographs.parent / "work" / CHECKPOINT)["iteration"] == 2


def test_a_resumed_run_equals_an_uncut_one(photographs: Path) -> None:
    patches = photograph_patches(photographs, 64)
    whole = DCGANTrainer(patches, seed=3)
    for _ in range(3):
        whole.step()
    first = DCGANTrainer(patches, seed=3)
    first.step()
    save_state(first.state(), photographs.parent / "state.safetensors")
    second = DCGANTrainer(patches, seed=9)
    second.restore(load_state(photographs.parent / "state.safetensors"))
    second.step()
    second.step()
    for a, b in zip(whole.generator.parameters(), second.generator.parameters(), strict=True):
        torch.testing.assert_close(a, b, atol=1e-5, rtol=1e-4)


def test_a_loss_that_is_no_number_stops_and_keeps_the_last_state(photographs: Path) -> None:
    class Lost(DCGANTrainer):
        def step(self) -> dict[str, float]:
            self.iteration += 1
            return {"loss": float("nan") if self.iteration > 1 else 1.0}

    with pytest.raises(WashiError, match="not a number"):
        run(Lost(photograph_patches(photographs, 64)), photographs.parent / "work", Schedule(iterations=5), lambda *_: None, lambda _: None)


def test_a_damaged_checkpoint_is_said(tmp_path: Path) -> None:
    (tmp_path / "c.safetensors").write_bytes(b"garbage")
    with pytest.raises(WashiError, match="delete it"):
        load_state(tmp_path / "c.safetensors")
    with pytest.raises(WashiError):
        save_state({"x": torch.zeros(2)}, tmp_path / "no" / "such" / "c.safetensors")


def test_mistakes_are_one_sentence(tmp_path: Path) -> None:
    empty, small, broken = (tmp_path / name for name in ("empty", "small", "broken"))
    for folder in (empty, small, broken):
        folder.mkdir()
    Image.new("RGB", (30, 30)).save(small / "a.png")
    (broken / "a.png").write_text("no picture")
    for folder in (empty, small, broken, tmp_path / "missing"):
        with pytest.raises(WashiError) as caught:
            train(out=tmp_path / "mine", images=folder, say=lambda _: None)
        assert "\n" not in str(caught.value)
    bad: list[dict[str, object]] = [
        {},
        {"synthetic": True, "images": small},
        {"synthetic": True, "kind": "vae"},
        {"synthetic": True, "iterations": 0},
        {"synthetic": True, "minutes": -1.0},
        {"colour": 1},
    ]
    for options in bad:
        with pytest.raises(WashiError):
            train(out=tmp_path / "mine", say=lambda _: None, **options)
    with pytest.raises(WashiError, match="named"):
        train(out=tmp_path / "Not A Name", synthetic=True, say=lambda _: None)


def test_patches_wrap_around_a_sheet() -> None:
    sheet = np.zeros((100, 100, 3), np.float32)
    sheet[0, 0] = 1
    patches = cut_patches(sheet, 40, 0.1, np.random.default_rng(0))
    assert patches.shape == (40, 64, 64, 3)
    assert (patches.reshape(40, -1).max(1) > 0).mean() > 0.4


def test_patches_come_back_from_disk(photographs: Path, tmp_path: Path) -> None:
    from washi_latent.training.data import load_patches

    patches = photograph_patches(photographs, 64)
    patches.save(tmp_path / "patches")
    again = load_patches(tmp_path / "patches")
    assert isinstance(again, Patches)
    np.testing.assert_array_equal(again.train, patches.train)
    assert again.kinds == ("photograph 1", "photograph 2", "photograph 3")


def test_distances_know_equal_from_different() -> None:
    rng = np.random.default_rng(0)
    a, b, c = rng.normal(size=(400, 3)), rng.normal(size=(400, 3)), rng.normal(1.5, 1, size=(400, 3))
    assert energy_distance(a, b) < 0.2 < energy_distance(a, c)
    # Of the samples themselves: as SciPy counts it, and never 0 for two of them.
    assert sample_energy_distance(a[:, :1], c[:, :1]) == pytest.approx(scipy_energy_distance(a[:, 0], c[:, 0]), rel=1e-9)
    assert energy_distance(a, b) < sample_energy_distance(a, b) < sample_energy_distance(a, c)
    # Two normal distributions of equal covariance: the squared distance of their means.
    assert frechet_distance(a, c) == pytest.approx(3 * 1.5**2, rel=0.15)
    same, other = density_and_coverage(a, b), density_and_coverage(a, c + 9)
    assert same[0] == pytest.approx(1, abs=0.15)
    assert same[1] > 0.9
    assert other == (0, 0)


def test_the_sheet_model_learns() -> None:
    tile = np.random.default_rng(0).normal(128, 24, (4, 128, 128)).clip(0, 255).astype(np.uint8)
    pairs = make_pairs(tile, layouts=1, sheets=2)
    trainer = SheetTrainer(pairs, batch=2, crop=32, steps=80, papers=300)
    chosen = np.arange(2)
    wanted = pairs.sheets.astype(np.float32)
    before = np.abs(trainer.composed(chosen) - wanted).mean()
    for _ in range(60):
        trainer.step()
    assert np.abs(trainer.composed(chosen) - wanted).mean() < 0.6 * before
    assert trainer.samples(1).shape == (1, 256, 256, 3)
    restored = SheetTrainer(pairs, seed=4, batch=2, crop=32, steps=80, papers=300)
    restored.restore(trainer.state())
    np.testing.assert_array_equal(restored.samples(1), trainer.samples(1))


def test_a_recipe_holds_what_a_sheet_shows() -> None:
    vector = recipe_vector(draw_parameters("ai", np.random.default_rng(0)))
    assert vector.shape == (len(RECIPE),)
    assert np.isfinite(vector).all()
    assert vector[RECIPE.index("dye_red")] > vector[RECIPE.index("dye_blue")] > 0


def test_pieces_appear_one_after_another_in_both_hands() -> None:
    """The network's gates show just the pieces that the simulation's do, whole ones, more with every step of their number."""
    pairs = make_pairs(fibre_tile(size=128), 1, 6, 1)
    trainer = SheetTrainer(pairs, papers=40)
    fields = torch.from_numpy(pairs.layouts[:1].astype(np.float32))
    rank = pairs.layouts[0, FIELD_NAMES.index("metal_rank")].astype(np.float32)
    recipes = torch.from_numpy(pairs.recipes[:1]).repeat(5, 1)
    dust = RECIPE.index("dust")
    numbers = np.array([0.0, 3.0, 12.0, 30.0, 70.0])
    recipes[:, dust] = torch.from_numpy((np.log1p(4 * numbers) - pairs.mean[dust]) / pairs.deviation[dust]).float()
    generator = trainer.generator
    shown = generator._shown(recipes, fields, generator.shown_groups(recipes))[:, list(GATED).index("dust")].detach().numpy()
    cover = pairs.layouts[0, FIELD_NAMES.index("dust")].astype(np.float32)
    for seen, number in zip(shown, numbers, strict=True):
        np.testing.assert_allclose(seen, cover * gate(min(number / GATED["dust"][2], 1.0), rank), atol=2e-3)
    total = shown.sum((1, 2))
    assert total[0] == 0
    assert (np.diff(total) > 0).all()
    np.testing.assert_allclose(total[-1], cover.sum(), rtol=1e-3)


def test_pieces_have_their_own_colour_on_every_paper() -> None:
    """A flake that hides nearly all below it looks as the simulation's do, on papers of all kinds; what isn't there shows the paper."""
    pairs = make_pairs(fibre_tile(size=128), 1, 6, 1)
    trainer = SheetTrainer(pairs, papers=40)
    fields = torch.from_numpy(pairs.layouts[:1].astype(np.float32))
    recipes = torch.randn(4, len(RECIPE), generator=torch.Generator().manual_seed(0))
    recipes[:, RECIPE.index("flakes")] = recipes[:, RECIPE.index("dust")] = 9.0
    silver = RECIPE.index("silver")
    recipes[:, silver] = torch.from_numpy((np.array([0.0, 1.0, 0.2, 0.8]) - pairs.mean[silver]) / pairs.deviation[silver]).float()
    with torch.no_grad():
        sheets = trainer.generator.compose(recipes, fields).permute(0, 2, 3, 1).numpy()
        trainer.generator.out.bias[5:].fill_(-99.0)
        papers = trainer.generator.compose(recipes, fields).permute(0, 2, 3, 1).numpy()
    margin = trainer.generator.margin
    layout = dict(zip(FIELD_NAMES, pairs.layouts[0, :, margin:-margin, margin:-margin].astype(np.float32), strict=True))
    metal = np.maximum(layout["flakes"], layout["dust"]) > 0.95
    bare = np.maximum.reduce([layout[name] for name in GATED]) == 0
    assert metal.sum() > 200
    assert bare.sum() > 2000
    for sheet, paper, paints in zip(sheets, papers, (PAINTS["metal"], SILVER_PAINTS) * 2, strict=True):
        np.testing.assert_array_equal(sheet[bare], paper[bare])
        np.testing.assert_array_equal(sheet[..., 3], paper[..., 3])
        pale, dark = (np.asarray(paint) for paint in paints)
        assert np.abs(sheet[metal][:, :3] - encode_srgb(pale + (dark - pale) * metal_tone(layout["metal_rank"])[metal][:, None])).max() < 0.08


def test_what_a_paper_has_nothing_of_need_not_be_drawn() -> None:
    """Whatever lies in the fields of a group that a recipe asks for nothing of: the sheet is the same, bit for bit."""
    pairs = make_pairs(fibre_tile(size=128), 1, 40, 1)
    trainer = SheetTrainer(pairs, papers=40)
    generator = trainer.generator
    with torch.no_grad():  # as after training: every field counts
        generator.mix.weight.normal_(0, 0.1)
        generator.mix.bias.normal_(0, 0.1)
    fields = torch.from_numpy(pairs.layouts[:1].astype(np.float32))
    raw = pairs.recipes * pairs.deviation + pairs.mean
    shown = generator.shown_groups(torch.from_numpy(pairs.recipes))
    for number, (name, members) in enumerate(GROUPS.items()):
        some = raw[:, [RECIPE.index(part) for part in GROUP_NUMBERS[name]]].max(1) > 0.015
        np.testing.assert_array_equal(shown[:, number] > 0, some)
        assert 0 < some.sum() < len(some), name
        other = fields.clone()
        other[:, [FIELD_NAMES.index(member) for member in members]] = torch.rand(fields.shape[-2:])
        recipes = torch.from_numpy(pairs.recipes[[int(some.argmin()), int(some.argmax())]])
        with torch.no_grad():
            without, with_some = (generator.compose(recipe[None], fields) - generator.compose(recipe[None], other) for recipe in recipes)
        assert not without.any(), name
        assert with_some.abs().max() > 1e-3, name


def test_a_sheet_model_draws_what_its_paper_shows(tmp_path: Path) -> None:
    """Fields come group by group, as papers need them, and make the same sheets as all of them at once; both backends agree."""
    tile = fibre_tile(size=128)
    trainer = SheetTrainer(make_pairs(tile, 1, 40, 1), papers=400, features=8)
    trainer.step()
    files = {"fibres.png": tile_bytes(tile), "README.md": b"card"}
    export_bundle(
        trainer.finished(), tmp_path / "small", {**_sheet_description(trainer.options), "channels": list(CHANNELS)}, files, sheet_inputs(trainer.options)
    )
    model, other = load_model(tmp_path / "small"), load_model(tmp_path / "small", backend="torch")
    assert isinstance(model, SheetModel)
    latents = np.random.default_rng(0).normal(size=(24, 100))
    needed = [model._needed(check_latents(latent, 100)) for latent in latents]
    assert min(map(len, needed)) < len(GROUPS)
    assert frozenset().union(*needed) == frozenset(GROUPS)
    for number in np.argsort([len(one) for one in needed], kind="stable")[[0, 8, 16, 23]]:
        whole = load_model(tmp_path / "small")
        assert isinstance(whole, SheetModel)
        whole.fields(64, 96, 5)
        sheet = model.generate(latents[number], (64, 96), seed=5)
        np.testing.assert_array_equal(sheet, whole.generate(latents[number], (64, 96), seed=5))
        np.testing.assert_allclose(sheet, other.generate(latents[number], (64, 96), seed=5), atol=2e-3)


def test_scores_are_normal_and_lead_back_to_the_numbers() -> None:
    """Every number of a recipe by its rank is a normal variable, and the generator's quantile functions give the number back."""
    rng = np.random.default_rng(0)
    kinds = [random_sheet_kind(i, rng) for i in range(4000)]
    papers = [draw_parameters(kind, rng) for kind in kinds]
    values = np.stack([score_values(kind, paper, rng) for kind, paper in zip(kinds, papers, strict=True)])
    scores = normal_scores(values, rng)
    for column in scores.T:
        assert kstest(column, "norm").statistic < 0.01
    pairs = make_pairs(fibre_tile(size=128), 1, 6, 1)
    trainer = SheetTrainer(pairs, papers=400)
    trainer.generator.quantiles.copy_(torch.from_numpy(quantile_functions(values, pairs, trainer.generator.knots.double().numpy())))
    back = trainer.generator.numbers(torch.from_numpy(scores)).numpy() * pairs.deviation + pairs.mean
    recipes = np.stack([recipe_vector(paper) for paper in papers])
    for name in ("grammage", "warmth", "laid", "drops", "dye_red", "dye_blue"):
        is_, was = back[:, RECIPE.index(name)], recipes[:, RECIPE.index(name)]
        middle = np.quantile(np.abs(is_ - was), 0.8)
        assert middle < 0.1 * was.std() + 1e-6, name
        assert is_.mean() == pytest.approx(was.mean(), abs=0.06 * was.std()), name


def test_the_colour_of_metal_does_not_tell_of_metal() -> None:
    """Sheets without metal have every colour of it in their recipes, or the network would meet recipes that it never learned."""
    rng = np.random.default_rng(2)
    papers = [draw_paper(kind, rng) for kind in ("kozo", "leaf", "sunago") for _ in range(100)]
    plain = np.array([paper["silver"] for paper in papers if not paper["flakes"] and not paper["dust"]])
    assert len(plain) == 200
    assert kstest(plain, "uniform").pvalue > 0.01


def test_laid_and_chain_lines_come_together() -> None:
    rng = np.random.default_rng(1)
    values = np.stack([score_values("kozo", draw_parameters("kozo", rng), rng) for _ in range(500)])
    scores = normal_scores(values, rng)
    np.testing.assert_array_equal(scores[:, SCORES.index("laid")], scores[:, SCORES.index("chain")])


def test_a_model_of_fewer_fields_gives_what_it_has(tmp_path: Path) -> None:
    """A field that it lacks begins at nothing; every other keeps its weights, wherever it stands now."""
    pairs = make_pairs(fibre_tile(size=128), 1, 6, 1)
    first = SheetTrainer(pairs, features=8, papers=40)
    lacking = "sparse_long"
    known = [name for name in FIELD_NAMES if name != lacking]
    mix = first.generator.mix.weight.detach().view(8, len(FIELD_NAMES) + 1, -1)
    columns = [FIELD_NAMES.index(name) for name in known]
    weights = {**first.generator.state_dict(), "mix.weight": mix[:, [*columns, -1]].reshape(8 * len(known) + 8, -1).contiguous()}
    weights["mix.bias"] = first.generator.mix.bias.detach().view(8, -1)[:, [*columns, -1]].reshape(-1).contiguous()
    options = {**first.options, "fields": known}
    write_bundle(tmp_path / "first", _sheet_description(options), {"generator.safetensors": save(weights)})
    second = SheetTrainer(pairs, 1, features=8, papers=40, begin_with=Beginning.of(verify(tmp_path / "first")))
    begun = second.generator.mix.weight.detach().view(8, len(FIELD_NAMES) + 1, -1)
    assert (begun[:, FIELD_NAMES.index(lacking)] == 0).all()
    assert torch.equal(begun[:, [*columns, -1]], mix[:, [*columns, -1]])


def test_training_begins_with_a_models_weights(tmp_path: Path) -> None:
    pairs = make_pairs(fibre_tile(size=128), 1, 6, 1)
    first = SheetTrainer(pairs, features=8, papers=40)
    first.step()
    write_bundle(tmp_path / "first", _sheet_description(first.options), {"generator.safetensors": weights_bytes(first.generator)})
    second = SheetTrainer(pairs, 1, features=8, papers=40, begin_with=Beginning.of(verify(tmp_path / "first")))
    for name, value in first.generator.state_dict().items():
        assert name == "quantiles" or torch.equal(value, second.generator.state_dict()[name]), name
    write_bundle(tmp_path / "other", _sheet_description({**first.options, "recipe": 9}), {"generator.safetensors": save({"paint": torch.zeros(3)})})
    with pytest.raises(WashiError, match="knows no papers as the simulation has them"):
        SheetTrainer(pairs, 1, features=8, papers=40, begin_with=Beginning.of(verify(tmp_path / "other")))


def test_papers_that_the_simulation_has_not_are_refused_before_anything_is_made(tmp_path: Path) -> None:
    """Sheets are simulated for many minutes first."""
    other = write_bundle(tmp_path / "other", _sheet_description({}), {"generator.safetensors": save({"paint": torch.zeros(3)})})
    said: list[str] = []
    with pytest.raises(WashiError, match="knows no papers as the simulation has them"):
        train(TrainOptions(out=tmp_path / "mine", kind="sheet", synthetic=True, begin_with=str(other.folder)), say=said.append)
    assert not said
    assert not list(tmp_path.glob("mine*"))


def test_what_a_training_begins_with_is_read_once(tmp_path: Path) -> None:
    """Between the check and the first step lie many minutes, in which the model may be replaced."""
    pairs = make_pairs(fibre_tile(size=128), 1, 6, 1)
    first = SheetTrainer(pairs, features=8, papers=40)
    info = write_bundle(tmp_path / "first", _sheet_description(first.options), {"generator.safetensors": weights_bytes(first.generator)})
    beginning = Beginning.of(info)
    shutil.rmtree(info.folder)
    second = SheetTrainer(pairs, 1, features=8, papers=40, begin_with=beginning)
    assert torch.equal(second.generator.mix.weight, first.generator.mix.weight)


def test_weights_that_are_no_weights_are_said(tmp_path: Path) -> None:
    info = write_bundle(tmp_path / "first", _sheet_description({}), {"generator.safetensors": b"nothing"})
    with pytest.raises(WashiError, match="weights of the model first can't be read"):
        Beginning.of(info)


@pytest.mark.parametrize("lessons", [0, 40])
def test_a_64_pixel_models_checkpoint_of_another_network_is_refused_before_anything_is_made(
    lessons: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """With lessons it has a mapping network, without it has none. Its sheets and its lessons take minutes."""
    work = tmp_path / "mine.training"
    work.mkdir()
    flow = None if lessons else {"projection": torch.zeros(100, len(SCORES))}
    save_state({"generator": untrained(flow).state_dict(), "iteration": 1}, work / CHECKPOINT)
    options = TrainOptions(out=tmp_path / "mine", synthetic=True, lessons=lessons).checked()
    settle(options, work)
    monkeypatch.setattr(pipeline, "simulated_patches", lambda *_: pytest.fail("it begins"))
    with pytest.raises(WashiError, match="belongs to another kind of training"):
        train(options, say=lambda _: None)


@pytest.mark.parametrize("content", ["other", "damaged"])
def test_a_checkpoint_of_another_network_is_refused_before_anything_is_made(content: str, tmp_path: Path) -> None:
    """Sheets are simulated for many minutes first."""
    work = tmp_path / "mine.training"
    work.mkdir()
    if content == "other":
        save_state({"generator": build_network(network_options(layers=("c3",))).state_dict(), "iteration": 1}, work / CHECKPOINT)
    else:
        (work / CHECKPOINT).write_bytes(b"nothing")
    options = TrainOptions(out=tmp_path / "mine", kind="sheet", synthetic=True).checked()
    settle(options, work)
    said: list[str] = []
    with pytest.raises(WashiError, match="belongs to another kind of training" if content == "other" else "is damaged"):
        train(options, say=said.append)
    assert not said


def test_what_of_its_groups_is_there_is_found_once_a_sheet(monkeypatch: pytest.MonkeyPatch) -> None:
    network, found = build_network(network_options(4, ("c1",))).eval(), []
    shown_groups = network.shown_groups
    monkeypatch.setattr(network, "shown_groups", lambda recipe: found.append(1) or shown_groups(recipe))
    with torch.no_grad():
        sheets, groups = network(torch.zeros(2, 100), torch.zeros(1, len(FIELD_NAMES), 8, 8))
    assert (sheets.shape, groups.shape) == ((2, 5, 8, 8), (2, len(GROUPS)))
    assert len(found) == 1


def test_simulated_sheets_leave_nothing_in_files(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Every sheet's layout is 4 MB: as files that joblib keeps until all are done, thousands of them filled the memory."""
    monkeypatch.setenv("JOBLIB_TEMP_FOLDER", str(tmp_path))
    kept: list[Path] = []
    make_pairs(fibre_tile(size=128), 1, 6, 1, lambda *_: kept.extend(path for path in tmp_path.rglob("*") if path.is_file()), threads=2)
    assert not kept


def test_the_simulation_keeps_to_the_threads(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    jobs: list[int] = []

    class Counted(Parallel):  # type: ignore[misc]
        def __init__(self, n_jobs: int, **named: Any) -> None:
            jobs.append(n_jobs)
            super().__init__(n_jobs=n_jobs, **named)

    def stop(*_: object, **__: object) -> str:
        raise WashiError("enough")

    monkeypatch.setattr("washi_latent.training.sheet.Parallel", Counted)
    monkeypatch.setattr(sheet_pipeline, "Parallel", Counted)
    monkeypatch.setattr("washi_latent.training.sheet.cores", lambda: 7)
    monkeypatch.setattr(sheet_pipeline, "cores", lambda: 7)
    monkeypatch.setattr(sheet_pipeline, "SHEETS", 10)
    monkeypatch.setattr(sheet_pipeline, "FREE", 3)
    monkeypatch.setattr(sheet_pipeline, "SheetTrainer", stop)
    monkeypatch.setattr(sheet_pipeline, "fibre_tile", lambda: fibre_tile(size=128))
    monkeypatch.setattr(sheet_pipeline, "make_pairs", lambda tile, **named: make_pairs(tile, 1, **{**named, "sheets": 4}))
    with pytest.raises(WashiError, match="enough"):
        train(TrainOptions(out=tmp_path / "mine", kind="sheet", synthetic=True, threads=1), say=lambda _: None)
    assert jobs == [1, 1]


def test_a_network_of_pointwise_layers_alone_composes() -> None:
    trainer = SheetTrainer(make_pairs(fibre_tile(size=128), 1, 40, 1), papers=40, features=8, layers=("c1", "c1"), batch=1, crop=32)
    assert all(np.isfinite(value) for value in trainer.step().values())
    assert trainer.samples(1).shape == (1, 256, 256, 3)


@pytest.mark.parametrize(
    "wrong",
    [
        {"layers": ["q9"]},
        {"layers": ["c1"] * 1000},
        {"layers": 5},
        {"features": 0},
        {"features": 40_000_000},
        {"steps": "many"},
        {"steps": 0},
        {"steps": 10**9},
    ],
    ids=lambda wrong: str(wrong)[:40],
)
def test_a_description_that_asks_for_an_absurd_network_is_refused(wrong: dict[str, object], tmp_path: Path) -> None:
    network = build(_SMALL)
    info = write_bundle(tmp_path / "odd", _sheet_description({**_SMALL, **wrong}), {"generator.safetensors": weights_bytes(network)})
    with pytest.raises(WashiError, match="do not fit a network of kind sheet"):
        torch_generator(info, read_file(info, "generator.safetensors"))


def test_a_description_whose_layers_do_not_fit_together_is_refused(tmp_path: Path) -> None:
    """Weights of an even size have the stated shapes, and a sheet is made that does not fit its pieces."""
    network = network_options(4, ("c4",))
    module = build_network(network).eval()
    files = {"generator.safetensors": weights_bytes(module), "fibres.png": tile_bytes(fibre_tile(size=128))}
    description = _sheet_description({**network, "margin": module.margin})
    info = write_bundle(tmp_path / "odd", {**description, "channels": list(CHANNELS)}, files)
    with pytest.raises(WashiError, match="its network failed to run"):
        load_model(info.folder, "torch")


def test_of_an_earlier_versions_sheet_model_the_backend_to_use_is_said(tmp_path: Path) -> None:
    options = {name: value for name, value in _SMALL.items() if name != "layers"}
    info = write_bundle(tmp_path / "old", _sheet_description(options), {"generator.safetensors": weights_bytes(build(_SMALL))})
    with pytest.raises(WashiError, match=r"earlier version.*use the backend onnx"):
        torch_generator(info, read_file(info, "generator.safetensors"))


_SMALL: dict[str, Any] = {"fields": list(FIELD_NAMES), "recipe": 9, "features": 4, "layers": ["c1", "d5"], "margin": 2, "latent_dim": 100, "channels": 1}


def test_of_a_model_that_composes_otherwise_training_takes_the_papers(tmp_path: Path) -> None:
    pairs = make_pairs(fibre_tile(size=128), 1, 6, 1)
    first = SheetTrainer(pairs, features=8, layers=("c3",), papers=40)
    write_bundle(tmp_path / "first", _sheet_description(first.options), {"generator.safetensors": weights_bytes(first.generator)})
    second = SheetTrainer(pairs, 1, features=8, papers=40, begin_with=Beginning.of(verify(tmp_path / "first")))
    latents = torch.randn(5, 100)
    assert torch.equal(second.generator.projection, first.generator.projection)
    assert all(torch.equal(a, b) for a, b in zip(second.generator.velocity.parameters(), first.generator.velocity.parameters(), strict=True))
    assert second.generator.recipe(latents).isfinite().all()
    assert second.rate == SheetTrainer(pairs, 1, features=8, papers=40).rate


def test_a_sheet_model_is_begun_anew_when_that_is_asked(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """With a checkpoint there, training goes on from it; with resume off it does not; with another seed it says so."""
    seen: list[bool] = []

    def stop(_trainer: object, folder: Path, *_: object) -> str:
        seen.append((folder / CHECKPOINT).exists())
        save_state({"generator": build_network(network_options()).state_dict()}, folder / CHECKPOINT)
        raise WashiError("enough")

    monkeypatch.setattr(sheet_pipeline, "run", stop)
    monkeypatch.setattr(sheet_pipeline, "fibre_tile", lambda: fibre_tile(size=128))
    monkeypatch.setattr(sheet_pipeline, "make_pairs", lambda tile, **_: make_pairs(tile, 1, 4, 1))
    monkeypatch.setattr(sheet_pipeline, "free_sheets", lambda *_: None)
    monkeypatch.setattr(sheet_pipeline, "SheetTrainer", lambda pairs, seed, **_: SheetTrainer(pairs, seed, features=8, papers=40))
    out = tmp_path / "paper"
    for changes in ({}, {}, {"resume": False}):
        with pytest.raises(WashiError, match="enough"):
            train(TrainOptions(out=out, kind="sheet", synthetic=True, iterations=1, **changes))
    assert seen == [False, True, False]
    with pytest.raises(WashiError, match="other settings"):
        train(TrainOptions(out=out, kind="sheet", synthetic=True, iterations=1, seed=1))


def _sheet_description(options: dict[str, object]) -> dict[str, object]:
    facts = {"title": "First", "license": "CC0-1.0", "architecture": "sheet", "options": options, "latent": {"dim": 100, "prior": "normal"}}
    return {**facts, "channels": ["red"], "size": "any", "size_multiple": 8, "tileable": True, "millimetres_per_pixel": 0.1}


@pytest.mark.parametrize("out", ["photographs", "photographs/mine", "."])
def test_a_model_never_takes_the_place_of_photographs(tmp_path: Path, photographs: Path, out: str) -> None:
    folder = tmp_path / "all" / "photographs"
    folder.parent.mkdir()
    photographs.rename(folder)
    before = sorted(tmp_path.rglob("*"))
    with pytest.raises(WashiError, match="choose another folder for the model"):
        TrainOptions(images=folder, out=(tmp_path / "all" / out).resolve()).checked()
    assert sorted(tmp_path.rglob("*")) == before
