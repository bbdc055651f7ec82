"""How long Blender's main thread is held, at most, while large textures are put into materials and pictures are taken as targets.

    python scripts/measure_applying.py [--size 4096] [--textures 2] [--faces 1000000]      needs `pip install '.[blender]'`; about a minute

Runs the extension's own steps with the bpy module, on pictures of noise of this size, and prints the longest slice of each that is the
extension's own, in milliseconds of processor time (which other programs hardly change). Blender's own undo step is not in them.
"""

from __future__ import annotations

import argparse
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

import bpy
import numpy as np

from washi_latent.addon import apply, engine, pictures, sequences
from washi_latent.addon.materials import PaperOptions
from washi_latent.core.images import save_png
from washi_latent.core.sheets import checksum, write_atlas

MAPS = {"base_color": 3, "height": 1, "normal": 3, "roughness": 1, "opacity": 1}


def noise(folder: Path, number: int, size: int) -> engine.Sheet:
    """A texture that compresses as badly as paper."""
    rng, files = np.random.default_rng(number), {}
    for key, channels in MAPS.items():
        files[key] = folder / f"{number}_{key}.png"
        gray = rng.integers(20000, 20512, (size, size), np.uint16)
        save_png(files[key], gray if channels == 1 else rng.integers(100, 132, (size, size, 3), np.uint8), 1)
        checksum(files[key])  # as the job's thread does
    provenance = {"model": "noise", "latent": [float(number)], "seed": 0, "size": [size, size], "version": "0"}
    return engine.Sheet(files, 100.0, provenance)


def clock(what: str, slices: Iterator[Any]) -> None:
    """Print how many slices there are, the longest, and all together."""
    taken, last = [], time.thread_time()
    for _ in slices:
        taken.append(time.thread_time() - last)
        last = time.thread_time()
    taken.append(time.thread_time() - last)
    print(f"{what:44}{len(taken):8}{max(taken) * 1000:14.1f}{sum(taken) * 1000:12.1f}", flush=True)


def once(act: Callable[[], object]) -> Iterator[None]:
    """An act as one slice."""
    act()
    yield from ()


def in_turn(ahead: Iterator[None], act: Callable[[], object]) -> Iterator[None]:
    """What a job does once its thread has ended."""
    yield from ahead
    act()


def fresh() -> None:
    apply.drop_ahead()
    bpy.ops.wm.read_factory_settings(use_empty=True)


def applying(folder: Path, sheets: list[engine.Sheet]) -> None:
    paper, maps = PaperOptions(), [one.files for one in sheets]
    clock("a texture, packed", in_turn(apply.pack_ahead(maps[:1], paper, "PACKED"), lambda: apply.apply_sheet(sheets[0], "Paper", options=paper)))
    fresh()
    clock(
        f"a sequence of {len(sheets)}, a material each",
        in_turn(apply.pack_ahead(maps, paper, "PACKED"), lambda: sequences.one_material_each(sheets, "Paper", options=paper)),
    )
    fresh()
    atlas = write_atlas(maps, folder, "atlas")
    for path in atlas.files.values():
        checksum(path)
    clock(
        f"a sequence of {len(sheets)} that blends",
        in_turn(apply.pack_ahead([atlas.files], paper, "PACKED"), lambda: sequences.blending_material(sheets, atlas, "Paper", options=paper)),
    )
    fresh()
    bpy.ops.wm.save_as_mainfile(filepath=str(folder / "scene.blend"))
    kept = engine.keep_files([sheets[0]], ["Paper"], apply.files_beside("FILES"))[0]
    clock("a texture, beside the file", once(lambda: apply.apply_sheet(kept, "Paper", options=paper, store="FILES")))
    fresh()


def targets(sheet: engine.Sheet, size: int) -> None:
    path = str(sheet.files["base_color"])
    clock("a target of a file", once(lambda: pictures.picture_of(bpy.data.images.load(path))))
    fresh()
    image = bpy.data.images.load(path)
    image.pack()
    clock("a target of a packed file", once(lambda: pictures.picture_of(image)))
    fresh()
    painted = bpy.data.images.new("Painted", size, size)
    clock("a target that was painted in Blender", once(lambda: pictures.picture_of(painted)))
    fresh()


def unwrapped(faces: int) -> None:
    """A mesh of about so many faces whose UV say the scale: what is read of it on the main thread, and what the job's thread makes of that."""
    edge = round(faces**0.5)
    bpy.ops.mesh.primitive_grid_add(x_subdivisions=edge, y_subdivisions=edge)
    thing, paper, read = bpy.context.object.name, PaperOptions("UV"), dict[Any, Any]()
    clock(f"{edge**2} faces with UV", once(lambda: read.update(apply.surfaces([thing], paper))))
    clock("the same, in the job's thread", once(lambda: apply.measured(read)))
    fresh()


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--size", type=int, default=4096, help="pixels an edge; default: 4096")
    parser.add_argument("--textures", type=int, default=2, help="in a sequence; default: 2")
    parser.add_argument("--faces", type=int, default=1_000_000, help="of the object that is unwrapped; default: 1000000")
    arguments = parser.parse_args()
    print(f"{f'{arguments.size} x {arguments.size} pixels, Blender {bpy.app.version_string}':44}{'slices':>8}{'longest ms':>14}{'all ms':>12}")
    with tempfile.TemporaryDirectory() as folder:
        sheets = [noise(Path(folder), i, arguments.size) for i in range(arguments.textures)]
        fresh()
        applying(Path(folder), sheets)
        targets(sheets[0], arguments.size)
    unwrapped(arguments.faces)


if __name__ == "__main__":
    main()
