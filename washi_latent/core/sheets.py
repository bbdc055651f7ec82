"""The maps of many textures as one picture, or as one numbered row of files: what a material that shows them all needs.

Graphics cards give a material about two dozen pictures, far fewer than twelve textures of five maps want: in an atlas they are
five, however many textures there are. A numbered row is what a film of textures is read from.
"""

from __future__ import annotations

import contextlib
import hashlib
import os
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image, UnidentifiedImageError

from .errors import WashiError
from .images import check_folder, free_bytes, make_folder, save_png, write_atomically
from .progress import Progress, ignore, part

Files = Mapping[str, Path]
"""Path by map, of one texture."""

LARGEST = 16384
"""Pixels an edge that graphics cards take."""
_BYTES_A_PIXEL = 1.5
"""Of a map's file, about: a sheet's five maps take 7 to 8 bytes a pixel."""
_BORDER = 4
"""Pixels of the texture that go on around it, so that filters as wide as that see no neighbour."""


@dataclass(frozen=True)
class Atlas:
    """Textures side by side in one picture a map, from the bottom left, row by row upward.

    Attributes:
        files: path by map. count: of textures. columns, rows: of cells.
        border_x, border_y: share of a cell's width and height that repeats the texture on each side.
    """

    files: Files
    count: int
    columns: int
    rows: int
    border_x: float
    border_y: float


def write_atlas(textures: Sequence[Files], folder: str | os.PathLike[str], name: str, progress: Progress = ignore) -> Atlas:
    """Write one atlas a map as `folder/name_map.png`.

    Args:
        textures: at least one, all of the same maps and size, in PNG of 8 bits, or 16 where gray.

    Raises:
        WashiError: textures that don't fit together or into 16384 pixels, files that can't be read or written.
    """
    keys = _maps(textures)
    columns, rows = _cells(len(textures))
    target, files, shape = make_folder(folder), {}, (0, 0)
    for number, key in enumerate(keys):
        share, pictures = part(progress, number / len(keys), (number + 1) / len(keys)), []
        for i, texture in enumerate(textures):
            share(0.4 * i / len(textures))
            pictures.append(_read(texture[key]))
            shape = _fitting(pictures, texture[key], len(textures))
        whole = _together(pictures, columns, rows, part(share, 0.4, 0.6))
        # Little compression: it is packed or thrown away soon.
        files[key] = save_png(target / f"{name}_{key}.png", whole, 1, part(share, 0.6, 1))
    height, width = (edge + 2 * _BORDER for edge in shape)
    return Atlas(files, len(textures), columns, rows, _BORDER / width, _BORDER / height)


def _maps(textures: Sequence[Files]) -> tuple[str, ...]:
    if not textures:
        raise WashiError("there are no textures: choose the ends of a sequence first")
    if len({tuple(sorted(one)) for one in textures}) > 1:
        raise WashiError("the textures have different maps: generate them together")
    return tuple(textures[0])


def _read(path: Path) -> NDArray[np.generic]:
    try:
        with Image.open(path) as picture:
            return np.asarray(picture if picture.mode in {"L", "RGB", "I;16"} else picture.convert("RGB"))
    except (OSError, UnidentifiedImageError) as error:
        raise _unreadable(path) from error


def _fitting(pictures: Sequence[NDArray[np.generic]], path: Path, count: int) -> tuple[int, int]:
    first, last = pictures[0], pictures[-1]
    if (first.shape, first.dtype) != (last.shape, last.dtype):
        raise WashiError(f"{path} has another size or depth than the first texture: generate the textures together")
    height, width = int(first.shape[0]), int(first.shape[1])
    check_atlas(count, height, width)
    return height, width


def _cells(count: int) -> tuple[int, int]:
    """Columns and rows of an atlas."""
    columns = int(np.ceil(np.sqrt(count)))
    return columns, -(-count // columns)


def check_atlas(count: int, height: int, width: int) -> None:
    """See to it that an atlas of so many textures of this size can be.

    Raises:
        WashiError: more than 16384 pixels each way.
    """
    columns, rows = _cells(count)
    if max((width + 2 * _BORDER) * columns, (height + 2 * _BORDER) * rows) > LARGEST:
        raise WashiError(f"{columns} x {rows} textures of {width} x {height} pixels are more than graphics cards take: choose a smaller size or fewer textures")


def check_room(count: int, height: int, width: int, files: Mapping[Path, int]) -> None:
    """See to it that so many textures of this size can be written, and are likely to fit on the disks.

    Args:
        files: of each texture, by the folder that they go to, which needn't be there yet. Folders on one disk share its room.

    Raises:
        WashiError: they can't or aren't.
    """
    disks: dict[int, list[Path]] = {}
    for folder in files:
        disks.setdefault(check_folder(folder), []).append(folder)
    for folders in disks.values():
        needed, free = count * height * width * sum(files[folder] for folder in folders) * _BYTES_A_PIXEL, free_bytes(folders[0])
        if needed <= free:
            continue
        wanted, there, where = f"{needed / 2**30:.1f}", f"{free / 2**30:.1f}", " + ".join(map(str, folders))
        if count == 1:
            raise WashiError(
                f"a texture of {width} x {height} pixels needs about {wanted} GB in {where} and {there} GB are free there: free some space, or choose a smaller size"
            )
        raise WashiError(
            f"{count} textures of {width} x {height} pixels need about {wanted} GB in {where} and {there} GB are free there: free some space, or choose a smaller size or fewer textures"
        )


def _together(pictures: Sequence[NDArray[np.generic]], columns: int, rows: int, progress: Progress) -> NDArray[np.generic]:
    around = [(_BORDER, _BORDER)] * 2 + [(0, 0)] * (pictures[0].ndim - 2)
    height, width = (edge + 2 * _BORDER for edge in pictures[0].shape[:2])
    whole = np.zeros((rows * height, columns * width, *pictures[0].shape[2:]), pictures[0].dtype)
    for i, picture in enumerate(pictures):
        progress(i / len(pictures))
        row, column = divmod(i, columns)
        top = (rows - 1 - row) * height
        whole[top : top + height, column * width : (column + 1) * width] = np.pad(picture, around, mode="wrap")
    return whole


def number_files(textures: Sequence[Files], folder: str | os.PathLike[str], name: str, progress: Progress = ignore) -> dict[str, Path]:
    """Copy maps to `folder/name-checksum/name_map_0001.png` and on: what programs read as an image sequence.

    The checksum is of what the files hold: another sequence of the same name never overwrites this one.

    Returns:
        Path of the first file, by map.

    Raises:
        WashiError: no textures, different maps, files that can't be read or written.
    """
    keys = _maps(textures)
    checksum = _checksum(textures, keys, part(progress, 0, 0.3))
    place, made = make_folder(Path(folder) / f"{name}-{checksum}"), list[Path]()
    first: dict[str, Path] = {}
    try:
        for i, texture in enumerate(textures):
            for number, key in enumerate(keys):
                progress(0.3 + 0.7 * (i + number / len(keys)) / len(textures))
                target = place / f"{name}_{key}_{i + 1:04d}{texture[key].suffix}"
                if not target.exists():
                    made.append(target)
                    _copy(_bytes(texture[key]), target)
                first.setdefault(key, target)
    except BaseException:
        _remove(made, place)
        raise
    return first


def earlier_rows(first: Path, name: str) -> tuple[int, int]:
    """How many other rows of this name lie beside one that `number_files` wrote, and their bytes. They may be another file's, and stay."""
    count, size = 0, 0
    pattern = re.compile(re.escape(name) + r"-[0-9a-f]{8}")
    for place in first.parent.parent.iterdir():
        if pattern.fullmatch(place.name) and place != first.parent and place.is_dir():
            with contextlib.suppress(OSError):  # it is being removed, or can't be read
                files = [file.stat().st_size for file in place.iterdir() if file.is_file()]
                count, size = count + bool(files), size + sum(files)
    return count, size


def _remove(files: Sequence[Path], folder: Path) -> None:
    """Leave nothing of a row that was not finished."""
    for file in files:
        file.unlink(missing_ok=True)
    with contextlib.suppress(OSError):  # others lie there
        folder.rmdir()


def keep_files(textures: Mapping[str, Files], folder: str | os.PathLike[str], progress: Progress = ignore) -> dict[str, dict[str, Path]]:
    """Copy maps to `folder/name_map_checksum.png`, where they stay; a file that is there already is not written again.

    The checksum is of what the file holds: another picture of the same name never overwrites this one.

    Args:
        textures: by the name that their files get.

    Returns:
        Paths by map, by name.

    Raises:
        WashiError: files that can't be read or written.
    """
    target, made, kept = make_folder(folder), list[Path](), dict[str, dict[str, Path]]()
    try:
        for i, (name, files) in enumerate(textures.items()):
            for number, (key, path) in enumerate(files.items()):
                progress((i + number / len(files)) / len(textures))
                content = _bytes(path)
                place = target / f"{name}_{key}_{_short(content)}{path.suffix}"
                if not place.exists():
                    made.append(place)
                    _copy(content, place)
                kept.setdefault(name, {})[key] = place
    except BaseException:
        for file in made:
            file.unlink(missing_ok=True)
        raise
    return kept


def checksum(path: Path) -> str:
    """Eight digits that tell what a file holds, remembered while it is not written again: a job asks first, so that a window need not wait.

    Raises:
        WashiError: a file that can't be read.
    """
    try:
        written = path.stat()
    except OSError as error:
        raise _unreadable(path) from error
    return _remembered(path, written.st_size, written.st_mtime_ns)


@lru_cache(4096)
def _remembered(path: Path, _size: int, _written: int) -> str:
    return _short(_bytes(path))


def _short(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()[:8]


def _checksum(textures: Sequence[Files], keys: Sequence[str], progress: Progress) -> str:
    whole = hashlib.sha256()
    for i, texture in enumerate(textures):
        for number, key in enumerate(keys):
            progress((i + number / len(keys)) / len(textures))
            whole.update(hashlib.sha256(_bytes(texture[key])).digest())
    return whole.hexdigest()[:8]


def _copy(content: bytes, target: Path) -> None:
    write_atomically(target, lambda file: file.write(content))


def _bytes(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except OSError as error:
        raise _unreadable(path) from error


def _unreadable(path: Path) -> WashiError:
    return WashiError(f"{path} can't be read: generate the textures again")
