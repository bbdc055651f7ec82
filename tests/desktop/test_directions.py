"""The sliders of a model's directions in the window (walk_directions.py)."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from .desktop import Desktop

pytestmark = pytest.mark.desktop


@pytest.fixture(scope="module")
def walked(desktop: Desktop) -> dict[str, Any]:
    seen = desktop.walk(Path(__file__).parent / "walk_directions.py")
    assert seen["error"] is None, seen["error"] + seen["output"]
    return seen


def test_the_preview_follows_a_slider_that_is_held(walked: dict[str, Any]) -> None:
    assert walked["found"]["amounts"] == {}
    assert not walked["found"]["different"]
    assert walked["held"]["amounts"]["brightness"] > 0.1
    assert walked["held"]["different"]
    assert walked["held"]["places"] == walked["found"]["places"], "sliders alone don't walk"


def test_going_there_is_one_step_and_levels_the_sliders(walked: dict[str, Any]) -> None:
    assert set(walked["moved"]["amounts"]) == {"brightness", "relief"}
    assert walked["gone"]["places"] == walked["moved"]["places"] + 1
    assert walked["gone"]["at"] == walked["gone"]["places"] - 1
    assert walked["gone"]["amounts"] == {}


def test_one_undo_takes_it_all_back(walked: dict[str, Any]) -> None:
    assert walked["undone"] == walked["moved"]


def test_no_images_come_into_the_file(walked: dict[str, Any]) -> None:
    assert walked["undone"]["images"] == walked["before"]["images"]
