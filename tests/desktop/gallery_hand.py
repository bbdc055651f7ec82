"""What a walk needs of the gallery: where its thumbnails lie, whether it has settled, what it leaves behind."""

from __future__ import annotations

import sys
from typing import Any

import bpy
from window import Steps, Window


class Hand:
    """Reaches for what the gallery shows."""

    def __init__(self, window: Window) -> None:
        self.window = window
        self.module = next(module for name, module in sys.modules.items() if name.endswith("washi_latent.addon.gallery"))

    @property
    def gallery(self) -> Any:
        return self.module._open

    def at(self, index: int) -> tuple[int, int]:
        """The middle of a thumbnail on the screen."""
        square, (_, region) = self.gallery.layout.thumbnails[index], self.gallery.find()
        return region.x + square.x + square.width // 2, region.y + square.y + square.height // 2

    def look(self) -> Any:
        return self.module.session.look(bpy.context.scene)

    def settled(self) -> bool:
        """Whether what is shown is of where the search stands, and nothing goes on."""
        return self.window.idle() and self.look() is not None and self.look() is self.gallery._look

    def sheet_is_there(self) -> bool:
        candidate = self.gallery.candidate(self.gallery.hovered)
        return any(kind == "sheet" and shown == candidate for kind, shown, _ in self.gallery._textures)

    def ends_are_there(self) -> bool:
        return sum(key[0] == "end" for key in self.gallery._textures) == 2

    def explore(self) -> Steps:
        """A first look, without the panel."""
        bpy.ops.washi.explore()
        yield from self.window.until(lambda: self.window.idle() and self.look(), "the first look")

    def open(self) -> Steps:
        """Open the gallery without the panel, and wait for its pictures."""
        with self.window.override():
            bpy.ops.washi.gallery("INVOKE_DEFAULT")
        yield 0.5
        yield from self.window.until(self.settled, "the gallery")

    def open_again(self) -> Steps:
        """The same button once more."""
        with self.window.override():
            bpy.ops.washi.gallery("INVOKE_DEFAULT")
        yield from self.window.move(*self.window.middle())  # a closed gallery's operator ends with the next event
        yield 0.5

    def left(self) -> dict[str, Any]:
        """What is there after the gallery."""
        modal = [one.bl_idname for one in self.window.window.modal_operators]
        return {"open": self.gallery is not None, "modal": modal, "images": sorted(image.name for image in bpy.data.images)}
