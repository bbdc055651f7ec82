"""Material maps of a texture: base colour, height, normal, roughness, opacity, transmission; to 8 and 16 bit PNG and OpenEXR.

Colour is encoded as sRGB (in OpenEXR: linear, with Rec. 709 primaries, as such files are read); every other map holds data
(Non-Color). Where a model gives height and opacity, they are of the very fibres that are seen. Of a model that gives colour
alone they are estimated, and `MaterialMaps.estimated` says so.
"""

from __future__ import annotations

import json
import os
import tempfile
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from functools import partial
from io import BytesIO
from pathlib import Path
from typing import Any, Literal

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy import ndimage

from .errors import WashiError
from .images import PNG_COMPRESSION, cannot_write, hidden, make_folder, rgb, write_atomically, write_png
from .progress import Progress, ignore, part
from .similarity import gray

Array = NDArray[np.float32]
Convention = Literal["opengl", "directx"]
Format = Literal["png8", "png16", "exr"]

MAPS: tuple[str, ...] = ("base_color", "height", "normal", "normal_directx", "roughness", "opacity", "transmission")
FORMATS: tuple[Format, ...] = ("png8", "png16", "exr")
SUFFIXES: Mapping[str, str] = {"png8": ".png", "png16": ".png", "exr": ".exr"}

_AT_ONCE = 1 << 20
"""Pixels of which maps are made at a time."""

RELIEF_MM = 0.5
"""Relief that a height of [0, 1] spans; 0.5 is the sheet's mean level. That of the simulation (training/washi.py)."""


@dataclass(frozen=True, eq=False)
class MaterialMaps:
    """The maps of one texture, each (H, W) or (H, W, 3) float32 in [0, 1].

    Attributes:
        base_color: (H, W, 3), sRGB.
        height: (H, W), `relief_mm` from 0 to 1.
        normal: (H, W, 3), tangent space, OpenGL's convention (green is up), 0.5 is 0.
        roughness: (H, W), of a microfacet model.
        opacity: (H, W), share of the light that does not pass.
        estimated: names of the maps that were guessed from the colour.
        relief_mm: relief that the height's [0, 1] spans. millimetres_per_pixel: scale. periodic: whether opposite borders fit.
    """

    base_color: Array
    height: Array
    normal: Array
    roughness: Array
    opacity: Array
    estimated: tuple[str, ...]
    relief_mm: float
    millimetres_per_pixel: float
    periodic: bool

    @property
    def transmission(self) -> Array:
        """(H, W), share of the light that passes: 1 - opacity."""
        return 1 - self.opacity

    @property
    def normal_directx(self) -> Array:
        """The normal map in DirectX's convention: green is down."""
        return np.stack([self.normal[..., 0], 1 - self.normal[..., 1], self.normal[..., 2]], -1)

    def map(self, name: str) -> Array:
        """A map by name.

        Raises:
            WashiError: no map of that name (`MAPS`).
        """
        if name not in MAPS:
            raise WashiError(f"there is no map {name!r}: choose from {', '.join(MAPS)}")
        return getattr(self, name)


def material_maps(
    texture: ArrayLike,
    channels: Iterable[str] = (),
    millimetres_per_pixel: float | None = None,
    periodic: bool = False,
    relief_mm: float = RELIEF_MM,
    progress: Progress = ignore,
) -> MaterialMaps:
    """Every map of a texture.

    Args:
        texture: (H, W, C) in [0, 1].
        channels: names of C, as `ModelInfo.channels` gives them; those of height and opacity are used where they are.
        millimetres_per_pixel: scale; None: 0.1, a sheet model's.
        periodic: whether opposite borders fit; the normal map then fits, too.
        relief_mm: relief that a height of [0, 1] spans.
        progress: is told the share done, 0 to 1; what it raises ends the work.

    Raises:
        WashiError: a texture of another shape, values that are not numbers, a scale or relief that isn't above 0.
    """
    progress(0.0)
    array = np.asarray(texture, np.float32)
    names = tuple(channels)
    if array.ndim != 3 or min(array.shape[:2]) < 2 or (names and len(names) != array.shape[2]):
        raise WashiError(f"a texture of shape {array.shape} with channels {names} has no maps: give (H, W, C) and a name for each channel")
    if not np.isfinite(array).all():
        raise WashiError("the texture holds values that are not numbers: generate it again")
    scale = 0.1 if millimetres_per_pixel is None else float(millimetres_per_pixel)
    if not (np.isfinite(scale) and scale > 0 and np.isfinite(relief_mm) and relief_mm > 0):
        raise WashiError(f"{scale} millimetres a pixel and a relief of {relief_mm} mm make no sense: give numbers above 0")
    color = rgb(array)
    known = {name: array[..., names.index(name)] for name in ("height", "opacity") if name in names}
    height = known["height"] if "height" in known else estimate_height(color, scale, periodic)
    opacity = known["opacity"] if "opacity" in known else estimate_opacity(color, scale, periodic)
    return MaterialMaps(
        color,
        height,
        normal_from_height(height, relief_mm / scale, periodic=periodic, progress=part(progress, 0, 0.4)),
        roughness_from_height(height, relief_mm / scale, scale, periodic, part(progress, 0.4, 1)),
        opacity,
        tuple(name for name in ("height", "normal", "roughness", "opacity") if ("opacity" if name == "opacity" else "height") not in known),
        relief_mm,
        scale,
        periodic,
    )


def normal_from_height(height: ArrayLike, relief_pixels: float, convention: Convention = "opengl", periodic: bool = True, progress: Progress = ignore) -> Array:
    """A tangent-space normal map.

    Args:
        height: (H, W) in [0, 1]. relief_pixels: the relief that [0, 1] spans, in pixels.
        convention: "opengl" (green is up) or "directx" (green is down). periodic: differences go around the border.
        progress: is told the share done, 0 to 1; what it raises ends the work.

    Returns:
        (H, W, 3) float32 in [0, 1]; 0.5 is 0.
    """
    heights = np.asarray(height, np.float32)
    result = np.empty((*heights.shape, 3), np.float32)
    for rows, strip in _strips(heights, 0, periodic, progress):
        across, down = _slopes(strip, relief_pixels, periodic)
        # Rows go down while OpenGL's green goes up: a slope that rises downward faces up.
        normal = np.stack([-across, down if convention == "opengl" else -down, np.ones_like(across)], -1)
        normal /= np.linalg.norm(normal, axis=-1, keepdims=True)
        result[rows] = (normal + 1) / 2
    return result


def roughness_from_height(height: ArrayLike, relief_pixels: float, millimetres_per_pixel: float, periodic: bool = True, progress: Progress = ignore) -> Array:
    """Roughness: that of smooth paper, and more where slopes within 0.4 mm differ.

    Slopes below what a picture resolves act as roughness: their variance adds to the microfacets' (Toksvig 2005).

    Returns:
        (H, W) float32, 0.6 to 1.
    """
    heights = np.asarray(height, np.float32)
    sigma, columns = 0.4 / millimetres_per_pixel / 2, "wrap" if periodic else "nearest"
    reach, smooth = int(4 * sigma + 0.5), np.float32(0.62)  # a Gaussian filter sees so far
    result = np.empty(heights.shape, np.float32)
    for rows, strip in _strips(heights, reach, periodic, progress):
        blurred = partial(ndimage.gaussian_filter, sigma=sigma, mode=("nearest", columns), radius=reach)
        variance = sum(blurred(slope * slope) - blurred(slope) ** 2 for slope in _slopes(strip, relief_pixels, periodic))
        inside = np.asarray(variance, np.float32)[reach : len(strip) - 2 - reach]
        result[rows] = np.clip((smooth**4 + 2 * np.maximum(inside, 0)) ** 0.25, 0.6, 1)
    return result


def estimate_height(color: ArrayLike, millimetres_per_pixel: float = 0.1, periodic: bool = False) -> Array:
    """A guess of the relief: what is lighter than its surroundings lies higher, as fibres on paper do.

    Args:
        color: (H, W, 3) in [0, 1].

    Returns:
        (H, W) float32, mean 0.5, deviation 0.03 (15 micrometres, a usual sheet's) where there is any structure.
    """
    return np.clip(0.5 + 0.03 * _structure(color, 0.0, 2.0 / millimetres_per_pixel, periodic), 0, 1)


def estimate_opacity(color: ArrayLike, millimetres_per_pixel: float = 0.1, periodic: bool = False) -> Array:
    """A guess of the opacity: pulp is light, so where paper is lighter it is thicker, and dark pieces let nothing through.

    Returns:
        (H, W) float32 around 0.6, a usual sheet's.
    """
    pulp = _structure(color, 0.15 / millimetres_per_pixel, 8.0 / millimetres_per_pixel, periodic)
    luma = gray(np.asarray(color, np.float32))
    dark = np.clip((np.median(luma) - luma) / 0.35, 0, 1) ** 2
    return np.clip(0.6 + 0.05 * pulp + 0.35 * dark, 0, 1).astype(np.float32)


def _structure(color: ArrayLike, fine: float, coarse: float, periodic: bool) -> Array:
    """Luma between two sizes in pixels, mean 0 and deviation 1; flat pictures give 0."""
    mode = "wrap" if periodic else "reflect"
    luma = gray(np.asarray(color, np.float32))
    smooth = ndimage.gaussian_filter(luma, fine, mode=mode) if fine > 0 else luma
    band = smooth - ndimage.gaussian_filter(luma, coarse, mode=mode)
    band -= band.mean()
    deviation = float(band.std())
    # Below half a level of 8 bits there is no structure, only rounding.
    return band / deviation if deviation > 0.5 / 255 else np.zeros_like(band)


def _strips(heights: Array, around: int, periodic: bool, progress: Progress) -> Iterator[tuple[slice, Array]]:
    """Rows of a relief some at a time, and these with `around` + 1 more above and below, as the relief goes on there."""
    height, width = heights.shape
    step = max(1, _AT_ONCE // width)
    for first in range(0, height, step):
        progress(first / height)
        rows = np.arange(first - around - 1, min(first + step, height) + around + 1)
        yield slice(first, first + step), heights[rows % height if periodic else rows.clip(0, height - 1)]


def _slopes(strip: Array, relief_pixels: float, periodic: bool) -> tuple[Array, Array]:
    """Rise per pixel to the right and down, by central differences, of all rows but the first and last."""
    padded = np.pad(strip, ((0, 0), (1, 1)), mode="wrap" if periodic else "edge")
    across = (padded[1:-1, 2:] - padded[1:-1, :-2]) * np.float32(relief_pixels / 2)
    down = (padded[2:, 1:-1] - padded[:-2, 1:-1]) * np.float32(relief_pixels / 2)
    return across, down


# Files


def write_map(
    path: str | os.PathLike[str],
    values: ArrayLike,
    is_color: bool,
    form: Format = "png8",
    provenance: Mapping[str, Any] | None = None,
    progress: Progress = ignore,
) -> Path:
    """Write one map, whole or not at all.

    Args:
        path: with its suffix. values: (H, W) or (H, W, 3) in [0, 1]. is_color: sRGB; OpenEXR then gets linear light.
        form: "png8", "png16" or "exr" (16-bit floats). provenance: what made it, kept in the file.
        progress: is told the share done, 0 to 1; what it raises ends the work, and nothing is left of it.

    Raises:
        WashiError: no such form, values that are not numbers, a place that can't be written.
    """
    if form not in FORMATS:
        raise WashiError(f"there is no format {form!r}: choose from {', '.join(FORMATS)}")
    array = np.asarray(values, np.float32)
    if not np.isfinite(array).all():
        raise WashiError(f"{path} was not written: the map holds values that are not numbers")
    if form == "exr":
        return _write_exr(Path(path), linear(array) if is_color else array, provenance)
    if form == "png16" and array.ndim == 3:
        return _write_png16(Path(path), array, provenance)
    return write_png(path, array, provenance, 16 if form == "png16" else 8, progress)


def write_maps(
    maps: MaterialMaps,
    folder: str | os.PathLike[str],
    name: str,
    which: Iterable[str] = ("base_color", "height", "normal", "roughness", "opacity"),
    form: Format = "png8",
    provenance: Mapping[str, Any] | None = None,
) -> dict[str, Path]:
    """Write maps as `folder/name_map.png` (or .exr).

    Args:
        which: names from `MAPS`. form: one for all, or heights alone want 16 bits: "png16" does both.

    Returns:
        Path by map.

    Raises:
        WashiError: an unknown map or format, a place that can't be written.
    """
    target = make_folder(folder)
    chosen = tuple(which)
    pictures = {key: maps.map(key) for key in chosen}
    facts = {**(provenance or {}), "millimetres_per_pixel": maps.millimetres_per_pixel, "relief_mm": maps.relief_mm}
    return {
        key: write_map(
            target / f"{name}_{key}{SUFFIXES.get(form, '')}", picture, key == "base_color", form, {**facts, "map": key, "estimated": key in maps.estimated}
        )
        for key, picture in pictures.items()
    }


def linear(encoded: ArrayLike) -> Array:
    """Linear light of sRGB-encoded values (IEC 61966-2-1)."""
    value = np.asarray(encoded, np.float32)
    return np.where(value <= 0.04045, value / 12.92, ((np.maximum(value, 0.04045) + 0.055) / 1.055) ** 2.4).astype(np.float32)


def _write_png16(path: Path, array: Array, provenance: Mapping[str, Any] | None) -> Path:
    import png

    height, width, _ = array.shape
    whole = np.round(np.clip(array.astype(np.float64), 0, 1) * 65535).astype(">u2")
    plain = BytesIO()
    png.Writer(width, height, greyscale=False, bitdepth=16, compression=PNG_COMPRESSION).write_packed(plain, (row.tobytes() for row in whole))
    plain.seek(0)
    chunks = list(png.Reader(file=plain).chunks())
    if provenance is not None:
        text = json.dumps(dict(provenance), ensure_ascii=False).encode()
        chunks.insert(1, (b"iTXt", b"washi-latent\0\0\0\0\0" + text))
    return write_atomically(path, lambda file: png.write_chunks(file, chunks))


def _write_exr(path: Path, array: Array, provenance: Mapping[str, Any] | None) -> Path:
    try:
        import OpenEXR
    except ImportError as error:
        raise WashiError("writing OpenEXR needs a package that is not installed: pip install 'washi-latent[exr]', or choose PNG") from error
    header: dict[str, Any] = {"compression": OpenEXR.ZIP_COMPRESSION, "type": OpenEXR.scanlineimage}
    if provenance is not None:
        header["washi-latent"] = json.dumps(dict(provenance), ensure_ascii=False)
    half = np.ascontiguousarray(array, np.float16)
    temporary: str | None = None
    try:
        handle, temporary = tempfile.mkstemp(prefix=hidden(path), suffix=".partial.exr", dir=path.parent)
        os.close(handle)
        # OpenEXR writes by name only: into a file of ours, then from there as every file.
        OpenEXR.File(header, {"RGB" if half.ndim == 3 else "Y": half}).write(temporary)
        content = Path(temporary).read_bytes()
    except (OSError, RuntimeError) as error:
        raise cannot_write(path, error if isinstance(error, OSError) else OSError(0, str(error))) from error
    finally:
        if temporary is not None:
            Path(temporary).unlink(missing_ok=True)
    return write_atomically(path, lambda file: file.write(content))
