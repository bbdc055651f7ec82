"""Kinds of washi that a model makes: how much of it is of each kind, and textures that surely are. A bundle may hold them (`kinds.json`)."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from .errors import WashiError
from .models import ModelInfo, read_addition

Latents = NDArray[np.float64]

KINDS_FILE = "kinds.json"
KINDS_VERSION = 1

_MOST_BYTES, _MOST_KINDS, _MOST_EXAMPLES, _LONGEST = 16 << 20, 200, 100, 80
_DIGITS = 4
"""Of a latent's numbers: what is finer, no picture shows."""


@dataclass(frozen=True, eq=False)
class Kind:
    """A kind of washi.

    Attributes:
        name: one word or a few. title: the same with what it is, for people.
        share: of the model's random textures, 0 to 1. A texture may be of several kinds, so that shares may sum to more than 1.
        examples: (K, dim) latents of textures of this kind, the surest first.
    """

    name: str
    title: str
    share: float
    examples: Latents


def read_kinds(info: ModelInfo) -> tuple[Kind, ...]:
    """The kinds that a bundle holds, in its order; none where it has no kinds.json, or another model has taken its place.

    Args:
        info: of the bundle, `TextureModel.info`.

    Raises:
        WashiError: a file that was damaged or altered, or holds something else.
    """
    if KINDS_FILE not in info.files:
        return ()
    if info.files[KINDS_FILE][1] > _MOST_BYTES:
        raise _unusable(info, "it is absurdly long")
    content = read_addition(info, KINDS_FILE)
    if content is None:
        return ()
    try:
        value: Any = json.loads(content)
        version = value["kinds_version"]
        kinds = tuple(_kind(item, info.latent_dim) for item in value["kinds"]) if version == KINDS_VERSION else ()
    except (ValueError, KeyError, TypeError, OverflowError, RecursionError) as error:
        raise _unusable(info, "parts of it are missing or of the wrong type") from error
    if version != KINDS_VERSION:
        raise _unusable(info, f"it has version {version!r} and this program reads {KINDS_VERSION}; update Washi Latent")
    if not 1 <= len(kinds) <= _MOST_KINDS or len({kind.name for kind in kinds}) < len(kinds):
        raise _unusable(info, f"it does not hold 1 to {_MOST_KINDS} kinds of different names")
    return kinds


def kinds_bytes(kinds: Sequence[Kind]) -> bytes:
    """The content of a bundle's kinds.json; `read_kinds` gives it back."""
    listed = [{"name": kind.name, "title": kind.title, "share": round(kind.share, 4), "latents": np.round(kind.examples, _DIGITS).tolist()} for kind in kinds]
    return json.dumps({"kinds_version": KINDS_VERSION, "kinds": listed}, ensure_ascii=False, allow_nan=False).encode()


def _kind(item: Any, dim: int) -> Kind:
    name, title, share, rows = (item[key] for key in ("name", "title", "share", "latents"))
    for text in (name, title):
        if type(text) is not str or not text.strip() or len(text) > _LONGEST or not text.isprintable():
            raise ValueError("no name")
    if type(share) not in (int, float) or not 0 <= share <= 1:
        raise ValueError("no share")
    if not 1 <= len(rows) <= _MOST_EXAMPLES or {type(number) for row in rows for number in row} - {int, float}:
        raise ValueError("no latents")
    examples = np.array(rows, np.float64)
    if examples.ndim != 2 or examples.shape[1] != dim or not np.isfinite(examples).all():
        raise ValueError("no latents of this model")
    return Kind(name, title, float(share), examples)


def _unusable(info: ModelInfo, why: str) -> WashiError:
    return WashiError(f"the {KINDS_FILE} of the model {info.name} can't be used: {why}; get the bundle again")
