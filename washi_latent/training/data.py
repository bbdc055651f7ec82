"""Patches to learn from: cut from simulated sheets, or from anybody's photographs.

A patch is 64x64 RGB, or larger for a sheet model of photographs. From the simulation it shows 6.4 to 13 mm, so that single fibres are seen; it is cut anywhere from a
periodic sheet and reduced with an area filter. Held-out patches come from sheets of their own, never from a sheet that
was trained on.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from joblib import Parallel, delayed
from numpy.typing import NDArray
from PIL import Image

from ..core.errors import WashiError
from ..core.fields import MILLIMETRES_PER_PIXEL
from ..core.images import read_image

PATCH = 64
SHEET_PATCH = 128
"""Edge of the crops that a sheet model of photographs learns from, pixels."""
PATCH_MM = (6.4, 13.0)
SHEET = 512
PICTURES = frozenset({".png", ".jpg", ".jpeg", ".tif", ".tiff", ".webp", ".bmp"})

Patches8 = NDArray[np.uint8]


@dataclass(frozen=True, eq=False)
class Patches:
    """Training and held-out patches.

    Attributes:
        train, held_out: (N, H, H, 3) uint8; H is 64 but for sheet models.
        train_kinds, held_out_kinds: (N,) index into `kinds` of the sheet a patch was cut from.
        kinds: names; of photographs "photograph 1" and so on.
    """

    train: Patches8
    held_out: Patches8
    train_kinds: NDArray[np.int32]
    held_out_kinds: NDArray[np.int32]
    kinds: tuple[str, ...]

    def save(self, folder: Path) -> None:
        """Write the arrays, so that `load_patches` finds them."""
        folder.mkdir(parents=True, exist_ok=True)
        for name in ("train", "held_out", "train_kinds", "held_out_kinds"):
            np.save(folder / f"{name}.npy", getattr(self, name), allow_pickle=False)
        (folder / "kinds.json").write_text(json.dumps(self.kinds), encoding="utf-8")


def load_patches(folder: Path) -> Patches:
    """Read what `Patches.save` wrote."""
    arrays = {name: np.load(folder / f"{name}.npy", allow_pickle=False) for name in ("train", "held_out", "train_kinds", "held_out_kinds")}
    return Patches(**arrays, kinds=tuple(json.loads((folder / "kinds.json").read_text(encoding="utf-8"))))


def sheet_kinds(sheets: int, seed: int) -> list[str]:
    """Which sheets to make: a third of every kind in turn, two thirds mixtures as a paper shop would have them."""
    from .washi import random_sheet_kind

    rng = np.random.default_rng(seed)
    return [random_sheet_kind(i, rng) for i in range(sheets)]


def cut_patches(sheet: NDArray[np.float32], count: int, millimetres_per_pixel: float, rng: np.random.Generator) -> Patches8:
    """Cut patches anywhere from a periodic sheet (H, W, 3) in [0, 1], at random widths within `PATCH_MM`."""
    result = np.empty((count, PATCH, PATCH, 3), np.uint8)
    for i in range(count):
        edge = max(PATCH, round(rng.uniform(*PATCH_MM) / millimetres_per_pixel))
        y, x = (rng.integers(0, n) for n in sheet.shape[:2])
        rows, columns = (y + np.arange(edge)) % sheet.shape[0], (x + np.arange(edge)) % sheet.shape[1]
        result[i] = _reduced(sheet[np.ix_(rows, columns)])
    return result


def simulated_patches(
    sheets: int = 420, patches_per_sheet: int = 60, seed: int = 0, jobs: int = 2, progress: Callable[[int, int], None] | None = None
) -> Patches:
    """Patches of simulated sheets of all kinds.

    Args:
        sheets: sheets to make; every tenth is held out.
        patches_per_sheet: cut from each.
        seed: the same arguments give the same patches.
        jobs: processes.
        progress: called with (done, all).
    """
    names = sheet_kinds(sheets, seed)
    kinds = tuple(dict.fromkeys(names))
    work = (delayed(_sheet_patches)(kind, seed * 100_003 + i, patches_per_sheet) for i, kind in enumerate(names))
    cut: list[Patches8] = []
    for patches in Parallel(n_jobs=jobs, return_as="generator")(work):
        cut.append(patches)
        if progress:
            progress(len(cut), sheets)
    index = np.repeat([kinds.index(name) for name in names], patches_per_sheet).astype(np.int32)
    held = np.repeat(np.arange(sheets) % 10 == 9, patches_per_sheet)
    every = np.concatenate(cut)
    return Patches(every[~held], every[held], index[~held], index[held], kinds)


def photograph_patches(
    folder: Path, count: int = 20_000, seed: int = 0, edge: int = PATCH, scale: float | None = None, say: Callable[[str], None] = lambda _: None
) -> Patches:
    """Patches of the photographs in a folder: of every tenth one held out, or of each some where there are fewer than ten.

    Args:
        folder: searched with those below it.
        count: about how many patches to learn from.
        seed: the same arguments give the same patches.
        edge: of a patch, pixels.
        scale: pixels of a photograph to one of a patch; None: from 1 to 2, at random.
        say: takes a line on photographs that can't be used.

    Returns:
        Patches whose kinds are the photographs, in the order of their names.

    Raises:
        WashiError: no folder, no readable picture, none that holds a patch.
    """
    rng = np.random.default_rng(seed)
    files = _picture_files(folder)
    smallest = round(edge * (scale or 1))
    each = -(-count * 10 // 9 // max(1, sum(_is_large_enough(path, smallest) for path in files)))
    # One photograph at a time: many large ones would not fit in memory.
    pictures = _read_pictures(folder, files, smallest, say)
    cut = [np.stack([_cut_photograph(picture, edge, scale, rng) for _ in range(each)]) for picture in pictures]
    kind = np.repeat(np.arange(len(cut), dtype=np.int32), each)
    held = kind % 10 == 9 if len(cut) >= 10 else np.tile(np.arange(each) >= each - max(1, each // 10), len(cut))
    every = np.concatenate(cut)
    return Patches(every[~held], every[held], kind[~held], kind[held], tuple(f"photograph {i + 1}" for i in range(len(cut))))


def photographs_for(
    kind: str, folder: Path, count: int, seed: int, millimetres_per_pixel: float | None = None, say: Callable[[str], None] = lambda _: None
) -> Patches:
    """Patches as a kind of model learns from them.

    A DCGAN's are cut at many scales. A sheet is drawn at one: the photographs' own, or the fields' where theirs is known, so that fibres
    get their true size. Its crops are four times as large, so they are a quarter as many.
    """
    if kind == "dcgan":
        return photograph_patches(folder, count, seed, say=say)
    return photograph_patches(folder, count // 4, seed, SHEET_PATCH, MILLIMETRES_PER_PIXEL / (millimetres_per_pixel or MILLIMETRES_PER_PIXEL), say)


def fingerprint(folder: Path) -> str:
    """Tells the photographs of a folder from others: a checksum of their names below it, their sizes in bytes and when they were changed.

    Raises:
        WashiError: no folder, or one without pictures.
    """
    # Whole seconds: some disks keep no more, and a copied folder is the same.
    facts = [(path.relative_to(folder).as_posix(), (stat := path.stat()).st_size, int(stat.st_mtime)) for path in _picture_files(folder)]
    return hashlib.sha256(json.dumps(facts).encode()).hexdigest()


def _sheet_patches(kind: str, seed: int, count: int) -> Patches8:
    from .washi import synthesize

    sheet = synthesize(kind, SHEET, seed)
    rng = np.random.default_rng(seed + 1)
    lights = rng.normal(120, 12), rng.uniform(0.5, 0.9)
    return cut_patches(sheet.scan(float(np.radians(lights[0])), float(lights[1])), count, sheet.millimetres_per_pixel, rng)


def _picture_files(folder: Path) -> list[Path]:
    if not folder.is_dir():
        raise WashiError(f"there is no folder {folder}: give the folder that holds your photographs")
    files = sorted(p for p in folder.rglob("*") if p.suffix.lower() in PICTURES and p.is_file())
    if not files:
        raise WashiError(f"the folder {folder} holds no pictures: put PNG, JPEG, TIFF or WebP photographs there")
    return files


def _is_large_enough(path: Path, smallest: int) -> bool:
    """By what a picture says of itself, which is read in a moment."""
    try:
        with Image.open(path) as picture:
            return min(picture.size) >= smallest
    except Exception:  # noqa: BLE001 - of damaged files, Pillow's readers raise anything
        return False


def _read_pictures(folder: Path, files: list[Path], smallest: int, say: Callable[[str], None]) -> Iterator[NDArray[np.float32]]:
    small, broken, good = list[str](), list[str](), 0
    for path in files:
        try:
            array = read_image(path)
        except WashiError as error:
            broken.append(str(error))
            continue
        if min(array.shape[:2]) < smallest:
            small.append(path.name)
            continue
        good += 1
        yield array
    few = (f"smaller than {smallest} pixels", small), ("unreadable or too large", broken)
    why = ", ".join(f"{len(some)} {what} (first: {some[0]})" for what, some in few if some)
    if good and small + broken:
        say(f"{len(small + broken)} of {len(files)} photographs can't be used: {why}")
    if good == 0:
        raise WashiError(f"no picture in {folder} can be used: {why}; add photographs of at least {smallest} x {smallest} pixels")


def _cut_photograph(picture: NDArray[np.float32], edge: int, scale: float | None, rng: np.random.Generator) -> Patches8:
    size = round(edge * scale) if scale else int(rng.integers(edge, min(2 * edge, *picture.shape[:2]) + 1))
    y, x = (int(rng.integers(0, n - size + 1)) for n in picture.shape[:2])
    return _reduced(picture[y : y + size, x : x + size], edge)


def _reduced(crop: NDArray[np.float32], edge: int = PATCH) -> Patches8:
    """A square crop at `edge` pixels, by Pillow's area-weighted cubic filter, in floating point."""
    planes = [np.asarray(Image.fromarray(np.ascontiguousarray(crop[..., c])).resize((edge, edge), Image.Resampling.BICUBIC)) for c in range(3)]
    return np.clip(np.stack(planes, -1) * 255 + 0.5, 0, 255).astype(np.uint8)
