"""Interpolated texture sequences whose similarity changes evenly.

Two textures found by the search become the ends. `similarity` is the paper's spacing (Satoh, section 4 and Fig. 5, with the
method of its reference [7]): each texture's MSSIM to a reference falls by the same amount, and is found within a similarity
interval of its own. `even` makes neighbours equally different from one another, which is what an eye that walks along a row
of panels compares. Both figures are always measured and reported.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from os import PathLike
from typing import Any, Literal, get_args

import numpy as np
from numpy.typing import ArrayLike, NDArray

from .errors import WashiError
from .images import write_atomically
from .progress import Progress, ignore, part
from .search import LARGEST, Model, compared, compared_textures
from .similarity import mssim_matrix

Array = NDArray[np.float32]
Vector = NDArray[np.float64]
Spacing = Literal["similarity", "even"]
Path = Literal["slerp", "lerp"]
SPACINGS: tuple[Spacing, ...] = get_args(Spacing)
PATHS: tuple[Path, ...] = get_args(Path)

MAX_COUNT = 1000
_GRID = 48
_BLOCK = 16
"""Neighbours whose pairs are compared all at once: a call for each pair takes longer."""
_ALIKE = 1e-3
"""Ends whose MSSIM to the reference differs by less leave nothing to spread out."""


@dataclass(frozen=True)
class SequenceMetrics:
    """What a sequence is like, whatever its spacing.

    Attributes:
        reference_step_ratio: largest over smallest step of MSSIM to the reference.
        neighbour_step_ratio: largest over smallest 1 - MSSIM of neighbours, ends included.
        largest_neighbour_step: largest 1 - MSSIM of neighbours.
        largest_residual: largest distance of a texture's MSSIM from its target (0 with `even`).
        hidden_rise: how much MSSIM to the reference rises again somewhere between the ends, at most.
        flagged: how many textures miss their interval.
        evaluations: textures generated to find them.
    """

    reference_step_ratio: float
    neighbour_step_ratio: float
    largest_neighbour_step: float
    largest_residual: float
    hidden_rise: float
    flagged: int
    evaluations: int


@dataclass(frozen=True, eq=False)
class TextureSequence:
    """Textures between two or more ends, the ends included.

    Attributes:
        latents: (N, dim). positions: (N,) strictly increasing, 0 at the first end and 1 at the last: part of the way.
        images: (N, H, W, C). similarities: (N,) MSSIM to the reference.
        targets: (N,) wanted similarities (spacing "similarity"), NaN otherwise. half_width: of the similarity intervals.
        residuals: (N,) similarity minus target, 0 with "even".
        status: "ok" or what is wrong with a texture, one a texture.
        keys: indices of the ends among the textures.
        spacing, path: as asked for. metrics: what it is like. message: what a person should know, or None.
    """

    latents: Vector
    positions: Vector
    images: Array
    similarities: Vector
    targets: Vector
    half_width: Vector
    residuals: Vector
    status: tuple[str, ...]
    keys: tuple[int, ...]
    spacing: Spacing
    path: Path
    metrics: SequenceMetrics
    message: str | None = None

    def to_dict(self) -> dict[str, Any]:
        """Everything but the pictures, for JSON."""
        return {
            "spacing": self.spacing,
            "path": self.path,
            "latents": self.latents.tolist(),
            "positions": self.positions.tolist(),
            "similarities": self.similarities.tolist(),
            "targets": [None if np.isnan(t) else float(t) for t in self.targets],
            "residuals": self.residuals.tolist(),
            "status": list(self.status),
            "keys": list(self.keys),
            "metrics": vars(self.metrics),
            "message": self.message,
        }

    def draw(self, path: str | PathLike[str], title: str = "") -> None:
        """Draw the sequence as Fig. 5 does: similarities and positions above, the similarity search intervals below.

        Raises:
            WashiError: matplotlib is missing, or the place can't be written.
        """
        draw_sequence(self, path, title)


def interpolate(
    model: Model,
    start: ArrayLike,
    end: ArrayLike,
    count: int,
    spacing: Spacing = "even",
    path: Path = "slerp",
    *,
    between: Sequence[ArrayLike] = (),
    reference: ArrayLike | None = None,
    tolerance: float = 0.003,
    size: int | None = None,
    seed: int = 0,
    progress: Progress = ignore,
    threads: int | None = None,
) -> TextureSequence:
    """Interpolate textures between two latents.

    Args:
        model: generates the textures.
        start, end: (dim,) latents of the ends.
        count: textures between each pair of neighbouring ends, 1 to 1000.
        spacing: "similarity" (even steps of MSSIM to the reference) or "even" (neighbours equally different).
        path: "slerp" (along the shell; Shoemake 1985, norms interpolated) or "lerp" (straight).
        between: latents of further key points, in order.
        reference: latent of the reference texture; None: the start of each part.
        tolerance: how near to its target a texture's MSSIM must come, at most.
        size, seed: as `TextureModel.generate`.
        progress: is told the share done, 0 to 1, often; what it raises ends the work.
        threads: for the similarity; None: all cores.

    Returns:
        `TextureSequence` of (count + 1) * parts + 1 textures.

    Raises:
        WashiError: latents of another dimension, a count, spacing or path out of range.
    """
    if not 1 <= count <= MAX_COUNT:
        raise WashiError(f"{count} textures between the ends were asked for: choose 1 to {MAX_COUNT}")
    if spacing not in SPACINGS or path not in PATHS:
        raise WashiError(f"there is no spacing {spacing!r} with path {path!r}: choose {' or '.join(SPACINGS)}, and {' or '.join(PATHS)}")
    if not 0 < tolerance < 1:
        raise WashiError(f"the tolerance is {tolerance}: choose a number between 0 and 1")
    points = [_point(p, model.latent_dim) for p in (start, *between, end)]
    given = None if reference is None else _point(reference, model.latent_dim)
    parts: list[_Part] = []
    for i, (a, b) in enumerate(zip(points, points[1:], strict=False)):
        done = i / (len(points) - 1)
        line = _Line(model, _way(a, b, path), given if given is not None else a, size, seed, part(progress, done, done), threads)
        parts.append(_spread(line, count, spacing, tolerance))
    sequence = _joined(parts, model, spacing, path, size, seed)
    progress(1.0)
    return sequence


def slerp(a: ArrayLike, b: ArrayLike, t: ArrayLike) -> Vector:
    """Points between two latents along the sphere, norms interpolated linearly (Shoemake 1985); (len(t), dim).

    Latents that point the same way or opposite ways are joined by a straight line.
    """
    first, second, part = np.asarray(a, np.float64), np.asarray(b, np.float64), np.atleast_1d(np.asarray(t, np.float64))[:, None]
    norms = np.linalg.norm(first), np.linalg.norm(second)
    if min(norms) < 1e-12:
        return (1 - part) * first + part * second
    u, v = first / norms[0], second / norms[1]
    angle = 2 * np.arctan2(np.linalg.norm(u - v), np.linalg.norm(u + v))
    if np.sin(angle) < 1e-6:
        return (1 - part) * first + part * second
    directions = (np.sin((1 - part) * angle) * u + np.sin(part * angle) * v) / np.sin(angle)
    return directions * ((1 - part) * norms[0] + part * norms[1])


# One part: from one key point to the next


class _Line:
    """A way through latent space, and the pictures along it; remembers what it made."""

    def __init__(
        self, model: Model, way: Callable[[Vector], Vector], reference: Vector, size: int | None, seed: int, progress: Progress, threads: int | None
    ) -> None:
        self.model, self.way, self.size, self.seed, self.progress, self.threads = model, way, size, seed, progress, threads
        self._known: dict[float, Array] = {}
        self._measured = np.empty(0), np.empty((0, 0))
        self.reference = compared_textures(model, reference, size, seed, progress)
        self.evaluations = 1

    def pictures(self, positions: Vector) -> Array:
        """Compared pictures (N, h, w) at positions in [0, 1]."""
        missing = [float(t) for t in dict.fromkeys(positions.tolist()) if t not in self._known]
        if missing:
            made = compared_textures(self.model, self.way(np.asarray(missing)), self.size, self.seed, self.progress)
            self._known.update(zip(missing, made, strict=True))
            self.evaluations += len(missing)
        return np.stack([self._known[float(t)] for t in positions])

    def similarity(self, positions: Vector) -> Vector:
        """MSSIM to the reference at positions."""
        return self._mssim(self.pictures(positions), self.reference)[:, 0]

    def differences(self, positions: Vector) -> Vector:
        """(N, N) 1 - MSSIM of all pairs; those of the last positions asked for, if they are among these, are not measured again."""
        pictures = self.pictures(positions)
        known, between = self._measured
        old = np.isin(positions, known)
        result = np.empty((len(positions), len(positions)))
        if old.sum() == len(known):
            result[np.ix_(old, old)] = between
        else:
            old[:] = False
        if not old.all():
            result[np.ix_(~old, ~old)] = 1 - self._mssim(pictures[~old])
        if old.any() and not old.all():
            result[np.ix_(~old, old)] = 1 - self._mssim(pictures[~old], pictures[old])
            result[np.ix_(old, ~old)] = result[np.ix_(~old, old)].T
        self._measured = positions, result
        return result

    def steps(self, positions: Vector) -> Vector:
        """1 - MSSIM of neighbours."""
        return self.neighbours(self.pictures(positions))

    def neighbours(self, pictures: Array) -> Vector:
        """(N - 1,) 1 - MSSIM of each picture to the next."""
        blocks = [pictures[first : first + _BLOCK + 1] for first in range(0, len(pictures) - 1, _BLOCK)]
        return np.concatenate([1 - np.diag(self._mssim(block), 1) for block in blocks])

    def _mssim(self, pictures: Array, references: Array | None = None) -> Vector:
        return mssim_matrix(pictures, references, self.threads, self.progress).astype(np.float64)


@dataclass
class _Part:
    line: _Line
    positions: Vector
    targets: Vector
    half_width: Vector
    status: list[str]
    hidden_rise: float
    message: str | None


def _spread(line: _Line, count: int, spacing: Spacing, tolerance: float) -> _Part:
    grid = np.linspace(0, 1, max(_GRID, 4 * count) + 1)
    values = line.similarity(grid)
    sign = -1.0 if values[-1] > values[0] else 1.0  # a rise is mirrored into a fall
    falling = np.minimum.accumulate(sign * values)
    rise = float((sign * values - falling).max())
    if spacing == "even":
        positions, message = _even(line, count)
        nothing = np.full(count + 2, np.nan)
        return _Part(line, positions, nothing, np.full(count + 2, np.nan), ["ok"] * (count + 2), rise, message)
    drop = values[0] - values[-1]
    targets = values[0] - drop * np.arange(count + 2) / (count + 1)
    if abs(drop) < _ALIKE:
        even = np.linspace(0, 1, count + 2)
        status = ["ok", *["the ends are too alike"] * count, "ok"]
        return _Part(
            line,
            even,
            targets,
            np.zeros(count + 2),
            status,
            rise,
            f"the ends differ by only {abs(drop):.4f} in MSSIM: the textures are spaced by their latents",
        )
    half = min(tolerance, abs(drop) / (count + 1) * 0.49)  # intervals stay disjoint
    positions = _first_crossings(line, grid, sign * values, sign * targets[1:-1], half)
    found = line.similarity(positions)
    status = ["ok", *["ok" if abs(f - t) <= half else "outside its similarity interval" for f, t in zip(found, targets[1:-1], strict=True)], "ok"]
    return _Part(line, np.concatenate([[0.0], positions, [1.0]]), targets, np.full(count + 2, half), status, rise, None)


def _first_crossings(line: _Line, grid: Vector, values: Vector, targets: Vector, half: float) -> Vector:
    """t_i = inf{t : f(t) <= s_i}: brackets from the grid, then all bisected together (a secant inside its bracket)."""
    sign = 1.0 if line.similarity(np.array([0.0]))[0] == values[0] else -1.0
    right = np.array([int(np.argmax(values <= t)) if (values <= t).any() else len(values) - 1 for t in targets])
    right = np.maximum(right, 1)
    low, high = grid[right - 1].copy(), grid[right].copy()
    f_low, f_high = values[right - 1].copy(), values[right].copy()
    best, error = high.copy(), np.abs(f_high - targets)
    for turn in range(30):
        open_ = error > half * 0.5
        if not open_.any():
            break
        share = np.clip((f_low - targets) / np.maximum(f_low - f_high, 1e-12), 0.1, 0.9) if turn % 3 < 2 else np.full(len(low), 0.5)
        middle = low + (high - low) * share
        f_middle = values[-1] * np.ones(len(low))
        f_middle[open_] = sign * line.similarity(middle[open_])
        nearer = open_ & (np.abs(f_middle - targets) < error)
        best[nearer], error[nearer] = middle[nearer], np.abs(f_middle - targets)[nearer]
        above = open_ & (f_middle > targets)
        below = open_ & ~above
        low[above], f_low[above] = middle[above], f_middle[above]
        high[below], f_high[below] = middle[below], f_middle[below]
    return _increasing(best)


def _increasing(positions: Vector) -> Vector:
    """Strictly increasing within (0, 1): neighbours that fell together are moved apart by the least amount."""
    gap = 1e-9
    result = np.maximum.accumulate(np.clip(positions, gap, 1 - gap * (len(positions) + 1)) + 0.0)
    for i in range(1, len(result)):
        result[i] = max(result[i], result[i - 1] + gap)
    return result


def _even(line: _Line, count: int, turns: int = 12, wanted: float = 1.04) -> tuple[Vector, str | None]:
    """Positions whose neighbours are equally different.

    A way through latent space can be all but still for long and then change within a thousandth of itself. So it is first
    walked finely enough to see every change; on that map equal steps are found; and what the map's grid leaves is
    corrected by measuring the steps themselves. All of it with the roots of differences: 1 - MSSIM grows with the square of a
    small change, so that its root is what adds up along a way.
    """
    grid, roots = _fine_grid(line, count)
    if np.diag(roots, 1).max() < 1e-3:
        return np.linspace(0, 1, count + 2), "the ends look the same: the textures are spaced by their latents"
    positions, step = _equal_steps(grid, roots, count)
    best, best_steps, power = positions, _roots(line.steps(positions)), 1.0
    # Where a way turns back on itself there may be no equal steps from one end on: then the least uneven ones of the map.
    nearest = _least_uneven(roots, count, step)
    uneven = roots[nearest[:-1], nearest[1:]]
    if uneven.max() * best_steps.min() < best_steps.max() * uneven.min():
        best, best_steps = grid[nearest], _roots(uneven**2)
    for _ in range(turns):
        if best_steps.max() <= wanted * best_steps.min():
            break
        # A step grows about in proportion to its width: narrow the wide ones, widen the narrow.
        widths = np.diff(best) * (best_steps.mean() / best_steps) ** power
        positions = np.concatenate([[0.0], np.cumsum(widths)[:-1] / widths.sum(), [1.0]])
        steps = _roots(line.steps(positions))
        if steps.max() / steps.min() < best_steps.max() / best_steps.min():
            best, best_steps = positions, steps
        elif power > 0.3:
            power *= 0.6  # it overshot: a smaller correction from the best so far
        else:
            break
    return _balanced(line, best, best_steps, turns, wanted), None


def _balanced(line: _Line, positions: Vector, steps: Vector, turns: int, wanted: float) -> Vector:
    """Positions each moved to where it lies evenly between its neighbours, for some turns: what widths alone can't even out."""
    best, least = positions, steps.max() / steps.min()
    for _ in range(turns):
        if least <= wanted:
            break
        before, after = np.diff(positions)[:-1], np.diff(positions)[1:]
        slow, fast = steps[:-1] / before, steps[1:] / after
        shifted = positions[:-2] + (before + after) * fast / (slow + fast)
        positions = np.concatenate([[0.0], (positions[1:-1] + shifted) / 2, [1.0]])
        steps = _roots(line.steps(positions))
        if (uneven := steps.max() / steps.min()) < least:
            best, least = positions, uneven
    return best


def _roots(differences: Vector) -> Vector:
    return np.sqrt(np.maximum(differences, 1e-9))


def _fine_grid(line: _Line, count: int, most: int = 240) -> tuple[Vector, Vector]:
    """Positions so near to one another that a step of the sequence spans several of them, wherever the way changes; and the roots of
    their differences (K, K).
    """
    grid = np.linspace(0, 1, 2 * count + 3)
    while True:
        roots = np.sqrt(np.maximum(line.differences(grid), 0))
        step = _equal_steps(grid, roots, count)[1]
        wide = np.flatnonzero((np.diag(roots, 1) > step / 3) & (np.diff(grid) > 1e-7))
        if not len(wide) or len(grid) >= most:
            return grid, roots
        middle = (grid[wide] + grid[wide + 1]) / 2
        grid = np.sort(np.concatenate([grid, middle[: most - len(grid)]]))


def _least_uneven(roots: Vector, count: int, step: float) -> NDArray[np.intp]:
    """Which of a map's positions, first and last among them, differ least unequally from one to the next: (count + 2,) increasing.

    For one wanted step after another, dynamic programming finds the positions whose steps stray least from it.
    """
    later = np.triu(np.ones_like(roots, bool), 1)
    best, least = np.arange(count + 2), math.inf
    for wanted in step * np.linspace(0.6, 1.6, 21):
        cost = np.where(later, (roots - wanted) ** 2, np.inf)
        total, came = cost[0], []
        for _ in range(count):
            through = total[:, None] + cost
            came.append(through.argmin(0))
            total = through.min(0)
        way = [len(roots) - 1]
        for before in reversed(came):
            way.append(int(before[way[-1]]))
        places = np.array([0, *reversed(way)], np.intp)
        steps = roots[places[:-1], places[1:]]
        if (uneven := float(steps.max() / max(steps.min(), 1e-9))) < least:
            best, least = places, uneven
    return best


def _equal_steps(grid: Vector, differences: NDArray[np.float64], count: int) -> tuple[Vector, float]:
    """Positions of `count` textures between the ends whose neighbours differ by one and the same amount, and that amount.

    Args:
        grid: (K,) increasing, 0 to 1. differences: (K, K) between the pictures there; linear in between.
    """
    low, high = 0.0, float(differences.max())
    positions = np.linspace(0, 1, count + 2)
    for _ in range(50):
        step = (low + high) / 2
        walked = _walk(grid, differences, count, step)
        if walked is None or walked[1] < step:
            high = step  # it came to the end too early
        else:
            low, positions = step, walked[0]
    return positions, max(low, 1e-12)


def _walk(grid: Vector, differences: NDArray[np.float64], count: int, step: float) -> tuple[Vector, float] | None:
    """From the first end, `count` times to the next place that differs by `step`; the places, and what is left to the last end."""
    places = [0.0]
    for taken in range(count + 1):
        here = places[-1]
        left = min(int(np.searchsorted(grid, here, "right")) - 1, len(grid) - 2)
        share = (here - grid[left]) / (grid[left + 1] - grid[left])
        row = (1 - share) * differences[left, left + 1 :] + share * differences[left + 1, left + 1 :]
        ahead, row = np.concatenate([[here], grid[left + 1 :]]), np.concatenate([[0.0], row])
        if taken == count:
            return np.array([*places, 1.0]), float(row[-1])
        beyond = np.flatnonzero(row >= step)
        if not len(beyond) or beyond[0] == 0:
            return None
        k = int(beyond[0])
        places.append(float(ahead[k - 1] + (ahead[k] - ahead[k - 1]) * (step - row[k - 1]) / (row[k] - row[k - 1])))
    return None


# Joining parts


def _joined(parts: list[_Part], model: Model, spacing: Spacing, path: Path, size: int | None, seed: int) -> TextureSequence:
    count = len(parts)
    latents: list[Vector] = []
    positions: list[float] = []
    targets: list[float] = []
    half: list[float] = []
    status: list[str] = []
    similarities: list[float] = []
    keys = [0]
    for i, one in enumerate(parts):
        inner = slice(0 if i == 0 else 1, None)
        latents.append(one.line.way(one.positions[inner]))
        positions += ((one.positions[inner] + i) / count).tolist()
        targets += one.targets[inner].tolist()
        half += one.half_width[inner].tolist()
        status += one.status[inner]
        similarities += one.line.similarity(one.positions[inner]).tolist()
        keys.append(len(positions) - 1)
    points = np.concatenate(latents)
    line = parts[-1].line
    images = model.generate(points, size, seed, line.progress)
    measured, wanted = np.asarray(similarities), np.asarray(targets)
    residuals = np.where(np.isnan(wanted), 0.0, measured - wanted)
    metrics = _measure(
        line.neighbours(compared(images)), measured, residuals, status, max(p.hidden_rise for p in parts), sum(p.line.evaluations for p in parts), keys
    )
    messages = [p.message for p in parts if p.message]
    if metrics.flagged and not messages:
        messages = [f"{metrics.flagged} of {len(status)} textures lie outside their similarity interval: their similarity jumps there"]
    return TextureSequence(
        points,
        np.asarray(positions),
        images,
        measured,
        wanted,
        np.asarray(half),
        residuals,
        tuple(status),
        tuple(keys),
        spacing,
        path,
        metrics,
        "; ".join(messages) or None,
    )


def _measure(neighbours: Vector, similarities: Vector, residuals: Vector, status: list[str], rise: float, evaluations: int, keys: list[int]) -> SequenceMetrics:
    to_reference = np.abs(np.concatenate([np.diff(similarities[a : b + 1]) for a, b in zip(keys, keys[1:], strict=False)]))
    return SequenceMetrics(
        _ratio(to_reference), _ratio(neighbours), float(neighbours.max()), float(np.abs(residuals).max()), rise, sum(s != "ok" for s in status), evaluations
    )


def _ratio(steps: Vector) -> float:
    return float(max(steps.max(), 1e-9) / max(steps.min(), 1e-9))


def _way(a: Vector, b: Vector, path: Path) -> Callable[[Vector], Vector]:
    if path == "slerp":
        return lambda t: slerp(a, b, t)
    return lambda t: (1 - t[:, None]) * a + t[:, None] * b


def _point(latent: ArrayLike, dim: int) -> Vector:
    point = np.asarray(latent, np.float64)
    if point.shape != (dim,) or not (np.abs(point) <= LARGEST).all():
        raise WashiError(f"an end of shape {point.shape} or with values that are not numbers was given: this model needs {dim} numbers")
    return point


def draw_sequence(sequence: TextureSequence, path: str | PathLike[str], title: str = "") -> None:
    """Fig. 5 of the paper for one sequence, as PNG."""
    try:
        from matplotlib.figure import Figure
    except ImportError as error:
        raise WashiError("drawing a sequence needs matplotlib: install it with pip install 'washi-latent[figures]'") from error
    n = len(sequence.positions)
    index = np.arange(n)
    figure = Figure(figsize=(max(7.0, 0.62 * n), 7.2), layout="constrained")
    above, strip, below = figure.subplots(3, 1, height_ratios=(3, 1.1, 3))
    above.plot(index, sequence.similarities, "o", color="#1f5fa9", label="MSSIM to the reference")
    above.plot(index, sequence.positions, "^", color="#c8553d", label="place on the way (normalized distance)")
    above.set(ylabel="MSSIM, place", xlabel="texture", xticks=index, ylim=(min(-0.03, float(sequence.similarities.min()) - 0.05), 1.05))
    above.legend(frameon=False)
    above.set_title(title or f"Interpolated sequence, spacing {sequence.spacing}, path {sequence.path}")
    strip.imshow(
        np.concatenate(list(sequence.images[..., :3] if sequence.images.shape[-1] >= 3 else sequence.images[..., :1].repeat(3, -1)), 1), aspect="equal"
    )
    strip.set_axis_off()
    below.set(xlabel="MSSIM", yticks=[], ylabel="texture")
    for i, (value, target, half) in enumerate(zip(sequence.similarities, sequence.targets, sequence.half_width, strict=True)):
        color = "#1f5fa9" if sequence.status[i] == "ok" else "#c8553d"
        if not np.isnan(target):
            below.plot([target - half, target + half], [0, 0], "|-", color="#555555", markersize=14)
            below.annotate("", (target, 0.06), (value, i + 1), arrowprops={"arrowstyle": "->", "color": color, "lw": 0.8})
        below.plot([value], [i + 1], "o", color=color, markersize=5)
    below.set_title(
        "Similarity search intervals (below), and each texture's similarity" if sequence.spacing == "similarity" else "Similarity of each texture", fontsize=10
    )
    write_atomically(path, lambda file: figure.savefig(file, format="png", dpi=110))
