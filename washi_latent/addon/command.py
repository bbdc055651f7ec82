"""`blender --command washi_latent ...`: the command line, inside Blender."""

from __future__ import annotations

import bpy

NAME = "washi_latent"
_registered: list[object] = []


def run(arguments: list[str]) -> int:
    """Run one command of the command line, with Blender's own arguments gone."""
    from ..cli import main

    return main(arguments)


def register() -> None:
    """Tell Blender of the command."""
    _registered.append(bpy.utils.register_cli_command(NAME, run))


def unregister() -> None:
    """Let go of it."""
    while _registered:
        bpy.utils.unregister_cli_command(_registered.pop())
