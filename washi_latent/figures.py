"""The five figures of the paper, drawn from a model of this repository with the paper's parameters (Satoh, section 4)."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from .core.errors import WashiError
from .core.images import rgb, writable_folder, write_atomically
from .core.models import load_model
from .core.ranges import check_seed
from .core.representatives import Representatives, choose_representatives
from .core.search import Search, SearchSettings, compared
from .core.sequence import TextureSequence, interpolate
from .core.similarity import mssim_matrix, ssim_vectors
from .core.sphere import angle_for_concentration, angles_between, sample_directions, sample_sphere

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

    from .core.models import TextureModel
    from .core.search import Candidates

BLUE, ORANGE = "#1f5fa9", "#e07b00"
CLUSTERS = 8
Textures = NDArray[np.float32]


def draw_figures(model_name: str | None = None, out: str | os.PathLike[str] = "figures", seed: int = 0) -> list[Path]:
    """Draw Fig. 1 to Fig. 5.

    Args:
        model_name: a model's name or folder; None: washi-dcgan-64, the paper's kind of model.
        out: folder for figure-1.png to figure-5.png.
        seed: of everything that is drawn.

    Returns:
        The files.

    Raises:
        WashiError: no such model, a folder that can't be written.
    """
    check_seed(seed)
    model, folder = load_model(model_name or "washi-dcgan-64"), writable_folder(out)
    first, around, second = _search(model, seed)
    figures = (figure_1(model, seed), figure_2(model, seed), figure_3(first, around, second), figure_4(around), figure_5(model, first, seed))
    return [write_atomically(folder / f"figure-{i}.png", lambda file, f=figure: f.savefig(file, format="png", dpi=100)) for i, figure in enumerate(figures, 1)]


def figure_1(model: TextureModel, seed: int) -> Figure:
    """Training images above, where the model learned from the simulation, generated ones below (vMF around a direction, concentration 10)."""
    rng = np.random.default_rng(seed)
    center, direction = np.zeros(model.latent_dim), _axis(model.latent_dim)
    generated = model.generate(sample_sphere(center, model.info.prior_radius, direction, 10, 30, rng), seed=seed)
    figure = _figure(11, 8.4)
    above, below = figure.subplots(2, 1)
    facts, name = model.info.training.get("data"), "the DCGAN" if model.info.architecture == "dcgan" else f"the model {model.info.name}"
    simulated = isinstance(facts, dict) and facts.get("source") == "simulation"
    training = _training_patches(30, seed) if simulated else None
    if training is None:
        lacking = "install washi-latent[simulate] to show training patches" if simulated else "what this model learned from is no part of its bundle"
        above.text(0.5, 0.5, lacking, ha="center")
        above.set_axis_off()
    else:
        _grid(above, training, 10)
    above.set_title(f"Washi textures used to train {name} (simulated sheets)" if simulated else f"Textures used to train {name}")
    _grid(below, generated, 10)
    below.set_title("Textures generated from the learned latent space (concentration 10)")
    return _titled(
        figure,
        "Fig. 1  Examples of washi texture images used to train DCGAN (upper half), and\ntexture images generated from the learned latent space (lower half)",
    )


def figure_2(model: TextureModel, seed: int) -> Figure:
    """Sampling from von Mises-Fisher distributions: in three dimensions, angles in 100, and textures."""
    rng = np.random.default_rng(seed)
    figure = _figure(11, 12)
    rows = figure.subfigures(3, 1, height_ratios=(1.05, 0.8, 1.35))
    for i, kappa in enumerate((0, 10, 100)):
        points = sample_directions([0, 0, 1], kappa, 500, rng)
        place: Any = rows[0].add_subplot(1, 3, i + 1, projection="3d")
        place.scatter(*points.T, s=3, color=BLUE)
        place.set(title=f"concentration {kappa}", xlim=(-1, 1), ylim=(-1, 1), zlim=(-1, 1), box_aspect=(1, 1, 1))
    rows[0].suptitle("(a) Points on the sphere in three dimensions")
    axes = rows[1].subplots(1, 1)
    for kappa in (0, 50, 200, 1000):
        angles = angles_between(sample_directions(_axis(100), kappa, 20_000, rng), _axis(100))
        axes.hist(
            angles,
            bins=120,
            range=(0, np.pi),
            density=True,
            alpha=0.75,
            label=f"{kappa} (mean {angles.mean():.3f}, by quadrature {angle_for_concentration(kappa, 100):.3f})",
        )
    axes.set(xlabel="angle to the mean direction (radians)", ylabel="density", title="(b) Angles in 100 dimensions, by concentration")
    axes.legend(frameon=False)
    for i, (place, kappa) in enumerate(zip(rows[2].subplots(2, 1), (100, 1000), strict=True)):
        same = np.random.default_rng(seed + 1)  # everything but the concentration is equal, the seed too
        latents = sample_sphere(np.zeros(model.latent_dim), 7.0, _axis(model.latent_dim), kappa, 24, same)
        _grid(place, model.generate(latents, seed=seed), 12)
        place.set_title(("(c) Textures, " if i == 0 else "") + f"concentration {kappa}")
    return _titled(figure, "Fig. 2  Sampling points drawn from a von Mises-Fisher (vMF) distribution")


def figure_3(first: Candidates, around: Candidates, second: Candidates) -> Figure:
    """Algorithm 1: all around, around the pick, and the second iteration."""
    figure = _figure(11, 20)
    parts = figure.subfigures(5, 1, height_ratios=(1, 1, 1.25, 1, 1.25))
    picked_first, picked = _pick(first), _pick(around)
    _grid(parts[0].subplots(), first.images, 10, orange=[picked_first])
    parts[0].suptitle("(a) Textures generated all around (c = 0, r = 7, concentration 0); the pick in orange")
    _grid(parts[1].subplots(), around.images, 10)
    parts[1].suptitle("(b) Textures similar to the pick (iteration 1: concentration 100)")
    _clusters(parts[2], around.images, around.representatives, picked)
    parts[2].suptitle("(c) Clusters (iteration 1); representatives in blue, the pick in orange")
    _grid(parts[3].subplots(), second.images, 10)
    parts[3].suptitle("(d) Textures similar to the pick (iteration 2: concentration 1, r = 1)")
    _clusters(parts[4], second.images, second.representatives, None)
    parts[4].suptitle("(e) Clusters (iteration 2); representatives in blue")
    return _titled(figure, "Fig. 3  Searching direction selection using Algorithm 1")


def figure_4(around: Candidates) -> Figure:
    """Clusters by SSIM vectors of one, two, four and all textures as references."""
    pictures = compared(around.images)
    figure = _figure(11, 20)
    parts = figure.subfigures(5, 1, height_ratios=(1, 1.2, 1.2, 1.2, 1.2))
    chosen = choose_representatives(mssim_matrix(pictures), 4, "coverage").indices
    _grid(parts[0].subplots(), around.images, 10, orange=[int(i) for i in chosen])
    parts[0].suptitle("(a) Textures from the learned latent space; references in orange")
    names = ("(b) one reference (repeated to four components)", "(c) two references (each twice)", "(d) four references", "(e) all textures as references")
    for part, name, count in zip(parts[1:], names, (1, 2, 4, len(pictures)), strict=True):
        references = pictures if count == len(pictures) else pictures[chosen[:count]]
        vectors = ssim_vectors(pictures, references)
        vectors = np.tile(vectors, (1, 4 // count)) if count < 4 else vectors
        _clusters(part, around.images, choose_representatives(vectors, CLUSTERS, "paper", np.random.default_rng(0)), None)
        part.suptitle(f"{name}: {vectors.shape[1]}-dimensional SSIMV")
    return _titled(figure, "Fig. 4  Effects of SSIM vectors (SSIMV)")


def figure_5(model: TextureModel, first: Candidates, seed: int) -> Figure:
    """Interpolated sequences between textures that the search found: similarities, places, and search intervals."""
    finds = first.latents[first.representatives.indices[:4]]
    figure = _figure(13, 9.6)
    columns = figure.subfigures(1, 2)
    for part, (a, b) in zip(columns, ((0, 1), (2, 3)), strict=True):
        _sequence(part, interpolate(model, finds[a], finds[b], 10, "similarity", "lerp", seed=seed))
    return _titled(figure, "Fig. 5  Generating interpolating textures with the latent space search;\nspacing by similarity, straight path, as in the paper")


def _search(model: TextureModel, seed: int) -> tuple[Candidates, Candidates, Candidates]:
    """Fig. 3's search, with the paper's parameters and method."""
    paper = {"method": "paper", "shell": False, "representatives": CLUSTERS}
    start = SearchSettings(radius=7.0, concentration=0.0, **paper)  # type: ignore[arg-type]
    search = Search(model, seed=seed, settings=start, settings_after=SearchSettings(radius=7.0, concentration=100.0, **paper))  # type: ignore[arg-type]
    first = _several(search.sample(), 4, model)
    # The paper searches "around the picked one": from the first centre, along the direction of the pick.
    pick = _pick(first)
    search.pick(pick, SearchSettings(radius=7.0, concentration=100.0, **paper))  # type: ignore[arg-type]
    around = _several(search.sample(), 2, model)
    search.pick(_pick(around), SearchSettings(radius=1.0, concentration=1.0, **paper))  # type: ignore[arg-type]
    return first, around, search.sample()


def _several(candidates: Candidates, count: int, model: TextureModel) -> Candidates:
    if len(candidates.representatives.indices) < count:
        raise WashiError(f"the model {model.info.name} makes too few different textures for the paper's figures: choose another")
    return candidates


def _pick(candidates: Candidates) -> int:
    return int(candidates.representatives.indices[1])


def _axis(dim: int) -> NDArray[np.float64]:
    """The paper's mean direction, (0, 1, 0, ..., 0)."""
    return np.eye(dim)[1]


def _training_patches(count: int, seed: int) -> Textures | None:
    try:
        from .training.data import cut_patches
        from .training.washi import KINDS, synthesize
    except ImportError:
        return None
    rng = np.random.default_rng(seed)
    cut = [cut_patches(synthesize(kind, 192, seed + i).scan(), 1, 0.1, rng)[0] for i, kind in enumerate((KINDS * 2)[:count])]
    return np.stack(cut).astype(np.float32) / 255


def _sequence(part: Any, sequence: TextureSequence) -> None:
    above, strip, below = part.subplots(3, 1, height_ratios=(3, 0.8, 3))
    index = np.arange(len(sequence.positions))
    above.plot(index, sequence.similarities, "o", color=BLUE, label="MSSIM to the reference")
    above.plot(index, sequence.positions, "^", color=ORANGE, label="place (normalized distance)")
    above.set(xlabel="texture", xticks=index, ylim=(-0.03, 1.05))
    above.legend(frameon=False)
    strip.imshow(np.concatenate([rgb(t) for t in sequence.images], 1))
    strip.set_axis_off()
    for i, (value, target, half) in enumerate(zip(sequence.similarities, sequence.targets, sequence.half_width, strict=True)):
        color = BLUE if sequence.status[i] == "ok" else ORANGE
        below.plot([target - half, target + half], [0, 0], "|-", color="#555555", markersize=16)
        below.annotate("", (target, 0.1), (value, i + 1), arrowprops={"arrowstyle": "->", "color": color, "lw": 0.8})
        below.plot([value], [i + 1], "o", color=color, markersize=5)
    m = sequence.metrics
    below.set(xlabel="MSSIM; ticks: similarity search intervals", ylabel="texture", yticks=[])
    below.set_title(f"largest residual {m.largest_residual:.4f}, flagged {m.flagged}, neighbours' steps {m.neighbour_step_ratio:.2f} : 1", fontsize=9)


def _figure(width: float, height: float) -> Figure:
    from matplotlib.figure import Figure

    return Figure(figsize=(width, height), layout="constrained")


def _titled(figure: Figure, title: str) -> Figure:
    figure.suptitle(title, fontsize=13)
    return figure


def _grid(axes: Axes, textures: Textures, columns: int, blue: tuple[int, ...] | list[int] = (), orange: tuple[int, ...] | list[int] = ()) -> None:
    """Textures in rows, with coloured edges."""
    height, width = textures.shape[1:3]
    gap = max(2, height // 16)
    down, right = height + gap, width + gap
    rows = -(-len(textures) // columns)
    sheet = np.ones((rows * down - gap, columns * right - gap, 3), np.float32)
    for i, texture in enumerate(textures):
        y, x = i // columns * down, i % columns * right
        sheet[y : y + height, x : x + width] = rgb(texture)
    axes.imshow(sheet, interpolation="nearest")
    axes.set_axis_off()
    from matplotlib.patches import Rectangle

    for color, marked in ((BLUE, blue), (ORANGE, orange)):
        for i in marked:
            corner = i % columns * right - 1.5, i // columns * down - 1.5
            axes.add_patch(Rectangle(corner, width + 2, height + 2, fill=False, edgecolor=color, linewidth=2.5))


def _clusters(part: Any, textures: Textures, chosen: Representatives, picked: int | None) -> None:
    """One row a cluster half, the representative first in each."""
    boxes = part.subplots(2, -(-len(chosen.indices) // 2), squeeze=False).ravel()
    for position, axes in enumerate(boxes):
        axes.set_axis_off()
        if position >= len(chosen.indices):
            continue
        members = [int(i) for i in chosen.members(position)]
        _grid(axes, textures[members], 4, blue=[0], orange=[i for i, m in enumerate(members) if m == picked])
        axes.set_title(f"{len(members)}", fontsize=8)
