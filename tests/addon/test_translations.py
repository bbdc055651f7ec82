"""Every string that an artist can read is there in Japanese."""

from __future__ import annotations

import ast
import re
import string
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

bpy = pytest.importorskip("bpy")

import washi_latent.addon
from washi_latent.addon import translations
from washi_latent.addon.japanese import JAPANESE

ADDON = Path(washi_latent.addon.__file__).parent
SHOWN = {"MESSAGE", "sentence", "pgettext_iface", "pgettext_rpt", "pgettext_tip", "pgettext_data", "WashiError", "refused"}
"""Functions whose first argument is read by an artist."""


def texts(node: ast.expr | None) -> Iterator[str]:
    """A string, either of two, or an f-string with numbered places."""
    if isinstance(node, ast.IfExp):
        yield from texts(node.body)
        yield from texts(node.orelse)
    elif isinstance(node, ast.Constant) and isinstance(node.value, str):
        yield node.value
    elif isinstance(node, ast.JoinedStr):
        numbers = iter(range(100))
        yield "".join(part.value if isinstance(part, ast.Constant) else f"{{{next(numbers)}}}" for part in node.values)


def in_code(folder: Path = ADDON) -> Iterator[str]:
    for path in folder.rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if not isinstance(node, ast.Call):
                continue
            name = node.func.attr if isinstance(node.func, ast.Attribute) else getattr(node.func, "id", "")
            if name in SHOWN and node.args:
                yield from texts(node.args[0])
            keywords = {keyword.arg: keyword.value for keyword in node.keywords}
            plain = isinstance(keywords.get("translate"), ast.Constant)
            yield from () if plain else texts(keywords.get("text"))


def in_classes() -> Iterator[str]:
    for one in washi_latent.addon.CLASSES:
        yield getattr(one, "bl_label", "")
        is_operator = issubclass(one, bpy.types.Operator)
        if is_operator:
            yield (one.__doc__ or "").strip()
        known = operator_rna(one) if is_operator else one.bl_rna
        for prop in known.properties:
            if prop.identifier not in getattr(one, "__annotations__", {}) or prop.is_hidden or (one.__name__, prop.identifier) in UNSEEN:
                continue
            yield from (prop.name, prop.description)
            for item in getattr(prop, "enum_items", ()):
                yield from (item.name, item.description)


UNSEEN = {("WASHI_PG_favourite", "name")}
"""Blender gives its own description of a group's name here."""


def operator_rna(one: Any) -> Any:
    area, _, name = one.bl_idname.partition(".")
    return getattr(getattr(bpy.ops, area), name).get_rna_type()


def strings() -> set[str]:
    found = {*in_code(), *in_classes()}
    return {text for text in found if re.search(r"[A-Za-z]{2}", re.sub(r"\{\w*\}", "", text))}


def engine_strings() -> set[str]:
    trees = (ast.parse(path.read_text(encoding="utf-8")) for path in (ADDON.parent / "core").rglob("*.py"))
    return {text for tree in trees for node in ast.walk(tree) if isinstance(node, ast.expr) for text in texts(node)}


def test_every_string_is_in_japanese(washi: Any) -> None:
    assert sorted(strings() - set(JAPANESE)) == []


def test_nothing_is_translated_that_is_not_there(washi: Any) -> None:
    assert sorted(set(JAPANESE) - strings() - engine_strings()) == []


def places(text: str) -> set[str]:
    return {name for _, name, _, _ in string.Formatter().parse(text) if name is not None}


@pytest.mark.parametrize("english", sorted(JAPANESE))
def test_japanese_has_the_same_values_and_is_japanese(english: str) -> None:
    japanese = JAPANESE[english]
    assert places(english) == places(japanese)
    assert re.search(r"[\u3040-\u30ff\u4e00-\u9fff]", japanese) or japanese == english
    assert not re.search(r"[，．！？：；]", japanese), "full-width Latin punctuation"
    assert japanese.rstrip() == japanese


def test_sentences_with_values_are_recognized(washi: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    english = "there is no candidate 99: pick one from 0 to 49"
    assert translations.translated(english) == english
    # The bpy module comes without languages: a window shows that Blender looks strings up.
    stub = SimpleNamespace(app=SimpleNamespace(translations=SimpleNamespace(pgettext_rpt=lambda text: JAPANESE.get(text, text))))
    with monkeypatch.context() as patch:
        patch.setattr(translations, "bpy", stub)
        assert translations.translated(english) == "候補 99 はありません。0 から 49 の間で選んでください"
        assert translations.translated("a favourite needs a name: give it one") == JAPANESE["a favourite needs a name: give it one"]
        assert translations.sentence("Step {number}", number=3) == "ステップ 3"
