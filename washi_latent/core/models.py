"""Model bundles: find, verify, load, generate.

A bundle is a folder: `model.json`, `generator.onnx`, `generator.safetensors`, a model card and pictures. Loading checks the
description and every checksum before anything reads the networks, and runs no code that a bundle brings.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
import lzma
import math
import os
import re
import shutil
import tempfile
import time
import zipfile
import zlib
from collections.abc import Callable, Generator, Iterable, Mapping
from dataclasses import dataclass, field
from functools import partial
from io import BytesIO
from itertools import product
from pathlib import Path
from typing import IO, TYPE_CHECKING, Any, Literal, Protocol, TypeVar, cast

import numpy as np
from numpy.typing import ArrayLike, NDArray
from PIL import Image, UnidentifiedImageError

from .errors import WashiError
from .fields import FIELD_NAMES, GROUPS, SMALLEST_SHEET, draw_fields
from .images import cannot_write, check_folder
from .interrupts import Held
from .locks import briefly_locked
from .progress import Progress, ignore, part
from .ranges import check_seed
from .threads import Ask, cores, together

if TYPE_CHECKING:
    from torch import nn

_Read = TypeVar("_Read")
Array = NDArray[np.float32]
Backend = Literal["auto", "onnx", "torch"]

COLORS = ("red", "green", "blue")
MEMORY_FACTS = Path("/proc/meminfo")
DESCRIPTION = "model.json"
CARD = "README.md"
SCHEMA_VERSION = 1
MODELS_VARIABLE = "WASHI_LATENT_MODELS"
DEFAULT_MODEL = "washi-sheet"

_MAX_DESCRIPTION = 1 << 20
_MAX_FILE, _MAX_FILES, _MAX_BUNDLE = 512 << 20, 64, 2 << 30
_MAX_DIM, _MAX_CHANNELS, _MAX_EDGE = 2048, 16, 8192
_NAME = re.compile(r"(?!(?:con|prn|aux|nul|com[0-9]|lpt[0-9])(?:\.|$))[a-z0-9](?:[a-z0-9._-]{0,62}[a-z0-9_-])?")
"""Names that are folders on every system: Windows keeps some words for devices, and drops a dot at the end."""
_FILE_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,99}")
_EXTERNAL_TENSOR = b"\x0a\x08location"  # how an ONNX file says that a tensor lies in another file


@dataclass(frozen=True)
class ModelInfo:
    """What a bundle says of itself (`model.json`).

    Attributes:
        name, title, license: identity.
        architecture, options: which network, and its shape.
        latent_dim: dimension of the latent space; the prior is a standard normal distribution.
        channels: names, "red", "green", "blue", and "height", "opacity" where the model has them.
        size: (height, width), or None for any size.
        size_multiple: sizes are multiples of this, where any size goes.
        tileable: whether a texture's opposite borders fit.
        millimetres_per_pixel: scale, or None where unknown.
        files: name -> (sha256, bytes).
        folder: where the bundle lies.
        training, evaluation: free facts, as the model card gives them.
    """

    name: str
    title: str
    license: str
    architecture: str
    options: Mapping[str, Any]
    latent_dim: int
    channels: tuple[str, ...]
    size: tuple[int, int] | None
    size_multiple: int
    tileable: bool
    millimetres_per_pixel: float | None
    files: Mapping[str, tuple[str, int]] = field(repr=False)
    folder: Path
    training: Mapping[str, Any] = field(repr=False)
    evaluation: Mapping[str, Any] = field(repr=False)

    @property
    def prior_radius(self) -> float:
        """Norm of the shell that the prior's points lie on: the square root of the dimension."""
        return math.sqrt(self.latent_dim)

    def check_size(self, size: int | tuple[int, int] | None) -> tuple[int, int]:
        """The size as (height, width), or a `WashiError` if the model can't make it."""
        own = self.size
        if size is None:
            return own or (256, 256)
        height, width = (size, size) if isinstance(size, int) else size
        if own is not None and (height, width) != own:
            raise WashiError(
                f"the model {self.name} makes {own[1]} x {own[0]} pixels only, not {width} x {height}: leave the size out, or choose another model"
            )
        multiple, least = self.size_multiple, SMALLEST_SHEET if self.architecture == "sheet" else 1
        if not all(least <= n <= _MAX_EDGE and n % multiple == 0 and n > 0 for n in (height, width)):
            smallest = -(-least // multiple) * multiple
            raise WashiError(f"a texture of {width} x {height} pixels can't be made: choose multiples of {multiple} from {smallest} to {_MAX_EDGE}")
        return height, width


Piece = tuple[range, range, range]
"""Which latents, rows and columns are made at a time."""


class Network(Protocol):
    """A loaded generator."""

    def __call__(self, latents: Array, **inputs: Array) -> Array:
        """(N, Z) float32, and what the architecture needs besides -> (N, C, H, W) float32."""
        ...


class Groups(Protocol):
    """Says which groups of fields a sheet's paper has anything of."""

    def __call__(self, latents: Array) -> Array:
        """(N, Z) float32 -> (N, G) float32, 0 where nothing of a group is seen."""
        ...


class TextureModel:
    """A loaded model: latents in, textures out.

    Args:
        info: what it is.
        network: runs it.
        single: the same on one thread of its own, for pieces of the work side by side; None: they are made in a row.
        threads: how many of these at a time; None: as many as this process has cores.
    """

    _AT_ONCE = 1 << 17
    """Pixels that the network makes at a time, at most: more would go no faster, and work can be ended in between only."""
    _BATCH, _FEW = 16, 4
    """Latents at a time, at most, in a row and side by side: what a thread needs of few stays in its cache, while many threads at one
    piece wait for each other."""
    _LEAST = 3
    """Latents at a time, wherever there are as many: a matrix product's last bits are others for fewer."""
    _BEGINNING = 0.0
    """Share of a texture's work that is done once for all of a size and seed."""
    _NETWORK = 0
    """Bytes that the network needs a pixel, of those that it makes at a time, where they count."""

    def __init__(self, info: ModelInfo, network: Network, single: Network | None = None, threads: int | None = None) -> None:
        self.info = info
        self.threads = threads
        self._network, self._single = network, single

    @property
    def latent_dim(self) -> int:
        """Dimension of the latent space."""
        return self.info.latent_dim

    def generate(self, latents: ArrayLike, size: int | tuple[int, int] | None = None, seed: int = 0, progress: Progress = ignore) -> Array:
        """Generate textures.

        Args:
            latents: (N, latent_dim) or (latent_dim,) for one.
            size: edge, or (height, width), where the model makes any size; None: its own.
            seed: of the local noise, where the model has any: which sheet of that paper.
            progress: is told the share done, 0 to 1; what it raises ends the work.

        Returns:
            (N, H, W, C) float32 in [0, 1].

        Raises:
            WashiError: latents of another dimension or not finite, a size that the model can't make, a seed out of range.
        """
        height, width = self.check_size(size)
        return self._corner(latents, height, width, height, width, seed, progress)

    def corner(self, latents: ArrayLike, edge: int, size: int | tuple[int, int] | None = None, seed: int = 0, progress: Progress = ignore) -> Array:
        """The upper left corner of textures, where no more of them is needed: a sheet's other parts are not made.

        Args:
            latents, size, seed, progress: as `generate` takes them. edge: of the corner, in pixels; at most all of a texture is given.

        Returns:
            (N, min(edge, H), min(edge, W), C) float32: what `generate` gives there.

        Raises:
            WashiError: as `generate`.
        """
        height, width = self.check_size(size)
        return self._corner(latents, height, width, height, width, seed, progress)[:, :edge, :edge]

    def _corner(self, latents: ArrayLike, height: int, width: int, full_height: int, full_width: int, seed: int, progress: Progress) -> Array:
        """So many pixels of textures of so many in full, from the first on."""
        points = check_latents(latents, self.latent_dim)
        check_seed(seed)
        if not len(points):
            return np.empty((0, height, width, len(self.info.channels)), np.float32)
        needed = len(points) * height * width * len(self.info.channels) * 4 + self._working_memory(full_height, full_width)
        check_memory(len(points), full_height, full_width, needed)
        network, threads = self._single or self._network, (self.threads or cores()) if self._single else 1
        pieces = self._pieces(len(points), height, width, threads)
        if len(pieces) < max(2, threads / 2):
            network, threads, pieces = self._network, 1, self._pieces(len(points), height, width, 1)
        at_once = min(threads, len(pieces)) * max(math.prod(map(len, piece)) for piece in pieces)
        check_memory(len(points), full_height, full_width, needed + at_once * self._NETWORK)
        result = np.empty((len(points), height, width, len(self.info.channels)), np.float32)
        begun = self._BEGINNING * len(pieces[0][0]) / len(points)
        drawn = self._draw(points, full_height, full_width, seed, part(progress, 0, begun))

        def make(piece: Piece, ask: Ask) -> None:
            ask()
            few, rows, columns = (slice(one.start, one.stop) for one in piece)
            result[few, rows, columns] = self._make(network, points[few], drawn, rows, columns)

        together([partial(make, piece) for piece in pieces], threads, part(progress, begun, 1))
        return result

    def _pieces(self, count: int, height: int, width: int, threads: int) -> list[Piece]:
        """What the network makes at a time, where so many threads share the work: latents, rows and columns."""
        most = max(1, min(self._FEW if threads > 1 else self._BATCH, self._AT_ONCE // (height * width)))
        number = -(-count // (most * threads)) * threads
        latents = _evenly(count, min(number, max(1, count // self._LEAST) if most >= self._LEAST else count))
        return list(product(latents, *self._tiles(height, width, len(latents[-1]))))

    def _tiles(self, height: int, width: int, count: int) -> tuple[list[range], list[range]]:
        """Rows and columns of what is made of so many textures at a time."""
        return [range(height)], [range(width)]

    def _make(self, network: Network, latents: Array, drawn: NDArray[Any] | None, rows: slice, columns: slice) -> Array:
        made = np.clip(np.moveaxis(self._run(network, latents, drawn, rows, columns), 1, -1), 0, 1)
        shape = rows.stop - rows.start, columns.stop - columns.start, len(self.info.channels)
        if made.shape != (len(latents), *shape):
            raise _broken(self.info.folder, f"its network gives {made.shape[1:]} where its description says {shape}")
        if not np.isfinite(made).all():
            raise WashiError(f"the model {self.info.name} gave values that are not numbers: it is broken, use another")
        return made

    def check_size(self, size: int | tuple[int, int] | None) -> tuple[int, int]:
        """The size as (height, width), or a `WashiError` if the model can't make it."""
        return self.info.check_size(size)

    def _draw(self, latents: Array, height: int, width: int, seed: int, progress: Progress) -> NDArray[Any] | None:
        """What the network needs besides latents, of one seed for all of them."""
        return None

    def _run(self, network: Network, latents: Array, drawn: NDArray[Any] | None, rows: slice, columns: slice) -> Array:
        """(n, C, h, w) of a few latents."""
        return network(latents)

    def _working_memory(self, height: int, width: int) -> int:
        return 0


class SheetModel(TextureModel):
    """A model that composes drawn fields into sheets of any size (`core/fields.py`), in tiles that join exactly.

    Args:
        info, network, single: as `TextureModel` takes them; networks run on latents and padded fields.
        tile: (4, T, T) uint8, as `draw_fields` takes it.
        threads: that draw fields, or make pieces of sheets, at a time; None: as many as this process has cores.
        groups: says what need not be drawn; None: everything is.
    """

    _BEGINNING = 0.6
    _LARGE = 1 << 21
    _NETWORK = 1 << 10  # 65 MB for 2^16 of `washi-sheet`
    _LEAST_ROWS, _TILE = 64, 512
    """Rows of a tile, at least, and columns, at most: each is made with the margin around it, which is then made again for the next one."""

    def __init__(
        self,
        info: ModelInfo,
        network: Network,
        tile: NDArray[np.uint8],
        threads: int | None = None,
        groups: Groups | None = None,
        single: Network | None = None,
    ) -> None:
        super().__init__(info, network, single, threads)
        self._tile, self._margin, self._groups = tile, int(info.options["margin"]), groups
        self._drawn: tuple[tuple[int, int, int], NDArray[Any], frozenset[str]] | None = None

    def corner(self, latents: ArrayLike, edge: int, size: int | tuple[int, int] | None = None, seed: int = 0, progress: Progress = ignore) -> Array:
        height, width = self.check_size(size)
        return self._corner(latents, min(edge, height), min(edge, width), height, width, seed, progress)

    def fields(self, height: int, width: int, seed: int, progress: Progress = ignore, groups: frozenset[str] = frozenset(GROUPS)) -> NDArray[Any]:
        """The fields of one sheet, padded around by what the network needs: (F, H + 2m, W + 2m); the last ones are kept.

        Fields of other groups than those asked for may be 0.
        """
        key, kept, dtype = (height, width, seed), self._drawn, np.float16 if height * width > self._LARGE else np.float32
        if kept is None or kept[0] != key:
            self._drawn = kept = None  # two large ones would need too much memory
            self._drawn = kept = key, draw_fields(height, width, seed, self._tile, dtype, progress, self._margin, self.threads, groups), groups
        elif missing := groups - kept[2]:
            draw_fields(height, width, seed, self._tile, dtype, progress, self._margin, self.threads, missing, into=kept[1])
            self._drawn = kept = key, kept[1], kept[2] | missing
        return kept[1]

    def _needed(self, latents: Array) -> frozenset[str]:
        """Groups of fields that any of these papers shows anything of."""
        if self._groups is None:
            return frozenset(GROUPS)
        named = self.info.options["groups"]
        blocks = [self._groups(latents[first : first + self._BATCH]) for first in range(0, len(latents), self._BATCH)]
        shown = np.max([block.max(0) for block in blocks], 0) > 0
        # Of what the network does not tell, it may show anything.
        return frozenset(GROUPS).difference(named).union(name for name, some in zip(named, shown, strict=True) if some)

    def _draw(self, latents: Array, height: int, width: int, seed: int, progress: Progress) -> NDArray[Any]:
        return self.fields(height, width, seed, progress, self._needed(latents))

    def _tiles(self, height: int, width: int, count: int) -> tuple[list[range], list[range]]:
        columns = _evenly(width, -(-width // self._TILE))
        rows = max(self._LEAST_ROWS, self._AT_ONCE // 2 // (len(columns[-1]) * count))
        return _evenly(height, -(-height // rows)), columns

    def _run(self, network: Network, latents: Array, drawn: NDArray[Any] | None, rows: slice, columns: slice) -> Array:
        assert drawn is not None
        around = 2 * self._margin
        tile = drawn[None, :, rows.start : rows.stop + around, columns.start : columns.stop + around]
        return network(latents, fields=np.ascontiguousarray(tile, np.float32))

    def _working_memory(self, height: int, width: int) -> int:
        large = height * width > self._LARGE
        return height * width * (len(FIELD_NAMES) * (2 if large else 4) + 60)


def _evenly(count: int, parts: int) -> list[range]:
    """0 to `count` in so many parts that differ by 1 at most."""
    return [range(count * k // parts, count * (k + 1) // parts) for k in range(parts)]


def check_latents(latents: ArrayLike, dim: int) -> Array:
    """(N, dim) float32 of one or many latents, or a `WashiError`."""
    try:
        points = np.asarray(latents, np.float64)
    except (TypeError, ValueError) as error:
        raise WashiError(f"latents are not numbers: give (N, {dim}) of them") from error
    if points.ndim == 1:
        points = points[None]
    if points.ndim != 2 or points.shape[1] != dim:
        raise WashiError(f"latents of shape {np.shape(latents)} were given: this model needs (N, {dim})")
    with np.errstate(over="ignore"):
        single = points.astype(np.float32)
    if not np.isfinite(single).all():
        raise WashiError("a latent holds values that are not numbers: sample it again")
    return single


# Finding


def model_folders(extra: Iterable[str | os.PathLike[str]] = ()) -> list[Path]:
    """Folders that may hold bundles, in the order in which they count: the caller's, $WASHI_LATENT_MODELS, the shipped."""
    folders = [Path(p) for p in extra]
    folders += [Path(p) for p in os.environ.get(MODELS_VARIABLE, "").split(os.pathsep) if p]
    package = Path(__file__).resolve().parent.parent
    return [*folders, package / "models", package.parent / "models"]


def find_bundles(extra: Iterable[str | os.PathLike[str]] = ()) -> dict[str, ModelInfo | WashiError]:
    """Every bundle that is there by its folder's name: its description, or what is wrong with it."""
    found: dict[str, ModelInfo | WashiError] = {}
    for folder in model_folders(extra):
        try:
            # What is hidden is a bundle in the making, or what was left of one.
            bundles = sorted(p.parent for p in folder.glob(f"*/{DESCRIPTION}") if not p.parent.name.startswith("."))
        except OSError:
            continue
        for bundle in bundles:
            if bundle.name not in found:
                try:
                    found[bundle.name] = read_info(bundle)
                except WashiError as error:
                    found[bundle.name] = error
    return found


def list_models(extra: Iterable[str | os.PathLike[str]] = ()) -> list[ModelInfo]:
    """Every readable bundle; `find_bundles` also names the broken ones.

    Args:
        extra: folders of bundles that count before the others.
    """
    return [info for info in find_bundles(extra).values() if isinstance(info, ModelInfo)]


def load_model(
    name_or_path: str | os.PathLike[str] = DEFAULT_MODEL, backend: Backend = "auto", extra: Iterable[str | os.PathLike[str]] = (), threads: int | None = None
) -> TextureModel:
    """Load and verify a bundle.

    Args:
        name_or_path: a bundle's name, or the path of its folder.
        backend: "onnx" (ONNX Runtime), "torch" (PyTorch, on a GPU where there is one), "auto" (ONNX Runtime).
        extra: folders of bundles that count before the others.
        threads: processor threads to use; None: all.

    Returns:
        A model that is ready.

    Raises:
        WashiError: no such model; one that is truncated, altered, mismatched or beyond sane sizes; no such backend here.
    """
    if backend not in ("auto", "onnx", "torch"):
        raise WashiError(f"there is no backend {backend!r}: choose auto, onnx or torch")
    folder = locate(name_or_path, extra)
    return _whole(folder, partial(_load, folder, backend, threads))


def _load(folder: Path, backend: Backend, threads: int | None) -> TextureModel:
    info = read_info(folder)
    name = "generator.safetensors" if backend == "torch" else "generator.onnx"
    if name not in info.files:
        raise WashiError(f"the model {info.name} has no {name}: export it again, or choose another backend")
    content = read_file(info, name)
    tile = _read_tile(info) if info.architecture == "sheet" else None
    network, groups, single = (_load_torch if backend == "torch" else _load_onnx)(info, content, threads)
    return TextureModel(info, network, single, threads) if tile is None else SheetModel(info, network, tile, threads, groups, single)


def check_name(name: str) -> str:
    """A model's name as it may be, or a `WashiError`."""
    if not _NAME.fullmatch(name):
        raise WashiError(f"a model can't be named {name!r}: use lower-case letters, digits, dots, dashes and underscores, 64 at most")
    return name


def verify(folder: str | os.PathLike[str], progress: Progress = ignore) -> ModelInfo:
    """Check a bundle's description and every file's checksum.

    Args:
        progress: is told the share done; what it raises ends the work.

    Raises:
        WashiError: what is wrong, in one sentence.
    """
    return _whole(Path(folder), partial(_verify, folder, progress))


def _verify(folder: str | os.PathLike[str], progress: Progress) -> ModelInfo:
    info = read_info(folder)
    for number, name in enumerate(info.files):
        progress(number / len(info.files))
        read_file(info, name)
    return info


def locate(name_or_path: str | os.PathLike[str], extra: Iterable[str | os.PathLike[str]] = ()) -> Path:
    """The folder of a bundle by its name or path, or a `WashiError` that says which are here."""
    text = os.fspath(name_or_path)
    if not text:
        raise WashiError("no model was named: give a name or the path of a bundle's folder")
    if _appears(Path(text)):
        return Path(text)
    if _NAME.fullmatch(text):
        for folder in model_folders(extra):
            if _appears(folder / text):
                return folder / text
    known = ", ".join(sorted(find_bundles(extra))) or "none"
    raise WashiError(f"there is no model {text!r}: choose one of those that are here ({known}), or give the path of a bundle's folder")


def is_bundle(folder: Path) -> bool:
    """Whether a folder holds a bundle's description; of what no system takes for a path, it doesn't."""
    try:
        return (folder / DESCRIPTION).is_file()
    except (OSError, ValueError):
        return False


# Reading and checking


_PATIENCE = 1.0
"""Seconds that a reader waits for another process, which replaces a bundle in far less: a lock may be left of one that was killed."""
_PAUSE = 0.005


def _whole(folder: Path, read: Callable[[], _Read]) -> _Read:
    """What is read of a bundle, which takes no lock: once more where it failed while another process put a new bundle into its place."""
    end = time.monotonic() + _PATIENCE
    while True:
        before = _version(folder)
        try:
            return read()
        except WashiError:
            replaced = _version(folder) != before or (before is None and _is_written(folder))
            if not replaced or time.monotonic() > end:
                raise
            time.sleep(_PAUSE)


def _appears(folder: Path) -> bool:
    """As `is_bundle`; while a bundle is replaced, there is none for a moment."""
    end = time.monotonic() + _PATIENCE
    while not (here := is_bundle(folder)) and _is_written(folder) and time.monotonic() < end:
        time.sleep(_PAUSE)
    return here or is_bundle(folder)


def _version(folder: Path) -> tuple[int, int] | None:
    """Tells a bundle from one that takes its place; None: none is there."""
    try:
        facts = (folder / DESCRIPTION).stat()
    except (OSError, ValueError):
        return None
    return facts.st_ino, facts.st_mtime_ns


def _is_written(folder: Path) -> bool:
    try:
        return _lock_of(folder.resolve()).exists()
    except (OSError, ValueError, RuntimeError):  # no system takes it for a path
        return False


def _lock_of(bundle: Path) -> Path:
    return bundle.with_name(f".{bundle.name}.lock")


def read_info(folder: str | os.PathLike[str]) -> ModelInfo:
    """Read and check a bundle's description, and that its files are there at the stated size.

    Raises:
        WashiError: what is wrong, in one sentence.
    """
    return _whole(Path(folder), partial(_read_info, Path(folder)))


def _read_info(path: Path) -> ModelInfo:
    try:
        if (path / DESCRIPTION).stat().st_size > _MAX_DESCRIPTION:
            raise _broken(path, "its description is absurdly long")
        value: Any = json.loads((path / DESCRIPTION).read_text(encoding="utf-8"))
    except (OSError, ValueError, RecursionError) as error:
        raise _broken(path, "its model.json can't be read") from error
    if not isinstance(value, dict):
        raise _broken(path, "its model.json is not an object")
    info = _parse(path, cast("dict[str, Any]", value))
    for name, (_, size) in info.files.items():
        _check_file(info, name, size)
    return info


def _parse(path: Path, value: dict[str, Any]) -> ModelInfo:
    if value.get("schema_version") != SCHEMA_VERSION:
        raise _broken(path, f"it has schema version {value.get('schema_version')!r} and this program reads {SCHEMA_VERSION}; update Washi Latent")
    latent: Any = value.get("latent")
    dim = _need(path, latent if isinstance(latent, dict) else {}, "dim", int)
    if not 2 <= dim <= _MAX_DIM or cast("dict[str, Any]", latent).get("prior") != "normal":
        raise _broken(path, f"a latent space of dimension {dim} with prior {cast('dict[str, Any]', latent).get('prior')!r} is not supported")
    channels = _need(path, value, "channels", list)
    if not 1 <= len(channels) <= _MAX_CHANNELS or not all(isinstance(c, str) for c in channels):
        raise _broken(path, "its channels are not 1 to 16 names")
    if {*COLORS} <= {*channels} and tuple(channels[:3]) != COLORS:
        raise _broken(path, "its first three channels are not red, green and blue, in this order")
    name = _need(path, value, "name", str)
    if not _NAME.fullmatch(name):
        raise _broken(path, "its name is not lower-case letters, digits, dots, dashes and underscores")
    scale: Any = value.get("millimetres_per_pixel")
    if scale is not None and not (isinstance(scale, int | float) and 0 < scale < 1000):
        raise _broken(path, "its scale is not a number of millimetres")
    training, evaluation = value.get("training") or {}, value.get("evaluation") or {}
    if not isinstance(training, dict) or not isinstance(evaluation, dict):
        raise _broken(path, "its facts on training or evaluation are no tables")
    multiple: Any = value.get("size_multiple", 1)
    if not isinstance(multiple, int) or not 1 <= multiple <= 1024:
        raise _broken(path, "its size multiple is out of range")
    return ModelInfo(
        name=name,
        title=_need(path, value, "title", str),
        license=_need(path, value, "license", str),
        architecture=_need(path, value, "architecture", str),
        options=_need(path, value, "options", dict),
        latent_dim=dim,
        channels=tuple(channels),
        size=_parse_size(path, value.get("size")),
        size_multiple=multiple,
        tileable=_need(path, value, "tileable", bool),
        millimetres_per_pixel=None if scale is None else float(scale),
        files=_parse_files(path, value.get("files")),
        folder=path,
        training=training,
        evaluation=evaluation,
    )


def _parse_size(path: Path, size: Any) -> tuple[int, int] | None:
    if size == "any":
        return None
    if isinstance(size, list) and len(size) == 2 and all(type(n) is int and 8 <= n <= _MAX_EDGE for n in size):
        return size[0], size[1]
    raise _broken(path, f"its size {size!r} is not two numbers from 8 to {_MAX_EDGE}, nor 'any'")


def _parse_files(path: Path, files: Any) -> dict[str, tuple[str, int]]:
    if not isinstance(files, dict) or not files:
        raise _broken(path, "it lists no files")
    result: dict[str, tuple[str, int]] = {}
    for name, entry in cast("dict[str, Any]", files).items():
        if not _FILE_NAME.fullmatch(name):
            raise _broken(path, f"the file name {name[:60]!r} leads out of its folder or holds odd characters")
        facts = cast("dict[str, Any]", entry) if isinstance(entry, dict) else {}
        digest, size = facts.get("sha256"), facts.get("bytes")
        if not isinstance(digest, str) or not re.fullmatch("[0-9a-f]{64}", digest) or type(size) is not int or not 0 < size <= _MAX_FILE:
            raise _broken(path, f"it gives no sane size and checksum for {name}")
        result[name] = (digest, size)
    if len(result) > _MAX_FILES or sum(size for _, size in result.values()) > _MAX_BUNDLE:
        raise _broken(path, "it is absurdly large")
    return result


def _need(path: Path, value: dict[str, Any], key: str, kind: type[Any]) -> Any:
    found = value.get(key)
    if type(found) is not kind:
        raise _broken(path, f"its {key!r} is missing or of the wrong type")
    return found


def _check_file(info: ModelInfo, name: str, size: int) -> None:
    path = info.folder / name
    if path.is_symlink():
        raise _broken(info.folder, f"{name} is a link, which a bundle may not hold")
    try:
        actual = path.stat().st_size
    except OSError as error:
        raise _broken(info.folder, f"{name} is missing") from error
    if actual != size:
        raise _broken(info.folder, f"{name} has {actual} bytes instead of {size}; it was cut or altered")


def read_file(info: ModelInfo, name: str) -> bytes:
    """The content of a file that a bundle lists, once its checksum fits: what was checked is what is used.

    Raises:
        WashiError: a file that can't be read or was altered.
    """
    try:
        content = (info.folder / name).read_bytes()
    except OSError as error:
        raise _broken(info.folder, f"{name} can't be read") from error
    if hashlib.sha256(content).hexdigest() != info.files[name][0]:
        raise _broken(info.folder, f"the checksum of {name} does not fit; it was damaged or altered")
    return content


def read_addition(info: ModelInfo, name: str) -> bytes | None:
    """The content of a file that its bundle lists besides the networks, as `amend_bundle` may have written it since the bundle was loaded.

    Returns:
        None where another model has taken the bundle's place, or the file is gone from it.

    Raises:
        WashiError: a file that can't be read or was altered.
    """
    try:
        return read_file(info, name)
    except WashiError:
        now = read_info(info.folder)
        if now.files == info.files:
            raise
        return read_file(now, name) if generators(now) == generators(info) and name in now.files else None


def _broken(folder: Path, why: str) -> WashiError:
    return WashiError(f"the model in {folder} can't be used: {why}; get the bundle again")


def _read_tile(info: ModelInfo) -> NDArray[np.uint8]:
    """The tile of fine fibres that a sheet model's fields are made of: one gray PNG, one below the other: the first four fields."""
    options = info.options
    if options.get("fields") != list(FIELD_NAMES) or not isinstance(options.get("margin"), int) or not 0 <= options["margin"] <= 64:
        raise _broken(info.folder, "it was made for other fields than this version draws; update Washi Latent")
    groups = options.get("groups") or {}
    # Their order counts: the network tells of one after another.
    if not isinstance(groups, dict) or list(groups.items()) != [(name, list(members)) for name, members in GROUPS.items() if name in groups]:
        raise _broken(info.folder, "it was made for other groups of fields than this version draws; update Washi Latent")
    if "fibres.png" not in info.files:
        raise _broken(info.folder, "it lacks fibres.png")
    try:
        with Image.open(BytesIO(read_file(info, "fibres.png"))) as picture:
            if picture.mode != "L" or picture.height != 4 * picture.width or not 64 <= picture.width <= 4096:
                raise _broken(info.folder, "its fibres.png is not four square gray tiles")
            return np.asarray(picture).reshape(4, picture.width, picture.width)
    except (OSError, UnidentifiedImageError, Image.DecompressionBombError, SyntaxError) as error:
        raise _broken(info.folder, "its fibres.png can't be read") from error


def check_memory(count: int, height: int, width: int, needed: int) -> None:
    """See to it that there is memory for so many textures.

    Args:
        needed: bytes.

    Raises:
        WashiError: there isn't.
    """
    available = _available_memory()
    if needed > available:
        raise WashiError(
            f"{count} textures of {width} x {height} pixels need about {needed / 2**30:.1f} GB of memory and {available / 2**30:.1f} GB are free: ask for fewer or smaller ones"
        )


def _available_memory() -> float:
    """Bytes that may still be used, where the system tells."""
    try:
        return _free_memory() * 0.9 + 2**29
    except (AttributeError, OSError, ValueError):
        return math.inf


def _free_memory() -> int:
    # Linux keeps files that were read or written in memory until it is needed: free pages alone would be far too few.
    with contextlib.suppress(OSError, ValueError, IndexError):
        for line in MEMORY_FACTS.read_text(encoding="ascii").splitlines():
            if line.startswith("MemAvailable:"):
                return int(line.split()[1]) * 1024
    return os.sysconf("SC_AVPHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")


# Running


def _load_onnx(info: ModelInfo, content: bytes, threads: int | None) -> tuple[Network, Groups | None, Network | None]:
    if _EXTERNAL_TENSOR in content:
        raise _broken(info.folder, "its network keeps numbers in other files, which a bundle may not")
    session = _onnx_session(info, content, threads)
    names = [value.name for value in session.get_inputs()]
    if not names or names[0] != "latent" or list(session.get_inputs()[0].shape[1:]) != [info.latent_dim]:
        raise _broken(info.folder, f"its network does not take latents of dimension {info.latent_dim}")
    outputs = [value.name for value in session.get_outputs()]

    def run(session: Any, wanted: str, latents: Array, **inputs: Array) -> Array:
        try:
            (result,) = session.run([wanted], {"latent": latents, **inputs})
        except Exception as error:
            raise _broken(info.folder, "its network failed to run") from error
        return cast("Array", result)

    # Threads of a session wait without sleeping for a while after a call, so what comes before many small textures is asked of theirs.
    alone = _onnx_session(info, content, 1) if (threads or cores()) > 1 else None
    groups = partial(run, alone or session, "groups", fields=_no_fields(info)) if info.architecture == "sheet" and "groups" in outputs else None
    return *_checked(info, partial(run, session, outputs[0]), groups), alone and partial(run, alone, outputs[0])


def _onnx_session(info: ModelInfo, content: bytes, threads: int | None) -> Any:
    import onnxruntime as ort

    options = ort.SessionOptions()
    options.log_severity_level = 4
    if threads:
        options.intra_op_num_threads = threads
    try:
        return ort.InferenceSession(content, options, providers=["CPUExecutionProvider"])
    except Exception as error:  # ONNX Runtime's own exceptions share no base
        raise _broken(info.folder, "its network can't be read by ONNX Runtime") from error


def torch_generator(info: ModelInfo, content: bytes) -> nn.Module:
    """A bundle's generator in PyTorch, in evaluation mode.

    Args:
        info: of the bundle. content: of its generator.safetensors.

    Raises:
        WashiError: no PyTorch here, weights of another network.
    """
    try:
        from safetensors.torch import load

        from .networks import build_generator, meta
    except ImportError as error:
        raise WashiError("PyTorch is not installed here: use the backend onnx, or install torch and safetensors") from error
    options = {**info.options, "latent_dim": info.latent_dim, "channels": len(info.channels)}
    try:
        weights = load(content)
        with meta():  # a description may ask for more than there is memory: first see whether the weights are of such a network
            shapes = {name: value.shape for name, value in build_generator(info.architecture, options).state_dict().items()}
        if shapes != {name: value.shape for name, value in weights.items()}:
            raise _broken(info.folder, f"its weights do not fit a network of kind {info.architecture}")
        module = build_generator(info.architecture, options)
        module.load_state_dict(weights)
    except WashiError:
        raise
    except Exception as error:
        raise _broken(info.folder, f"its weights do not fit a network of kind {info.architecture}") from error
    return module.eval()


def _load_torch(info: ModelInfo, content: bytes, threads: int | None) -> tuple[Network, Groups | None, Network | None]:
    module = torch_generator(info, content)
    import torch

    from .networks import use_threads

    use_threads(threads)
    device = "cuda" if torch.cuda.is_available() else "mps" if torch.backends.mps.is_available() else "cpu"
    module = module.to(device)

    def run(output: int, latents: Array, **inputs: Array) -> Array:
        try:
            with torch.inference_mode():
                tensors = {name: torch.from_numpy(value).to(device) for name, value in inputs.items()}
                made = module(torch.from_numpy(latents).to(device), **tensors)
                return cast("Array", (made[output] if isinstance(made, tuple) else made).cpu().numpy())
        except torch.cuda.OutOfMemoryError as error:
            raise MemoryError from error
        except Exception as error:  # of networks that a stranger describes, PyTorch raises anything
            raise _broken(info.folder, "its network failed to run") from error

    groups = partial(run, 1, fields=_no_fields(info)) if _named_groups(info) else None
    return *_checked(info, partial(run, 0), groups), None


def _named_groups(info: ModelInfo) -> Mapping[str, Any]:
    """Groups of fields that a sheet model's network tells of; no other has any."""
    return (info.options.get("groups") or {}) if info.architecture == "sheet" else {}


def _no_fields(info: ModelInfo) -> Array:
    """Fields of a sheet of one pixel, as a sheet model's network takes them: what it says of a paper alone follows from the latent."""
    edge = 1 + 2 * int(info.options.get("margin", 0))
    return np.zeros((1, len(FIELD_NAMES), edge, edge), np.float32)


def _checked(info: ModelInfo, run: Network, groups: Groups | None) -> tuple[Network, Groups | None]:
    """Try a network once, of one fixed size or on small fields: what it gives must have the stated shape and be within [0, 1]."""
    inputs, size = dict[str, Array](), info.size
    if info.architecture == "sheet":
        size, margin = (SMALLEST_SHEET, SMALLEST_SHEET), info.options["margin"]
        inputs["fields"] = np.zeros((1, len(FIELD_NAMES), *(n + 2 * margin for n in size)), np.float32)
    if size is not None:
        pictures = run(np.zeros((1, info.latent_dim), np.float32), **inputs)
        wanted = (1, len(info.channels), *size)
        if np.shape(pictures) != wanted:
            raise _broken(info.folder, f"its network gives {np.shape(pictures)} where its description says {wanted}")
        if not np.isfinite(pictures).all() or pictures.min() < -1e-3 or pictures.max() > 1 + 1e-3:
            raise _broken(info.folder, "its network gives values outside 0 to 1")
    named = _named_groups(info)
    if (groups is not None) != bool(named):
        raise _broken(info.folder, "its network and its description disagree about groups of fields")
    if groups is not None and np.shape(groups(np.zeros((2, info.latent_dim), np.float32))) != (2, len(named)):
        raise _broken(info.folder, f"its network does not say which of its {len(named)} groups of fields are seen")
    return run, groups


# Writing


def write_bundle(folder: str | os.PathLike[str], description: Mapping[str, Any], files: Mapping[str, bytes]) -> ModelInfo:
    """Write a bundle, whole or not at all; one of that name that was there is replaced at the end.

    Args:
        folder: the bundle's folder; its last part becomes the name.
        description: `model.json` without "schema_version" and "files"; with a "name" only where it is not the folder's.
        files: content by file name.

    Raises:
        WashiError: a name or description that a reader would refuse, a place that can't be written.
    """
    target = Path(folder)
    check_replaceable(target)
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise cannot_write(target, error) from error
    with writing(target):
        return _write(target, description, files)


@contextlib.contextmanager
def writing(folder: Path) -> Generator[None, None, None]:
    """While a bundle is read for a change, or written: others that would write it wait.

    Raises:
        WashiError: a place that can't be written.
    """
    there = folder.resolve()
    if not there.parent.is_dir():  # no bundle is here
        yield
        return
    check_folder(there.parent)
    with briefly_locked(_lock_of(there)):
        yield


def _write(target: Path, description: Mapping[str, Any], files: Mapping[str, bytes]) -> ModelInfo:
    """As `write_bundle`, for one that holds the lock; Ctrl-C waits."""
    with Held():
        return _write_whole(target, description, files)


def _write_whole(target: Path, description: Mapping[str, Any], files: Mapping[str, bytes]) -> ModelInfo:
    check_replaceable(target)
    listed = {name: {"sha256": hashlib.sha256(content).hexdigest(), "bytes": len(content)} for name, content in files.items()}
    value = {"schema_version": SCHEMA_VERSION, "name": target.name, **description, "files": listed}
    try:
        temporary = Path(tempfile.mkdtemp(prefix=f".{target.name}.", dir=target.parent))
    except OSError as error:
        raise cannot_write(target, error) from error
    try:
        for name, content in files.items():
            (temporary / name).write_bytes(content)
        (temporary / DESCRIPTION).write_text(json.dumps(value, indent=1, ensure_ascii=False) + "\n", encoding="utf-8")
        read_info(temporary)
        os.chmod(temporary, 0o755)  # noqa: S103 - mkdtemp gives 0700; a model is for everyone on the machine
        _replace_folder(temporary, target)
    except OSError as error:
        raise cannot_write(target, error) from error
    finally:
        shutil.rmtree(temporary, ignore_errors=True)
    return read_info(target)


def amend_bundle(folder: str | os.PathLike[str], files: Mapping[str, bytes], of: ModelInfo | None = None) -> ModelInfo:
    """Add files to a bundle or replace some; everything else stays, its name too, and every checksum is checked before.

    Whoever amends or writes it at the same time, in another process too, does so before or after.

    Args:
        folder: of the bundle. files: content by file name. of: the bundle that the files were made of; None: whichever is there.

    Raises:
        WashiError: a damaged bundle, a place that can't be written, a bundle that was replaced meanwhile.
    """
    with writing(Path(folder)):
        return _amend(folder, files, of)


def _amend(folder: str | os.PathLike[str], files: Mapping[str, bytes], of: ModelInfo | None) -> ModelInfo:
    info = read_info(folder)
    if of is not None and generators(info) != generators(of):
        raise WashiError(f"the model in {info.folder} was replaced meanwhile, and what was measured is of the one before: measure it again")
    content = {name: read_file(info, name) for name in info.files}
    if CARD not in content and (card := _unlisted_card(info.folder)):
        content[CARD] = card
    value: dict[str, Any] = json.loads((info.folder / DESCRIPTION).read_text(encoding="utf-8"))
    description = {name: part for name, part in value.items() if name not in ("schema_version", "files")}
    return _write(_itself(info.folder), description, {**content, **files})


def check_amendable(info: ModelInfo) -> None:
    """Refuse at once what `amend_bundle` would refuse, for those who work for minutes before.

    Raises:
        WashiError: a place that can't be written, a folder that holds what is no part of the bundle.
    """
    folder = _itself(info.folder)
    check_replaceable(folder)
    check_folder(folder.parent)


def _itself(folder: Path) -> Path:
    """The folder that a path leads to: a link stays one, and "." has a name."""
    there = folder.resolve()
    return folder if folder.name and folder.absolute() == there else there


def generators(info: ModelInfo) -> dict[str, str]:
    """Checksums of a bundle's networks: what tells it from another of its name."""
    return {name: digest for name, (digest, _) in info.files.items() if name.startswith("generator.")}


def _unlisted_card(folder: Path) -> bytes:
    """A model card that the description doesn't list: a person's own; nothing where there is none."""
    with contextlib.suppress(OSError), (folder / CARD).open("rb") as file:
        content = file.read(_MAX_DESCRIPTION + 1)
        return content if len(content) <= _MAX_DESCRIPTION else b""
    return b""


# Installing


def install_bundle(source: str | os.PathLike[str], into: str | os.PathLike[str], progress: Progress = ignore) -> ModelInfo:
    """Copy a bundle from a folder or a zip file, once every file of it is verified; one of that name is replaced.

    Args:
        source: the bundle's folder, its `model.json`, or a zip that holds it, at its top or in one folder.
        into: folder of bundles.
        progress: is told the share done; what it raises ends the work, and nothing is left.

    Raises:
        WashiError: not a bundle, a damaged one, a place that can't be written.
    """
    path, target = Path(source), Path(into)
    origin = path.parent if path.name == DESCRIPTION else path
    try:
        target.mkdir(parents=True, exist_ok=True)
        temporary = Path(tempfile.mkdtemp(prefix=".adding.", dir=target))
    except OSError as error:
        raise cannot_write(target, error) from error
    try:
        if origin.is_dir():
            _take(origin, temporary, lambda name: (origin / name).open("rb"), part(progress, 0, 0.5))
        else:
            _take_from_zip(origin, temporary, part(progress, 0, 0.5))
        info = verify(temporary, part(progress, 0.5, 1))
        os.chmod(temporary, 0o755)  # noqa: S103 - mkdtemp gives 0700; a model is for everyone on the machine
        check_replaceable(target / info.name)
        with writing(target / info.name), Held():
            _replace_folder(temporary, target / info.name)
            return read_info(target / info.name)
    except OSError as error:
        raise cannot_write(target, error) from error
    finally:
        shutil.rmtree(temporary, ignore_errors=True)


def _take_from_zip(path: Path, temporary: Path, progress: Progress) -> None:
    try:
        with zipfile.ZipFile(path) as archive:
            found = [name for name in archive.namelist() if name.rpartition("/")[2] == DESCRIPTION and name.count("/") <= 1]
            if len(found) != 1:
                raise _broken(path, f"it holds {len(found)} files model.json at its top or in a folder there, where one is wanted")
            prefix = found[0].removesuffix(DESCRIPTION)
            _take(path, temporary, lambda name: archive.open(prefix + name), progress)
    except WashiError:
        raise
    except (OSError, zipfile.BadZipFile, NotImplementedError, RuntimeError, EOFError, ValueError, zlib.error, lzma.LZMAError) as error:
        raise _broken(path, "it is neither a bundle's folder nor a zip file that can be read") from error


def _take(path: Path, temporary: Path, read: Callable[[str], IO[bytes]], progress: Progress) -> None:
    """Copy the description, and what it lists and no more: names and sizes are checked before anything is written."""
    _copy(path, temporary, DESCRIPTION, _MAX_DESCRIPTION, read)
    try:
        value: Any = json.loads((temporary / DESCRIPTION).read_text(encoding="utf-8"))
    except (ValueError, RecursionError) as error:
        raise _broken(path, "its model.json can't be read") from error
    if not isinstance(value, dict):
        raise _broken(path, "its model.json is not an object")
    files = _parse(path, cast("dict[str, Any]", value)).files
    for number, (name, (_, size)) in enumerate(files.items()):
        progress(number / len(files))
        _copy(path, temporary, name, size, read)
    if CARD not in files:
        with contextlib.suppress(WashiError):
            _copy(path, temporary, CARD, _MAX_DESCRIPTION, read)


def _copy(path: Path, temporary: Path, name: str, limit: int, read: Callable[[str], IO[bytes]]) -> None:
    try:
        with read(name) as file:
            content = file.read(limit + 1)
    except (KeyError, OSError) as error:
        raise _broken(path, f"{name} is missing") from error
    if len(content) > limit:
        raise _broken(path, f"{name} is larger than it may be; it was altered")
    (temporary / name).write_bytes(content)


def check_replaceable(target: str | os.PathLike[str]) -> None:
    """Refuse to write a bundle where something else than a bundle would be lost.

    Raises:
        WashiError: a file, or a folder that holds what no bundle's description lists.
    """
    path = Path(target)
    try:
        names = {one.name for one in path.iterdir()} if path.is_dir() else set[str]()
    except OSError as error:
        raise cannot_write(path, error) from error
    if path.exists() and not path.is_dir():
        raise WashiError(f"{path} is a file: choose another name for the model")
    listed = {DESCRIPTION, CARD}
    with contextlib.suppress(OSError, ValueError, RecursionError, AttributeError, TypeError):
        listed |= set(json.loads((path / DESCRIPTION).read_text(encoding="utf-8"))["files"])
    others = sorted(name for name in names - listed if name not in _LEFT_BY_SYSTEMS)
    if others or (names & listed and DESCRIPTION not in names):
        raise WashiError(f"{path} holds {(others or sorted(names))[0]}, which is no part of a model and would be lost: choose another folder for the model")


_LEFT_BY_SYSTEMS = frozenset({".DS_Store", "Thumbs.db", "desktop.ini"})


def _replace_folder(new: Path, target: Path) -> None:
    if not target.exists():
        os.replace(new, target)
        return
    old = Path(tempfile.mkdtemp(prefix=f".{target.name}.old.", dir=target.parent))
    aside = old / "bundle"
    try:
        os.replace(target, aside)
        os.replace(new, target)
    finally:  # Ctrl-C comes when it likes
        if aside.exists() and not target.exists():
            os.replace(aside, target)
        shutil.rmtree(old, ignore_errors=True)
