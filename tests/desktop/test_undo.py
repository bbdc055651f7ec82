"""Ctrl+Z while the sequence of a pick is drawn (walk_undo.py), in two windows, too (walk_windows.py)."""

from __future__ import annotations

from pathlib import Path

import pytest

from .desktop import Desktop

pytestmark = pytest.mark.desktop


def test_undo_while_a_sequence_is_drawn_takes_back_the_pick_alone(desktop: Desktop) -> None:
    seen = desktop.walk(Path(__file__).parent / "walk_undo.py")
    assert seen["error"] is None, seen["error"] + seen["output"]
    assert seen["picked"] == {"place": 1, "x": 5, "materials": 0}
    assert seen["undone"] == {"place": 0, "x": 5, "materials": 0}
    assert seen["redone"] == {"place": 1, "x": 5, "materials": 0}
    assert seen["in edit mode"] == [[1, 0, 1, 2], "EDIT"]


def test_a_press_in_another_window_is_a_step_of_its_own_and_esc_ends_the_drawing_from_there(desktop: Desktop) -> None:
    seen = desktop.walk(Path(__file__).parent / "walk_windows.py")
    assert seen["error"] is None, seen["error"] + seen["output"]
    assert seen["watched"] == [["WASHI_OT_job"]] * 2
    assert seen["selected"] == {"place": 1, "selected": True}
    assert seen["undone"] == {"place": 1, "selected": False}
    assert seen["drawing"]
    assert seen["escaped"] == [True, "Cancelled"]
    assert seen["left"] == [[], []]
    assert seen["closed"] == [1, True]
