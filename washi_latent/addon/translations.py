"""Japanese. Strings stand in the code in English; Blender looks them up here."""

from __future__ import annotations

import bpy

from .japanese import JAPANESE


def MESSAGE(text: str) -> str:  # noqa: N802 - marks a string for translation, as gettext's N_ does
    """Mark a sentence that is translated when it is shown."""
    return text


def sentence(text: str, **values: object) -> str:
    """A sentence in the artist's language, with its values."""
    return bpy.app.translations.pgettext_rpt(text).format(**values)


def register() -> None:
    """Add the Japanese strings, for every context in which Blender may look for them."""
    contexts = (bpy.app.translations.contexts.default, bpy.app.translations.contexts.operator_default)
    bpy.app.translations.register(__package__, {"ja_JP": {(context, english): japanese for english, japanese in JAPANESE.items() for context in contexts}})


def unregister() -> None:
    """Take them away."""
    bpy.app.translations.unregister(__package__)
