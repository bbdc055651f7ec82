"""One texture of a batch export: its identity, its files, the sidecar that says what they are.

An item depends on nothing but itself: latent, model, size, noise seed, maps and formats. Its files are made in a folder of
the run's own, then moved to their names; its sidecar, `NAME.json` with every checksum, comes last. A sidecar that fits
therefore means that the item is whole.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
import re
import tempfile
from collections.abc import Generator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from .. import __version__
from .errors import WashiError
from .images import cannot_write, make_folder, write_json
from .locks import locked
from .maps import SUFFIXES, Format, material_maps, write_map
from .models import ModelInfo, TextureModel
from .naming import fill
from .progress import Progress, ignore
from .recipe import name_parts

EXPORT_VERSION = 1
PROGRAM = f"washi-latent {__version__}"
WORK = ".washi-latent"
"""Folder within an export's that holds what is in the making, and the lock."""

MANIFEST = "manifest.json"
_MAX_SIDECAR = 1 << 20
_DIGEST = re.compile("[0-9a-f]{64}")


@dataclass(frozen=True, eq=False)
class Item:
    """One texture to make.

    Attributes:
        name: path below the export's folder, without a suffix. id: of its identity, SHA-256.
        model, checksum: the bundle's name, and what identifies its content. folder: where it lies here.
        latent: (dim,) float32, as the network gets it. size: (height, width). noise_seed: which sheet.
        maps: format by map. points, label, index: where in the recipe it is from.
    """

    name: str
    id: str
    model: str
    checksum: str
    folder: str
    latent: NDArray[np.float32]
    size: tuple[int, int]
    noise_seed: int
    maps: Mapping[str, Format]
    points: str
    label: str
    index: int

    @property
    def weight(self) -> int:
        """How much work it is, in pixels."""
        return self.size[0] * self.size[1]

    @property
    def fields_key(self) -> tuple[str, tuple[int, int], int]:
        """Items of one key share the fields of one sheet."""
        return self.model, self.size, self.noise_seed

    def files(self) -> dict[str, str]:
        """Map by file name, beside the sidecar."""
        stem = self.name.rpartition("/")[2]
        return {f"{stem}_{name}{SUFFIXES[form]}": name for name, form in self.maps.items()}

    def parts(self) -> dict[str, str | int]:
        """What fills a pattern of names."""
        return {**name_parts(self.points, self.label, self.index, self.model, self.size, self.noise_seed), "id": self.id[:12]}

    def facts(self) -> dict[str, Any]:
        """What its files and its sidecar say of it: all of its identity, and where it is from."""
        return {
            "export_version": EXPORT_VERSION,
            "program": PROGRAM,
            "id": self.id,
            "model": self.model,
            "model_checksum": self.checksum,
            "latent": self.latent.tolist(),
            "size": list(self.size),
            "noise_seed": self.noise_seed,
            "points": self.points,
            "label": self.label,
            "index": self.index,
        }

    def to_dict(self) -> dict[str, Any]:
        """For JSON; `Item.from_dict` gives an equal one."""
        return {**vars(self), "latent": self.latent.tolist(), "maps": dict(self.maps)}

    @staticmethod
    def from_dict(value: Mapping[str, Any]) -> Item:
        """From `to_dict`."""
        return Item(**{**value, "latent": np.asarray(value["latent"], np.float32), "size": tuple(value["size"])})


def make_item(
    pattern: str,
    model: ModelInfo,
    latent: NDArray[np.float32],
    size: tuple[int, int],
    noise_seed: int,
    maps: Mapping[str, Format],
    points: str = "points",
    label: str = "point",
    index: int = 0,
    checksum: str | None = None,
) -> Item:
    """An item by its identity.

    Args:
        pattern: of its name, checked (`naming.check_pattern`). checksum: `model_checksum(model)`, where it is known already.
        latent: (dim,); the rest as in `Item`.
    """
    point = np.asarray(latent, np.float32)
    known = checksum or model_checksum(model)
    identity = identity_of(known, point, size, noise_seed, maps)
    name = fill(pattern, {**name_parts(points, label, index, model.name, size, noise_seed), "id": identity[:12]})
    return Item(name, identity, model.name, known, str(model.folder.resolve()), point, size, noise_seed, maps, points, label, index)


def identity_of(checksum: str, latent: NDArray[np.float32], size: tuple[int, int], noise_seed: int, maps: Mapping[str, Format]) -> str:
    """SHA-256 of all that an item's pixels depend on."""
    return _digest([EXPORT_VERSION, PROGRAM, checksum, latent.tolist(), list(size), noise_seed, sorted(maps.items())])


def model_checksum(info: ModelInfo) -> str:
    """SHA-256 of all of a bundle that textures depend on: its network, its tile, what its description says of them."""
    files = {name: digest for name, (digest, _) in info.files.items() if name in ("generator.onnx", "fibres.png")}
    return _digest([files, info.architecture, dict(info.options), info.latent_dim, info.channels, info.size, info.tileable, info.millimetres_per_pixel])


def _digest(value: Any) -> str:
    return hashlib.sha256(json.dumps(value, sort_keys=True, allow_nan=False).encode()).hexdigest()


# Making


def write_item(item: Item, model: TextureModel, out: Path, staging: Path, progress: Progress = ignore) -> None:
    """Generate an item and write its files and its sidecar.

    Args:
        out: the export's folder. staging: a folder on the same disk where files may lie unfinished.

    Raises:
        WashiError: a place that can't be written; what was finished before stays.
    """
    texture = model.generate(item.latent, item.size, item.noise_seed, progress)[0]
    info = model.info
    maps = material_maps(texture, info.channels, info.millimetres_per_pixel, info.tileable)
    facts = {
        **item.facts(),
        "license": info.license,
        "tileable": info.tileable,
        "millimetres_per_pixel": maps.millimetres_per_pixel,
        "relief_mm": maps.relief_mm,
    }
    with _own_folder(staging) as own:
        files: dict[str, dict[str, Any]] = {}
        try:
            for file, name in item.files().items():
                about = {"map": name, "estimated": name in maps.estimated}
                path = write_map(own / file, maps.map(name), name == "base_color", item.maps[name], {**facts, **about})
                files[file] = {**about, "format": item.maps[name], "bytes": path.stat().st_size, "sha256": checksum_of(path)}
            sidecar = write_json(own / "sidecar", {**facts, "files": files})
        except WashiError as error:  # a person knows the place where it was to be, not where it was made
            raise WashiError(str(error).replace(str(own), str((out / item.name).parent))) from error
        _publish(item, own, sidecar, out)


@contextlib.contextmanager
def _own_folder(staging: Path) -> Generator[Path, None, None]:
    """A folder for one item in the making."""
    try:
        with tempfile.TemporaryDirectory(dir=staging, ignore_cleanup_errors=True) as folder:
            yield Path(folder)
    except OSError as error:
        raise cannot_write(staging, error) from error


def _publish(item: Item, own: Path, sidecar: Path, out: Path) -> None:
    """Move an item's files to their names: within the lock, so that two runs never mix their files."""
    target = make_folder((out / item.name).parent)
    place = sidecar_path(out, item.name)
    with locked(out / WORK / "lock"):
        old = read_sidecar(place)
        try:
            if old is None or old.get("id") != item.id:
                place.unlink(missing_ok=True)
            for file in item.files():
                os.replace(own / file, target / file)
            for file in set(file_list(old)) - set(item.files()):
                (target / file).unlink(missing_ok=True)
            os.replace(sidecar, place)
        except OSError as error:
            raise cannot_write(place, error) from error


# Checking


def sidecar_path(out: Path, name: str) -> Path:
    """Where an item's sidecar lies."""
    return out / f"{name}.json"


def read_sidecar(path: Path) -> dict[str, Any] | None:
    """A sidecar's content, or None where there is none that this version wrote."""
    try:
        if path.stat().st_size > _MAX_SIDECAR:
            return None
        value = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError, RecursionError):
        return None
    return value if isinstance(value, dict) and value.get("export_version") == EXPORT_VERSION and _is_whole(value) else None


def _is_whole(sidecar: Mapping[str, Any]) -> bool:
    """Whether a sidecar says what a manifest takes from it."""
    files = sidecar.get("files")
    return _is_digest(sidecar.get("id")) and isinstance(files, dict) and all(map(_is_listed, files.values()))


def _is_listed(facts: Any) -> bool:
    return isinstance(facts, dict) and type(facts.get("bytes")) is int and _is_digest(facts.get("sha256"))


def _is_digest(value: Any) -> bool:
    return isinstance(value, str) and _DIGEST.fullmatch(value) is not None


def file_list(sidecar: Mapping[str, Any] | None) -> dict[str, Mapping[str, Any]]:
    """A sidecar's files, name by name; those that lead out of its folder are left out."""
    files = (sidecar or {}).get("files")
    if not isinstance(files, dict):
        return {}
    return {name: facts for name, facts in files.items() if isinstance(facts, dict) and Path(name).name == name and name not in ("", ".", "..")}


def is_done(item: Item, out: Path) -> bool:
    """Whether an item is there, whole and unaltered."""
    sidecar = read_sidecar(sidecar_path(out, item.name))
    if sidecar is None or any(sidecar.get(key) != value for key, value in item.facts().items()) or set(file_list(sidecar)) != set(item.files()):
        return False
    return not problems_of(out / item.name, sidecar)


def problems_of(place: Path, sidecar: Mapping[str, Any]) -> list[str]:
    """What is wrong with the files of a sidecar, a sentence each; none: all fit their checksums.

    Args:
        place: path of the item, without a suffix.
    """
    wrong: list[str] = []
    for name, facts in file_list(sidecar).items():
        path = place.parent / name
        try:
            size = path.stat().st_size
            if size != facts.get("bytes"):
                wrong.append(f"{path} has {size} bytes instead of {facts.get('bytes')}")
            elif checksum_of(path) != facts.get("sha256"):
                wrong.append(f"{path} was altered: its checksum does not fit")
        except OSError:
            wrong.append(f"{path} is missing")
    return wrong


def checksum_of(path: Path) -> str:
    """SHA-256 of a file."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
