"""Named directions of a model, kept in a file: found once in seconds, then read in a moment.

A file that is broken, of another model of that name or of another version of the program counts as none.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
import math
from pathlib import Path
from typing import Any

import numpy as np

from .. import __version__
from .analysis import PROPERTIES, Direction, named_directions
from .errors import WashiError
from .images import make_folder, write_json
from .models import ModelInfo
from .progress import Progress, ignore
from .search import Model

_MOST_BYTES = 4 << 20


def find_directions(model: Model, folder: Path, progress: Progress = ignore) -> tuple[Direction, ...]:
    """Named directions of a model: those that are kept, or found now and kept.

    Args:
        model: any.
        folder: where they are kept, a file a model; one that can't be written costs the seconds again next time, and no more.
        progress: is told the share done.
    """
    found = cached_directions(model.info, folder)
    if found is None:
        found = named_directions(model, progress=progress)
        with contextlib.suppress(WashiError):
            _write(found, model.info, folder)
    return found


def cached_directions(info: ModelInfo, folder: Path) -> tuple[Direction, ...] | None:
    """Directions of a model that are kept in a folder; None where there are none that hold."""
    try:
        path = _path(info, folder)
        if path.stat().st_size > _MOST_BYTES:
            return None
        value: Any = json.loads(path.read_text(encoding="utf-8"))
        return tuple(_read(one, info.latent_dim) for one in value["directions"]) if value["key"] == _key(info) else None
    except (OSError, ValueError, KeyError, TypeError, OverflowError, RecursionError):
        return None


def _write(found: tuple[Direction, ...], info: ModelInfo, folder: Path) -> None:
    rows = [{"name": one.name, "vector": one.vector.tolist(), "agreement": one.agreement, "change": one.change} for one in found]
    make_folder(folder)
    write_json(_path(info, folder), {"key": _key(info), "directions": rows})


def _read(value: Any, dim: int) -> Direction:
    """A direction as it was written, or a `ValueError`."""
    vector = np.array(value["vector"], np.float64)
    agreement, change = float(value["agreement"]), float(value["change"])
    whole = vector.shape == (dim,) and math.isclose(float(np.linalg.norm(vector)), 1, rel_tol=1e-6)
    if value["name"] not in PROPERTIES or not whole or not math.isfinite(agreement + change):
        raise ValueError("not a direction")
    return Direction(value["name"], vector, agreement, change)


def _path(info: ModelInfo, folder: Path) -> Path:
    return folder / f"{info.name}.json"


def _key(info: ModelInfo) -> str:
    """Same key, same directions: the model's checksums, and the program that measured."""
    facts = [__version__, sorted((name, checksum) for name, (checksum, _) in info.files.items())]
    return hashlib.sha256(json.dumps(facts).encode()).hexdigest()
