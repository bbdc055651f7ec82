"""A search in a file: `session.json`, as `washi-latent explore` leaves it, for `sequence`, recipes and going on."""

from __future__ import annotations

import json
import os
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from .. import __version__
from .errors import WashiError
from .images import write_json
from .models import ModelInfo
from .search import Search, SearchState, state_from_dict

SESSION_VERSION = 1


@dataclass(frozen=True)
class Session:
    """A search, the size of its pictures (pixels an edge, None: the model's own), and its model's name.

    `generator` is the checksum of the model's generator, None where it was not noted: another model may bear the same name.
    """

    state: SearchState
    size: int | None
    model: str
    generator: str | None = None


def write_session(path: str | os.PathLike[str], search: Search) -> Path:
    """Write a search, whole or not at all; `read_session` reads it.

    Raises:
        WashiError: a place that can't be written.
    """
    info = search.model.info
    return write_json(
        path,
        {
            "session_version": SESSION_VERSION,
            "program": f"washi-latent {__version__}",
            "model": {"name": info.name, "generator": generator_of(info)},
            "size": search.size,
            "search": json.loads(search.state.to_json()),
        },
    )


def generator_of(info: ModelInfo) -> str | None:
    """The checksum of a model's generator, where it has one."""
    return info.files["generator.onnx"][0] if "generator.onnx" in info.files else None


def read_session(path: str | os.PathLike[str]) -> Session:
    """Read a session.

    Raises:
        WashiError: no such file, not a session, one of another version.
    """
    try:
        value: Any = json.loads(Path(path).read_text(encoding="utf-8"))
        if value["session_version"] != SESSION_VERSION:
            raise WashiError(f"{path} was saved in version {value['session_version']!r} and this program reads {SESSION_VERSION}: update Washi Latent")
        size, name, generator = value["size"], value["model"]["name"], value["model"].get("generator")
        if not (size is None or type(size) is int) or not isinstance(name, str) or not isinstance(generator, str | None):
            raise TypeError("size, name or generator")
        return Session(state_from_dict(value["search"]), size, name, generator)
    except OSError as error:
        raise WashiError(f"the session {path} can't be read: give the session.json that explore wrote") from error
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError) as error:
        if isinstance(error, WashiError):
            raise
        raise WashiError(f"{path} is not a session: give the session.json that explore wrote") from error


def place_of(state: SearchState, name: str) -> tuple[float, ...]:
    """The latent of a place of a search.

    Args:
        name: a favourite's name, "start" (after the first step), "end" (where the search stands), or a step's number.

    Raises:
        WashiError: no such place.
    """
    path = state.path()
    kept = {favourite.name: favourite.latent for favourite in state.favourites}
    if name in kept:
        return kept[name]
    places = {"start": path[min(1, len(path) - 1)], "end": path[-1], **{str(i): index for i, index in enumerate(path)}}
    if name not in places:
        raise WashiError(
            f"the session has no end {name!r}: choose start, end, a step from 0 to {len(path) - 1}, or a favourite ({', '.join(kept) or 'none kept'})"
        )
    return state.nodes[places[name]].center
