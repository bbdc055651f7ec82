"""The README's pictures of the extension, from a real window with the zip installed: docs/images/panel.png, panel-ja.png, gallery.png.

    python scripts/readme_pictures.py

The window is opened by the tool that $WASHI_BLENDER_DESKTOP names (docs/extension.md).
"""

from __future__ import annotations

import sys
import tempfile
from pathlib import Path

from PIL import Image

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT))


def main() -> None:
    from tests.desktop.desktop import NoWindowError, open_desktop

    with tempfile.TemporaryDirectory() as home:
        try:
            seen = open_desktop(Path(home)).walk(ROOT / "tests" / "desktop" / "walk_pictures.py")
        except NoWindowError as why:
            raise SystemExit(f"readme_pictures: {why}") from why
    if seen["error"]:
        raise SystemExit(seen["error"])
    for name in ("panel", "panel-ja", "gallery"):
        with Image.open(seen["folder"] / f"{name}.png") as picture:
            wanted = picture.convert("RGB").crop(_frame(name, picture.size, seen))
        wanted.save(ROOT / "docs" / "images" / f"{name}.png", optimize=True)


def _frame(name: str, size: tuple[int, int], seen: dict) -> tuple[int, int, int, int]:
    """The viewport with its sidebar; of the gallery the same, for it lies over it."""
    x, y, width, height = seen["sidebar"]
    left = 0 if name == "gallery" else x - 420
    return (max(0, left), size[1] - y - height - 60, x + width + 2, size[1] - y + 2)


if __name__ == "__main__":
    main()
