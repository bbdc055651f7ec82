"""Pictures in panels: previews that live in memory only, never in the .blend, and are used again and again."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import bpy
import bpy.utils.previews

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

Small = tuple[str, int, bytes]
"""What a small picture shows: a model, which sheet of each paper, a packed latent."""

small: dict[Small, NDArray[np.uint8]] = {}
"""Pictures of history and favourites."""

_collection: bpy.utils.previews.ImagePreviewCollection | None = None
_filled: dict[str, object] = {}


def icon(slot: str, pixels: NDArray[np.uint8], owner: object) -> int:
    """The icon of a picture.

    Args:
        slot: name of the preview; the same few are filled again and again.
        pixels: (H, W, 4) uint8, rows from the bottom up.
        owner: what the picture shows; the preview is filled only when that changes.
    """
    import numpy as np

    if _collection is None:
        return 0
    preview: Any = _collection[slot] if slot in _collection else _collection.new(slot)
    if _filled.get(slot) != owner:
        preview.image_size = pixels.shape[1], pixels.shape[0]
        preview.image_pixels.foreach_set(np.ascontiguousarray(pixels).view(np.int32).ravel())
        _filled[slot] = owner
    return preview.icon_id


def small_icon(one: Small) -> int:
    """The icon of a place or favourite; 0 while it isn't drawn yet."""
    pixels = small.get(one)
    return 0 if pixels is None else icon(f"small-{_slots.setdefault(one, len(_slots))}", pixels, one)


_slots: dict[Small, int] = {}


def keep_only(wanted: set[Small]) -> None:
    """Let go of the other small pictures."""
    if not set(small) <= wanted:
        kept = {one: pixels for one, pixels in small.items() if one in wanted}
        small.clear()
        small.update(kept)
        _slots.clear()
        for slot in [slot for slot in _filled if slot.startswith("small-")]:
            del _filled[slot]


def clear() -> None:
    """Let go of every picture."""
    small.clear()
    _slots.clear()
    _filled.clear()
    if _collection is not None:
        _collection.clear()


def register() -> None:
    """Make the collection."""
    global _collection  # noqa: PLW0603 - one for all panels
    _collection = bpy.utils.previews.new()


def unregister() -> None:
    """Remove it with every preview."""
    global _collection  # noqa: PLW0603
    clear()
    if _collection is not None:
        bpy.utils.previews.remove(_collection)
        _collection = None
