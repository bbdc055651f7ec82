"""Japanese. Strings stand in the code in English; Blender looks them up here.

Sentences with values in them, which the engine makes too, are recognized by their form: "{0}" stands for a value.
"""

from __future__ import annotations

import re
from functools import lru_cache

import bpy

from .japanese import JAPANESE, REASONS

CONTEXT = "Washi Latent"
"""Translation context of words that Blender itself has in Japanese, where its word isn't ours: it looks there first."""


def MESSAGE(text: str) -> str:  # noqa: N802 - marks a string for translation, as gettext's N_ does
    """Mark a sentence that is translated when it is shown."""
    return text


def sentence(text: str, **values: object) -> str:
    """A sentence in the artist's language, with its values."""
    return bpy.app.translations.pgettext_rpt(text).format(**values)


def translated(text: str) -> str:
    """A sentence that was made in English, or several with "; " between, in the artist's language."""
    found = _translated(text)
    if found == text and "; " in text:
        return "; ".join(_translated(one) for one in text.split("; "))
    return found


def able(operator: type[bpy.types.Operator], there: bool, why: str) -> bool:
    """What a poll answers: whether all that is needed is there; a button that can't be pressed says why not, in the artist's language."""
    if not there:
        operator.poll_message_set(translated(why))
    return there


def _translated(text: str) -> str:
    look_up = bpy.app.translations.pgettext_rpt
    whole = look_up(text)
    if whole != text:
        return whole
    for form, pattern in _forms():
        if values := pattern.fullmatch(text):
            return look_up(form).format(*(_reason(value) for value in values.groups()))
    return text


def _reason(value: str) -> str:
    """A sentence's value: a reason is a sentence of its own; names, which may be any word, stay as they are."""
    look_up = bpy.app.translations.pgettext_rpt
    if value in REASONS:
        return look_up(value)
    for form, pattern in _forms(of_reasons=True):
        if values := pattern.fullmatch(value):
            return look_up(form).format(*values.groups())
    return value


@lru_cache(2)
def _forms(of_reasons: bool = False) -> tuple[tuple[str, re.Pattern[str]], ...]:
    """Sentences with numbered values, those with most words of their own first: they fit best."""
    forms = [english for english in JAPANESE if "{0}" in english and (english in REASONS) == of_reasons]
    forms.sort(key=lambda form: -len(re.sub(r"\{\d+\}", "", form)))
    return tuple((form, re.compile(re.sub(r"\\\{\d+\\\}", "(.+?)", re.escape(form)), re.DOTALL)) for form in forms)


def register() -> None:
    """Add the Japanese strings, for every context in which Blender may look for them."""
    contexts = (bpy.app.translations.contexts.default, bpy.app.translations.contexts.operator_default, CONTEXT)
    bpy.app.translations.register(__package__, {"ja_JP": {(context, english): japanese for english, japanese in JAPANESE.items() for context in contexts}})


def unregister() -> None:
    """Take them away."""
    bpy.app.translations.unregister(__package__)
