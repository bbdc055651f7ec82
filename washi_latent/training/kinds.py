"""Which kinds of washi a trained model makes, how much of each, and latents that surely are of one: writes `kinds.json` into a bundle.

    python -m washi_latent.training.kinds models/washi-sheet

A model of the simulation carries a latent to a *recipe*, the simulation's parameters. So its kinds need not be guessed from
pictures: some thousand recipes are simulated, whose kinds are known (a sheet has several: "kozo+unryu"), randomized trees (Geurts, Ernst and
Wehenkel 2006) learn to tell kinds from recipes, and tell those of the model's own. The 15 nearest recipes tell them worse (60% of memberships
recognised where trees reach 92%): of a recipe's numbers most say nothing of a kind, and count as much as those that do.
"""

from __future__ import annotations

import argparse
import os
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from sklearn.ensemble import ExtraTreesClassifier
from torch import nn

from ..core.errors import WashiError
from ..core.kinds import KINDS_FILE, Kind, kinds_bytes
from ..core.models import ModelInfo, amend_bundle, locate, read_file, torch_generator, verify, writing
from ..core.preference import most_useful
from ..core.sheet_network import PaperFlow
from .sheet import RECIPE, draw_paper, random_sheet_kind, recipe_vector
from .washi import KINDS, TITLES, kind_share

Array = NDArray[np.float64]

KNOWN, CHECKED, LATENTS = 12_000, 3_000, 20_000
TREES = 100
SLACK = 0.05
"""Deviations by which a model's recipes may miss the simulation's: no tree cuts finer."""

EXAMPLES = 8
POOL = 4
"""Examples stand for this many times as many of the surest latents."""


class KindTeller:
    """Tells the kinds of recipes.

    Args:
        recipes: (M, R) as `recipe_vector` gives them. names: the kind or mixture of each. seed: of the trees.

    Attributes:
        kinds: K names, in the simulation's order.
    """

    def __init__(self, recipes: Array, names: Sequence[str], seed: int = 0) -> None:
        member = memberships(names)
        self.kinds = tuple(kind for kind, some in zip(KINDS, member.any(0), strict=True) if some)
        self._mean, self._deviation = recipes.mean(0), recipes.std(0) + 1e-6
        points = self.standardized(recipes) + SLACK * np.random.default_rng(seed).standard_normal(recipes.shape)
        self._trees: Any = ExtraTreesClassifier(TREES, max_features=None, random_state=seed)
        self._trees.fit(points, member[:, member.any(0)].astype(int))

    def standardized(self, recipes: Array) -> Array:
        """Recipes (N, R) in deviations, as a model's are: its own mean and deviation are estimates of the same."""
        return (recipes - self._mean) / self._deviation

    def __call__(self, points: Array) -> Array:
        """(N, K) probabilities that standardized recipes (N, R) are of a kind."""
        # A kind that all recipes are of has one class only.
        return np.stack([told[:, -1] for told in self._trees.predict_proba(points)], 1)


def memberships(names: Sequence[str]) -> NDArray[np.bool_]:
    """(N, len(KINDS)): which kinds each kind or mixture is of."""
    shares = [set(kind_share(name)) for name in names]
    return np.array([[kind in share for kind in KINDS] for share in shares])


def simulated_recipes(count: int, seed: int = 0) -> tuple[Array, list[str]]:
    """Recipes (count, R) of the simulation and their kinds, in the shares that models learn from."""
    rng = np.random.default_rng([seed, 8])
    names = [random_sheet_kind(i, rng) for i in range(count)]
    return np.stack([recipe_vector(draw_paper(name, rng)) for name in names]), names


def find_kinds(flow: PaperFlow, teller: KindTeller, latents: int = LATENTS, seed: int = 0) -> tuple[Kind, ...]:
    """The kinds of a model, in the simulation's order.

    Args:
        flow: from latents to recipes. teller: tells their kinds. latents: random ones that are looked at. seed: of them.

    Returns:
        Each kind that some latents more likely are of than not. Its share is the mean probability; its examples stand for the latents
        that most surely are of this kind and of no other.
    """
    points = np.random.default_rng(seed).standard_normal((latents, flow.projection.shape[0]))
    with torch.no_grad():
        recipes = flow.recipe(torch.from_numpy(points).float()).double().numpy()
    told = teller(recipes)
    alone = told / np.maximum(told.sum(1, keepdims=True), 1)
    result: list[Kind] = []
    for i, name in enumerate(teller.kinds):
        order = np.argsort(-alone[:, i], kind="stable")
        surest = order[told[order, i] > 0.5][: EXAMPLES * POOL]
        if len(surest):
            chosen = surest[most_useful(recipes[surest], recipes[surest], min(EXAMPLES, len(surest)))]
            result.append(Kind(name, TITLES[name], float(told[:, i].mean()), points[chosen]))
    return tuple(result)


def flow_of(generator: nn.Module) -> PaperFlow | None:
    """The part of a generator that makes the simulation's recipes of latents; None: it has none, or one of other recipes."""
    flow = generator if isinstance(generator, PaperFlow) else getattr(generator, "flow", None)
    return flow if isinstance(flow, PaperFlow) and flow.recipe_size == len(RECIPE) else None


def kinds_files(generator: nn.Module) -> dict[str, bytes]:
    """The file of kinds for the bundle of a model of the simulation; none where it makes no recipes."""
    flow = flow_of(generator)
    return {KINDS_FILE: kinds_bytes(find_kinds(flow, KindTeller(*simulated_recipes(KNOWN))))} if flow else {}


def write_kinds(folder: str | os.PathLike[str]) -> tuple[ModelInfo, str]:
    """Find the kinds of a bundle and write them into it.

    Returns:
        The bundle, and a table of its kinds.

    Raises:
        WashiError: a model that did not learn from this version's simulation, a damaged one, a place that can't be written.
    """
    with writing(Path(folder)):
        info = verify(folder)
        if "generator.safetensors" not in info.files:
            raise WashiError(f"the model {info.name} has no generator.safetensors, which its kinds are found with: export it again")
        flow = flow_of(torch_generator(info, read_file(info, "generator.safetensors")))
    if flow is None or info.training.get("data", {}).get("source") != "simulation":
        raise WashiError(f"the model {info.name} makes no recipes of this version's simulation, so it has no kinds to find: train one with --synthetic")
    teller = KindTeller(*simulated_recipes(KNOWN))
    kinds = find_kinds(flow, teller)
    return amend_bundle(info.folder, {KINDS_FILE: kinds_bytes(kinds)}, info), _table(kinds, teller)


def _table(kinds: Sequence[Kind], teller: KindTeller) -> str:
    recipes, names = simulated_recipes(CHECKED, 1)
    told, member = teller(teller.standardized(recipes)) > 0.5, memberships(names)
    lines = ["| kind | simulated | of the model | examples | recognised | rightly |", "| --- | --- | --- | --- | --- | --- |"]
    for i, name in enumerate(teller.kinds):
        truth = member[:, KINDS.index(name)]
        rightly = (told[:, i] & truth).sum()
        found = next((kind for kind in kinds if kind.name == name), None)
        own = "none found | 0" if found is None else f"{found.share:.1%} | {len(found.examples)}"
        lines.append(f"| {TITLES[name]} | {truth.mean():.1%} | {own} | {rightly / truth.sum():.0%} | {rightly / max(1, told[:, i].sum()):.0%} |")
    return "\n".join([*lines, "", f'"Recognised" is how many of {CHECKED} other simulated recipes of a kind are told, "rightly" how many of those told are.'])


def main(arguments: list[str] | None = None) -> int:
    """Write the kinds of a bundle into it."""
    parser = argparse.ArgumentParser(
        prog="python -m washi_latent.training.kinds", description="Find which kinds of washi a model of the simulation makes; writes kinds.json into it."
    )
    parser.add_argument("model", help="a bundle's name or folder")
    given = parser.parse_args(arguments)
    try:
        info, said = write_kinds(locate(given.model))
    except WashiError as error:
        print(f"washi-latent: {error}", file=sys.stderr)
        return 2
    print(f"{said}\n\n{KINDS_FILE} is in {info.folder}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
