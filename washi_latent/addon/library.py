"""A batch export's material library: a .blend of assets, with previews and catalogues, beside the textures that it shows.

In Blender without a window only: the file that is open is left for an empty one.
"""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import bpy

from ..core.errors import WashiError
from .apply import fill, load_maps, mark_asset, own_images
from .materials import PaperOptions

if TYPE_CHECKING:
    from ..core.items import Item
    from ..core.recipe import Recipe

_MAPS = ("base_color", "height", "normal", "roughness", "opacity")


@dataclass(frozen=True)
class _Exported:
    """An exported texture as materials take it."""

    files: Mapping[str, Path]
    tile_mm: float
    provenance: Mapping[str, Any]


def write_library(recipe: Recipe, items: Sequence[Item], out: Path) -> Path:
    """Write the library of a finished export; one that is there is replaced at the end.

    Args:
        recipe: with a library. items: finished ones. out: the export's folder.

    Raises:
        WashiError: a window is open, a file that can't be read or written.
    """
    assert recipe.library is not None
    if not bpy.app.background:
        raise WashiError("a material library is written without a window: run blender --command washi_latent export")
    final = out.resolve() / recipe.library.file
    final.parent.mkdir(parents=True, exist_ok=True)
    partial = final.with_name(f"{final.stem}.partial.blend")
    files = bpy.context.preferences.filepaths
    versions = files.save_version
    try:
        files.save_version = 0
        bpy.ops.wm.read_homefile(use_empty=True)
        # Saved first: pictures are found, and catalogues kept, beside a file that has a place.
        _save(partial)
        for item in items:
            _add(item, out.resolve(), recipe.library.catalog)
        _save(partial)
        os.replace(partial, final)
    except OSError as error:
        raise WashiError(f"{final} could not be written ({error.strerror}): choose another folder") from error
    finally:
        files.save_version = versions
        partial.unlink(missing_ok=True)
    return final


def _save(path: Path) -> None:
    try:
        bpy.ops.wm.save_as_mainfile(filepath=str(path), check_existing=False, compress=True)
    except RuntimeError as error:
        raise WashiError(f"{path} could not be written: free some space, or choose another folder") from error


def _add(item: Item, out: Path, catalog: str) -> None:
    from ..core.naming import fill as name_of

    material = bpy.data.materials.new(item.name)
    sheet, options = _exported(item, out), PaperOptions()
    height, width = item.size
    scale = (1000 / sheet.tile_mm, 1000 / sheet.tile_mm * width / height, 1000 / sheet.tile_mm * width / height)
    fill(material, sheet, options, scale, load_maps(sheet.files, item.name, options, None))
    mark_asset(material.name, name_of(catalog, item.parts()))
    for image in own_images(material):
        image.buffers_free()


def _exported(item: Item, out: Path) -> _Exported:
    from ..core.items import read_sidecar, sidecar_path

    sidecar = read_sidecar(sidecar_path(out, item.name))
    if sidecar is None:
        raise WashiError(f"{item.name} is missing in {out}: export again")
    folder = sidecar_path(out, item.name).parent
    files = {name: folder / file for file, name in item.files().items() if name in _MAPS}
    provenance = {
        "model": item.model,
        "latent": sidecar["latent"],
        "seed": item.noise_seed,
        "size": list(item.size),
        "version": sidecar["program"].rpartition(" ")[2],
    }
    return _Exported(files, item.size[1] * float(sidecar["millimetres_per_pixel"]), provenance)
