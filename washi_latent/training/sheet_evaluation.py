"""How near a sheet model comes to the simulation, and how well it searches: the figures of its card.

    python -m washi_latent.training.sheet_evaluation models/washi-sheet

Sets of 256x256 crops, as a scanner shows them, are compared in the space of `features`: generated sheets and simulated sheets, each of
several draws, with other simulated sheets held out. None was trained on: the simulation draws new ones. A distance of one draw
of a few hundred is chance to a good part, so figures are means over draws.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import numpy as np
from joblib import Parallel, delayed
from numpy.typing import NDArray
from sklearn.neighbors import NearestNeighbors

from ..core.errors import WashiError
from ..core.images import quantized, write_json
from ..core.models import TextureModel, load_model
from ..core.ranges import check_seed
from ..core.search import compared
from ..core.sequence import interpolate, slerp
from ..core.similarity import gray, mssim_matrix
from .evaluation import DISTANCES, ROUNDS, check_enough, mean_coverage, mean_distances
from .features import FeatureSpace, texture_features
from .sheet import CHANNELS, random_sheet_kind, scans
from .washi import synthesize

EDGE = 256
Crops = NDArray[np.uint8]


def evaluate_sheets(model: TextureModel, count: int = 300, seed: int = 0, jobs: int = 2, say: Callable[[str], None] = lambda _: None) -> dict[str, Any]:
    """Every figure of the card.

    Args:
        model: a sheet model with colour, height and opacity.
        count: sheets of each set.
        seed: of sheets and latents.
        jobs: processes for the simulation.
        say: takes a line of progress.

    Returns:
        Plain numbers by name, for JSON.

    Raises:
        WashiError: a model of other textures, too few sheets.
    """
    check_enough(count)
    if model.info.size is not None or model.info.channels != CHANNELS:
        raise WashiError(
            f"the model {model.info.name} makes no sheets with colour, height and opacity: evaluate it with python -m washi_latent.training.evaluation"
        )
    rng = np.random.default_rng(seed)
    names = [random_sheet_kind(i, rng) for i in range((ROUNDS + 1) * count)]
    say("simulating")
    simulated = np.stack(Parallel(n_jobs=jobs)(delayed(_simulated)(kind, 900_000 + i) for i, kind in enumerate(names)))
    say("generating")
    seeds = 10_000 + np.arange(ROUNDS * count)
    generated = np.concatenate([_scan(model.generate(rng.normal(size=model.latent_dim), EDGE, seed=int(i))) for i in seeds])
    say("comparing")
    order = rng.permutation(len(names))
    held, training = order[:count], order[count:]
    seen, wanted = _features(generated, jobs), _features(simulated, jobs)
    space = FeatureSpace.of({name: group[training] for name, group in wanted.items()})
    points = space.coordinates(wanted)
    a, b, c = space.coordinates(seen), points[training], points[held]
    return {
        "sheets": count,
        "draws": ROUNDS,
        **distances(np.split(a, ROUNDS), np.split(b, ROUNDS), c),
        "kinds": _kinds(a, b, c, [names[i] for i in training], [names[i] for i in held]),
        "peaks": _peaks(generated[:count], simulated[held]),
        "seam": _seam(model),
        "smooth": _smooth(model, rng),
    }


def distances(generated: list[NDArray[Any]], simulated: list[NDArray[Any]], held: NDArray[Any]) -> dict[str, Any]:
    """Means over draws of generated and of simulated sheets, each (N, D), of their distance to the held-out ones, density and coverage."""
    result: dict[str, Any] = {}
    for name, distance in DISTANCES.items():
        ours, theirs, ratio = mean_distances(distance, generated, simulated, held)
        result[name] = {"generated": _round(np.mean(ours)), "simulated": _round(np.mean(theirs)), "ratio": ratio}
        result[name] |= {"generated_range": [_round(min(ours)), _round(max(ours))], "simulated_range": [_round(min(theirs)), _round(max(theirs))]}
    of_generated, of_simulated = mean_coverage(generated, simulated, held)
    result["coverage"] = dict(zip(("density", "coverage"), map(_round, of_generated), strict=True))
    result["coverage"] |= dict(zip(("density_simulated", "coverage_simulated"), map(_round, of_simulated), strict=True))
    return result


def _features(pictures: Crops, jobs: int) -> dict[str, NDArray[np.float64]]:
    parts = Parallel(n_jobs=jobs)(delayed(texture_features)(pictures[i : i + 30]) for i in range(0, len(pictures), 30))
    return {name: np.concatenate([part[name] for part in parts]) for name in parts[0]}


def _scan(sheets: NDArray[np.float32]) -> Crops:
    return quantized(scans(sheets), np.uint8)


def _simulated(kind: str, seed: int) -> Crops:
    return quantized(synthesize(kind, EDGE, seed).scan(), np.uint8)


def _kinds(generated: NDArray[Any], simulated: NDArray[Any], held: NDArray[Any], names: list[str], held_names: list[str]) -> dict[str, dict[str, float]]:
    """By kind: its share of simulated sheets, of generated ones as their nearest simulated sheet tells, and how often that tells right."""
    nearest = NearestNeighbors(n_neighbors=1).fit(simulated)
    told, check = (nearest.kneighbors(x)[1][:, 0] for x in (generated, held))
    kinds = sorted({part for name in names for part in name.split("+")})
    result: dict[str, dict[str, float]] = {}
    for kind in kinds:
        has = np.array([kind in name.split("+") for name in names])
        truth = np.array([kind in name.split("+") for name in held_names])
        result[kind] = {
            "simulated": _round(has.mean()),
            "generated": _round(has[told].mean()),
            "recognised": _round((has[check] & truth).sum() / max(1, truth.sum())),
        }
    return result


def _peaks(generated: Crops, simulated: Crops) -> dict[str, float]:
    """Power at the frequencies where strides of 2, 4 and 8 would leave a pattern, over its neighbourhood, against the simulation's."""
    result: dict[str, float] = {}
    for stride in (2, 4, 8):
        ratios = [_prominence(x, EDGE // stride) for x in (generated, simulated)]
        result[f"1/{stride}"] = _round(ratios[0] / ratios[1])
    return result


def _prominence(pictures: Crops, k: int) -> float:
    power = (np.abs(np.fft.rfft2(gray(pictures.astype(np.float32) / 255))) ** 2).mean(0)
    around = [i for i in range(k - 6, k + 7) if abs(i - k) > 1 and i <= EDGE // 2]
    return float((power[0, k] + power[k, 0]) / (np.median(power[0, around]) + np.median(power[around, 0])))


def _seam(model: TextureModel, sheets: int = 100) -> dict[str, float]:
    """Gradient across the border over gradient inside, mean over sheets, by channel."""
    rng = np.random.default_rng(1)
    across, inside = np.zeros(len(model.info.channels)), np.zeros(len(model.info.channels))
    for i in range(sheets):
        sheet = model.generate(rng.normal(size=model.latent_dim), EDGE, seed=i)[0]
        for axis in (0, 1):
            step = np.abs(np.roll(sheet, -1, axis) - sheet)
            across += np.take(step, -1, axis).mean(0)
            inside += np.delete(step, -1, axis).mean((0, 1))
    return {name: _round(value) for name, value in zip(model.info.channels, across / inside, strict=True)}


def _smooth(model: TextureModel, rng: np.random.Generator, pairs: int = 100) -> dict[str, float]:
    """Sequences of 16 textures along the shell: largest over median step (1 - MSSIM of neighbours)."""
    plain, even = [], []
    for _ in range(pairs):
        ends = rng.normal(size=(2, model.latent_dim))
        ends *= model.info.prior_radius / np.linalg.norm(ends, axis=1, keepdims=True)
        pictures = compared(model.generate(slerp(*ends, np.linspace(0, 1, 16)), 128, seed=3))
        steps = 1 - np.diag(mssim_matrix(pictures), 1)
        plain.append(steps.max() / np.median(steps))
        sequence = compared(interpolate(model, *ends, 14, "even", size=128, seed=3).images)
        steps = 1 - np.diag(mssim_matrix(sequence), 1)
        even.append(steps.max() / np.median(steps))
    return {
        "equal_angles_median": _round(np.median(plain)),
        "equal_angles_95": _round(np.quantile(plain, 0.95)),
        "equal_angles_largest": _round(max(plain)),
        "even_spacing_median": _round(np.median(even)),
        "even_spacing_largest": _round(max(even)),
    }


def _round(value: Any) -> float:
    return float(f"{float(value):.4g}")


def _spread(distance: Mapping[str, Any]) -> str:
    draws = (f"{low} to {high}" for low, high in (distance["generated_range"], distance["simulated_range"]))
    return f"ratio {distance['ratio']}; by draw {' and '.join(draws)}"


def table(figures: Mapping[str, Any]) -> str:
    """The figures as Markdown."""
    sample, energy, frechet, coverage, smooth = (figures[k] for k in (*DISTANCES, "coverage", "smooth"))
    rows = [
        ("distance to held-out sheets (energy distance of the samples)", sample["generated"], sample["simulated"], _spread(sample)),
        ("the same without what chance makes of so many (unbiased)", energy["generated"], energy["simulated"], _spread(energy)),
        ("distance to held-out sheets (Frechet, squared)", frechet["generated"], frechet["simulated"], _spread(frechet)),
        ("coverage (k = 5)", coverage["coverage"], coverage["coverage_simulated"], ""),
        ("density (k = 5)", coverage["density"], coverage["density_simulated"], ""),
        *(
            (f"power at frequency {name} over its neighbourhood", value, 1, "1: as the simulation; above 1: a pattern")
            for name, value in figures["peaks"].items()
        ),
        *((f"gradient across the seam over inside, {name}", value, 1, "") for name, value in figures["seam"].items()),
        ("16 textures at equal angles: largest over median step, median of 100 pairs", smooth["equal_angles_median"], "", ""),
        ("the same, 95% of the pairs", smooth["equal_angles_95"], "", f"largest {smooth['equal_angles_largest']}"),
        ("16 textures, spacing even: largest over median step, median of 100 pairs", smooth["even_spacing_median"], "", ""),
        ("the same, the worst pair", smooth["even_spacing_largest"], "", ""),
    ]
    lines = ["| figure | generated | simulated | |", "| --- | --- | --- | --- |", *(f"| {a} | {b} | {c} | {d} |" for a, b, c, d in rows)]
    lines += ["", "| kind | share of simulated sheets | share of generated | recognised |", "| --- | --- | --- | --- |"]
    lines += [f"| {name} | {k['simulated']:.1%} | {k['generated']:.1%} | {k['recognised']:.0%} |" for name, k in figures["kinds"].items()]
    return "\n".join(lines)


def main(arguments: list[str] | None = None) -> int:
    """Print what the model card holds."""
    parser = argparse.ArgumentParser(
        prog="python -m washi_latent.training.sheet_evaluation", description="Evaluate a sheet model; prints the tables of its card."
    )
    parser.add_argument("model", help="a bundle's name or folder")
    parser.add_argument("--count", type=int, default=300, help="sheets of each set (default 300)")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--json", type=Path, help="also write the figures here")
    given = parser.parse_args(arguments)
    try:
        check_seed(given.seed)
        figures = evaluate_sheets(load_model(given.model), given.count, given.seed, say=lambda line: print(line, file=sys.stderr))
        print(table(figures))
        if given.json:
            write_json(given.json, figures)
    except WashiError as error:
        print(f"washi-latent: {error}", file=sys.stderr)
        return 2
    return 0


if __name__ == "__main__":
    sys.exit(main())
