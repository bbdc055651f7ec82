"""What is drawn while the artist drags, while a render runs, and while the extension is disabled (walk_gestures.py)."""

from __future__ import annotations

from pathlib import Path

import pytest

from .desktop import Desktop

pytestmark = pytest.mark.desktop


def test_a_texture_waits_for_the_end_of_a_drag_and_of_a_render(desktop: Desktop) -> None:
    seen = desktop.walk(Path(__file__).parent / "walk_gestures.py")
    assert seen["error"] is None, seen["error"] + seen["output"]
    assert seen["dragged"][1] is False
    assert seen["dropped"] == [True, True]
    assert seen["undone and redone"] == [[True, False], [False, False], [True, False], [True, True]]
    assert seen["rendering"] == [True, True, 1]
    assert seen["rendered"] is False
    assert seen["left on disk"] == []
    assert "Traceback" not in seen["output"]
