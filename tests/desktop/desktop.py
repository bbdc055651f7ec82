"""A real Blender with its window on a virtual screen, and the zip that was built for it installed, in preferences of its own."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parent.parent.parent
PICTURES = ROOT / "out" / "desktop"

PREFERENCES = """
import bpy
preferences = bpy.context.preferences
preferences.view.show_splash = False
preferences.filepaths.temporary_directory = {home!r}
bpy.ops.wm.save_userpref()
"""


class NoWindowError(Exception):
    """There is no window to walk through, and why."""


@dataclass(frozen=True)
class Desktop:
    """The tool that opens Blender's window, and the home folder that it gives it."""

    tool: Path
    home: Path

    def run(self, *arguments: str) -> str:
        """Run the tool, visible to it: this repository, its parent and the temporary folder."""
        environment = {**os.environ, "BLENDER_DESKTOP_HOME": str(self.home), "BLENDER_DESKTOP_SECONDS": os.environ.get("BLENDER_DESKTOP_SECONDS", "1200")}
        done = subprocess.run([self.tool, *arguments], cwd=ROOT, env=environment, capture_output=True, text=True, check=False)
        if done.returncode:
            raise RuntimeError(f"{arguments} ended with {done.returncode}:\n{done.stdout}\n{done.stderr}")
        return done.stdout

    def walk(self, script: Path, *arguments: str) -> dict[str, Any]:
        """Walk through the window by a script (see window.py): what it saw. Its pictures lie in out/desktop/SCRIPT."""
        folder = PICTURES / script.stem
        shutil.rmtree(folder, ignore_errors=True)
        folder.mkdir(parents=True)
        output = self.run("gui", str(script), str(folder), *arguments)
        try:
            seen: dict[str, Any] = json.loads((folder / "seen.json").read_text("utf-8"))
        except FileNotFoundError:
            raise RuntimeError(f"{script.name} ended without a word:\n{output}") from None
        return {**seen, "folder": folder, "output": output}


def open_desktop(home: Path) -> Desktop:
    """Build the zip for the desktop's Blender and install it there.

    Raises:
        NoWindowError: no tool ($WASHI_BLENDER_DESKTOP), or it has not been set up.
    """
    tool = Path(os.environ.get("WASHI_BLENDER_DESKTOP", ROOT.parent / "shared" / "tools" / "blender-desktop"))
    if not tool.exists():
        raise NoWindowError("no Blender with a window: set WASHI_BLENDER_DESKTOP to the tool that opens one")
    desktop = Desktop(tool, home)
    try:
        output = desktop.run("sh", "blender -b --python-expr 'import sys; print(\"python\", *sys.version_info[:2])'")
    except (OSError, RuntimeError) as error:
        raise NoWindowError(f"the window's Blender does not run: {tool} setup ({error})") from error
    version = next(line.split()[1:] for line in output.splitlines() if line.startswith("python "))
    archive = build_zip(".".join(version), home)
    desktop.run("sh", f"blender --command extension install-file -r user_default --enable {archive}")
    preferences = home / "preferences.py"
    preferences.write_text(PREFERENCES.format(home=str(home)), "utf-8")
    desktop.run("sh", f"blender -b --python {preferences}")
    return desktop


def build_zip(python: str, out: Path) -> Path:
    command = [sys.executable, ROOT / "scripts" / "build_extension.py", "--platform", "linux-x64", "--python", python, "--out", out]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode:
        raise NoWindowError(f"the zip for Python {python} could not be built: {done.stderr}")
    return next(out.glob(f"*python{python}*.zip"), None) or next(out.glob("*.zip"))
