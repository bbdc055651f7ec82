"""A sequence whose textures miss their places, a file that opens with a long look, cancelling by the button (walk_strip.py)."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from .desktop import Desktop

pytestmark = pytest.mark.desktop


@pytest.fixture(scope="module")
def walked(desktop: Desktop) -> dict[str, Any]:
    seen = desktop.walk(Path(__file__).parent / "walk_strip.py")
    assert seen["error"] is None, seen["error"] + seen["output"]
    return seen


def test_textures_between_ends_that_look_the_same_are_flagged(walked: dict[str, Any]) -> None:
    first, *between, last = walked["flagged"]
    assert (first, last) == ("ok", "ok")
    assert between == ["the ends are too alike"] * 5


def test_a_file_that_opens_with_a_long_look_shows_it(walked: dict[str, Any]) -> None:
    assert walked["shown"] == ["WASHI_OT_job"]


def test_the_button_cancels_and_says_so(walked: dict[str, Any]) -> None:
    assert walked["note"].startswith("Material")
    assert walked["cancelled"] == {"samples": 2000, "note": "Cancelled", "error": ""}
