"""What the extension asks of the core: models that stay loaded, looks, sheets. No Blender here, and nothing heavy at import."""

from __future__ import annotations

import base64
import contextlib
import hashlib
import io
import json
import os
import struct
from array import array
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property, lru_cache
from pathlib import Path
from threading import Lock
from typing import TYPE_CHECKING, Any

from .translations import MESSAGE

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from ..core.analysis import Direction
    from ..core.models import ModelInfo, TextureModel
    from ..core.preference import Seen
    from ..core.progress import Progress
    from ..core.search import Search, SearchState
    from ..core.sheets import Atlas

    Bytes = NDArray[np.uint8]

EDGE = 128
"""Pixels an edge of the pictures that are shown."""
PREVIEW = 256
"""Pixels an edge of the pictures of assets."""
THUMBNAIL = 64
"""Pixels an edge of the pictures of history and favourites."""

Tell = Callable[[float], None]
"""What is told the progress, as in `core.progress`."""

_loaded: dict[str, TextureModel] = {}
_threads: dict[str, int] = {}
"""That each of them was loaded for: the network keeps to what it was given then."""
_loading = Lock()
_kept: dict[tuple[Any, ...], Look] = {}
_states: dict[str, SearchState] = {}
"""The last search that was walked, unpacked: a long one takes a moment to read."""
_strips: dict[Asked, Strip] = {}
_directions: dict[str, tuple[Direction, ...] | None] = {}
"""Of each model that is loaded, by its folder."""
_KEPT_BYTES = 48 << 20


@dataclass(frozen=True)
class Place:
    """Where a saved search stands, read without the core: what a panel needs to draw.

    Attributes:
        model: its name.
        parents: of each node. centers: of each node, as they are packed. current: index. trail: where forward leads.
        favourites: names. kept: their latents, as they are packed.
        settings: of the current node, as saved.
        key: same key, same pictures.
    """

    model: str
    parents: tuple[int, ...]
    centers: tuple[bytes, ...]
    current: int
    trail: tuple[int, ...]
    favourites: tuple[str, ...]
    kept: tuple[bytes, ...]
    settings: Mapping[str, Any]
    key: tuple[Any, ...]

    @property
    def here(self) -> bytes:
        """The current node's latent, as it is packed."""
        return self.centers[self.current]

    @property
    def depth(self) -> int:
        """Steps from the first node to the current one."""
        return self.depths[self.current]

    @cached_property
    def depths(self) -> tuple[int, ...]:
        """Steps from the first node to each."""
        result: list[int] = []
        for parent in self.parents:
            result.append(result[parent] + 1 if parent >= 0 else 0)
        return tuple(result)

    @cached_property
    def branches(self) -> tuple[int, ...]:
        """How often the way to each node left the first way on from a place: its indentation in a list."""
        first: dict[int, int] = {}
        result: list[int] = []
        for index, parent in enumerate(self.parents):
            first.setdefault(parent, index)
            result.append(0 if parent < 0 else result[parent] + (first[parent] != index))
        return tuple(result)

    @cached_property
    def order(self) -> tuple[int, ...]:
        """Nodes as a list shows them: every branch below the place that it left, the first way on last."""
        children: dict[int, list[int]] = {}
        for index, parent in enumerate(self.parents):
            children.setdefault(parent, []).append(index)
        stack, result = [0], []
        while stack:
            index = stack.pop()
            result.append(index)
            stack += children.get(index, [])
        return tuple(result)


@lru_cache(8)
def place(packed: str) -> Place | None:
    """Read a packed state; None where there is none or it can't be read (the core says why)."""
    try:
        value = json.loads(packed)
        nodes, count = value["nodes"], len(value["nodes"])
        centers = _rows(value["centers"], count, value["numbers"])
        kept = _rows(value["kept"], len(value["favourites"]), value["numbers"])
        current = int(value["current"])
        parent, _, draw, _, index = nodes[current]
        settings = dict(value["settings"][index])
        # What a pick walks of the way changes no picture here.
        shown = {name: setting for name, setting in settings.items() if name != "step"}
        toward = tuple(pair for pair in zip(value["favourites"], kept, strict=True) if settings["direction"] == f"favourite:{pair[0]}")
        before = centers[parent] if parent >= 0 else b""
        parents = tuple(int(node[0]) for node in nodes)
        learned = _digest(value["comparisons"], parents, current)
        key = (value["model"], value["seed"], value["noise_seed"], current, draw, centers[current], before, json.dumps(shown), toward, learned)
        return Place(value["model"], parents, centers, current, tuple(value["trail"]), tuple(value["favourites"]), kept, settings, key)
    except (ValueError, KeyError, TypeError, IndexError, RecursionError):
        return None


def _digest(comparisons: Sequence[Any], parents: Sequence[int], current: int) -> str:
    """A digest of what was chosen on the way to a node: the next representatives depend on it."""
    whole = hashlib.sha256()
    while current >= 0:
        whole.update(json.dumps([parents[current], comparisons[current]]).encode())
        current = parents[current]
    return whole.hexdigest()


def _rows(text: str, count: int, numbers: str) -> tuple[bytes, ...]:
    """Packed latents: rows of doubles, whatever numbers they were saved as."""
    flat = base64.b64decode(text)
    if numbers == "<f4":
        flat = array("d", array("f", flat)).tobytes()
    size = len(flat) // max(1, count)
    return tuple(flat[i * size : (i + 1) * size] for i in range(count))


@lru_cache(8)
def noise_seed(packed: str) -> int:
    """Which sheet of each paper a packed search shows."""
    return int(json.loads(packed)["noise_seed"])


def unpacked(latent: bytes) -> tuple[float, ...]:
    """The numbers of a packed latent."""
    return struct.unpack(f"<{len(latent) // 8}d", latent)


def from_text(latent: str) -> bytes:
    """A packed latent as a property keeps it; empty where it can't be read."""
    try:
        return base64.b64decode(latent, validate=True)
    except ValueError:
        return b""


def to_text(latent: Sequence[float] | bytes) -> str:
    """A latent as a property keeps it."""
    packed = latent if isinstance(latent, bytes) else struct.pack(f"<{len(latent)}d", *latent)
    return base64.b64encode(packed).decode()


# Models


def bundles(extra: Iterable[Path]) -> list[tuple[str, str, Path]]:
    """Name, title and folder of every bundle, from their descriptions alone; loading verifies them.

    Args:
        extra: folders that count before those of $WASHI_LATENT_MODELS and the shipped one, as in `core.models.model_folders`,
            which a panel may not import.
    """
    package = Path(__file__).resolve().parent.parent
    named = (Path(path) for path in os.environ.get("WASHI_LATENT_MODELS", "").split(os.pathsep) if path)
    found: dict[str, tuple[str, str, Path]] = {}
    for folder in (*extra, *named, package / "models", package.parent / "models"):
        try:
            descriptions = sorted(folder.glob("*/model.json")) if folder.is_dir() else []
        except OSError:  # not for this user to read
            continue
        # What is hidden is a bundle in the making, or what was left of one.
        for description in (one for one in descriptions if not one.parent.name.startswith(".")):
            name = description.parent.name
            try:
                title = json.loads(description.read_text(encoding="utf-8"))["title"]
            except (OSError, ValueError, KeyError, TypeError):
                title = name
            found.setdefault(name, (name, str(title), description.parent))
    return sorted(found.values(), key=lambda one: (one[0] != "washi-sheet", one[1]))


def model(folder: str, threads: int) -> TextureModel:
    """A verified model, loaded once.

    Raises:
        WashiError: no folder, or what `load_model` says.
    """
    from ..core.models import load_model

    _need(folder)
    with _loading:
        if folder not in _loaded or _threads.get(folder) != threads:
            _loaded[folder], _threads[folder] = load_model(folder, threads=threads), threads
        return _loaded[folder]


def add_model(path: str, folder: Path, progress: Progress) -> str:
    """Copy a bundle, a folder or a zip file, among the artist's models once it is verified; its name.

    Raises:
        WashiError: it isn't a bundle, or it is damaged.
    """
    from ..core.models import install_bundle

    return install_bundle(path, folder, progress).name


def card(folder: str) -> Mapping[str, str]:
    """What a model says of itself, in words, by what it is about; empty where it can't be read."""
    try:
        facts = json.loads((Path(folder) / "model.json").read_text(encoding="utf-8"))
        size, scale = facts["size"], facts.get("millimetres_per_pixel")
        return {
            MESSAGE("Licence"): str(facts["license"]),
            MESSAGE("Latent dimensions"): str(facts["latent"]["dim"]),
            MESSAGE("Size"): "512 – 4096 px" if size == "any" else f"{size[1]} × {size[0]} px",
            MESSAGE("Scale"): f"{scale:g} mm/px" if scale else "–",
            MESSAGE("Channels"): ", ".join(facts["channels"]),
        }
    except (OSError, ValueError, KeyError, TypeError, IndexError):
        return {}


def _need(folder: str) -> None:
    if not folder:
        from ..core.errors import WashiError

        raise WashiError(MESSAGE("The model of this search is not here: add it, or choose another model"))


def forget_models() -> None:
    """Let go of every model and every picture."""
    _loaded.clear()
    _kept.clear()
    _states.clear()
    _strips.clear()
    _directions.clear()
    _info.cache_clear()
    _described.cache_clear()


class _Described:
    """A model of which the description is enough: for steps that make no picture."""

    def __init__(self, info: ModelInfo) -> None:
        self.info, self.latent_dim = info, info.latent_dim

    def generate(self, *_: Any, **__: Any) -> Any:
        """Never: a described model makes no pictures."""
        raise NotImplementedError


@lru_cache(8)
def _described(folder: str) -> _Described:
    return _Described(_info(folder))


def _known(folder: str) -> TextureModel | _Described:
    """What a gesture needs of a model, the loaded one where it is: reading its atlas anew, and all that was picked, would hold the window."""
    return _loaded.get(folder) or _described(folder)


@lru_cache(8)
def _info(folder: str) -> ModelInfo:
    from ..core.models import read_info

    _need(folder)
    return read_info(folder)


# Steps: from one packed search to the next, without a picture


def begin(folder: str, seed: int, noise_seed: int, before: str = "") -> str:
    """A new search, packed; what was kept in the one before, of the same model, stays kept, unless that can't be read."""
    from ..core.errors import WashiError
    from ..core.search import Search, pack_state, unpack_state

    search = Search(_known(folder), seed=seed, noise_seed=noise_seed)
    with contextlib.suppress(WashiError):
        known = unpack_state(before)
        if known.model == search.state.model:
            search.state = replace(search.state, favourites=known.favourites)
    return pack_state(search.state)


def walk(packed: str, folder: str, gesture: Callable[[Search], Any]) -> str:
    """The search, packed, after one gesture.

    Raises:
        WashiError: the search can't be read, or the gesture isn't possible here.
    """
    from ..core.search import Search, pack_state, unpack_state

    state = _states.get(packed) or unpack_state(packed)
    search = Search(_known(folder), state=state)
    gesture(search)
    after = pack_state(search.state)
    _states.clear()
    _states[after] = search.state
    return after


def pick(search: Search, index: int, seen: Seen | None = None) -> None:
    """Pick a candidate, of what was seen; what was chosen for the first look goes on, only nearer around the pick."""
    node, after = search.state.node, search.settings_after
    assert after is not None
    nearer = replace(node.settings, radius=after.radius, concentration=after.concentration, direction=after.direction)
    search.pick(index, nearer if node.parent < 0 and node.settings.direction == "last" else None, seen)


def keep(search: Search, name: str, index: int = -1) -> None:
    """Keep a candidate, or with -1 where the search stands, as a favourite."""
    search.keep(name, _candidate(search, index))


def _candidate(search: Search, index: int) -> Sequence[float] | NDArray[np.float64]:
    """The latent of a candidate, or with -1 of where a search stands."""
    from ..core.errors import WashiError

    if index < 0:
        return search.state.node.center
    latents = search.latents()
    if index >= len(latents):
        raise WashiError(f"there is no candidate {index}: choose one from 0 to {len(latents) - 1}")
    return latents[index]


def rename(search: Search, old: str, new: str) -> None:
    """Give a favourite another name, in its place; a light toward it goes on shining there."""
    from ..core.errors import WashiError

    state = search.state
    if not new.strip():
        raise WashiError("a favourite needs a name: give it one")
    if any(kept.name == new for kept in state.favourites):
        raise WashiError(f"there is a favourite {new!r} already: choose another name")
    search.favourite(old)
    favourites = tuple(replace(kept, name=new) if kept.name == old else kept for kept in state.favourites)
    search.state = replace(_turned(state, old, f"favourite:{new}"), favourites=favourites)


def forget(search: Search, name: str) -> None:
    """Let a favourite go; a light toward it shines on in the direction of the last step."""
    search.forget(name)
    search.state = _turned(search.state, name, "last")


def _turned(state: SearchState, name: str, direction: str) -> SearchState:
    """A search in which every light toward a favourite points elsewhere."""
    nodes = (replace(n, settings=replace(n.settings, direction=direction)) if n.settings.toward == name else n for n in state.nodes)
    return replace(state, nodes=tuple(nodes))


def adjust(search: Search, values: Mapping[str, Any]) -> None:
    """Look around the same place with other settings.

    Args:
        values: fields of `SearchSettings`; "spread" (mean angle, radians) may stand for the concentration, and "reach"
            (part of the shell's radius) for the radius.
    """
    from ..core.sphere import concentration_for_angle

    given, dim = dict(values), search.model.latent_dim
    if "spread" in given:
        given["concentration"] = float(concentration_for_angle(given.pop("spread"), dim))
    if "reach" in given:
        given["radius"] = given.pop("reach") * search.model.info.prior_radius
    search.adjust(replace(search.state.node.settings, **given))


def spread_and_reach(settings: Mapping[str, Any], folder: str) -> tuple[float, float]:
    """Mean angle (radians) and part of the shell's radius that a concentration and a radius mean."""
    from ..core.sphere import angle_for_concentration

    info = _info(folder)
    return angle_for_concentration(settings["concentration"], info.latent_dim), settings["radius"] / info.prior_radius


# Looks


@dataclass(frozen=True, eq=False)
class Look:
    """What is shown of one place.

    Attributes:
        key: of the place.
        pictures: (N, EDGE, EDGE, 4) uint8, rows from the bottom up as Blender keeps them.
        shown: indices of the representatives. labels: (N,) which of them stands for each. message: or None.
        latents: (N,), packed as in `Place`. seen: what a pick here teaches the search.
    """

    key: tuple[Any, ...]
    pictures: Bytes
    shown: tuple[int, ...]
    labels: tuple[int, ...]
    message: str | None
    latents: tuple[bytes, ...]
    seen: Seen | None

    def members(self, index: int) -> tuple[int, ...]:
        """Candidates that a representative stands for, itself first."""
        label = self.labels[index]
        return (index, *(i for i, other in enumerate(self.labels) if other == label and i != index))


def kept_look(key: tuple[Any, ...]) -> Look | None:
    """A look of late, if it is still here."""
    return _kept.get(key)


def look(packed: str, folder: str, threads: int, progress: Progress) -> Look:
    """Sample and cluster around where a search stands."""
    from ..core.progress import part
    from ..core.search import Search, unpack_state

    loaded = model(folder, threads)
    search = Search(loaded, state=unpack_state(packed), size=_edge(loaded), threads=threads)
    found = search.sample(part(progress, 0, 0.95))
    stands = place(packed)
    assert stands is not None
    chosen = found.representatives
    result = Look(
        stands.key,
        _shown(found.images, loaded, EDGE, part(progress, 0.95, 1)),
        tuple(int(i) for i in chosen.indices),
        tuple(int(i) for i in chosen.labels),
        chosen.message,
        tuple(row.astype("<f8").tobytes() for row in found.latents),
        found.seen,
    )
    _keep(_kept, stands.key, result)
    return result


def _keep(kept: dict[Any, Any], key: Any, result: Any) -> None:
    """Keep what was drawn, and let the oldest go where that is much: never the last one, which another window may show."""
    while len(kept) > 1 and sum(one.pictures.nbytes for one in kept.values()) + result.pictures.nbytes > _KEPT_BYTES:
        del kept[next(iter(kept))]
    kept[key] = result


def thumbnails(packed: str, folder: str, threads: int, latents: Sequence[bytes], progress: Progress, edge: int = THUMBNAIL) -> dict[bytes, Bytes]:
    """Small pictures (edge, edge, 4) uint8 by packed latent."""
    import numpy as np

    from ..core.progress import part

    loaded, seed = model(folder, threads), noise_seed(packed)
    points = np.stack([np.frombuffer(latent, "<f8") for latent in latents])
    images = loaded.generate(points, _edge(loaded), seed, part(progress, 0, 0.8))
    return dict(zip(latents, _shown(images, loaded, edge, part(progress, 0.8, 1)), strict=True))


def _edge(loaded: TextureModel) -> int | None:
    return EDGE if loaded.info.size is None else None


def _shown(images: NDArray[np.float32], loaded: TextureModel, edge: int, progress: Progress) -> Bytes:
    """(N, edge, edge, 4) uint8 of textures (N, H, W, C), in light from one side, rows from the bottom up."""
    from ..core.images import resize
    from ..core.light import lit
    from ..core.threads import in_pieces

    def shown(few: NDArray[np.float32]) -> Bytes:
        seen = lit(few, loaded.info)
        return _for_blender([one if one.shape[:2] == (edge, edge) else resize(one, edge, edge) for one in seen])

    pictures = in_pieces(shown, images, progress)
    progress(1.0)  # whoever ended the work gets nothing of it
    return pictures


def _for_blender(pictures: Sequence[NDArray[np.float32]]) -> Bytes:
    """(N, H, W, 4) uint8 of pictures (H, W, 3), rows from the bottom up."""
    import numpy as np

    result = np.full((len(pictures), *pictures[0].shape[:2], 4), 255, np.uint8)
    for target, picture in zip(result, pictures, strict=True):
        target[..., :3] = np.round(picture[::-1] * 255)
    return result


# Directions that change one thing


def find_directions(folder: str, threads: int, cache: Path, progress: Progress) -> tuple[Direction, ...]:
    """Find the named directions of a model, on the sheet of seed 0: they hold for every sheet, and are found once a model.

    Args:
        cache: folder in which they are kept for later.
    """
    from ..core.direction_cache import find_directions as found

    _directions[folder] = result = found(model(folder, threads), cache, progress)
    return result


def kept_directions(folder: str, cache: Path) -> tuple[Direction, ...] | None:
    """Directions of a model that is loaded, found now or kept from an earlier time; None where there are none yet."""
    if folder in _loaded and folder not in _directions:
        from ..core.direction_cache import cached_directions

        _directions[folder] = cached_directions(_loaded[folder].info, cache)
    return _directions.get(folder)


def along(folder: str, center: Sequence[float] | bytes, amounts: Mapping[str, float]) -> bytes:
    """The packed latent that directions lead to from a place.

    Args:
        center: a latent, packed or not. amounts: of directions by name, -1 to 1.

    Raises:
        WashiError: the model's directions aren't found yet, or it has no such one.
    """
    import numpy as np

    from ..core.analysis import along as moved
    from ..core.errors import WashiError

    known = {one.name: one.vector for one in _directions.get(folder) or ()}
    if not known:
        raise WashiError(MESSAGE("The directions of this model are not found yet: find them first"))
    unknown = next((name for name in amounts if name not in known), None)
    if unknown is not None:
        raise WashiError(f"this model has no direction {unknown!r}: choose from {', '.join(known)}")
    start = np.frombuffer(center, "<f8") if isinstance(center, bytes) else np.array(center)
    if amounts:
        start = moved(start, [known[name] for name in amounts], list(amounts.values()), _info(folder).prior_radius)
    return start.astype("<f8").tobytes()


# Pictures to find, sheets to apply


@dataclass(frozen=True, eq=False)
class Pixels:
    """An image datablock's pixels: (H, W, C) from the bottom up, linear light where they are floats."""

    values: NDArray[np.float32]
    is_float: bool

    def on_screen(self) -> NDArray[np.float32]:
        """(H, W, 3) as sRGB shows them, from the top down."""
        import numpy as np

        picture = self.values[::-1]
        color = picture[..., :3] if picture.shape[2] >= 3 else np.repeat(picture[..., :1], 3, -1)
        if not self.is_float:
            return color
        light = np.clip(color, 0, 1)
        return np.where(light <= 0.0031308, 12.92 * light, 1.055 * light ** (1 / 2.4) - 0.055).astype(np.float32)


def find(packed: str, folder: str, threads: int, picture: str | bytes | Pixels, progress: Progress) -> str:
    """Walk to the texture that looks most like a picture; gives the search packed.

    Args:
        picture: a file's path, or what it holds, or pixels.
    """
    from ..core.find import find_latents

    best = find_latents(model(folder, threads), _read(picture), 1, progress, noise_seed(packed))[0]
    return walk(packed, folder, lambda search: search.step_to(best))


def preview(picture: str | bytes | Pixels) -> bytes:
    """A picture as an asset's preview: PREVIEW x PREVIEW RGBA bytes, from the bottom up."""
    import numpy as np

    from ..core.images import quantized, resize

    small = resize(_read(picture), PREVIEW, PREVIEW)[::-1]
    return quantized(np.concatenate([small, np.ones_like(small[..., :1])], -1), np.uint8).tobytes()


def _read(picture: str | bytes | Pixels) -> NDArray[np.float32]:
    from ..core.images import read_image

    if isinstance(picture, Pixels):
        return picture.on_screen()
    return read_image(io.BytesIO(picture) if isinstance(picture, bytes) else picture)


@dataclass(frozen=True)
class Sheet:
    """Maps of one texture, on disk: path by map; scale; provenance."""

    files: Mapping[str, Path]
    tile_mm: float
    provenance: Mapping[str, Any]


# Sequences


@dataclass(frozen=True)
class Asked:
    """Which sequence: model's folder, packed latents of its ends and of the key points between them, and how it is spread.

    Attributes:
        count: textures between each two points. spacing, path: as `core.sequence.interpolate`.
    """

    folder: str
    noise_seed: int
    points: tuple[bytes, ...]
    count: int
    spacing: str
    path: str


@dataclass(frozen=True, eq=False)
class Strip:
    """What is shown of a sequence.

    Attributes:
        latents: packed, in order. pictures: (N, EDGE, EDGE, 4) uint8, rows from the bottom up. status: "ok", or what is wrong with each.
        plot: (PLOT, PLOT, 4) uint8, rows from the bottom up.
        reference_ratio, neighbour_ratio: largest over smallest step, of MSSIM to the reference and between neighbours.
        message: what a person should know, or None.
    """

    latents: tuple[bytes, ...]
    pictures: Bytes
    status: tuple[str, ...]
    plot: Bytes
    reference_ratio: float
    neighbour_ratio: float
    message: str | None


PLOT = 512
"""Pixels an edge of the plot."""


def kept_strip(asked: Asked) -> Strip | None:
    """A sequence of late, if it is still here."""
    return _strips.get(asked)


class _Watched:
    """A model that tells how many pictures it has made, of about as many as a sequence needs, and can be stopped at each."""

    def __init__(self, model: TextureModel, expected: int, progress: Progress) -> None:
        self.info, self.latent_dim = model.info, model.latent_dim
        self._model, self._made, self._expected, self._progress = model, 0, expected, progress

    def generate(self, latents: Any, size: Any = None, seed: int = 0, progress: Progress | None = None) -> Any:
        """As `TextureModel.generate`."""
        count = len(latents) if getattr(latents, "ndim", 1) == 2 else 1
        images = self._model.generate(latents, size, seed, lambda share: self.tell(share * count))
        self._made += count
        return images

    def tell(self, more: float = 0) -> None:
        """What is made so far, and how many pictures more."""
        self._progress(min(0.97, (self._made + more) / self._expected))


def sequence(asked: Asked, threads: int, progress: Progress) -> Strip:
    """Interpolate between the points; a sequence of late is given again."""
    import numpy as np

    from ..core.plot import similarity_plot
    from ..core.progress import part
    from ..core.sequence import interpolate

    if asked in _strips:
        return _strips[asked]
    loaded = model(asked.folder, threads)
    first, *between, last = (np.frombuffer(point, "<f8") for point in asked.points)
    watched = _Watched(loaded, (len(asked.points) - 1) * (50 + 10 * asked.count), progress)
    found = interpolate(
        watched,
        first,
        last,
        asked.count,
        asked.spacing,
        asked.path,
        between=between,
        size=_edge(loaded),
        seed=asked.noise_seed,
        progress=lambda _: watched.tell(),
        threads=threads,
    )
    metrics = found.metrics
    latents = tuple(row.astype("<f8").tobytes() for row in found.latents)
    plot = _for_blender([similarity_plot(found, PLOT)])[0]
    ratios = metrics.reference_step_ratio, metrics.neighbour_step_ratio
    strip = Strip(latents, _shown(found.images, loaded, EDGE, part(progress, 0.97, 1)), found.status, plot, *ratios, found.message)
    _keep(_strips, asked, strip)
    return strip


def keep_files(sheets: Sequence[Sheet], names: Sequence[str], folder: Path | None) -> list[Sheet]:
    """The same textures with their maps copied to a folder where they stay, under these names; without a folder as they are."""
    if folder is None:
        return list(sheets)
    from ..core import sheets as files

    kept = files.keep_files({name: sheet.files for name, sheet in zip(names, sheets, strict=True)}, folder)
    return [replace(sheet, files=kept[name]) for name, sheet in zip(names, sheets, strict=True)]


@dataclass(frozen=True)
class Drawn:
    """A sequence's textures on disk, and what the form of the material needs besides.

    Attributes:
        sheets: in order. atlas: of these, for materials that blend or vary. first: of the numbered files by map, for a film.
        earlier: how many other films of this name lie beside it, and their bytes.
    """

    sheets: tuple[Sheet, ...]
    atlas: Atlas | None = None
    first: Mapping[str, Path] | None = None
    earlier: tuple[int, int] = (0, 0)


def keep_drawn(drawn: Drawn, name: str, folder: Path | None) -> Drawn:
    """The same with what materials will show copied to a folder where it stays; without a folder as it is."""
    if folder is None:
        return drawn
    if drawn.atlas is None:
        return replace(drawn, sheets=tuple(keep_files(drawn.sheets, [f"{name}_{i + 1:02d}" for i in range(len(drawn.sheets))], folder)))
    from ..core import sheets as files

    return replace(drawn, atlas=replace(drawn.atlas, files=files.keep_files({name: drawn.atlas.files}, folder)[name]))


MAPS = ("base_color", "height", "normal", "roughness", "opacity")
"""What is drawn of a texture."""


def check_sequence(asked: Asked, size: int, form: str, maps: int, out: Path, kept: Path | None) -> None:
    """Say at once what drawing a sequence would come to refuse at its end.

    Args:
        maps: how many are drawn. out: folder for what is read once. kept: folder for what stays, if it stays there. The rest: as `draw_sequence`.

    Raises:
        WashiError: more than graphics cards, the memory or a disk take.
    """
    from ..core.models import check_memory
    from ..core.sheets import check_atlas, check_room

    count = (asked.count + 1) * (len(asked.points) - 1) + 1
    height, width = _drawn_size(asked.folder, size)
    in_atlas = form in {"BLEND", "VARY"}
    if in_atlas:
        check_atlas(count, height, width)
        # Colours of one byte, side by side and one by one.
        check_memory(count, height, width, count * height * width * 3 * 2)
    drawn = maps * (2 if in_atlas else 1)
    check_room(count, height, width, {out: drawn} if kept is None else {out: drawn, kept: maps})


def check_sheet(folder: str, size: int, maps: int, out: Path, kept: Path | None) -> None:
    """Say at once what drawing a texture would come to refuse at its end.

    Args:
        maps: how many are drawn. out: folder for what is read once. kept: folder for what stays, if it stays there. The rest: as `draw_sheet`.

    Raises:
        WashiError: no model, more than a disk takes, a folder that can't be written to.
    """
    from ..core.sheets import check_room

    height, width = _drawn_size(folder, size)
    check_room(1, height, width, {out: maps} if kept is None else {out: maps, kept: maps})


def _drawn_size(folder: str, size: int) -> tuple[int, int]:
    """Height and width of a model's texture, where this edge was asked for."""
    return _info(folder).size or (size, size)


def draw_sequence(
    asked: Asked, threads: int, size: int, out: Path, name: str, form: str, film: Path | None, progress: Progress, maps: Sequence[str] = MAPS
) -> Drawn:
    """Generate every texture of a sequence, and write its maps.

    Args:
        size: edge in pixels. out: folder for what is read once. name: of the files.
        form: "EACH", "FILM", "BLEND" or "VARY". film: folder for the files of a film. maps: those that are wanted.
    """
    from ..core.progress import part
    from ..core.sheets import checksum, earlier_rows, number_files, write_atlas

    strip = sequence(asked, threads, part(progress, 0, 0.3))
    total, sheets = len(strip.latents), []
    for number, latent in enumerate(strip.latents):
        share = part(progress, 0.3 + 0.6 * number / total, 0.3 + 0.6 * (number + 1) / total)
        sheets.append(draw_sheet(asked.folder, threads, unpacked(latent), size, asked.noise_seed, out, f"{name}_{number + 1:03d}", share, maps))
    files, last = [one.files for one in sheets], part(progress, 0.9, 1)
    if form == "FILM":
        assert film is not None
        first = number_files(files, film, name, last)
        return Drawn(tuple(sheets), first=first, earlier=earlier_rows(next(iter(first.values())), name))
    atlas = write_atlas(files, out, name, last) if form in {"BLEND", "VARY"} else None
    for path in atlas.files.values() if atlas is not None else ():
        checksum(path)
    return Drawn(tuple(sheets), atlas)


def draw_sheet(
    folder: str, threads: int, latent: Sequence[float], size: int, noise_seed: int, out: Path, name: str, progress: Progress, wanted: Sequence[str] = MAPS
) -> Sheet:
    """Generate one texture at any size and write its maps: colour 8 bit, the rest 16 bit."""
    from .. import __version__
    from ..core.images import make_folder
    from ..core.maps import material_maps, write_map
    from ..core.progress import part
    from ..core.sheets import checksum

    loaded = model(folder, threads)
    edge = size if loaded.info.size is None else None
    texture = loaded.generate(list(latent), edge, noise_seed, part(progress, 0, 0.6))[0]
    info = loaded.info
    maps = material_maps(texture, info.channels, info.millimetres_per_pixel, info.tileable, progress=part(progress, 0.6, 0.7))
    del texture
    tile_mm = maps.base_color.shape[1] * maps.millimetres_per_pixel
    provenance = {
        "model": info.name,
        "latent": [float(x) for x in latent],
        "seed": noise_seed,
        "size": list(maps.base_color.shape[:2]),
        "version": __version__,
        "estimated": list(maps.estimated),
    }
    files: dict[str, Path] = {}
    for number, key in enumerate(wanted):
        share = part(progress, 0.7 + 0.3 * number / len(wanted), 0.7 + 0.3 * (number + 1) / len(wanted))
        plain = key in ("base_color", "normal")
        path = make_folder(out) / f"{name}_{key}.png"
        files[key] = write_map(path, maps.map(key), key == "base_color", "png8" if plain else "png16", {**provenance, "map": key}, share)
        checksum(files[key])
    return Sheet(files, tile_mm, provenance)
