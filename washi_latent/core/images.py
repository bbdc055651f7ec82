"""Reading and writing pictures: atomically, with provenance, one clear sentence when it can't be done."""

from __future__ import annotations

import errno
import json
import os
import shutil
import tempfile
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, BinaryIO, cast

import numpy as np
from numpy.typing import ArrayLike, NDArray
from PIL import Image, ImageDraw, ImageFont, ImageOps, PngImagePlugin

from .errors import WashiError
from .progress import Progress, ignore, part

Array = NDArray[np.float32]

MAX_PIXELS = 178_000_000
"""Pillow refuses more, as an attack."""
PNG_COMPRESSION = 2
"""Of zlib's levels: the grain of paper hardly shrinks. Level 6 takes four times as long, for 3 (colour) to 15 % (normals) fewer bytes."""

_AT_ONCE = 1 << 20
"""Numbers that are converted at a time."""

_UMASK = os.umask(0o022)
os.umask(_UMASK)
_WHY = {
    errno.ENOSPC: "the disk is full: free some space and try again",
    errno.EDQUOT: "your disk quota is used up: free some space and try again",
    errno.EACCES: "writing there is not allowed: choose another folder",
    errno.EPERM: "writing there is not allowed: choose another folder",
    errno.EROFS: "the place is read-only: choose another folder",
    errno.ENOENT: "the folder does not exist: create it or choose another",
    errno.ENOTDIR: "a part of the path is a file, not a folder: choose another",
    errno.EISDIR: "a folder of that name is there: choose another name",
    errno.ENAMETOOLONG: "the name is too long: choose a shorter one",
}


def write_atomically(path: str | os.PathLike[str], write: Callable[[BinaryIO], Any]) -> Path:
    """Write a file so that it is there whole or not at all.

    Args:
        path: where; the folder must exist.
        write: is given the open binary file.

    Returns:
        The path.

    Raises:
        WashiError: no space, no right to write, no such folder; nothing that was there before is changed.
    """
    target = Path(path)
    temporary: str | None = None
    try:
        if target.exists() and not (target.is_file() or target.is_dir()):
            raise WashiError(f"{target} is a device or a pipe, which no file may take the place of: choose another name")
        handle, temporary = tempfile.mkstemp(prefix=hidden(target), suffix=".partial", dir=target.parent)
        with os.fdopen(handle, "wb") as file:
            write(file)
            file.flush()
            os.fsync(file.fileno())
        os.chmod(temporary, 0o666 & ~_UMASK)
        os.replace(temporary, target)
    except OSError as error:
        raise cannot_write(target, error) from error
    finally:
        if temporary is not None and os.path.exists(temporary):
            os.unlink(temporary)
    return target


def check_file(path: str | os.PathLike[str]) -> None:
    """Refuse at once what `write_atomically` would refuse, for those who work for long before.

    Raises:
        WashiError: no such folder, no right to write there, a folder of that name.
    """
    target = Path(path)
    try:
        if target.is_dir():
            raise IsADirectoryError(errno.EISDIR, os.strerror(errno.EISDIR))
        with tempfile.TemporaryFile(dir=target.parent):
            pass
    except OSError as error:
        raise cannot_write(target, error) from error


def hidden(target: Path) -> str:
    """How the name of a file in the making begins: never longer than systems take, whatever letters it is of."""
    return f".{target.name.encode(errors='ignore')[:80].decode(errors='ignore')}."


def cannot_write(path: Path, error: OSError) -> WashiError:
    """The sentence for a write that failed."""
    cut = error.errno is None and str(error).endswith(" written")  # NumPy's way to say that only a part was
    why = _WHY.get(errno.ENOSPC if cut else error.errno or 0, f"{error.strerror or error}: choose another place")
    return WashiError(f"{path} could not be written, {why}")


def free_bytes(folder: Path) -> int:
    """Bytes free on the disk of a folder that needn't be there yet.

    Raises:
        WashiError: the disk doesn't say.
    """
    try:
        return shutil.disk_usage(_there(folder)).free
    except OSError as error:
        raise cannot_write(folder, error) from error


def check_folder(folder: Path) -> int:
    """See to it that a folder that needn't be there yet can be written to; the number of its disk.

    Raises:
        WashiError: it can't.
    """
    try:
        there = _there(folder)
        with tempfile.TemporaryFile(dir=there):
            return there.stat().st_dev
    except OSError as error:
        raise cannot_write(folder, error) from error


def _there(folder: Path) -> Path:
    """The part of a path that is there."""
    while not folder.exists():
        folder = folder.parent
    return folder


def make_folder(path: str | os.PathLike[str]) -> Path:
    """Create a folder (and those above it) unless it is there.

    Raises:
        WashiError: it can't be created.
    """
    folder = Path(path)
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise cannot_write(folder, error) from error
    return folder


def writable_folder(path: str | os.PathLike[str]) -> Path:
    """As `make_folder`; one that is there must let files be written, too, for those who work for long before.

    Raises:
        WashiError: it can't be created, or written to.
    """
    folder = make_folder(path)
    check_folder(folder)
    return folder


def write_json(path: str | os.PathLike[str], value: Any) -> Path:
    """Write JSON atomically; floats keep every digit."""
    text = json.dumps(value, indent=1, ensure_ascii=False, allow_nan=False) + "\n"
    return write_atomically(path, lambda file: file.write(text.encode()))


def write_png(path: str | os.PathLike[str], image: ArrayLike, provenance: Mapping[str, Any] | None = None, bits: int = 8, progress: Progress = ignore) -> Path:
    """Write a PNG.

    Args:
        path: where.
        image: (H, W), (H, W, 1), (H, W, 3) or (H, W, 4) in [0, 1]; values beyond are clipped.
        provenance: what made it; kept as text in the file (key "washi-latent", JSON).
        bits: 8, or 16 for gray.
        progress: is told the share done, 0 to 1; what it raises ends the work, and nothing is left of it.

    Raises:
        WashiError: wrong shape, values that are not numbers, a place that can't be written.
    """
    array = np.asarray(image)
    if array.ndim == 3 and array.shape[2] == 1:
        array = array[..., 0]
    if array.ndim not in (2, 3) or (array.ndim == 3 and array.shape[2] not in (3, 4)) or 0 in array.shape:
        raise WashiError(f"a picture of shape {array.shape} can't be written: give gray, RGB or RGBA")
    if not np.isfinite(array).all():
        raise WashiError(f"{path} was not written: the picture holds values that are not numbers")
    if bits not in (8, 16) or (bits == 16 and array.ndim == 3):
        raise WashiError(f"PNG with {bits} bits and shape {array.shape} is not offered: use 8 bits, or 16 for gray")
    whole = quantized(array, np.uint8 if bits == 8 else np.uint16, progress)
    text = PngImagePlugin.PngInfo()
    if provenance is not None:
        text.add_itxt("washi-latent", json.dumps(dict(provenance), ensure_ascii=False))
    return save_png(path, whole, PNG_COMPRESSION, part(progress, 0.2, 1), text)


def quantized(values: NDArray[Any], dtype: Any, progress: Progress = ignore) -> NDArray[Any]:
    """Values (H, ...) in [0, 1] as whole numbers, 0 to the largest of a type, some rows at a time; values beyond are clipped."""
    levels, result = np.iinfo(dtype).max, np.empty(values.shape, dtype)
    rows = max(1, _AT_ONCE // max(1, values[0].size))
    for first in range(0, len(values), rows):
        progress(first / len(values))
        few = slice(first, first + rows)
        result[few] = np.round(np.clip(values[few].astype(np.float64), 0, 1) * levels)
    return result


def save_png(
    path: str | os.PathLike[str], whole: NDArray[Any], compression: int, progress: Progress = ignore, text: PngImagePlugin.PngInfo | None = None
) -> Path:
    """Write whole numbers, (H, W) or (H, W, 3 or 4), as PNG.

    Args:
        compression: zlib's level. progress: as for `write_png`. text: what is kept in the file besides.
    """
    picture = Image.fromarray(whole)

    def write(file: BinaryIO) -> None:
        picture.save(cast("BinaryIO", _Telling(file, whole.nbytes, progress)), "PNG", pnginfo=text, compress_level=compression)

    return write_atomically(path, write)


class _Telling:
    """A file that tells how much of it was written, of about so many bytes: Pillow gives it a piece at a time."""

    def __init__(self, file: BinaryIO, expected: int, progress: Progress) -> None:
        self._file, self._expected, self._written, self._progress = file, expected, 0, progress

    def write(self, content: bytes) -> int:
        self._written += len(content)
        self._progress(min(1.0, self._written / self._expected))
        return self._file.write(content)

    def flush(self) -> None:
        self._file.flush()


def read_provenance(path: str | os.PathLike[str]) -> dict[str, Any] | None:
    """What made a PNG of ours, or None."""
    try:
        with Image.open(path) as picture:
            text = picture.info.get("washi-latent")
        value = json.loads(text) if isinstance(text, str) else None
    except Exception:  # noqa: BLE001 - of damaged files, Pillow's readers raise anything; none is one of ours
        return None
    return value if isinstance(value, dict) else None


def read_image(path: str | os.PathLike[str] | BinaryIO) -> Array:
    """Read a picture, a file's path or an open file, as (H, W, 3) float32 in [0, 1].

    Raises:
        WashiError: no such file, not a picture, absurdly large.
    """
    name = path if isinstance(path, str | os.PathLike) else "the packed picture"
    try:
        with Image.open(path) as picture:
            if picture.width * picture.height > MAX_PIXELS:
                raise WashiError(f"{name} has {picture.width} x {picture.height} pixels: give a picture of at most {MAX_PIXELS // 1_000_000} megapixels")
            return _values(ImageOps.exif_transpose(picture))
    except (WashiError, MemoryError):
        raise
    except FileNotFoundError as error:
        raise WashiError(f"there is no picture {name}: check the path") from error
    except Image.DecompressionBombError as error:
        raise WashiError(f"{name} is too large: give a picture of at most {MAX_PIXELS // 1_000_000} megapixels") from error
    except Exception as error:  # of damaged files, Pillow's readers raise anything
        raise WashiError(f"{name} can't be read as a picture: give a PNG, JPEG, TIFF or WebP file") from error


def _values(picture: Image.Image) -> Array:
    """Red, green and blue in [0, 1], of what a picture shows on white."""
    if picture.mode == "F" or picture.mode.startswith("I"):
        gray = np.asarray(picture).astype(np.float64)
        if not np.isfinite(gray).all():
            raise ValueError("values that are not numbers")
        # Numbers of 32 bits say nothing of their range: the least of the usual ones that holds them.
        whole = 65535.0 if picture.mode.startswith("I;16") else next((top for top in _WHITES[picture.mode] if gray.max() <= top), gray.max())
        return np.repeat(np.clip(gray / whole, 0, 1).astype(np.float32)[..., None], 3, -1)
    if picture.has_transparency_data:
        shown = picture.convert("RGBA")
        picture = Image.alpha_composite(Image.new("RGBA", shown.size, "white"), shown)
    return np.asarray(picture.convert("RGB"), np.float32) / 255


_WHITES = {"F": (1.0, 255.0, 65535.0), "I": (65535.0, 2.0**31 - 1)}


def resize(image: ArrayLike, height: int, width: int) -> Array:
    """A picture (H, W) or (H, W, C) in [0, 1] at another size, by an antialiased cubic filter, clipped to [0, 1]."""
    array = np.asarray(image, np.float32)
    planes = array[..., None] if array.ndim == 2 else array
    resized = [
        np.asarray(Image.fromarray(np.ascontiguousarray(planes[..., c])).resize((width, height), Image.Resampling.BICUBIC)) for c in range(planes.shape[2])
    ]
    result = np.clip(np.stack(resized, -1), 0, 1)
    return result[..., 0] if array.ndim == 2 else result


def contact_sheet(
    images: ArrayLike, labels: Sequence[str] | None = None, columns: int | None = None, title: str | None = None, tile: int = 160, marked: Sequence[int] = ()
) -> Array:
    """Pictures in a grid, labelled, at one scale.

    Args:
        images: (N, H, W) or (N, H, W, C) in [0, 1]; of more than three channels the first three are shown.
        labels: a line under each.
        columns: None: nearly square, a little wide.
        title: a line above.
        tile: edge of a picture on the sheet, pixels.
        marked: indices that get a coloured frame (the representatives, say).

    Returns:
        (H, W, 3) float32 in [0, 1].
    """
    array = np.asarray(images, np.float32)
    if len(array) == 0:
        raise WashiError("there are no pictures to show: sample some first")
    columns = columns or max(1, int(np.ceil(np.sqrt(len(array) * 1.6))))
    rows = -(-len(array) // columns)
    gap, line, head = 8, (20 if labels else 0), (34 if title else 0)
    sheet = Image.new("RGB", (columns * (tile + gap) + gap, head + rows * (tile + line + gap) + gap), (250, 249, 246))
    draw = ImageDraw.Draw(sheet)
    if title:
        draw.text((gap, 8), title, fill=(30, 30, 30), font=font(17))
    for i, picture in enumerate(array):
        x, y = gap + i % columns * (tile + gap), head + gap + i // columns * (tile + line + gap)
        sheet.paste(_thumbnail(picture, tile), (x, y))
        if i in marked:
            draw.rectangle((x - 4, y - 4, x + tile + 3, y + tile + 3), outline=(31, 95, 169), width=4)
        if labels:
            draw.text((x, y + tile + 3), labels[i], fill=(60, 60, 60), font=font(13))
    return np.asarray(sheet, np.float32) / 255


def rgb(image: ArrayLike) -> Array:
    """The colour of a texture (H, W, C): its first three channels, or gray repeated."""
    array = np.asarray(image, np.float32)
    if array.ndim == 2:
        array = array[..., None]
    return array[..., :3] if array.shape[-1] >= 3 else np.repeat(array[..., :1], 3, -1)


def square(picture: ArrayLike) -> Array:
    """The middle square of a picture (H, W, C)."""
    array = np.asarray(picture, np.float32)
    edge = min(array.shape[:2])
    y, x = ((n - edge) // 2 for n in array.shape[:2])
    return array[y : y + edge, x : x + edge]


def _thumbnail(picture: Array, tile: int) -> Image.Image:
    color = Image.fromarray(np.round(np.clip(rgb(picture), 0, 1) * 255).astype(np.uint8))
    enlarge = max(color.size) < tile
    return color.resize((tile, tile), Image.Resampling.BICUBIC if enlarge else Image.Resampling.LANCZOS)


def font(size: int) -> ImageFont.FreeTypeFont | ImageFont.ImageFont:
    """Pillow's own font at a size in pixels."""
    return ImageFont.load_default(size)
