"""A handful of textures that stand for many: clusters of similar textures and their representatives.

The paper's way (Satoh, section 3): SSIM vectors, a dimensionality reduction, k-means, and the texture nearest each
centroid. The default here maximizes coverage instead, the mean similarity of every texture to its most similar
representative: a facility location problem, whose greedy solution is within 1 - 1/e of the best (Nemhauser, Wolsey and
Fisher 1978) and takes a fraction of a millisecond.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal, get_args

import numpy as np
from numpy.typing import ArrayLike, NDArray

from .errors import WashiError
from .progress import Progress, ignore, part

Method = Literal["coverage", "medoids", "paper", "random"]
METHODS: tuple[Method, ...] = get_args(Method)

SAME = 1 - 1e-6
"""Textures at least this similar count as one."""


@dataclass(frozen=True, eq=False)
class Representatives:
    """Which textures stand for which.

    Attributes:
        indices: (K,) indices of the representatives, the one that stands for most first (by method).
        labels: (N,) for every texture, the position in `indices` of the one that stands for it.
        message: what a person should know, such as fewer distinct textures than asked for; or None.
    """

    indices: NDArray[np.intp]
    labels: NDArray[np.intp]
    message: str | None = None

    def members(self, position: int) -> NDArray[np.intp]:
        """Indices of the textures that representative number `position` stands for, itself first."""
        own = self.indices[position]
        others = np.flatnonzero(self.labels == position)
        return np.concatenate([[own], others[others != own]])


def choose_representatives(
    similarity: ArrayLike, count: int, method: Method = "coverage", rng: np.random.Generator | None = None, progress: Progress = ignore
) -> Representatives:
    """Choose textures that stand for all.

    Args:
        similarity: (N, M); for "coverage" and "medoids" all pairs (M = N). For "paper" SSIM vectors: MSSIM to M references.
        count: how many representatives, 1 or more; fewer come back, and it is said, where fewer textures are distinct.
        method: "coverage" (greedy facility location), "medoids" (that, improved by swaps), "paper" (PCA and k-means of SSIM
            vectors), "random".
        rng: for "paper" and "random"; None: a fixed seed.
        progress: is told the share done, 0 to 1; what it raises ends the work.

    Returns:
        `Representatives`.

    Raises:
        WashiError: no textures, a count below 1, an unknown method, a matrix of the wrong shape or not finite.
    """
    matrix = np.asarray(similarity, np.float64)
    _check(matrix, count, method)
    random = rng if rng is not None else np.random.default_rng(0)
    different, message = distinct(matrix, count, part(progress, 0, 0.3))
    progress(0.3)
    wanted = min(count, len(different))
    if method == "paper":
        indices, labels = _paper(matrix, wanted, random)
        return Representatives(indices, labels, message)
    if method == "random":
        indices = np.asarray(random.permutation(different)[:wanted], np.intp)
        return Representatives(indices, _labels(matrix, indices), message)
    indices = _greedy(matrix, wanted, part(progress, 0.3, 0.6))
    if method == "medoids":
        indices = _swap(matrix, indices, part(progress, 0.6, 1))
    return Representatives(indices, _labels(matrix, indices), message)


def coverage(similarity: ArrayLike, indices: ArrayLike) -> float:
    """Mean over all textures of the largest similarity to a representative; (N, N) similarity, (K,) indices."""
    return float(np.asarray(similarity, np.float64)[:, np.asarray(indices, np.intp)].max(1).mean())


def _check(matrix: NDArray[np.float64], count: int, method: str) -> None:
    if method not in METHODS:
        raise WashiError(f"there is no method {method!r}: choose from {', '.join(METHODS)}")
    if matrix.ndim != 2 or 0 in matrix.shape:
        raise WashiError(f"similarities of shape {matrix.shape} name no textures: give (N, M) of at least one")
    if method != "paper" and matrix.shape[0] != matrix.shape[1]:
        raise WashiError(f"method {method!r} needs the similarity of all pairs, not {matrix.shape}: use 'paper' with a few references")
    if count < 1:
        raise WashiError(f"{count} representatives can't be shown: ask for 1 or more")
    if not np.isfinite(matrix).all():
        raise WashiError("similarities hold values that are not numbers: check the textures")


def distinct(rows: ArrayLike, count: int, progress: Progress = ignore, equal: float = 1 - SAME) -> tuple[NDArray[np.intp], str | None]:
    """Indices of textures that differ from every one before, rows of (N, M) that don't repeat; and a message if they are fewer than `count`.

    Args:
        rows: similarities, or any coordinates. count: how many are wanted. equal: numbers that differ by less count as one.
    """
    matrix, kept = np.asarray(rows, np.float64), list[int]()
    for i, row in enumerate(matrix):
        progress(i / len(matrix))
        # Rows that repeat are alike where this one is largest, at itself where all are compared: few others are, and whole rows are long.
        where = int(row.argmax())
        alike = [k for k, near in zip(kept, np.abs(matrix[kept, where] - row[where]) < equal, strict=True) if near]
        if not (np.abs(matrix[alike] - row).max(1) < equal).any():
            kept.append(i)
    few = len(kept) < count
    message = f"only {len(kept)} of {len(matrix)} textures differ: {len(kept)} shown instead of {count}" if few else None
    return np.asarray(kept, np.intp), message


def _greedy(matrix: NDArray[np.float64], count: int, progress: Progress) -> NDArray[np.intp]:
    chosen: list[int] = []
    best = np.full(len(matrix), -np.inf)
    for number in range(count):
        progress(number / count)
        gain = np.maximum(matrix, best[:, None]).sum(0)
        gain[chosen] = -np.inf
        chosen.append(int(gain.argmax()))
        best = np.maximum(best, matrix[:, chosen[-1]])
    return np.asarray(chosen, np.intp)


def _swap(matrix: NDArray[np.float64], indices: NDArray[np.intp], progress: Progress) -> NDArray[np.intp]:
    """Exchange a representative for another texture while that raises coverage (PAM's swap phase)."""
    chosen = list(indices)
    improved = True
    while improved:
        improved = False
        for position in range(len(chosen)):
            progress(position / len(chosen))
            rest = np.delete(np.asarray(chosen), position)
            floor = matrix[:, rest].max(1) if len(rest) else np.full(len(matrix), -np.inf)
            totals = np.maximum(matrix, floor[:, None]).sum(0)
            totals[rest] = -np.inf
            candidate = int(totals.argmax())
            if totals[candidate] > totals[chosen[position]] + 1e-12:
                chosen[position], improved = candidate, True
    return np.asarray(chosen, np.intp)


def _labels(matrix: NDArray[np.float64], indices: NDArray[np.intp]) -> NDArray[np.intp]:
    labels = matrix[:, indices].argmax(1)
    labels[indices] = np.arange(len(indices))
    return labels.astype(np.intp)


def _paper(vectors: NDArray[np.float64], count: int, rng: np.random.Generator) -> tuple[NDArray[np.intp], NDArray[np.intp]]:
    """SSIM vectors, PCA, k-means, the texture nearest each centroid (Satoh, section 3)."""
    from sklearn.cluster import KMeans
    from sklearn.decomposition import PCA

    components = min(10, *vectors.shape)
    reduced = PCA(n_components=components, random_state=0).fit_transform(vectors) if len(vectors) > 1 else vectors
    clusters = KMeans(n_clusters=count, n_init=10, random_state=int(rng.integers(2**31))).fit(reduced)
    distances = ((reduced[:, None] - clusters.cluster_centers_[None]) ** 2).sum(-1)
    distances[clusters.labels_[:, None] != np.arange(count)] = np.inf
    nearest = distances.argmin(0)
    order = np.argsort(-np.bincount(clusters.labels_, minlength=count), kind="stable")
    position = np.empty(count, np.intp)
    position[order] = np.arange(count)
    return nearest[order].astype(np.intp), position[clusters.labels_]
