"""Explore, pick, apply and save without a window.

    blender --background --python scripts/headless_example.py -- OUT.blend

With the extension installed; in the bpy module, the folder above is enough. Every operator runs to its end before the next.
"""

from __future__ import annotations

import sys
from pathlib import Path

import bpy


def enable() -> None:
    """Use the installed extension, or the package beside this script."""
    if hasattr(bpy.types.Scene, "washi"):
        return
    sys.path.insert(0, str(Path(__file__).resolve().parents[1]))
    import washi_latent

    washi_latent.register()


def main(out: Path) -> None:
    """A cube of paper that was found in three steps, and a favourite."""
    enable()
    if bpy.context.object is None:
        bpy.ops.mesh.primitive_cube_add(size=0.1)
    bpy.context.object.select_set(True)
    washi = bpy.context.scene.washi
    washi.seed, washi.samples, washi.size = 3, 24, "512"
    bpy.ops.washi.explore()
    for candidate in (5, 11, 2):  # indices among all samples; a person picks by eye
        bpy.ops.washi.pick(index=candidate)
    bpy.ops.washi.keep(name="Found")
    bpy.ops.washi.apply(favourite="Found")
    bpy.ops.wm.save_as_mainfile(filepath=str(out))
    print(f"{bpy.context.object.active_material.name} after {len(washi.history) - 1} steps: {out}")


if __name__ == "__main__":
    arguments = sys.argv[sys.argv.index("--") + 1 :] if "--" in sys.argv else sys.argv[1:]
    main(Path(arguments[0] if arguments else "washi.blend").resolve())
