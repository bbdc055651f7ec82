"""An atlas of a model: what thousands of its textures are made of, measured once. A bundle may hold it (`atlas.npz`).

With it a search knows without making a picture where in the latent space there is something like what is wanted, and a picture is
found from the nearest of thousands on. The latents are drawn from a seed; of each only its texture features are kept.
"""

from __future__ import annotations

import io
import os
import zipfile
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any
from weakref import WeakKeyDictionary

import numpy as np
from numpy.typing import ArrayLike, NDArray

from .errors import WashiError
from .models import ModelInfo, amend_bundle, check_amendable, load_model, read_addition, verify, writing
from .preference import FeatureSpace, features_of
from .progress import Progress, ignore
from .texture_features import GROUPS

if TYPE_CHECKING:
    from .search import Model

Latents = NDArray[np.float64]

ATLAS_FILE, ATLAS_VERSION = "atlas.npz", 1
ATLAS_TEXTURES, ATLAS_SEED = 16384, 20_000
_MOST_BYTES, _FEWEST, _MOST, _CHECKED = 64 << 20, 1024, 1 << 18, 4
_FEATURES, _LEVELS, _LARGEST = sum(GROUPS.values()), 65535, 1e6

_known: WeakKeyDictionary[Model, Atlas | None] = WeakKeyDictionary()


@dataclass(frozen=True, eq=False)
class Atlas:
    """Textures of a model.

    Attributes:
        latents: (N, dim), of the prior. features: (N, F) `texture_features` of the textures of noise seed 0.
        space: the features' own units.
    """

    latents: Latents
    features: NDArray[np.float32]
    space: FeatureSpace


def atlas_of(model: Model) -> Atlas | None:
    """The atlas that a model's bundle holds, or None; remembered as long as the model lives."""
    if model not in _known:
        _known[model] = read_atlas(model.info)
    return _known[model]


def read_atlas(info: ModelInfo) -> Atlas | None:
    """The atlas that a bundle holds; None where there is none, one that this version can't use, or that of another model which has taken its place: a search goes on without.

    Args:
        info: of the bundle, `TextureModel.info`.

    Raises:
        WashiError: a file that was damaged or altered.
    """
    if ATLAS_FILE not in info.files or info.files[ATLAS_FILE][1] > _MOST_BYTES:
        return None
    content = read_addition(info, ATLAS_FILE)
    features = None if content is None else _features(content, info.latent_dim)
    return None if features is None else Atlas(atlas_latents(len(features), info.latent_dim), features, FeatureSpace.of(features))


def _features(content: bytes, dim: int) -> NDArray[np.float32] | None:
    """(N, F), where a file's content is sane and was made with the latents that are drawn here."""
    try:
        with zipfile.ZipFile(io.BytesIO(content)) as archive:
            if sum(part.file_size for part in archive.infolist()) > _MOST_BYTES:
                return None
        with np.load(io.BytesIO(content), allow_pickle=False) as arrays:
            version, levels, lowest, highest, checked = (arrays[name] for name in ("version", "features", "lowest", "highest", "checked"))
    except Exception:  # noqa: BLE001 - of what strangers pack, the readers raise anything
        return None
    sane = (
        version.shape == ()
        and version == ATLAS_VERSION
        and levels.dtype == np.uint16
        and levels.shape[1:] == lowest.shape == highest.shape == (_FEATURES,)
        and _FEWEST <= len(levels) <= _MOST
        and lowest.dtype == highest.dtype == checked.dtype == np.float64
        and (np.abs([lowest, highest]) <= _LARGEST).all()
        and checked.shape == (_CHECKED, dim)
    )
    # Should a version of NumPy ever draw other numbers from a seed, the latents would not be those that were measured.
    if not sane or not np.allclose(atlas_latents(len(levels), dim)[-_CHECKED:], checked, atol=1e-3):
        return None
    features: NDArray[np.float32] = (lowest + levels * ((highest - lowest) / _LEVELS)).astype(np.float32)
    return features


def atlas_latents(count: int, dim: int) -> Latents:
    """(count, dim) latents of the textures of an atlas."""
    return np.random.default_rng(ATLAS_SEED).standard_normal((count, dim))


def atlas_bytes(features: ArrayLike, dim: int) -> bytes:
    """The content of a bundle's atlas.npz, given features (N, F); `read_atlas` gives it back."""
    rows = np.asarray(features, np.float64)
    lowest, highest = rows.min(0), rows.max(0)
    levels = np.round((rows - lowest) / np.maximum(highest - lowest, 1e-12) * _LEVELS).astype(np.uint16)
    buffer = io.BytesIO()
    arrays: dict[str, Any] = {"features": levels, "lowest": lowest, "highest": highest, "checked": atlas_latents(len(rows), dim)[-_CHECKED:]}
    np.savez_compressed(buffer, version=np.array(ATLAS_VERSION), **arrays)
    return buffer.getvalue()


def write_atlas(folder: str | os.PathLike[str], count: int = ATLAS_TEXTURES, progress: Progress = ignore, threads: int | None = None) -> ModelInfo:
    """Measure textures of a bundle's model and write them into the bundle.

    Args:
        folder: of the bundle. count: how many textures, 1024 to 262144. progress: is told the share done, 0 to 1.
        threads: processor threads to use; None: all.

    Raises:
        WashiError: a damaged bundle, another number of textures, a place that can't be written, a bundle that was replaced meanwhile.
    """
    if not _FEWEST <= count <= _MOST:
        raise WashiError(f"an atlas of {count} textures was asked for: choose {_FEWEST} to {_MOST}")
    with writing(Path(folder)):
        info = verify(folder)
        check_amendable(info)
        model = load_model(info.folder, threads=threads)
    features = features_of(model, atlas_latents(count, info.latent_dim), 0, progress)
    return amend_bundle(info.folder, {ATLAS_FILE: atlas_bytes(features, info.latent_dim)}, info)
