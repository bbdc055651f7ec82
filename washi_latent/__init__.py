"""Washi Latent: find a texture by looking, not by describing.

The Python package, and the root of the Blender extension. Nothing heavy is imported here: Blender starts with it.
"""

from __future__ import annotations

__version__ = "0.1.0"


def register() -> None:
    """Called by Blender when the extension is enabled."""
    from . import addon

    addon.register()


def unregister() -> None:
    """Called by Blender when the extension is disabled."""
    from . import addon

    addon.unregister()
