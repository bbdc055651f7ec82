"""What a job makes the picture of an image datablock from: read on the main thread, and as little as can be."""

from __future__ import annotations

import contextlib
from pathlib import Path

import bpy

from . import engine

_SIGNS = (b"\x89PNG\r\n\x1a\n", b"\xff\xd8\xff")
"""What files begin with that a job reads as Blender does."""


def picture_of(image: bpy.types.Image) -> str | bytes | engine.Pixels | None:
    """What a job makes an image datablock's picture from: its file, where Blender changed nothing, else its pixels; None: it has none.

    Pixels are read whole and on the main thread, as numbers four times as large, and after the whole file where Blender has not read it yet.
    """
    # A film has no size of its own: its picture is its first file.
    if image.source in {"FILE", "SEQUENCE"} and not image.is_dirty:
        if image.packed_file is not None:
            content = bytes(image.packed_file.data)
            if content.startswith(_SIGNS):
                return content
        else:
            path = Path(bpy.path.abspath(image.filepath, library=image.library))
            with contextlib.suppress(OSError), path.open("rb") as file:  # it may not be there, or not be read
                if file.read(8).startswith(_SIGNS):
                    return str(path)
    return None if 0 in image.size else pixels_of(image)  # asking for the size loads it


def pixels_of(image: bpy.types.Image) -> engine.Pixels:
    """The pixels of an image datablock, as Blender keeps them."""
    import numpy as np

    width, height = image.size
    flat = np.empty(width * height * image.channels, np.float32)
    image.pixels.foreach_get(flat)
    return engine.Pixels(flat.reshape(height, width, image.channels), image.is_float)
