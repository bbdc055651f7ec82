"""Training the sheet model: a seamless paper of any size, with relief and translucency.

The generator composes fields of fibres and marks (`core/fields.py`). It learns in two parts. *Composing*: pairs of a layout and
the sheet that the simulation makes of it by a recipe (the simulation's parameters); a plain loss suffices, stable and fast,
and nothing blurs, for the layout already says where every fibre lies. *Which papers there are*: a rectified flow (Liu 2023,
Lipman 2023) carries a normal latent to the distribution of recipes, with minibatch optimal transport (Tong 2024), so
that near latents are alike and every kind has its share.
"""

from __future__ import annotations

import copy
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from joblib import Parallel, delayed
from numpy.typing import NDArray
from scipy import ndimage
from scipy.optimize import linear_sum_assignment
from scipy.stats import norm
from torch import Tensor, nn
from torch.nn import functional as F

from ..core.errors import WashiError
from ..core.fields import FIELD_NAMES, GATED, GROUPS, PIECES, draw_fields
from ..core.networks import meta
from ..core.sheet_network import PaperFlow, SheetGenerator, build
from ..core.threads import cores
from .beginning import Beginning
from .pairs import PAINTS, SILVER, SILVER_PAINTS, sheet_from_fields
from .statistics import EDGE, Statistics
from .washi import DYES, Sheet, draw_parameters, encode_srgb, fibre_tile, random_sheet_kind

CHANNELS = ("red", "green", "blue", "height", "opacity")
DETAIL_GAIN = (9.0, 9.0, 9.0, 8.0, 4.0)
CLOUD_GAIN = 4.0
LAYOUT = 256
LAYERS = ("c1", "d5", "d5", "d5")
GROUP_NUMBERS: dict[str, tuple[str, ...]] = {
    "strands": ("strands",), "drops": ("drops",), "creases": ("crease",), "lines": ("laid", "chain"), "metal": ("flakes", "dust"),
}  # fmt: skip
"""The recipe's numbers that say whether anything of a group of fields is there."""
RECIPE: tuple[str, ...] = (
    "grammage", "fibre_length", "coarseness", "cloud_contrast", "bundles", "surface", "scatter", "warmth", "pink", "shade", "mottle", "grain", "brush",
    "backing", "strands", "strand_tone", "bark", "specks", "laid", "laid_per_cm", "chain", "drops", "drop_depth", "crease", "crease_tone", "flakes",
    "dust", "silver", "leaves", "dye_uneven", "dye_red", "dye_green", "dye_blue",
)  # fmt: skip
SCORES: tuple[str, ...] = (*RECIPE[:-3], "dye", "hue")
"""What the flow makes, as normal scores: a dye by its depth and its place among the dyes."""
QUANTILES = 129
HUES = ("ai", "uguisu", "kihada", "kakishibu", "bengara", "toki", "sumi")
"""Dyes in an order in which neighbours mix well: between two lies what both together give."""
_LOGARITHMIC = frozenset({"grammage", "dye_red", "dye_green", "dye_blue", "strands", "specks", "dust", "bark", "flakes", "leaves"})


def recipe_vector(parameters: Mapping[str, Any]) -> NDArray[np.float64]:
    """What of a sheet's parameters the sheet model can show: (len(RECIPE),)."""
    dye = {f"dye_{name}": parameters["dye"] * parameters["dye_absorption"][i] for i, name in enumerate(("red", "green", "blue"))}
    values = {**parameters, **dye}
    return np.array([np.log1p(4 * values[name]) if name in _LOGARITHMIC else values[name] for name in RECIPE], np.float64)


def draw_paper(kind: str, rng: np.random.Generator) -> dict[str, Any]:
    """Parameters as the simulation draws them, but that a sheet without metal has some metal's colour, too: it must not tell of metal."""
    return draw_silver(draw_parameters(kind, rng), rng)


def draw_silver(parameters: dict[str, Any], rng: np.random.Generator) -> dict[str, Any]:
    """The parameters; where they have no metal, with any colour of metal."""
    if parameters["flakes"] == 0 and parameters["dust"] == 0:
        parameters["silver"] = float(rng.random())
    return parameters


def score_values(kind: str, parameters: Mapping[str, Any], rng: np.random.Generator) -> NDArray[np.float64]:
    """What normal scores are taken of, (len(SCORES),); a sheet without a dye has a hue, too, for it must not look like a kind of its own."""
    hues = [HUES.index(part) for part in kind.split("+") if part in HUES]
    hue = float(rng.permutation(hues)[0] if hues else rng.integers(len(HUES))) + rng.uniform(-0.5, 0.5)
    shown = dict(zip(RECIPE, recipe_vector(parameters), strict=True))
    return np.array([*(shown[name] for name in RECIPE[:-3]), parameters["dye"], hue], np.float64)


def normal_scores(values: NDArray[np.float64], rng: np.random.Generator) -> NDArray[np.float32]:
    """Each column by its ranks, as a standard normal variable; equal values lie in chance order, the chain lines' as the laid lines'."""
    chance = rng.random(values.shape)
    laid, chain = SCORES.index("laid"), SCORES.index("chain")
    chance[:, chain] = chance[:, laid]
    ranks = np.lexsort((chance, values), 0).argsort(0)
    return np.asarray(norm.ppf((ranks + 0.5) / len(values)), np.float32)


def quantile_functions(values: NDArray[np.float64], pairs: Pairs, knots: NDArray[np.float64]) -> NDArray[np.float32]:
    """Values of `PaperFlow`'s quantile functions at its knots (K,): (len(RECIPE) + 1, K), smoothed over some hundredths of a deviation."""
    tables = np.quantile(values[:, :-1], norm.cdf(knots), axis=0).T
    tables[:-1] = (tables[:-1] - pairs.mean[:-3, None]) / pairs.deviation[:-3, None]
    place = np.quantile(values[:, -1], norm.cdf(knots))
    dyes = np.array([DYES[name] for name in HUES])[np.clip(np.round(place), 0, len(HUES) - 1).astype(int)].T
    smooth = (ndimage.gaussian_filter1d(rows, width, axis=1, mode="nearest") for rows, width in ((tables, 2.0), (dyes, 1.0)))
    return np.concatenate(list(smooth)).astype(np.float32)


@dataclass(frozen=True, eq=False)
class Pairs:
    """Layouts, recipes, and the sheets made of both.

    Attributes:
        layouts: (L, F, 256, 256) float16, periodic. sheets: (N, 256, 256, 5) float16. layout_of: (N,).
        recipes: (N, R) float32, standardized. mean, deviation: (R,) of the recipes as `recipe_vector` gives them.
        kinds: (N,) names.
    """

    layouts: NDArray[np.float16]
    sheets: NDArray[np.float16]
    layout_of: NDArray[np.int64]
    recipes: NDArray[np.float32]
    mean: NDArray[np.float64]
    deviation: NDArray[np.float64]
    kinds: tuple[str, ...]


def make_pairs(
    tile: NDArray[np.uint8],
    layouts: int = 96,
    sheets: int = 4000,
    seed: int = 0,
    progress: Callable[[int, int], None] | None = None,
    threads: int | None = None,
) -> Pairs:
    """Simulate `sheets` sheets on `layouts` layouts, with that many processes; None: as many as there are cores."""
    # Layouts go to the workers through pipes: joblib would keep every one that it ever sent in a file, gigabytes of them.
    workers = Parallel(n_jobs=threads or cores(), return_as="generator", max_nbytes=None)
    drawn = np.stack(list(workers(delayed(_layout)(seed * 1000 + i, tile) for i in range(layouts))))
    rng = np.random.default_rng(seed)
    result = np.empty((sheets, LAYOUT, LAYOUT, len(CHANNELS)), np.float16)
    kinds = []
    parameters = []
    for i in range(sheets):
        kinds.append(random_sheet_kind(i, rng))
        parameters.append(draw_paper(kinds[-1], rng))
    for i, sheet in enumerate(workers(delayed(_laid)(drawn[i % layouts], parameters[i]) for i in range(sheets))):
        result[i] = sheet
        if progress:
            progress(i + 1, sheets)
    raw = np.stack([recipe_vector(own) for own in parameters])
    mean, deviation = usual_recipes(rng)
    return Pairs(drawn, result, np.arange(sheets) % layouts, ((raw - mean) / deviation).astype(np.float32), mean, deviation, tuple(kinds))


def _layout(seed: int, tile: NDArray[np.uint8]) -> NDArray[np.float16]:
    return draw_fields(LAYOUT, LAYOUT, seed, tile, np.float16, threads=1)


def _laid(layout: NDArray[np.float16], parameters: Mapping[str, Any]) -> NDArray[np.float16]:
    return sheet_from_fields(layout.astype(np.float32), parameters).astype(np.float16)


def usual_recipes(rng: np.random.Generator) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Mean and deviation (R,) that recipes are standardized by: of the distribution, not of a few sheets, or what none of them has looks infinitely rare."""
    usual = np.stack([recipe_vector(draw_paper(random_sheet_kind(i, rng), rng)) for i in range(2000)])
    return usual.mean(0), usual.std(0) + 1e-6


@dataclass(frozen=True, eq=False)
class FreeSheets:
    """Sheets that the simulation laid itself, by their recipes: statistics (N, S) float32, mean of several crops of each, and recipes (N, R) as those of `Pairs`."""

    statistics: NDArray[np.float32]
    recipes: NDArray[np.float32]

    @property
    def spread(self) -> NDArray[np.float32]:
        """(S,) deviations over sheets, what differences are measured in."""
        return self.statistics.std(0) + np.float32(1e-3)

    @classmethod
    def measured(cls, sheets: NDArray[Any], parameters: Sequence[Mapping[str, Any]], pairs: Pairs, crops: int = 3, seed: int = 0) -> FreeSheets:
        """Measure (N, 256, 256, 5) periodic sheets that were simulated from `parameters`."""
        rng, statistics = np.random.default_rng(seed), Statistics()
        rows = []
        with torch.no_grad():
            for sheet in sheets:
                turned = (np.roll(sheet, rng.integers(0, sheet.shape[0], 2), (0, 1))[:EDGE, :EDGE] for _ in range(crops))
                rows.append(statistics(torch.from_numpy(np.stack(list(turned)).astype(np.float32)).permute(0, 3, 1, 2)).mean(0).numpy())
        raw = np.stack([recipe_vector(p) for p in parameters])
        return cls(np.stack(rows), ((raw - pairs.mean) / pairs.deviation).astype(np.float32))


def sheet_views(sheets: Tensor) -> Tensor:
    """(N, C, H, W) -> (N, 3C, H, W): levels, fine structure and clouds, both at a contrast that can be seen."""
    gain = sheets.new_tensor(DETAIL_GAIN[: sheets.shape[1]])[:, None, None]
    smooth = F.avg_pool2d(F.pad(sheets, (4, 4, 4, 4), mode="reflect"), 9, 1)
    return torch.cat([sheets, (sheets - smooth) * gain, smooth * CLOUD_GAIN], 1)


def flow_loss(flow: PaperFlow, recipes: Tensor, random: torch.Generator, count: int = 256) -> Tensor:
    """Rectified flow with minibatch optimal transport: how far the velocity is from straight lines from noise to recipes (N, R)."""
    end = recipes[torch.randint(0, len(recipes), (count,), generator=random)]
    start = torch.randn(end.shape, generator=random)
    _, match = linear_sum_assignment(torch.cdist(start, end).square().numpy())
    end = end[torch.from_numpy(match)]
    time = torch.rand(count, 1, generator=random)
    start, end, time = (value.to(flow.projection.device) for value in (start, end, time))
    there = start + (end - start) * time
    return (flow.velocity(torch.cat([there, time], 1)) - (end - start)).square().mean()


def network_options(features: int = 32, layers: Sequence[str] = LAYERS) -> dict[str, Any]:
    """A bundle's options of the network that is trained, all but its margin."""
    return {
        "features": features, "fields": list(FIELD_NAMES), "gates": list(GATED), "recipe": len(RECIPE), "steps": 10, "quantiles": QUANTILES,
        "pieces": [list(names) for names in PIECES.values()], "groups": {name: list(members) for name, members in GROUPS.items()}, "layers": list(layers),
    }  # fmt: skip


def build_network(options: dict[str, Any]) -> SheetGenerator:
    """The untrained network of such options."""
    return build({**options, "latent_dim": 100, "channels": len(CHANNELS)})


class SheetTrainer:
    """Everything that a run changes, and one step of it.

    Args:
        pairs: what to learn from. seed: weights and order follow from it. features: width. layers: as `SheetGenerator` takes them. batch, crop: crops a
            step, and their edge; None: what suits the device. steps: after how many the learning rate has fallen to its end.
        papers: recipes that the flow learns from. begin_with: a sheet model whose weights to begin with; None: random ones.
        free: what sheets of a recipe have in common with those that the simulation laid itself; None: nothing is asked of that.
        device: "cuda" or "cpu"; None: a graphics card where PyTorch finds one. It holds all pairs.
    """

    architecture = "sheet"
    PIECES = 4.0
    """How much more a pixel of a piece of bark, leaf or metal counts than one of plain paper."""
    LIKENESS = 0.5
    """Weight of the likeness to sheets that the simulation laid itself."""

    def __init__(
        self,
        pairs: Pairs,
        seed: int = 0,
        features: int = 32,
        layers: Sequence[str] = LAYERS,
        batch: int | None = None,
        crop: int | None = None,
        steps: int = 8000,
        papers: int = 30_000,
        begin_with: Beginning | None = None,
        free: FreeSheets | None = None,
        device: str | None = None,
    ) -> None:
        torch.manual_seed(seed)
        self.device = torch.device(device or ("cuda" if torch.cuda.is_available() else "cpu"))
        quick = self.device.type == "cuda"
        self.free, self.statistics = free, Statistics().to(self.device)
        self.pairs, self.steps = pairs, steps
        self.batch, self.crop = batch or (32 if quick else 12), crop or (128 if quick else 96)
        # Batches of the flow a step (beside a step of the composing network on processors they cost little), and recipes that the likeness is asked of.
        self.flows, self.papers = (1, 8) if quick else (6, 4)
        self.options = network_options(features, layers)
        self.generator = build_network(self.options)
        self.options["margin"] = self.generator.margin
        with torch.no_grad():
            level = torch.from_numpy(pairs.sheets[::50].astype(np.float32).mean((0, 1, 2)))
            self.generator.base.bias.copy_(torch.logit(level))
            self.generator.projection.copy_(torch.linalg.qr(torch.randn(100, len(SCORES))).Q)
            for style in self.generator.styles:
                style.weight.mul_(0.3)  # type: ignore[operator]
            _set_paints(self.generator, pairs)
        self.rate = 8e-4 if begin_with is not None and _begin(self.generator, begin_with) else 2e-3
        _set_gates(self.generator, pairs)
        values = _many_values(papers, seed + 1)
        self.scores = torch.from_numpy(normal_scores(values, np.random.default_rng([seed, 2])))
        _set_quantiles(self.generator, quantile_functions(values, pairs, self.generator.knots.double().numpy()), pairs)
        self.generator.to(self.device)
        self.average = copy.deepcopy(self.generator).requires_grad_(False)
        self._sheets, self._layouts, self._recipes = (torch.from_numpy(array).to(self.device) for array in (pairs.sheets, pairs.layouts, pairs.recipes))
        composing = [value for name, value in self.generator.named_parameters() if not name.startswith("velocity.")]
        groups = [{"params": composing, "rate": self.rate}, {"params": list(self.generator.velocity.parameters()), "rate": 2e-3}]
        self.optimizer = torch.optim.Adam(groups, 2e-3, (0.9, 0.99))
        self.numbers = np.random.default_rng(seed)
        self.random = torch.Generator().manual_seed(seed)
        self.iteration = 0

    def step(self) -> dict[str, float]:
        """One step of both parts; the losses by name."""
        for group in self.optimizer.param_groups:
            group["lr"] = group["rate"] * min(1.0, (self.iteration + 1) / 100) * (0.5 + 0.5 * np.cos(np.pi * min(1.0, self.iteration / self.steps))) + 2e-5
        fields, sheets, recipes = self._crops()
        inside, gated = slice(self.generator.margin, -self.generator.margin or None), [FIELD_NAMES.index(name) for name in GATED]
        # Bark, leaf and metal fill little of a sheet, and are what is looked at.
        weight = 1 + self.PIECES * fields[:, gated, inside, inside].amax(1, keepdim=True)
        error = ((sheet_views(self.generator.compose(recipes, fields)) - sheet_views(sheets)).abs() * weight).mean()
        flow = torch.stack([flow_loss(self.generator, self.scores, self.random) for _ in range(self.flows)]).mean()
        likeness = self._likeness() if self.free is not None else error.new_zeros(())
        self.optimizer.zero_grad(set_to_none=True)
        (15 * error + flow + self.LIKENESS * likeness).backward()
        nn.utils.clip_grad_norm_(self.generator.parameters(), 5.0)
        self.optimizer.step()
        self.iteration += 1
        decay = min(0.998, (1 + self.iteration) / (10 + self.iteration))
        with torch.no_grad():
            torch._foreach_lerp_(list(self.average.parameters()), list(self.generator.parameters()), 1 - decay)
        return {"error": float(error.detach()), "flow": float(flow.detach()), "likeness": float(likeness.detach())}

    def _likeness(self) -> Tensor:
        """How far, squared and in deviations, the mean statistics of sheets of a recipe are from the simulation's.

        Two layouts of one recipe, multiplied, where a square would also ask that layouts differ little.
        """
        assert self.free is not None
        indices = self.numbers.integers(0, len(self.free.recipes), self.papers)
        recipes, wanted = (torch.from_numpy(array[indices]).to(self.device).repeat(2, 1) for array in (self.free.recipes, self.free.statistics))
        layouts = self.numbers.integers(0, len(self.pairs.layouts), len(recipes))
        seen = self.statistics(self.generator.compose(recipes, self._cut(layouts, self.numbers.integers(0, LAYOUT, (len(layouts), 2)), EDGE)))
        off = (seen - wanted) / torch.from_numpy(self.free.spread).to(self.device)
        first, second = off.clamp(-5, 5).chunk(2)
        return (first * second).mean()

    def _lines(self, corners: NDArray[np.int64], edge: int, margin: int = 0) -> tuple[Tensor, Tensor]:
        """Rows and columns, (N, edge + 2 margin) each, of squares from corners (y, x) on, around the border."""
        around = np.arange(-margin, edge + margin)
        rows, columns = (torch.from_numpy((around + corners[:, axis, None]) % LAYOUT).to(self.device) for axis in (0, 1))
        return rows, columns

    def _cut(self, layouts: NDArray[np.int64], corners: NDArray[np.int64], edge: int) -> Tensor:
        """Fields of layouts from corners (y, x) on, with the generator's margin: (N, F, edge + 2 margin, edge + 2 margin)."""
        rows, columns = self._lines(corners, edge, self.generator.margin)
        every = torch.arange(self._layouts.shape[1], device=self.device)[None, :, None, None]
        chosen = torch.from_numpy(layouts).to(self.device)[:, None, None, None]
        return self._layouts[chosen, every, rows[:, None, :, None], columns[:, None, None, :]].float()

    def _crops(self) -> tuple[Tensor, Tensor, Tensor]:
        """Fields (N, F, ...), sheets (N, C, crop, crop) and recipes (N, R) of random pairs."""
        indices, corners = self.numbers.integers(0, len(self.pairs.sheets), self.batch), self.numbers.integers(0, LAYOUT, (self.batch, 2))
        rows, columns = self._lines(corners, self.crop)
        chosen = torch.from_numpy(indices).to(self.device)
        sheets = self._sheets[chosen[:, None, None], rows[:, :, None], columns[:, None, :]].float().movedim(-1, 1)
        return self._cut(self.pairs.layout_of[indices], corners, self.crop), sheets, self._recipes[chosen]

    def make(self, recipes: Tensor, layout: int = 0) -> NDArray[np.float32]:
        """(N, R) -> (N, 256, 256, 5) sheets of the averaged generator on one of the layouts."""
        fields = self._cut(np.array([layout]), np.zeros((1, 2), np.int64), LAYOUT)
        with torch.no_grad():
            made = [self.average.compose(recipe[None].to(self.device), fields).cpu() for recipe in recipes]
        return torch.cat(made).permute(0, 2, 3, 1).contiguous().numpy()

    def samples(self, count: int, seed: int = 0) -> NDArray[np.float32]:
        """Scans of sheets of the averaged generator, (count, 256, 256, 3); the same latents each time."""
        latents = torch.randn(count, 100, generator=torch.Generator().manual_seed(seed))
        with torch.no_grad():
            return scans(self.make(self.average.recipe(latents.to(self.device))))

    def composed(self, chosen: NDArray[np.int64]) -> NDArray[np.float32]:
        """The generator's sheets of training pairs' layouts and recipes, (N, 256, 256, 5)."""
        return np.concatenate([self.make(torch.from_numpy(self.pairs.recipes[i : i + 1]), int(self.pairs.layout_of[i])) for i in chosen])

    def finished(self) -> nn.Module:
        """The averaged generator."""
        return copy.deepcopy(self.average).cpu().eval()

    def state(self) -> dict[str, Any]:
        """Everything needed to go on."""
        return {
            "generator": self.generator.state_dict(), "average": self.average.state_dict(), "optimizer": self.optimizer.state_dict(),
            "random": self.random.get_state(), "numbers": _plain(self.numbers.bit_generator.state), "iteration": self.iteration,
        }  # fmt: skip

    def restore(self, state: dict[str, Any]) -> None:
        """Go on from `state()`."""
        for name in ("generator", "average", "optimizer"):
            getattr(self, name).load_state_dict(state[name])
        self.random.set_state(state["random"])
        self.numbers.bit_generator.state = state["numbers"]
        self.iteration = int(state["iteration"])


def check_beginning(beginning: Beginning) -> None:
    """See to it that a sheet model's flow is one of the simulation's papers.

    Raises:
        WashiError: it isn't.
    """
    with meta():
        own = PaperFlow(100, len(RECIPE), 1, QUANTILES).state_dict()
    weights = beginning.weights
    if not all(name in weights and weights[name].shape == own[name].shape for name in own if name.startswith(_FLOW)):
        raise WashiError(
            f"the model {beginning.info.name} knows no papers as the simulation has them: begin with a sheet model that was made of it, or with none"
        )


_FLOW = ("velocity.", "projection")


def _begin(generator: SheetGenerator, beginning: Beginning) -> bool:
    """Weights of another sheet model; where it lacks a field, that begins at nothing.

    Returns:
        Whether it composes as the generator does: of a network of another shape its flow alone is of use.
    """
    check_beginning(beginning)
    shape = {"features": generator.features, "layers": generator.layers, "gates": generator.gates, "pieces": generator.pieces}
    if not beginning.composes_as(shape):
        generator.load_state_dict({name: value for name, value in beginning.weights.items() if name.startswith(_FLOW)}, strict=False)
        return False
    own = generator.state_dict()
    weights = beginning.arranged(generator)
    generator.load_state_dict({name: value for name, value in weights.items() if name in own and own[name].shape == value.shape}, strict=False)
    return True


def _set_gates(generator: SheetGenerator, pairs: Pairs) -> None:
    """Tell the gates which of a recipe's numbers count which pieces, and the groups which say that there is any of them."""
    for i, (number, first, pieces) in enumerate(GATED.values()):
        position = RECIPE.index(number)
        generator.gate_number[i].zero_()
        generator.gate_number[i, position] = float(pairs.deviation[position])
        generator.gate_level[i], generator.gate_first[i], generator.gate_pieces[i] = float(pairs.mean[position]), first, pieces
    for i, group in enumerate(GROUPS):
        positions = [RECIPE.index(number) for number in GROUP_NUMBERS[group]]
        generator.group_number[i].zero_()
        generator.group_number[i, positions] = torch.from_numpy(pairs.deviation[positions]).float()
        generator.group_level[i] = float(pairs.mean[positions].sum())


def _set_paints(generator: SheetGenerator, pairs: Pairs) -> None:
    """Begin with the simulation's colours of pieces, metal opaque and what fibres veil nearly so: two of the hidden numbers rise where gold becomes silver."""
    first_veil = generator.channels
    generator.out.weight[first_veil:].zero_()
    generator.out.bias[first_veil:] = torch.tensor([5.0 if name == "metal" else 2.5 for name in PIECES])  # type: ignore[index]
    hidden, _, out = generator.paint
    position, (first, last) = RECIPE.index("silver"), SILVER
    hidden.weight.mul_(0.3)
    hidden.weight[:2] = 0
    hidden.weight[:2, position] = float(pairs.deviation[position]) / (last - first)
    hidden.bias[:2] = (float(pairs.mean[position]) - torch.tensor(SILVER)) / (last - first)
    logits = [_logits(PAINTS[name]) for name in PIECES]
    change = [_logits(SILVER_PAINTS) - own if name == "metal" else 0 * own for name, own in zip(PIECES, logits, strict=True)]
    out.bias.copy_(torch.cat(logits))
    out.weight.zero_()
    out.weight[:, 0], out.weight[:, 1] = torch.cat(change), -torch.cat(change)


def _logits(paints: Sequence[Any]) -> Tensor:
    """Linear colours as the network gives them before its sigmoid: sRGB and opacity, one after another."""
    shown = np.stack([np.append(encode_srgb(np.asarray(paint)), 0.97) for paint in paints])
    return torch.logit(torch.from_numpy(shown.astype(np.float32))).flatten()


def _set_quantiles(generator: SheetGenerator, functions: NDArray[np.float32], pairs: Pairs) -> None:
    """Give the flow the quantile functions, and what standardizes a dye's absorptions."""
    generator.quantiles.copy_(torch.from_numpy(functions))
    generator.dye_level.copy_(torch.from_numpy(pairs.mean[-3:]))
    generator.dye_deviation.copy_(torch.from_numpy(pairs.deviation[-3:]))


def _many_values(count: int, seed: int) -> NDArray[np.float64]:
    rng = np.random.default_rng(seed)
    kinds = [random_sheet_kind(i, rng) for i in range(count)]
    return np.stack([score_values(kind, draw_paper(kind, rng), rng) for kind in kinds])


def scans(sheets: NDArray[np.float32]) -> NDArray[np.float32]:
    """(N, H, W, 5) -> (N, H, W, 3): as a scanner shows them."""
    return np.stack([Sheet(s[..., :3], s[..., 3], s[..., 4], "", 0, {}, 0.1).scan() for s in sheets])


def _plain(value: Any) -> Any:
    return {k: _plain(v) for k, v in value.items()} if isinstance(value, dict) else int(value) if isinstance(value, int | np.integer) else value


__all__ = ["CHANNELS", "RECIPE", "Pairs", "SheetTrainer", "fibre_tile", "make_pairs", "random_sheet_kind", "recipe_vector", "scans"]
