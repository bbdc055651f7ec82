"""The search: shine a light from where you stand, look at what it falls on, walk there (Satoh, Algorithm 1).

A search is a value, `SearchState`: where it stood, what was shown there and what was picked, as a tree, so that a person
can go back, forward, and off on another branch. It goes to JSON and back exactly. The same state, model and seed give the
same pictures.
"""

from __future__ import annotations

import base64
import json
import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, field, fields, replace
from functools import cached_property
from typing import Any, Literal, Protocol, cast

import numpy as np
from numpy.typing import ArrayLike, NDArray

from .atlas import atlas_of
from .errors import WashiError
from .images import resize, rgb, square
from .models import ModelInfo, TextureModel
from .preference import PREVIEW_EDGE, SURVEY_SAMPLES, Comparison, FeatureSpace, Seen, likelihoods, most_useful, survey, wishes
from .progress import Progress, ignore, part
from .ranges import check_seed
from .representatives import METHODS, Method, Representatives, choose_representatives, distinct
from .similarity import mssim_matrix
from .sphere import MAX_CONCENTRATION, sample_directions, sample_sphere
from .texture_features import FEW, GROUPS, texture_features
from .threads import cores, in_pieces, one_blas_thread

Array = NDArray[np.float32]
Latents = NDArray[np.float64]

STATE_VERSION = 1

SearchMethod = Literal["preference"] | Method
Anywhere = Callable[[int, np.random.Generator], Latents]
SEARCH_METHODS: tuple[SearchMethod, ...] = ("preference", *METHODS)

COMPARED_EDGE = 64
"""Textures are compared at this many pixels an edge: a step must answer while the artist looks."""

SAME_FEATURES = 1e-3
"""Textures whose coordinates all differ by less count as one."""

LARGEST, _LARGEST_FEATURE = 1e30, 65504.0
"""Of a latent's numbers, which networks take in single precision, and of features, which are kept in half."""

MAX_SAMPLES = 4096
ALL_PAIRS, REFERENCES = 200, 32
_ROWS = 512
"""Rows of a large matrix that are made at a time."""


class Model(Protocol):
    """What a search needs of a model; `TextureModel` is one."""

    @property
    def info(self) -> ModelInfo: ...

    @property
    def latent_dim(self) -> int: ...

    def generate(self, latents: ArrayLike, size: int | tuple[int, int] | None = None, seed: int = 0, progress: Progress = ignore) -> Array: ...


@dataclass(frozen=True)
class SearchSettings:
    """How a step looks around; each step keeps its own.

    Attributes:
        radius: r, how far the light reaches.
        concentration: kappa, how narrow it is; 0 shines everywhere.
        direction: mean direction: "last" step's, "any" (of no matter where the concentration is 0), or "favourite:NAME",
            toward a favourite.
        samples: textures a step.
        representatives: how many of them are shown.
        method: how they are chosen: "preference", by what the picks so far tell (`preference.py`), or one of
            `representatives.METHODS`, by the candidates alone; "paper" is Algorithm 1.
        shell: bring candidates to the prior's shell, where the model was trained; off is the paper's.
        step: how much of the way to the pick is walked: 1 to it, below 1 part of it, above 1 beyond.
        elsewhere: with the method "preference", the share of samples that come from all of the model, so that no search is stuck:
            those that the picks make likely, if its bundle holds an atlas; none of them where the light points to a favourite.
        nearest: with the method "preference", candidates lie at all distances from this share of the radius up to it.
    """

    radius: float = 7.0
    concentration: float = 0.0
    direction: str = "last"
    samples: int = 50
    representatives: int = 12
    method: SearchMethod = "preference"
    shell: bool = True
    step: float = 1.0
    elsewhere: float = 0.4
    nearest: float = 0.35

    def __post_init__(self) -> None:
        checks = (
            (math.isfinite(self.radius) and 0 < self.radius <= 1e6, f"the radius is {self.radius}: choose a number above 0"),
            (0 <= self.concentration <= MAX_CONCENTRATION, f"the concentration is {self.concentration}: choose 0 to {MAX_CONCENTRATION:.0e}"),
            (self.direction in ("last", "any") or self.toward, f"the direction is {self.direction!r}: choose last, any or favourite:NAME"),
            (1 <= self.samples <= MAX_SAMPLES, f"{self.samples} samples were asked for: choose 1 to {MAX_SAMPLES}"),
            (
                1 <= self.representatives <= self.samples,
                f"{self.representatives} representatives of {self.samples} samples were asked for: choose 1 to {self.samples}",
            ),
            (self.method in SEARCH_METHODS, f"there is no method {self.method!r}: choose from {', '.join(SEARCH_METHODS)}"),
            (0 <= self.elsewhere <= 1, f"the share of samples from elsewhere is {self.elsewhere}: choose 0 to 1"),
            (0 < self.nearest <= 1, f"the nearest share of the radius is {self.nearest}: choose above 0, at most 1"),
            (math.isfinite(self.step) and 0 < self.step <= 4, f"the step is {self.step}: choose above 0, at most 4"),
        )
        for holds, sentence in checks:
            if not holds:
                raise WashiError(sentence)

    @property
    def toward(self) -> str | None:
        """Name of the favourite that the light points to, or None."""
        head, _, name = self.direction.partition(":")
        return name if head == "favourite" and name else None


@dataclass(frozen=True)
class Node:
    """One place of a search.

    Attributes:
        parent: index of the node that the step came from; -1 for the first.
        center: (dim,) where the search stands.
        direction: (dim,) unit vector of the step that led here; zeros at the first node.
        picked: index of the candidate of the parent that was picked; -1 for the first.
        draw: which draw of candidates is shown here; "others" raises it.
        picked_draw: which draw of the parent the pick was made from.
        settings: how candidates are sampled here.
        comparisons: what was chosen on the way here and what was not, and what was not here: the method "preference" learns from it.
    """

    parent: int
    center: tuple[float, ...]
    direction: tuple[float, ...]
    picked: int
    draw: int
    picked_draw: int
    settings: SearchSettings
    comparisons: tuple[Comparison, ...] = ()


@dataclass(frozen=True)
class Favourite:
    """A texture that was kept, by name."""

    name: str
    latent: tuple[float, ...]


@dataclass(frozen=True)
class SearchState:
    """All of a search, as a value.

    Attributes:
        model: name of the model.
        seed: of every draw of candidates.
        noise_seed: which sheet of each paper is shown, where the model has local noise; held fixed through a search.
        nodes: the tree, in the order of their making.
        current: index of the node where the search stands.
        trail: where "forward" leads: for every node, the child last visited, or -1.
        favourites: kept textures.
    """

    model: str
    seed: int
    noise_seed: int
    nodes: tuple[Node, ...]
    current: int = 0
    trail: tuple[int, ...] = (-1,)
    favourites: tuple[Favourite, ...] = ()

    @property
    def node(self) -> Node:
        """Where the search stands."""
        return self.nodes[self.current]

    def path(self) -> list[int]:
        """Indices of the nodes from the first to where the search stands."""
        result = [self.current]
        while (parent := self.nodes[result[-1]].parent) >= 0:
            result.append(parent)
        return result[::-1]

    def comparisons(self) -> tuple[list[Comparison], bool]:
        """What was chosen on the path since the search last went to a texture without comparing; and whether it did, or began at one."""
        result: list[Comparison] = []
        for index in reversed(self.path()):
            node = self.nodes[index]
            result += node.comparisons
            if node.parent >= 0 and node.picked < 0:
                return result, True
        return result, any(self.nodes[0].center)

    def children(self, index: int) -> list[int]:
        """Indices of the nodes that were reached from a node."""
        return [i for i, node in enumerate(self.nodes) if node.parent == index]

    def to_json(self) -> str:
        """As JSON; `from_json` gives an equal value."""
        return json.dumps({"state_version": STATE_VERSION, **asdict(self)}, allow_nan=False)

    @staticmethod
    def from_json(text: str) -> SearchState:
        """From JSON.

        Raises:
            WashiError: not a state, or an inconsistent one.
        """
        try:
            value: Any = json.loads(text)
        except (ValueError, RecursionError) as error:
            raise WashiError("this is not a saved search: its JSON can't be read") from error
        return state_from_dict(value)


@dataclass(frozen=True, eq=False)
class Candidates:
    """What the light fell on.

    Attributes:
        latents: (N, dim). images: (N, H, W, C) in [0, 1].
        representatives: chosen indices, labels, and a message or None.
        node, draw: whose they are.
        seen: what a pick teaches here; `Search.pick` takes it where the pick is made without these candidates at hand. None
            with methods that don't learn.
        measured: the similarity, where the method needed it. threads: for the similarity; None: all cores.
    """

    latents: Latents
    images: Array
    representatives: Representatives
    node: int
    draw: int
    seen: Seen | None = None
    measured: Array | None = field(default=None, repr=False)
    threads: int | None = None

    @cached_property
    def similarity(self) -> Array:
        """(N, N) MSSIM of the compared pictures; estimated for more than `ALL_PAIRS` of them, see `similarities`."""
        return similarities(in_pieces(compared, self.images), self.threads) if self.measured is None else self.measured


@dataclass
class Search:
    """A search of a model's latent space; holds a frozen `state` that every gesture replaces.

    Args:
        model: what is searched.
        seed: the same seed, model and picks give the same pictures on one kind of processor. On another, rounding may show other
            candidates, or the same ones in another order; what was picked is kept as latents and stays.
        start: (dim,) where to stand first; None: the origin, from where the light falls on the whole shell (Fig. 3a).
        settings: of the first step.
        settings_after: of the steps after it; None: nearer around each pick (Fig. 3b), see `default_settings`.
        noise_seed: which sheet of each paper.
        size: edge of the pictures in pixels, where the model makes any; None: 128, or the model's own.
        state: go on from here instead.
        threads: for the similarity; None: all cores.

    Raises:
        WashiError: a start of another dimension, a state of another model.
    """

    model: Model
    seed: int = 0
    start: ArrayLike | None = None
    settings: SearchSettings | None = None
    settings_after: SearchSettings | None = None
    noise_seed: int = 0
    size: int | None = None
    state: SearchState = field(default=cast("SearchState", None))
    threads: int | None = None
    _cache: dict[tuple[int, int], Candidates] = field(default_factory=dict[tuple[int, int], "Candidates"], repr=False)

    def __post_init__(self) -> None:
        first, after = default_settings(self.model)
        self.settings_after = self.settings_after or (
            replace(self.settings, concentration=after.concentration, radius=after.radius) if self.settings else after
        )
        if self.state is None:  # pyright: ignore[reportUnnecessaryComparison]
            center = self._point(np.zeros(self.model.latent_dim) if self.start is None else self.start)
            zeros = (0.0,) * self.model.latent_dim
            self.state = SearchState(self.model.info.name, self.seed, self.noise_seed, (Node(-1, center, zeros, -1, 0, 0, self.settings or first),))
        _check_state(self.state, self.model)
        self.seed, self.noise_seed = self.state.seed, self.state.noise_seed

    # Looking

    def sample(self, progress: Progress = ignore) -> Candidates:
        """Sample textures around where the search stands and choose representatives (Algorithm 1, steps 2 and 3).

        Args:
            progress: is told the share done, 0 to 1; what it raises ends the work.
        """
        key = self.state.current, self.state.node.draw
        if key not in self._cache:
            self._cache.clear()  # pictures are large, and the same state makes them again
            self._cache[key] = self._look(*key, progress)
        return self._cache[key]

    def _look(self, index: int, draw: int, progress: Progress) -> Candidates:
        settings = self.state.nodes[index].settings
        if settings.method == "preference":
            with one_blas_thread():
                return self._look_for_preference(*self._draw(index, draw), progress)
        latents, rng = self._draw(index, draw)
        images = self.model.generate(latents, self._edge(), self.state.noise_seed, part(progress, 0, 0.8))
        similarity = similarities(in_pieces(compared, images, part(progress, 0.8, 0.82)), self.threads, part(progress, 0.82, 0.95))
        chosen = choose_representatives(similarity, settings.representatives, settings.method, rng, part(progress, 0.95, 1))
        return Candidates(latents, images, chosen, index, draw, measured=similarity)

    def _look_for_preference(self, latents: Latents, rng: np.random.Generator, progress: Progress) -> Candidates:
        """Candidates of which those are shown that are most useful, by what the picks so far tell."""
        state, wanted = self.state, self.state.node.settings.representatives
        atlas = atlas_of(self.model)
        space = atlas.space if atlas else survey(self.model, state.noise_seed, part(progress, 0, 0.3))
        # Where the search stands is compared too, once a texture was chosen: it is made with the others.
        stands = state.node.parent >= 0 or any(state.node.center)
        wide = np.concatenate([latents, [state.node.center]]) if stands else latents
        pictures = self.model.generate(wide, self._edge(), state.noise_seed, part(progress, 0.3, 0.85))
        features, images = in_pieces(self._features, pictures, part(progress, 0.85, 0.9), FEW, self.threads or cores()), pictures[: len(latents)]
        here, points = features[-1] if stands else None, space(features[: len(latents)])
        different, message = distinct(points, wanted, part(progress, 0.9, 0.98), SAME_FEATURES)
        progress(0.98)
        useful = most_useful(points[different], self._wishes(space, here, rng), min(wanted, len(different)), None if here is None else space(here))
        indices = different[useful]
        labels = np.linalg.norm(points[:, None] - points[indices], axis=-1).argmin(1).astype(np.intp)
        labels[indices] = np.arange(len(indices))
        chosen = Representatives(indices, labels, message)
        return Candidates(latents, images, chosen, state.current, state.node.draw, Seen(features[: len(latents)], indices, here), threads=self.threads)

    def _wishes(self, space: FeatureSpace, here: Array | None, rng: np.random.Generator) -> Latents:
        """Coordinates of what may be in mind: anything that the model makes, until a pick or a place to begin at tells."""
        comparisons, landed = self.state.comparisons()
        if not comparisons and not landed:
            return space.points[:SURVEY_SAMPLES]
        return wishes(space, comparisons, rng, here if landed else None)

    def _features(self, images: Array) -> Array:
        """Of pictures of the model's own size as they are; of those of any size by previews' size, the mean of up to four pieces."""
        edge = min(images.shape[1:3])
        if self.model.info.size is not None or edge <= PREVIEW_EDGE:
            return texture_features(images)
        starts = (0, PREVIEW_EDGE) if edge >= 2 * PREVIEW_EDGE else (0,)
        pieces = [texture_features(images[:, y : y + PREVIEW_EDGE, x : x + PREVIEW_EDGE]) for y in starts for x in starts]
        return np.mean(pieces, axis=0)

    def latents(self) -> Latents:
        """Where this place's candidates lie, (samples, dim), without making their pictures."""
        return self._draw(self.state.current, self.state.node.draw)[0]

    @one_blas_thread()
    def _draw(self, index: int, draw: int) -> tuple[Latents, np.random.Generator]:
        node = self.state.nodes[index]
        rng = np.random.default_rng([self.state.seed, index, draw])
        direction = np.asarray(node.direction)
        if (name := node.settings.toward) is not None:
            direction = way(node.center, self.favourite(name))
        return candidate_latents(np.asarray(node.center), direction, node.settings, rng, self.model.info.prior_radius, self._likely), rng

    def _likely(self, count: int, rng: np.random.Generator) -> Latents:
        """Latents (count, dim) from anywhere in the model: of its atlas, if it has one, those that the picks make likely."""
        atlas = atlas_of(self.model)
        comparisons, landed = self.state.comparisons()
        if atlas is None or (landed and not comparisons):
            return rng.standard_normal((count, self.model.latent_dim))
        weights = likelihoods(atlas.space, comparisons)
        with np.errstate(divide="ignore"):
            keys = np.log(weights) + rng.gumbel(size=len(weights))  # the largest are a draw without replacement (Vieira 2014): no texture twice
        few = np.argpartition(-keys, count)[:count] if count < len(keys) else np.arange(len(keys))
        return atlas.latents[few[np.argsort(-keys[few], kind="stable")]]

    def picture(self, latent: ArrayLike | None = None) -> Array:
        """The texture of a latent, or of where the search stands: (H, W, C)."""
        return self.model.generate(self.state.node.center if latent is None else latent, self._edge(), self.state.noise_seed)[0]

    def _edge(self) -> int | None:
        return self.size if self.model.info.size is not None else (self.size or 128)

    # Walking

    def pick(self, index: int, settings: SearchSettings | None = None, seen: Seen | None = None) -> SearchState:
        """Pick a candidate: r v_S = p_S - c is the direction, p_S the next centre (Algorithm 1, step 4).

        Args:
            index: of the candidate among all samples (not among the representatives).
            settings: of the next step; None: those of this one, or of the steps after the first.
            seen: what was shown; None: as `sample` showed it, if it did; without it the pick counts, but teaches nothing.

        Raises:
            WashiError: no such candidate.
        """
        latents = self.latents()
        if not 0 <= index < len(latents):
            raise WashiError(f"there is no candidate {index}: pick one from 0 to {len(latents) - 1}")
        node = self.state.node
        center = np.asarray(node.center)
        target = _single(center + node.settings.step * (latents[index] - center))
        learned = self._learned(index, seen)
        return self._grow(Node(self.state.current, _tuple(target), _tuple(way(center, target)), index, 0, node.draw, self._following(settings), learned))

    def step_to(self, latent: ArrayLike, settings: SearchSettings | None = None) -> SearchState:
        """Walk to any latent: a favourite, or one found from a picture."""
        target = self._point(latent)
        return self._grow(Node(self.state.current, target, _tuple(way(self.state.node.center, target)), -1, 0, 0, self._following(settings)))

    def _following(self, settings: SearchSettings | None) -> SearchSettings:
        node = self.state.node
        return settings or (node.settings if node.parent >= 0 else self.settings_after) or node.settings

    def others(self, seen: Seen | None = None) -> SearchState:
        """Another draw of candidates at the same place; nothing that was shown is nearer to what is in mind.

        Args:
            seen: as for `pick`.
        """
        return self._change(draw=self.state.node.draw + 1, comparisons=self.state.node.comparisons + self._learned(None, seen))

    def _learned(self, picked: int | None, seen: Seen | None) -> tuple[Comparison, ...]:
        looked = self._cache.get((self.state.current, self.state.node.draw))
        seen = seen or (looked.seen if looked else None)
        comparison = seen.comparison(picked) if seen else None
        return () if comparison is None else (comparison,)

    def adjust(self, settings: SearchSettings) -> SearchState:
        """Look around the same place with other settings (Algorithm 1: none suits, change c, r, d or kappa)."""
        self._cache.clear()
        return self._change(settings=settings)

    def back(self) -> SearchState:
        """To where the last step came from.

        Raises:
            WashiError: at the first place.
        """
        if self.state.node.parent < 0:
            raise WashiError("this is where the search began: there is nothing to go back to")
        return self.jump(self.state.node.parent)

    def forward(self) -> SearchState:
        """To where `back` came from.

        Raises:
            WashiError: nothing ahead.
        """
        ahead = self.state.trail[self.state.current]
        if ahead < 0:
            raise WashiError("there is nothing ahead: pick a texture to go on")
        return self.jump(ahead)

    def jump(self, index: int) -> SearchState:
        """To any place of the search; what was done elsewhere stays.

        Raises:
            WashiError: no such place.
        """
        if not 0 <= index < len(self.state.nodes):
            raise WashiError(f"this search has no place {index}: choose 0 to {len(self.state.nodes) - 1}")
        trail = list(self.state.trail)
        moved = replace(self.state, current=index)
        for parent, child in zip(moved.path(), moved.path()[1:], strict=False):
            trail[parent] = child
        self.state = replace(moved, trail=tuple(trail))
        return self.state

    # Keeping

    def keep(self, name: str, latent: ArrayLike | None = None) -> SearchState:
        """Keep a latent (None: where the search stands) as a favourite; one of that name is replaced."""
        if not name.strip():
            raise WashiError("a favourite needs a name: give it one")
        kept = Favourite(name, self.state.node.center if latent is None else self._point(latent))
        others = tuple(f for f in self.state.favourites if f.name != name)
        self.state = replace(self.state, favourites=(*others, kept))
        return self.state

    def forget(self, name: str) -> SearchState:
        """Let a favourite go.

        Raises:
            WashiError: none of that name.
        """
        self.favourite(name)
        self.state = replace(self.state, favourites=tuple(f for f in self.state.favourites if f.name != name))
        return self.state

    def favourite(self, name: str) -> Latents:
        """The latent of a favourite, or a `WashiError`."""
        for kept in self.state.favourites:
            if kept.name == name:
                return np.asarray(kept.latent)
        raise WashiError(f"there is no favourite {name!r}: choose from {', '.join(f.name for f in self.state.favourites) or 'none'}")

    def _grow(self, node: Node) -> SearchState:
        trail = list(self.state.trail)
        trail[self.state.current] = len(self.state.nodes)
        self.state = replace(self.state, nodes=(*self.state.nodes, node), current=len(self.state.nodes), trail=(*trail, -1))
        return self.state

    def _change(self, **changes: Any) -> SearchState:
        nodes = list(self.state.nodes)
        nodes[self.state.current] = replace(self.state.node, **changes)
        self.state = replace(self.state, nodes=tuple(nodes))
        return self.state

    def _point(self, latent: ArrayLike) -> tuple[float, ...]:
        point = np.asarray(latent, np.float64)
        if point.shape != (self.model.latent_dim,) or not (np.abs(point) <= LARGEST).all():
            raise WashiError(f"a latent of shape {point.shape} or with values that are not numbers was given: this model needs {self.model.latent_dim} numbers")
        return _tuple(_single(point))


def _single(point: ArrayLike) -> Latents:
    """What a network takes, in single precision: what no picture can show is not kept, and a saved search is half as long."""
    return np.asarray(point, np.float32).astype(np.float64)


def default_settings(model: Model) -> tuple[SearchSettings, SearchSettings]:
    """Settings of the first step (the light shines everywhere) and of those after it (around the pick, Fig. 3)."""
    scale = model.info.prior_radius / 10  # the paper's numbers are for 100 dimensions
    return SearchSettings(radius=7.0 * scale, concentration=0.0), SearchSettings(radius=8.0 * scale, concentration=0.0, direction="any")


def candidate_latents(
    center: Latents, direction: Latents, settings: SearchSettings, rng: np.random.Generator, prior_radius: float, anywhere: Anywhere | None = None
) -> Latents:
    """Points on the sphere around a centre, brought to the prior's shell where the settings say so.

    Args:
        center, direction: (dim,); a direction of zeros leaves the light without a mean direction.
        settings: radius, concentration, direction, samples, shell; with the method "preference" also `nearest` and `elsewhere`.
        rng: source of randomness.
        prior_radius: norm of the prior's shell.
        anywhere: draws points from all of the model, where `elsewhere` asks for some; None: from the prior.

    Returns:
        (samples, dim) float64.
    """
    concentration, mean = settings.concentration, direction
    if settings.direction == "any" or not mean.any():
        mean = rng.standard_normal(len(center))
    if settings.method == "preference":
        points = _near_and_elsewhere(center, mean, settings, rng, anywhere)
    else:
        points = sample_sphere(center, settings.radius, mean, concentration, settings.samples, rng)
    if settings.shell:
        points = points / np.maximum(np.linalg.norm(points, axis=1, keepdims=True), 1e-12) * prior_radius
    return _single(points)


def _near_and_elsewhere(center: Latents, mean: Latents, settings: SearchSettings, rng: np.random.Generator, anywhere: Anywhere | None) -> Latents:
    """Points around the centre at many distances, equally many an octave, and points of the prior."""
    far = 0 if settings.toward else round(settings.samples * settings.elsewhere)
    near = settings.samples - far
    distances = settings.radius * np.exp(rng.uniform(math.log(settings.nearest), 0, near))
    directions = sample_directions(mean, settings.concentration, near, rng)
    further = rng.standard_normal((far, len(center))) if anywhere is None else anywhere(far, rng)
    return np.concatenate([center + distances[:, None] * directions, further])


def way(start: ArrayLike, end: ArrayLike) -> Latents:
    """The unit vector from one point to another; zeros where they are one."""
    difference = np.asarray(end, np.float64) - np.asarray(start, np.float64)
    length = float(np.linalg.norm(difference))
    return difference / length if length > 0 else difference


def compared(images: ArrayLike) -> Array:
    """What textures are compared by: their colours (N, h, w, 1 or 3), at most `COMPARED_EDGE` pixels, of (N, H, W, C).

    Larger ones are cut, not shrunk, at twice that size and then halved: fibres must stay visible to the similarity.
    """
    array = np.asarray(images, np.float32)
    pictures = array[..., :3] if array.shape[-1] >= 3 else array[..., :1]
    edge = min(pictures.shape[1:3])
    if edge <= COMPARED_EDGE:
        return pictures
    kept = min(edge, 2 * COMPARED_EDGE) // 2 * 2
    part = pictures[:, :kept, :kept]
    return part.reshape(len(part), kept // 2, 2, kept // 2, 2, part.shape[-1]).mean((2, 4))


def compared_textures(model: Model, latents: ArrayLike, size: int | tuple[int, int] | None, seed: int, progress: Progress = ignore) -> Array:
    """What textures are compared by, `compared`, of latents (N, dim): no more of large ones is made than that takes."""
    if isinstance(model, TextureModel) and min(model.check_size(size)) > COMPARED_EDGE:
        return compared(model.corner(latents, 2 * COMPARED_EDGE, size, seed, progress))
    return compared(model.generate(latents, size, seed, progress))


def similarities(pictures: ArrayLike, threads: int | None = None, progress: Progress = ignore) -> Array:
    """(N, N) MSSIM of pictures (N, H, W, C); of more than `ALL_PAIRS` an estimate whose time grows with N, not with its square.

    The estimate compares SSIM vectors (Satoh, section 3) to `REFERENCES` pictures, which farthest-first traversal of the texture
    features spreads over all: 1 less the root mean square difference of two vectors.
    """
    array = np.asarray(pictures, np.float32)
    if len(array) <= ALL_PAIRS:
        return mssim_matrix(array, threads=threads, progress=progress)
    points = FeatureSpace.of(in_pieces(texture_features, array, part(progress, 0, 0.2))).points
    chosen, distance = [0], np.linalg.norm(points - points[0], axis=1)
    while len(chosen) < REFERENCES:
        chosen.append(int(distance.argmax()))
        distance = np.minimum(distance, np.linalg.norm(points - points[chosen[-1]], axis=1))
    vectors = mssim_matrix(array, array[chosen], threads, part(progress, 0.2, 0.9)).astype(np.float64)
    squares = (vectors**2).sum(1)
    result = np.empty((len(vectors), len(vectors)), np.float32)
    for first in range(0, len(vectors), _ROWS):
        progress(0.9 + 0.1 * first / len(vectors))
        rows = slice(first, first + _ROWS)
        apart = np.maximum(squares[rows, None] + squares - 2 * vectors[rows] @ vectors.T, 0) / REFERENCES
        result[rows] = 1 - np.sqrt(apart)
    np.fill_diagonal(result, 1)
    return result


def rank_by_picture(images: ArrayLike, target: ArrayLike) -> NDArray[np.intp]:
    """Indices of textures (N, H, W, C), the one that looks most like a picture (h, w, 3) first, wherever its marks lie."""
    textures = np.asarray(images, np.float32)
    wanted = resize(square(rgb(target)), *textures.shape[1:3])
    features = texture_features(np.concatenate([np.stack([rgb(t) for t in textures]), wanted[None]]))
    points = FeatureSpace.of(features)(features)
    return np.argsort(np.linalg.norm(points[:-1] - points[-1], axis=1), kind="stable")


# Packing


def pack_state(state: SearchState) -> str:
    """A state in little room, for a file that holds it among much else: about 1.2 kilobytes a step; `unpack_state` gives an equal value.

    Directions follow from the points; equal settings are kept once.
    """
    settings = list(dict.fromkeys(node.settings for node in state.nodes))
    points = [n.center for n in state.nodes] + [f.latent for f in state.favourites]
    kind = "<f4" if np.array_equal(points, _single(points)) else "<f8"
    value = {
        "state_version": STATE_VERSION,
        "model": state.model,
        "seed": state.seed,
        "noise_seed": state.noise_seed,
        "current": state.current,
        "trail": state.trail,
        "settings": [asdict(one) for one in settings],
        "nodes": [[n.parent, n.picked, n.draw, n.picked_draw, settings.index(n.settings)] for n in state.nodes],
        "comparisons": [[[c.chosen, _packed(c.options, "<f2")] for c in n.comparisons] for n in state.nodes],
        "centers": _packed([n.center for n in state.nodes], kind),
        "favourites": [f.name for f in state.favourites],
        "kept": _packed([f.latent for f in state.favourites], kind),
        "numbers": kind,
    }
    return json.dumps(value, allow_nan=False, separators=(",", ":"))


def unpack_state(text: str) -> SearchState:
    """A state from `pack_state`.

    Raises:
        WashiError: not a packed state, or an inconsistent one.
    """
    try:
        value: Any = json.loads(text)
        kind = {"<f4": "<f4", "<f8": "<f8"}[value["numbers"]]
        centers = _unpacked(value["centers"], len(value["nodes"]), kind)
        kept = _unpacked(value["kept"], len(value["favourites"]), kind)
        nodes = []
        for (parent, picked, draw, picked_draw, settings), center, compared in zip(value["nodes"], centers, value["comparisons"], strict=True):
            start = centers[parent] if parent >= 0 else center
            item = {"parent": parent, "center": center.tolist(), "direction": way(start, center).tolist(), "picked": picked}
            comparisons = [{"chosen": chosen, "options": _unpacked(options, -1, "<f2").tolist()} for chosen, options in compared]
            nodes.append({**item, "draw": draw, "picked_draw": picked_draw, "settings": value["settings"][settings], "comparisons": comparisons})
        favourites = [{"name": name, "latent": latent.tolist()} for name, latent in zip(value["favourites"], kept, strict=True)]
    except (KeyError, TypeError, ValueError, IndexError, RecursionError) as error:
        raise WashiError("the search that is saved here can't be read: begin a new one") from error
    return state_from_dict({**value, "nodes": nodes, "favourites": favourites})


def _packed(rows: Sequence[Sequence[float]], kind: str) -> str:
    return base64.b64encode(np.asarray(rows, kind).tobytes()).decode()


def _unpacked(text: str, count: int, kind: str) -> Latents:
    """(count, M) numbers, or with a count of -1 (K, F) features."""
    flat = np.frombuffer(base64.b64decode(text, validate=True), kind).astype(np.float64)
    if count < 0:
        return flat.reshape(-1, sum(GROUPS.values()))
    return flat.reshape(count, -1) if count else flat.reshape(0, 0)


# JSON


def state_from_dict(value: Any) -> SearchState:
    """A state from what JSON gave; strict.

    Raises:
        WashiError: not a state, or an inconsistent one.
    """
    try:
        if value["state_version"] != STATE_VERSION:
            raise WashiError(f"this search was saved in version {value['state_version']!r} and this program reads {STATE_VERSION}: update Washi Latent")
        nodes = tuple(_node(item) for item in value["nodes"])
        favourites = tuple(Favourite(_text(f["name"]), _numbers(f["latent"])) for f in value["favourites"])
        state = SearchState(
            _text(value["model"]),
            _whole(value["seed"]),
            _whole(value["noise_seed"]),
            nodes,
            _whole(value["current"]),
            tuple(_whole(i) for i in value["trail"]),
            favourites,
        )
    except (KeyError, TypeError, ValueError, OverflowError) as error:
        if isinstance(error, WashiError):
            raise
        raise WashiError("this is not a saved search: parts are missing or of the wrong type") from error
    _check_seeds(state)
    _check_tree(state)
    return state


def _node(item: Mapping[str, Any]) -> Node:
    known = {f.name for f in fields(SearchSettings)}
    given = dict(item["settings"])
    if set(given) != known:
        raise WashiError("this is not a saved search: a step's settings are not those of this version")
    numbers = {f: float(given[f]) for f in ("radius", "concentration", "step", "elsewhere", "nearest")}
    if type(given["shell"]) is not bool:
        raise TypeError("shell")
    texts = {f: _text(given[f]) for f in ("direction", "method")}
    settings = SearchSettings(**{**given, **numbers, **texts, "samples": _whole(given["samples"]), "representatives": _whole(given["representatives"])})
    return Node(
        _whole(item["parent"]),
        _numbers(item["center"]),
        _numbers(item["direction"]),
        _whole(item["picked"]),
        _whole(item["draw"]),
        _whole(item["picked_draw"]),
        settings,
        tuple(Comparison(tuple(_numbers(option, _LARGEST_FEATURE) for option in c["options"]), _whole(c["chosen"])) for c in item["comparisons"]),
    )


def _check_seeds(state: SearchState) -> None:
    check_seed(state.seed)
    check_seed(state.noise_seed, "noise seed")


def _check_tree(state: SearchState) -> None:
    count = len(state.nodes)
    dims = {len(n.center) for n in state.nodes} | {len(n.direction) for n in state.nodes} | {len(f.latent) for f in state.favourites}
    ordered = all((-1 if i == 0 else 0) <= n.parent < max(i, 1) and (i > 0 or n.parent == -1) for i, n in enumerate(state.nodes))
    trail = len(state.trail) == count and all(-1 <= t < count and (t < 0 or state.nodes[t].parent == i) for i, t in enumerate(state.trail))
    if not (count and ordered and trail and 0 <= state.current < count and len(dims) == 1 and all(n.draw >= 0 for n in state.nodes)):
        raise WashiError("this is not a saved search: its steps contradict one another")


def _check_state(state: SearchState, model: Model) -> None:
    _check_seeds(state)
    _check_tree(state)
    if state.model != model.info.name:
        raise WashiError(f"this search was made with the model {state.model!r}, not {model.info.name!r}: load that model")
    if len(state.node.center) != model.latent_dim:
        raise WashiError(
            f"this search has {len(state.node.center)} dimensions and the model {model.info.name} {model.latent_dim}: load the model it was made with"
        )


def _numbers(values: Sequence[Any], largest: float = LARGEST) -> tuple[float, ...]:
    result = tuple(float(v) for v in values if type(v) in (int, float))
    if len(result) != len(values) or not all(abs(number) <= largest for number in result):
        raise ValueError("not numbers that a search can go on from")
    return result


def _whole(value: Any) -> int:
    if type(value) is not int:
        raise TypeError("not a whole number")
    return value


def _text(value: Any) -> str:
    if type(value) is not str:
        raise TypeError("not a text")
    return value


def _tuple(vector: NDArray[np.float64]) -> tuple[float, ...]:
    return tuple(float(v) for v in vector)
