"""How near a model's textures are to the sheets it learned from: the figures of its card.

    python -m washi_latent.training.evaluation models/washi-dcgan-64

Three sets are compared in the space of `features`: generated patches, training patches, and patches held out (from sheets
that were never trained on). Every figure of the generated ones stands beside the same figure of training patches, which is
what a perfect model would reach.
"""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.linalg import sqrtm
from scipy.spatial.distance import cdist, pdist
from sklearn.neighbors import NearestNeighbors

from ..core.errors import WashiError
from ..core.models import TextureModel, load_model
from ..core.ranges import check_seed
from ..core.similarity import mssim_matrix
from .data import Patches, load_patches, photographs_for, simulated_patches
from .features import FeatureSpace, texture_features

Array = NDArray[np.float64]

NEIGHBOURS = 5
MOST_KINDS = 48
"""Shares of more kinds (of photographs) than these fill no table that anybody reads."""
ROUNDS = 5
"""Draws of generated and of training patches; figures are means over them."""


def energy_distance(a: ArrayLike, b: ArrayLike) -> float:
    """Energy distance of two samples (N, D) and (M, D), unbiased under its root (Szekely and Rizzo 2013); 0: no difference seen."""
    x, y = np.asarray(a, np.float64), np.asarray(b, np.float64)
    return float(np.sqrt(max(0.0, 2 * cdist(x, y).mean() - pdist(x).mean() - pdist(y).mean())))


def sample_energy_distance(a: ArrayLike, b: ArrayLike) -> float:
    """Energy distance of the two samples themselves (Szekely and Rizzo 2013; `scipy.stats.energy_distance` in one dimension).

    What chance makes of so many is left in. Of equal distributions it is never 0, so that a ratio to another two
    samples' means something however near they are; `energy_distance` tells how far the distributions are.
    """
    x, y = np.asarray(a, np.float64), np.asarray(b, np.float64)
    return float(np.sqrt(max(0.0, 2 * cdist(x, y).mean() - cdist(x, x).mean() - cdist(y, y).mean())))


def frechet_distance(a: ArrayLike, b: ArrayLike) -> float:
    """Squared Frechet distance of two normal distributions with the samples' means and covariances (as FID gives it)."""
    x, y = np.asarray(a, np.float64), np.asarray(b, np.float64)
    of_x, of_y = np.cov(x.T), np.cov(y.T)
    between = np.real(sqrtm(of_x @ of_y))
    return float(np.square(x.mean(0) - y.mean(0)).sum() + np.trace(of_x + of_y - 2 * between))


def density_and_coverage(real: ArrayLike, fake: ArrayLike, neighbours: int = NEIGHBOURS) -> tuple[float, float]:
    """Density and coverage (Naeem et al. 2020).

    Args:
        real, fake: (N, D) and (M, D).
        neighbours: k; a real sample's ball reaches to its k-th nearest other real sample.

    Returns:
        density: in how many real balls a fake sample lies, over k (1 for equal distributions); coverage: share of real
        samples with a fake one in their ball.
    """
    x, y = np.asarray(real, np.float64), np.asarray(fake, np.float64)
    radii = NearestNeighbors(n_neighbors=neighbours + 1).fit(x).kneighbors(x)[0][:, -1]
    inside = cdist(x, y) < radii[:, None]
    return float(inside.sum(0).mean() / neighbours), float(inside.any(1).mean())


def nearest_match(images: NDArray[Any], training: NDArray[np.uint8]) -> tuple[NDArray[np.float32], NDArray[np.intp]]:
    """The training patch that a picture might be a copy of, turned and mirrored ones included.

    Compared is the fine structure alone, at half size, so that one colour does not make a copy.

    Returns:
        (N,) correlation with the best training patch, and its index.
    """
    ours, theirs = _structure(images), _structure(training)
    best, where = np.full(len(ours), -1, np.float32), np.zeros(len(ours), np.intp)
    for turn in range(4):
        for flip in (False, True):
            turned = np.rot90(ours, turn, (1, 2))
            seen = (turned[:, :, ::-1] if flip else turned).reshape(len(ours), -1)
            scores = seen @ theirs.reshape(len(theirs), -1).T
            index = scores.argmax(1)
            score = scores[np.arange(len(ours)), index]
            where = np.where(score > best, index, where)
            best = np.maximum(best, score)
    return best, where


def _structure(images: NDArray[Any]) -> NDArray[np.float32]:
    gray = (images / np.float32(255) if images.dtype == np.uint8 else images).astype(np.float32).mean(-1)
    half = gray.reshape(len(gray), gray.shape[1] // 2, 2, gray.shape[2] // 2, 2).mean((2, 4))
    coarse = half.reshape(len(half), half.shape[1] // 8, 8, half.shape[2] // 8, 8).mean((2, 4)).repeat(8, 1).repeat(8, 2)
    fine = half - coarse
    return fine / (np.sqrt(np.square(fine).sum((1, 2), keepdims=True)) + 1e-6)


@dataclass(frozen=True, eq=False)
class Samples:
    """What is compared: pictures and their coordinates in one feature space.

    Attributes:
        generated, training: ROUNDS draws each of as many as are held out; the rounds of training don't overlap.
        held_out: the held-out patches.
    """

    space: FeatureSpace
    generated: list[NDArray[np.uint8]]
    training: list[NDArray[np.uint8]]
    training_kinds: list[NDArray[np.int32]]
    held_out: NDArray[np.uint8]

    @classmethod
    def drawn(cls, model: TextureModel, patches: Patches, count: int, seed: int) -> Samples:
        """Draw them: generated in eight bits, as the patches are."""
        rng = np.random.default_rng(seed)
        count = min(count, len(patches.held_out))
        order, held = rng.permutation(len(patches.train)), rng.permutation(len(patches.held_out))[:count]
        parts = np.array_split(order[: ROUNDS * count], ROUNDS)
        generated = [_generated(model, rng.normal(size=(count, model.latent_dim)), patches.train.shape[1]) for _ in parts]
        return cls(
            FeatureSpace.fitted(patches.train[order[: min(3000, ROUNDS * count)]]),
            generated,
            [patches.train[p] for p in parts],
            [patches.train_kinds[p] for p in parts],
            patches.held_out[held],
        )


def _generated(model: TextureModel, latents: Array, edge: int) -> NDArray[np.uint8]:
    if model.info.size is not None:
        return np.round(model.generate(latents) * 255).astype(np.uint8)
    # Every sheet with a seed of its own: on one seed, all fibres would lie at the same places.
    return np.concatenate([np.round(model.generate(latent, edge, seed=i) * 255).astype(np.uint8) for i, latent in enumerate(latents)])


def evaluate(model: TextureModel, patches: Patches, count: int | None = None, seed: int = 0, say: Callable[[str], None] = lambda _: None) -> dict[str, Any]:
    """Every figure of the model card.

    Args:
        model: colour textures of the patches' size.
        patches: what it learned from, and what was held out.
        count: pictures a round; None: 2000, or 200 sheets.
        seed: of latents and of the choice of patches.
        say: takes a line of progress.

    Returns:
        Plain numbers by name, for JSON.

    Raises:
        WashiError: a model of other textures than the patches, too few pictures.
    """
    check_enough(len(patches.held_out) if count is None else min(count, len(patches.held_out)))
    if model.info.size not in (None, patches.train.shape[1:3]) or len(model.info.channels) != 3:
        raise WashiError(
            f"the model {model.info.name} does not make colour textures of {patches.train.shape[1]} x {patches.train.shape[2]} pixels: evaluate it against patches of its own size"
        )
    say("generating")
    samples = Samples.drawn(model, patches, count or (2000 if model.info.size else 200), seed)
    say("computing features")
    held_out = samples.space(samples.held_out)
    generated, training = ([samples.space(part) for part in parts] for parts in (samples.generated, samples.training))
    say("comparing")
    result: dict[str, Any] = {"pictures": len(held_out), "rounds": ROUNDS}
    result |= _distances(generated, training, held_out)
    result["groups"] = _groups(samples)
    result["diversity"] = _diversity(samples, generated[0], training[0])
    result["coverage"] = _coverage(generated, training, held_out)
    result["memorised"] = _memorised(samples, patches)
    if 1 < len(patches.kinds) <= MOST_KINDS:
        result["kinds"] = _kinds(patches, samples, generated[0])
    return result


def check_enough(held_out: int) -> None:
    """See to it that a model can be evaluated with so many held-out pictures.

    Raises:
        WashiError: fewer than have `NEIGHBOURS` others.
    """
    if held_out <= NEIGHBOURS:
        raise WashiError(f"{held_out} held-out pictures are too few to evaluate with: take {NEIGHBOURS + 1} or more, or leave the evaluation out")


def _distances(generated: list[Array], training: list[Array], held_out: Array) -> dict[str, Any]:
    result: dict[str, Any] = {}
    for name, distance in DISTANCES.items():
        ours, theirs, ratio = mean_distances(distance, generated, training, held_out)
        result[name] = {
            "generated": _round(np.mean(ours)),
            "training": _round(np.mean(theirs)),
            "training_range": [_round(min(theirs)), _round(max(theirs))],
            "between_training": _round(distance(training[0], training[1])),
            "ratio": ratio,
        }
    return result


DISTANCES = {"sample_energy": sample_energy_distance, "energy": energy_distance, "frechet": frechet_distance}


def mean_distances(
    distance: Callable[[Array, Array], float], generated: list[Array], real: list[Array], held_out: Array
) -> tuple[list[float], list[float], float]:
    """Distances of draws of generated and of real pictures to held-out ones, each by draw, and the ratio of their means."""
    ours, theirs = ([distance(part, held_out) for part in parts] for parts in (generated, real))
    return ours, theirs, _ratio(float(np.mean(ours)), float(np.mean(theirs)))


def mean_coverage(generated: list[Array], real: list[Array], held_out: Array) -> tuple[Array, Array]:
    """(density, coverage) of generated and of real pictures, means over draws."""
    ours, theirs = (np.mean([density_and_coverage(held_out, part) for part in parts], 0) for parts in (generated, real))
    return ours, theirs


def _ratio(ours: float, theirs: float) -> float:
    """Of crops of the same few photographs, no difference may be seen at all: a distance of 0.01 is as good as none."""
    return _round(ours / max(theirs, 0.01))


def _groups(samples: Samples) -> dict[str, float]:
    """Ratio of energy distances by group of features: which statistics are off."""
    spread = texture_features(samples.training[1])
    scaled = [{k: v / (spread[k].std(0) + 1e-6) for k, v in texture_features(x).items()} for x in (samples.generated[0], samples.training[0], samples.held_out)]
    return {k: _ratio(energy_distance(scaled[0][k], scaled[2][k]), energy_distance(scaled[1][k], scaled[2][k])) for k in spread}


def _diversity(samples: Samples, generated: Array, training: Array) -> dict[str, float]:
    some = min(400, len(generated))
    alike = [_mean_off_diagonal(mssim_matrix(part[0][:some].astype(np.float32) / 255)) for part in (samples.generated, samples.training)]
    apart = [float(pdist(part[: 4 * some]).mean()) for part in (generated, training)]
    return {
        "mssim_generated": _round(alike[0]),
        "mssim_training": _round(alike[1]),
        "distance_generated": _round(apart[0]),
        "distance_training": _round(apart[1]),
    }


def _coverage(generated: list[Array], training: list[Array], held_out: Array) -> dict[str, float]:
    ours, theirs = mean_coverage(generated, training, held_out)
    return {"density": _round(ours[0]), "coverage": _round(ours[1]), "density_training": _round(theirs[0]), "coverage_training": _round(theirs[1])}


def _memorised(samples: Samples, patches: Patches) -> dict[str, float]:
    ours, theirs = (nearest_match(part[:300], patches.train)[0] for part in (samples.generated[0], samples.held_out))
    return {
        "generated_median": _round(np.median(ours)),
        "generated_99": _round(np.quantile(ours, 0.99)),
        "held_out_median": _round(np.median(theirs)),
        "held_out_99": _round(np.quantile(theirs, 0.99)),
    }


def _kinds(patches: Patches, samples: Samples, generated: Array) -> dict[str, dict[str, float]]:
    """By kind: its share of the training patches, of the generated ones as their nearest training patch tells, and how far that tells."""
    names = sorted({part for kind in patches.kinds for part in kind.split("+")})
    belongs = np.array([[name in kind.split("+") for name in names] for kind in patches.kinds])
    reference = np.concatenate([samples.space(part) for part in samples.training[1:]])
    is_kind = belongs[np.concatenate(samples.training_kinds[1:])]
    nearest = NearestNeighbors(n_neighbors=1).fit(reference)
    told = is_kind[nearest.kneighbors(generated)[1][:, 0]]
    check, truth = is_kind[nearest.kneighbors(samples.space(samples.training[0]))[1][:, 0]], belongs[samples.training_kinds[0]]
    return {
        name: {
            "training": _round(truth[:, i].mean()),
            "generated": _round(told[:, i].mean()),
            "recognised": _round((check & truth)[:, i].sum() / max(1, truth[:, i].sum())),
        }
        for i, name in enumerate(names)
    }


def _mean_off_diagonal(matrix: NDArray[np.float32]) -> float:
    n = len(matrix)
    return float((matrix.sum() - np.trace(matrix)) / (n * (n - 1)))


def _round(value: Any) -> float:
    return float(f"{float(value):.4g}")


def patches_of(
    model: TextureModel | Mapping[str, Any], data: Path | None = None, images: Path | None = None, say: Callable[[str], None] = lambda _: None
) -> Patches:
    """The patches a model learned from: saved ones, or cut again from photographs or from the simulation, as its description says."""
    training = model.info.training if isinstance(model, TextureModel) else model
    facts: Any = training.get("data", {})
    if data is not None:
        try:
            return load_patches(data)
        except (OSError, ValueError, TypeError, EOFError) as error:
            raise WashiError(f"{data} holds no patches that can be read: give the folder patches of a training") from error
    if images is not None:
        kind = model.info.architecture if isinstance(model, TextureModel) else "dcgan"
        return photographs_for(kind, images, int(facts.get("patches", 20_000)), int(facts.get("seed", 0)), facts.get("millimetres_per_pixel"))
    if facts.get("source") != "simulation":
        raise WashiError("this model learned from photographs: name their folder with --images")
    if "patches_per_sheet" not in facts:
        raise WashiError("this model learned from no patches: evaluate it with python -m washi_latent.training.sheet_evaluation")
    say("simulating the sheets again")
    return simulated_patches(int(facts["sheets"]), int(facts["patches_per_sheet"]), int(facts["seed"]))


def table(figures: Mapping[str, Any]) -> str:
    """The figures as Markdown."""
    sample, energy, frechet, coverage, diversity, copies = (figures[k] for k in (*DISTANCES, "coverage", "diversity", "memorised"))
    rows = [
        ("distance to held-out patches (energy distance of the samples)", sample["generated"], sample["training"], f"ratio {sample['ratio']}"),
        ("the same without what chance makes of so many (unbiased)", energy["generated"], energy["training"], f"ratio {energy['ratio']}"),
        ("distance to held-out patches (Frechet, squared)", frechet["generated"], frechet["training"], f"ratio {frechet['ratio']}"),
        *((f"energy distance by {name} alone", "", "", f"ratio {ratio}") for name, ratio in figures["groups"].items()),
        (f"coverage (k = {NEIGHBOURS})", coverage["coverage"], coverage["coverage_training"], "share of held-out patches with one of these near"),
        (f"density (k = {NEIGHBOURS})", coverage["density"], coverage["density_training"], "1: as dense as held-out patches themselves"),
        ("diversity: mean MSSIM of two", diversity["mssim_generated"], diversity["mssim_training"], "lower is more diverse"),
        ("diversity: mean feature distance of two", diversity["distance_generated"], diversity["distance_training"], "higher is more diverse"),
        (
            "most similar training patch: correlation, median",
            copies["generated_median"],
            copies["held_out_median"],
            "second column: of held-out patches; higher would be copying",
        ),
        ("most similar training patch: correlation, 99%", copies["generated_99"], copies["held_out_99"], ""),
    ]
    lines = ["| figure | generated | training | |", "| --- | --- | --- | --- |"]
    lines += [f"| {name} | {ours} | {theirs} | {note} |" for name, ours, theirs, note in rows]
    if "kinds" in figures:
        lines += ["", "| kind | share of training patches | share of generated | recognised |", "| --- | --- | --- | --- |"]
        lines += [f"| {name} | {k['training']:.1%} | {k['generated']:.1%} | {k['recognised']:.0%} |" for name, k in figures["kinds"].items()]
    return "\n".join(lines)


def main(arguments: list[str] | None = None) -> int:
    """Print what the model card holds."""
    parser = argparse.ArgumentParser(
        prog="python -m washi_latent.training.evaluation", description="Evaluate a model of patches; prints the tables of its card."
    )
    parser.add_argument("model", help="a bundle's name or folder")
    parser.add_argument("--data", type=Path, help="folder of the saved patches (made again from the simulation without it, which takes minutes)")
    parser.add_argument("--images", type=Path, help="folder of the photographs it learned from")
    parser.add_argument("--count", type=int, help="pictures a round (default 2000, or 200 sheets)")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--json", action="store_true")
    given = parser.parse_args(arguments)

    def say(line: str) -> None:
        print(line, file=sys.stderr)

    try:
        check_seed(given.seed)
        if given.count is not None:
            check_enough(given.count)
        model = load_model(given.model)
        figures = evaluate(model, patches_of(model, given.data, given.images, say), given.count, given.seed, say)
    except WashiError as error:
        print(f"washi-latent: {error}", file=sys.stderr)
        return 2
    print(json.dumps(figures, indent=1) if given.json else table(figures))
    return 0


if __name__ == "__main__":
    sys.exit(main())
