"""The window, walked through as an artist does first (walk_main.py); its pictures are for eyes, these are for what must hold."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from .desktop import Desktop

pytestmark = pytest.mark.desktop


@pytest.fixture(scope="module")
def walked(desktop: Desktop) -> dict[str, Any]:
    seen = desktop.walk(Path(__file__).parent / "walk_main.py")
    assert seen["error"] is None, seen["error"] + seen["output"]
    return seen


def test_a_pick_walks_one_step(walked: dict[str, Any]) -> None:
    assert walked["explored"]["places"] == 1
    assert (walked["picked"]["places"], walked["picked"]["at"]) == (2, 1)


def test_undo_and_redo_follow_the_search(walked: dict[str, Any]) -> None:
    assert walked["undone"] == walked["explored"]
    assert walked["redone"] == walked["picked"]


def test_applying_gives_the_object_the_paper(walked: dict[str, Any]) -> None:
    assert set(walked["applied"]["materials"]) - set(walked["redone"]["materials"])
    assert len(walked["applied"]["images"]) > len(walked["redone"]["images"])


def test_looking_leaves_no_images_in_the_file(walked: dict[str, Any]) -> None:
    assert walked["redone"]["images"] == []


def test_saving_and_loading_keep_everything(walked: dict[str, Any]) -> None:
    assert walked["reloaded"] == walked["applied"]


def test_cancelling_keeps_the_search_where_it_stood(walked: dict[str, Any]) -> None:
    assert walked["under way"]
    assert walked["cancelled"]["error"] == ""
    for what in ("places", "at", "materials", "images"):
        assert walked["cancelled"][what] == walked["reloaded"][what]


def test_there_is_a_picture_of_every_step(walked: dict[str, Any]) -> None:
    assert len(list(walked["folder"].glob("[1-9]-*.png"))) == 9
