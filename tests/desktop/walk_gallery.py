"""In the window: the gallery, by mouse and keys: hover, keep, ends of a sequence, wheel, pick, back, others, undo, leave."""

from __future__ import annotations

import sys
import weakref
from pathlib import Path
from typing import Any

import bpy

sys.path.insert(0, str(Path(__file__).parent))
from gallery_hand import Hand
from window import Steps, Window, run


def standing() -> dict[str, Any]:
    """Where the search stands, and what the file holds."""
    washi = bpy.context.scene.washi
    return {
        "state": washi.state,
        "places": len(washi.history),
        "at": washi.history_index,
        "favourites": [favourite.name for favourite in washi.favourites],
        "ends": [washi.sequence_start, washi.sequence_end],
        "images": sorted(image.name for image in bpy.data.images),
        "objects": sorted(one.name for one in bpy.data.objects),
    }


def colors(hand: Hand) -> list[dict[str, Any]]:
    """Where each thumbnail lies on the screen, and the mean colours of its picture's quarters (left to right, bottom to top)."""
    found = []
    region, screen = hand.window.region("WINDOW"), hand.window.window.height
    for thumbnail, square in zip(hand.gallery.thumbnails(), hand.gallery.layout.thumbnails, strict=True):
        picture = hand.look().pictures[thumbnail.candidate][..., :3].astype(float)
        half = picture.shape[0] // 2
        quarters = [picture[y : y + half, x : x + half].mean((0, 1)).tolist() for y in (0, half) for x in (0, half)]
        found.append({"box": [region.x + square.x, screen - region.y - square.top, square.width], "quarters": quarters})
    return found


def walk(window: Window) -> Steps:
    seen, hand = window.seen, Hand(window)
    yield from window.open_tab("Washi")
    yield from window.press(r"washi\.explore")
    yield from window.until(lambda: window.idle() and hand.look(), "the first look")
    yield from window.picture("0-before")
    seen["before"] = standing()

    yield from window.press(r"washi\.gallery", step=(20, 14))
    yield from window.until(hand.settled, "the gallery")
    yield from window.move(*hand.at(2))
    yield from window.until(hand.sheet_is_there, "the larger sheet")
    yield from window.picture("1-hovered")
    seen["hovered"] = hand.gallery.hovered
    seen["colors"] = colors(hand)
    closed = weakref.ref(hand.gallery)

    yield from window.key("F", hand.at(2))
    yield from window.key("A", hand.at(2))
    yield from window.key("B", hand.at(5))
    yield from window.until(hand.settled, "the picture of the favourite")
    yield from window.until(hand.ends_are_there, "the pictures of the ends")
    seen["kept"] = {**standing(), "latents": [list(hand.look().latents[hand.gallery.candidate(i)]) for i in (2, 5)]}
    yield from window.picture("2-kept")

    before = hand.gallery.candidate(5)
    x, y = hand.at(5)
    window.window.event_simulate(type="WHEELDOWNMOUSE", value="PRESS", x=x, y=y)
    yield 0.3
    scrolled = hand.gallery.candidate(5)
    seen["scrolled"] = {"from": before, "to": scrolled, "members": hand.look().members(before)}
    yield from window.picture("3-scrolled")

    yield from window.click(*hand.at(5))
    yield 0.2
    yield from window.picture("4-under-way")
    yield from window.until(hand.settled, "the look after the pick")
    yield from window.picture("5-picked")
    seen["picked"] = standing()

    yield from window.key("BACK_SPACE", hand.at(0))
    yield from window.until(hand.settled, "the look after going back")
    seen["back"] = standing()
    yield from window.key("TWO", hand.at(0))
    yield from window.until(hand.settled, "the look after a pick by key")
    seen["picked by key"] = standing()
    yield from window.key("N", hand.at(0))
    yield from window.until(hand.settled, "others")
    seen["others"] = standing()
    yield from window.key("Z", hand.at(0), ctrl=True)
    yield from window.until(hand.settled, "the look after undo")
    seen["undone"] = standing()
    yield from window.key("X", hand.at(0))
    yield from window.picture("6-undone")
    seen["after X"] = standing()
    yield from window.key("Z", hand.at(0), ctrl=True)
    yield from window.until(hand.settled, "the look after undoing the pick")
    seen["pick undone"] = standing()

    yield from window.key("ESC", hand.at(0))
    yield 0.5
    seen["left"] = {**hand.left(), **standing()}
    yield from window.picture("7-left")
    seen["forgotten"] = closed() is None


run(walk)
