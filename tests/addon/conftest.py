"""A fresh Blender file with the extension enabled and a small model to search."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

bpy = pytest.importorskip("bpy")

import washi_latent


@pytest.fixture
def washi(models_folder: Path) -> Iterator[object]:
    """The settings of a scene in which nothing was searched yet."""
    bpy.ops.wm.read_factory_settings(use_empty=True)
    washi_latent.register()
    bpy.context.scene.washi.model = "small-64"
    yield bpy.context.scene.washi
    washi_latent.unregister()
    bpy.ops.wm.read_factory_settings(use_empty=True)
