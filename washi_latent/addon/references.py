"""Datablocks by name, across libraries: a linked one may have the name of one that is the file's own.

Jobs keep references, never datablocks: undo and reload leave those dangling.
"""

from __future__ import annotations

from typing import Any

import bpy

Reference = str | tuple[str, str | None, int]
"""A name alone: the file's own datablock of that name, else a linked one. With a library's path, or None for the file's own, and Blender's
number of the datablock, which undo keeps: just that one, whatever it is called by now."""


def reference(thing: bpy.types.ID) -> Reference:
    """What finds this very datablock again."""
    return (thing.name, thing.library.filepath if thing.library is not None else None, thing.session_uid)


def found(collection: Any, wanted: Reference) -> Any:
    """The datablock of `bpy.data.objects`, `bpy.data.materials` and so on; None where there is none any more."""
    if isinstance(wanted, str):
        own = collection.get((wanted, None))
        return own if own is not None else collection.get(wanted)
    *named, number = wanted
    there = collection.get(tuple(named))
    if there is not None and there.session_uid == number:
        return there
    renamed = next((one for one in collection if one.session_uid == number), None)
    # A library that was loaded anew has new numbers.
    return there if renamed is None and wanted[1] is not None else renamed


def name_of(wanted: Reference) -> str:
    """The name alone, as it was."""
    return wanted if isinstance(wanted, str) else wanted[0]
