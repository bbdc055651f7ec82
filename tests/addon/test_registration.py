"""Enabling is quick because it loads nothing; disabling leaves nothing."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

bpy = pytest.importorskip("bpy")

ROOT = Path(__file__).parents[2]
HEAVY = "('scipy', 'sklearn', 'onnxruntime', 'PIL', 'joblib', 'torch', 'washi_latent.core')"


def run(*arguments: str) -> str:
    done = subprocess.run([sys.executable, *arguments], check=False, capture_output=True, text=True, cwd=ROOT, timeout=300)
    assert done.returncode == 0, done.stderr[-2000:]
    return done.stdout


def test_enabling_loads_nothing_heavy() -> None:
    code = f"import bpy, sys, washi_latent; washi_latent.register(); print([m for m in {HEAVY} if m in sys.modules]); washi_latent.unregister()"
    assert run("-c", code).splitlines()[-1] == "[]"


def test_disabling_leaves_nothing_and_enabling_again_works(models_folder: Path) -> None:
    import washi_latent

    def registered() -> set[str]:
        handlers = [f"handler {name}" for name in dir(bpy.app.handlers) if any("washi" in getattr(one, "__module__", "") for one in _handlers(name))]
        return {*(name for name in dir(bpy.types) if "WASHI" in name), *handlers, *(["Scene.washi"] if hasattr(bpy.types.Scene, "washi") else [])}

    for _ in range(2):
        assert registered() == set()
        washi_latent.register()
        assert {"WASHI_OT_explore", "Scene.washi"} <= registered()
        bpy.context.scene.washi.model = "small-64"
        bpy.ops.washi.explore()
        washi_latent.unregister()
    assert registered() == set()
    bpy.ops.wm.read_factory_settings(use_empty=True)


def _handlers(name: str) -> list[object]:
    value = getattr(bpy.app.handlers, name)
    return value if isinstance(value, list) else []


def test_the_headless_example(tmp_path: Path) -> None:
    out = tmp_path / "out.blend"
    assert "after 3 steps" in run("scripts/headless_example.py", str(out))
    bpy.ops.wm.open_mainfile(filepath=str(out))
    material = bpy.data.materials["Found"]
    assert "washi_latent" in material
    assert material.users == 1
    bpy.ops.wm.read_factory_settings(use_empty=True)
