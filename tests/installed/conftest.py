"""The zip that users install, built here and installed into a Blender that has nothing but its own Python packages."""

from __future__ import annotations

import importlib.metadata
import json
import os
import platform
import re
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

ROOT = Path(__file__).resolve().parent.parent.parent
PYTHON = f"{sys.version_info.major}.{sys.version_info.minor}"
NO_INDEX = 3  # as scripts/build_extension.py says it

figures: list[str] = []
"""What was measured on the way: told at the end, not judged."""

PLATFORMS = {("Linux", "x86_64"): "linux-x64", ("Windows", "AMD64"): "windows-x64", ("Darwin", "arm64"): "macos-arm64"}


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    for figure in figures:
        terminalreporter.write_line(figure)


@pytest.fixture(scope="session")
def extension_zip(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The zip for this platform and Python."""
    pytest.importorskip("bpy", reason="Blender's extension tool comes with the bpy package")
    here = PLATFORMS.get((platform.system(), platform.machine()))
    if here is None:
        pytest.skip(f"no zip is built for {platform.system()} on {platform.machine()}")
    out = tmp_path_factory.mktemp("zip")
    command = [sys.executable, ROOT / "scripts" / "build_extension.py", "--platform", here, "--python", PYTHON, "--out", out]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode == NO_INDEX:
        pytest.skip("the package index can't be reached, and build/wheels lacks wheels")
    assert done.returncode == 0, done.stdout + done.stderr
    (archive,) = out.glob("*.zip")
    return archive


@pytest.fixture(scope="session")
def blender_packages(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder of links to `bpy` and what it needs, and nothing else that is installed here."""
    folder = tmp_path_factory.mktemp("blender-packages")
    names, seen = ["bpy"], set()
    while names:
        name = names.pop()
        if name in seen:
            continue
        seen.add(name)
        distribution = importlib.metadata.distribution(name)
        for top in {file.parts[0] for file in distribution.files or []} - {"..", "__pycache__"}:
            link = folder / top
            if not link.exists():
                link.symlink_to(distribution.locate_file(top))
        names += [
            re.split(r"[^\w.-]", need, maxsplit=1)[0] for need in distribution.requires or [] if "extra ==" not in need and "python_version <" not in need
        ]
    return folder


@pytest.fixture(scope="session")
def blender(blender_packages: Path, tmp_path_factory: pytest.TempPathFactory) -> Callable[..., dict[str, Any]]:
    """Runs a script inside a background Blender with its own preferences folder; gives what it wrote as JSON."""

    def run(script: str, *arguments: object) -> dict[str, Any]:
        home = tmp_path_factory.mktemp("home")
        answer = home / "answer.json"
        environment = {name: os.environ[name] for name in ("PATH", "LANG", "SYSTEMROOT", "OMP_NUM_THREADS") if name in os.environ}
        environment |= {"HOME": str(home), "BLENDER_USER_RESOURCES": str(home / "blender"), "PYTHONPATH": str(blender_packages)}
        environment |= {"TMPDIR": str(home), "PYTHONDONTWRITEBYTECODE": "1"}
        # -S: no site-packages, so that an import finds Blender's packages and the installed wheels only.
        command = [sys.executable, "-S", "-P", Path(__file__).parent / script, answer, *map(str, arguments)]
        done = subprocess.run(command, env=environment, cwd=home, capture_output=True, text=True, check=False)
        assert answer.exists(), f"{script} ended with {done.returncode}:\n{done.stdout}\n{done.stderr}"
        return {**json.loads(answer.read_text("utf-8")), "output": done.stdout + done.stderr}

    return run
