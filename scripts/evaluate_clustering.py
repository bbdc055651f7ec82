"""Which way of choosing representatives covers the candidates best, and how many references SSIM vectors are worth (the paper's Fig. 4).

    python scripts/evaluate_clustering.py [--model washi-sheet] [--sets 8]

Sets of 50 candidates around random places of the model (radius 5, on the shell), 8 representatives of each. Coverage: the mean over
candidates of the similarity to the most similar representative; worst: of the candidate that is covered worst; both by MSSIM, and
by texture features (1 less the distance in units of that of two random textures). Stability: the adjusted Rand index of the
clusters of two seeds, and of two halves of the seeds where a method draws no random numbers it is 1.
"""

from __future__ import annotations

import argparse
import sys
import time
from collections.abc import Callable
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

import numpy as np
from sklearn.cluster import KMeans
from sklearn.metrics import adjusted_rand_score

from washi_latent.core import SearchSettings, choose_representatives, load_model, mssim_matrix, ssim_vectors
from washi_latent.core.preference import features_of, most_useful, survey
from washi_latent.core.search import candidate_latents, compared

COUNT = 8
Choice = Callable[[int], tuple[np.ndarray, np.ndarray]]


class Set:
    """Fifty candidates, compared every way."""

    def __init__(self, model: object, number: int) -> None:
        rng = np.random.default_rng([31, number])
        center = rng.standard_normal(model.latent_dim)
        settings = SearchSettings(radius=5.0, method="coverage")
        self.latents = candidate_latents(center, np.zeros(model.latent_dim), settings, rng, model.info.prior_radius)
        self.pictures = compared(model.generate(self.latents, 64 if model.info.size is None else None))
        self.mssim = mssim_matrix(self.pictures).astype(float)
        space = survey(model, 0)
        self.points = space(features_of(model, self.latents, 0))
        self.features = 1 - np.linalg.norm(self.points[:, None] - self.points[None], axis=-1) / (space.typical * 2)

    def by_matrix(self, matrix: np.ndarray, method: str) -> Choice:
        def choice(seed: int) -> tuple[np.ndarray, np.ndarray]:
            chosen = choose_representatives(matrix, COUNT, method, np.random.default_rng(seed))
            return chosen.indices, chosen.labels

        return choice

    def by_means(self, points: np.ndarray) -> Choice:
        def choice(seed: int) -> tuple[np.ndarray, np.ndarray]:
            fitted = KMeans(COUNT, n_init=10, random_state=seed).fit(points)
            return ((points[:, None] - fitted.cluster_centers_) ** 2).sum(-1).argmin(0), fitted.labels_

        return choice

    def methods(self) -> dict[str, Choice]:
        blended = 0.5 * self.mssim + 0.5 * self.features
        useful = most_useful(self.points, self.points, COUNT)
        return {
            "random": self.by_matrix(self.mssim, "random"),
            "k-means on latents": self.by_means(self.latents),
            "k-means on pixels": self.by_means(self.pictures.reshape(len(self.pictures), -1)),
            "k-means on texture features": self.by_means(self.points),
            "paper: SSIM vectors of all, PCA, k-means": self.by_matrix(self.mssim, "paper"),
            "coverage (facility location), MSSIM": self.by_matrix(self.mssim, "coverage"),
            "medoids (PAM), MSSIM": self.by_matrix(self.mssim, "medoids"),
            "coverage, texture features": lambda _: (useful, self.features[:, useful].argmax(1)),
            "medoids, half MSSIM, half features": self.by_matrix(blended, "medoids"),
        }

    def with_references(self, count: int) -> tuple[Choice, float]:
        """The paper's method with so many references, and the seconds of their similarities."""
        references = np.random.default_rng(0).permutation(len(self.pictures))[:count]
        began = time.perf_counter()
        vectors = ssim_vectors(self.pictures, None if count == len(self.pictures) else self.pictures[references])
        return self.by_matrix(vectors, "paper"), time.perf_counter() - began


def judged(one: Set, choice: Choice) -> list[float]:
    seeds = range(4)
    chosen = [choice(seed) for seed in seeds]
    rows = []
    for matrix in (one.mssim, one.features):
        best = np.array([matrix[:, indices].max(1) for indices, _ in chosen])
        rows += [best.mean(), best.min(1).mean()]
    same = [adjusted_rand_score(chosen[i][1], chosen[j][1]) for i in seeds for j in range(i)]
    began = time.perf_counter()
    choice(0)
    return [*rows, float(np.mean(same)), (time.perf_counter() - began) * 1000]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--model", default="washi-sheet")
    parser.add_argument("--sets", type=int, default=8)
    chosen = parser.parse_args()
    model = load_model(chosen.model)
    sets = [Set(model, number) for number in range(chosen.sets)]
    head = "coverage, MSSIM | worst, MSSIM | coverage, features | worst, features | stability | ms"
    print(f"{model.info.name}, {len(sets)} sets of 50, {COUNT} representatives\n\n| method | {head} |\n|" + "---|" * 7)
    for name in sets[0].methods():
        _row(name, np.mean([judged(one, one.methods()[name]) for one in sets], 0))
    print(f"\n| references | {head} | ms for the vectors |\n|" + "---|" * 8)
    for count in (1, 2, 4, 8, 16, 32, 50):
        pairs = [one.with_references(count) for one in sets]
        values = np.mean([judged(one, choice) for one, (choice, _) in zip(sets, pairs, strict=True)], 0)
        _row(str(count), np.append(values, np.median([seconds for _, seconds in pairs]) * 1000))


def _row(name: str, values: np.ndarray) -> None:
    print(f"| {name} | " + " | ".join(f"{v:.3f}" for v in values[:5]) + " | " + " | ".join(f"{v:.1f}" for v in values[5:]) + " |")


if __name__ == "__main__":
    main()
