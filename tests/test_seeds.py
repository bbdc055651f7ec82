"""One range of seeds at every door."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from washi_latent.cli import main
from washi_latent.core import Search, SearchState, TextureModel, WashiError
from washi_latent.core.ranges import MAX_SEED, check_seed
from washi_latent.core.recipe_reading import RecipeError, read_recipe

pytestmark = pytest.mark.usefixtures("models_folder")

OUT_OF_RANGE = (-1, MAX_SEED + 1, 10**400)
FEW = ["--model", "small-64", "--steps", "1", "--samples", "6", "--representatives", "2"]


@pytest.mark.parametrize("seed", [*OUT_OF_RANGE, 10**5000, -(10**5000)], ids=lambda seed: f"{seed.bit_length()} bits")
def test_a_seed_out_of_range_is_said_in_a_short_sentence(seed: int) -> None:
    with pytest.raises(WashiError, match=f"choose 0 to {MAX_SEED}") as caught:
        check_seed(seed)
    assert len(str(caught.value)) < 80


@pytest.mark.parametrize("seed", OUT_OF_RANGE, ids=lambda seed: f"{seed.bit_length()} bits")
@pytest.mark.parametrize(
    "command", [["explore", *FEW], ["analyse", "small-64"], ["figures", "--model", "small-64"], ["synthesize", "--size", "32"]], ids=lambda c: c[0]
)
def test_commands_refuse_a_seed_out_of_range(command: list[str], seed: int, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    pytest.importorskip("matplotlib")
    pytest.importorskip("skia")
    assert main([*command, "--seed", str(seed), "--out", str(tmp_path / "out")]) == 2
    assert f"choose 0 to {MAX_SEED}" in capsys.readouterr().err
    assert not (tmp_path / "out").exists()


def test_the_largest_seed_is_one(tmp_path: Path, model: TextureModel, sheet_model: TextureModel) -> None:
    assert main(["explore", *FEW, "--seed", str(MAX_SEED), "--out", str(tmp_path / "search")]) == 0
    assert main(["explore", "--from", str(tmp_path / "search" / "session.json"), "--steps", "1", "--out", str(tmp_path / "search")]) == 0
    for one in (model, sheet_model):
        assert np.isfinite(one.generate(np.zeros(one.latent_dim), 32, seed=MAX_SEED)).all()
    recipe = tmp_path / "recipe.toml"
    recipe.write_text(
        f'[export]\nmodels = ["small-64"]\nnoise_seeds = [{MAX_SEED}]\n[[points]]\nseeds = "{MAX_SEED}-{MAX_SEED}"\n'
        f'[[points]]\ngrid = {{ center = "seed:{MAX_SEED}", seed = {MAX_SEED}, rows = 1, columns = 1 }}\n'
    )
    assert len(read_recipe(recipe).points) == 2


@pytest.mark.parametrize("seed", OUT_OF_RANGE, ids=lambda seed: f"{seed.bit_length()} bits")
@pytest.mark.parametrize("name", ["seed", "noise_seed"])
def test_a_search_and_what_is_saved_of_it_keep_to_the_range(name: str, seed: int, model: TextureModel) -> None:
    with pytest.raises(WashiError, match=f"choose 0 to {MAX_SEED}"):
        Search(model, **{name: seed})
    value: Any = json.loads(Search(model).state.to_json())
    value[name] = seed
    with pytest.raises(WashiError, match=f"choose 0 to {MAX_SEED}"):
        SearchState.from_json(json.dumps(value))


@pytest.mark.parametrize("seed", OUT_OF_RANGE, ids=lambda seed: f"{seed.bit_length()} bits")
def test_generating_keeps_to_the_range_with_noise_or_without(seed: int, model: TextureModel, sheet_model: TextureModel) -> None:
    for one in (model, sheet_model):
        with pytest.raises(WashiError, match=f"choose 0 to {MAX_SEED}"):
            one.generate(np.zeros(one.latent_dim), 32, seed=seed)


RECIPES: dict[str, Callable[[int], str]] = {
    "noise_seeds": lambda seed: f"noise_seeds = [{seed}]\n[[points]]\nseeds = [1]\n",
    "seeds": lambda seed: f"[[points]]\nseeds = [{seed}]\n",
    "range": lambda seed: f'[[points]]\nseeds = "{seed}-{seed}"\n',
    "random": lambda seed: f"[[points]]\nrandom = {{ count = 1, seed = {seed} }}\n",
    "grid": lambda seed: f'[[points]]\ngrid = {{ center = "seed:1", seed = {seed} }}\n',
    "center": lambda seed: f'[[points]]\ngrid = {{ center = "seed:{seed}" }}\n',
}


@pytest.mark.parametrize("seed", OUT_OF_RANGE, ids=lambda seed: f"{seed.bit_length()} bits")
@pytest.mark.parametrize("place", RECIPES)
def test_a_recipe_keeps_to_the_range(place: str, seed: int, tmp_path: Path) -> None:
    recipe = tmp_path / "recipe.toml"
    recipe.write_text('[export]\nmodels = ["small-64"]\n' + RECIPES[place](seed))
    with pytest.raises(RecipeError):
        read_recipe(recipe)


@pytest.mark.parametrize("place", RECIPES)
def test_a_number_in_a_recipe_that_no_program_reads_is_a_mistake(place: str, tmp_path: Path) -> None:
    recipe = tmp_path / "recipe.toml"
    recipe.write_text('[export]\nmodels = ["small-64"]\n' + RECIPES[place](int("9" * 4000)).replace("9" * 4000, "9" * 5000))
    with pytest.raises(RecipeError):
        read_recipe(recipe)


def test_brackets_without_end_are_a_mistake(tmp_path: Path) -> None:
    recipe = tmp_path / "recipe.toml"
    recipe.write_text("[export]\nx = " + "[" * 100_000)
    with pytest.raises(RecipeError) as caught:
        read_recipe(recipe)
    assert caught.value.problems[0][0] == 2


def test_a_recipe_may_begin_with_the_mark_that_windows_writes(tmp_path: Path) -> None:
    recipe = tmp_path / "recipe.toml"
    recipe.write_text('[export]\nmodels = ["small-64"]\n[[points]]\nseeds = [1]\n', encoding="utf-8-sig")
    assert len(read_recipe(recipe).points) == 1


def test_a_session_whose_numbers_no_network_takes_is_refused(model: TextureModel) -> None:
    search = Search(model)
    search.sample()
    search.pick(0)
    for place in (("nodes", 1, "center", 0), ("nodes", 1, "direction", 0), ("nodes", 1, "comparisons", 0, "options", 0, 0)):
        value: Any = json.loads(search.state.to_json())
        inner = value
        for part in place[:-1]:
            inner = inner[part]
        inner[place[-1]] = 1e300
        with pytest.raises(WashiError, match="not a saved search"):
            SearchState.from_json(json.dumps(value))


def test_latents_that_no_network_takes_are_refused(model: TextureModel) -> None:
    far = np.full(model.latent_dim, 1e300)
    with pytest.raises(WashiError, match="not numbers"):
        model.generate(far)
    with pytest.raises(WashiError, match="not numbers"):
        Search(model).step_to(far)
