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
        told = getattr(one, "bl_description", "")
        yield told if isinstance(told, str) else ""
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


BESIDE_THE_PANEL = {
    "analysis": {
        "the model {0} makes one and the same texture, whatever the latent: there is nothing to analyse; train it anew, with other pictures or another seed",
        "{0} regions and {1} pairs were asked for: choose 1 to 50 regions and 2 to 1000 pairs",
        "{0} amounts and directions of shape {1} were given for a latent of {2} numbers: give as many directions as amounts, of {3} numbers each",
    },
    "find": {"{0} latents were asked for: choose 1 to {1}"},
    "images": {
        "a picture of shape {0} can't be written: give gray, RGB or RGBA",
        "PNG with {0} bits and shape {1} is not offered: use 8 bits, or 16 for gray",
        "there are no pictures to show: sample some first",
    },
    "maps": {
        "there is no map {0}: choose from {1}",
        "there is no format {0}: choose from {1}",
        "writing OpenEXR needs a package that is not installed: pip install 'washi-latent[exr]', or choose PNG",
    },
    "models": {
        "the model in {0} was replaced meanwhile, and what was measured is of the one before: measure it again",
        "latents are not numbers: give (N, {0}) of them",
        "there is no backend {0}: choose auto, onnx or torch",
        "a model can't be named {0}: use lower-case letters, digits, dots, dashes and underscores, 64 at most",
        "no model was named: give a name or the path of a bundle's folder",
        "PyTorch is not installed here: use the backend onnx, or install torch and safetensors",
        "its weights do not fit a network of kind {0}",
    },
    "representatives": {
        "there is no method {0}: choose from {1}",
        "similarities of shape {0} name no textures: give (N, M) of at least one",
        "method {0} needs the similarity of all pairs, not {1}: use 'paper' with a few references",
        "{0} representatives can't be shown: ask for 1 or more",
        "similarities hold values that are not numbers: check the textures",
    },
    "search": {
        "the radius is {0}: choose a number above 0",
        "the concentration is {0}: choose 0 to {1}",
        "the direction is {0}: choose last, any or favourite:NAME",
        "{0} samples were asked for: choose 1 to {1}",
        "there is no method {0}: choose from {1}",
        "the share of samples from elsewhere is {0}: choose 0 to 1",
        "the nearest share of the radius is {0}: choose above 0, at most 1",
        "the step is {0}: choose above 0, at most 4",
    },
    "sequence": {
        "{0} textures between the ends were asked for: choose 1 to {1}",
        "there is no spacing {0} with path {1}: choose {2}, and {3}",
        "the tolerance is {0}: choose a number between 0 and 1",
        "drawing a sequence needs matplotlib: install it with pip install 'washi-latent[figures]'",
        "Interpolated sequence, spacing {0}, path {1}",
        "MSSIM to the reference",
        "Similarity of each texture",
        "Similarity search intervals (below), and each texture's similarity",
        "place on the way (normalized distance)",
    },
    "similarity": {
        "pictures of shapes {0} and {1} can't be compared: give two of one size",
        "pictures of {0} can't be compared with references of {1}: bring them to one size first",
        "pictures of shape {0} were given: give (N, H, W) or (N, H, W, C)",
        "pictures hold {0}: give numbers from 0 to 1",
        "pictures hold whole numbers from {0} to {1}: divide them by their largest possible one, to give 0 to 1",
        "a picture holds values that are not numbers: check where it comes from",
    },
    "sphere": {
        "{0} directions can't be drawn: ask for 0 or more",
        "the centre has shape {0} or is not finite: give {1} finite numbers",
        "the radius is {0}: give a number above 0",
        "a mean direction of shape {0} was given: give one vector",
        "the mean direction has length 0 or is not finite: give a vector that points somewhere",
        "the concentration is {0}: choose 0 to {1}",
        "{0} dimensions are out of range: the search works in 2 to {1}",
    },
    "atlas": {
        "an atlas of {0} textures was asked for: choose {1} to {2}",
    },
}
"""The engine's sentences that the panel can't bring about: its properties have ranges, and it writes no OpenEXR, trains nothing, draws no
figures, has no PyTorch. They are for the command line and for callers of the package."""

COMMAND_LINE = {"export", "items", "kinds", "locks", "naming", "networks", "ranges", "recipe", "recipe_reading", "sessions", "sheet_network", "toml_lines"}
"""Modules of the engine that the panel never calls."""


def engine_sentences(path: Path) -> Iterator[str]:
    """Three words and more that are no docstring: what a person may read, and keys of random numbers, which aren't sentences."""
    tree = ast.parse(path.read_text(encoding="utf-8"))
    skipped = {id(node.value) for node in ast.walk(tree) if isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant)}
    for node in ast.walk(tree):
        if id(node) in skipped:
            skipped |= {id(part) for part in ast.walk(node)}
        elif isinstance(node, ast.Constant | ast.JoinedStr):
            skipped |= {id(part) for part in ast.walk(node)}
            yield from (text for text in texts(node) if len(text.split()) >= 3)
        elif isinstance(node, ast.Raise) and isinstance(node.exc, ast.Call) and getattr(node.exc.func, "id", "") in {"ValueError", "TypeError"}:
            skipped |= {id(part) for part in ast.walk(node)}  # caught where they are raised


NOT_SENTENCES = {"drops fine {0}", "creases {0} {1}", " and {0} channels"}
SHOWN_AS_A_MARK = {"the ends are too alike", "outside its similarity interval"}


@pytest.mark.parametrize("path", sorted((ADDON.parent / "core").glob("*.py")), ids=lambda path: path.stem)
def test_what_the_engine_tells_an_artist_is_in_japanese(path: Path) -> None:
    told = set(engine_sentences(path)) - NOT_SENTENCES - SHOWN_AS_A_MARK
    beside = BESIDE_THE_PANEL.get(path.stem, set())
    assert beside <= told, "these are said no more"
    if path.stem not in COMMAND_LINE:
        assert sorted(told - beside - set(JAPANESE)) == []


NEVER_SHOWN = {
    "Where the sequence starts: a latent, packed",
    "Where the sequence ends: a latent, packed",
    "Model that the sequence's ends and key points are latents of",
    "Washi Latent {0}: {1}, seed {2}",
}
"""Of hidden properties; and an asset's description, which is kept in the file and is no language's."""


@pytest.mark.parametrize("path", sorted(path for path in ADDON.rglob("*.py") if path.stem != "japanese"), ids=lambda path: path.stem)
def test_what_the_extension_tells_an_artist_is_in_japanese(path: Path) -> None:
    """Sentences that no call marks, too: what a material's maker wants to be known is handed on as it is."""
    told = {text for text in engine_sentences(path) if len(text.split()) >= 4 and re.fullmatch(r"[A-Z][^\[\]\n]*", text)}
    assert sorted(told - set(JAPANESE) - NEVER_SHOWN) == []


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
        why = "the model in /m can't be used: fibres.png has 3 bytes instead of 4; it was cut or altered; get the bundle again"
        assert (
            translations.translated(why)
            == "/m のモデルは使えません (fibres.png が 4 バイトではなく 3 バイトで、途切れたか書き換えられている)。入手し直してください"
        )
        full = "/m/x.png could not be written, the disk is full: free some space and try again"
        assert translations.translated(full) == "/m/x.png に書き込めません (ディスクがいっぱいです。空きを増やしてやり直してください)"
        both = "the ends look the same: the textures are spaced by their latents"
        assert translations.translated(f"{both}; {both}") == f"{JAPANESE[both]}; {JAPANESE[both]}"
        named = "there is no favourite 'Favourites is missing': choose from Cancel"
        assert translations.translated(named) == "お気に入り 'Favourites is missing' はありません。Cancel から選んでください"
        assert translations.translated("a favourite needs a name: give it one") == JAPANESE["a favourite needs a name: give it one"]
        assert translations.sentence("Step {number}", number=3) == "ステップ 3"


def test_buttons_with_an_icon_alone_say_what_they_open(washi: Any) -> None:
    """Blender shows a menu's or a popover's description, not its documentation."""
    opened = [one for one in washi_latent.addon.CLASSES if issubclass(one, bpy.types.Menu) or one.__name__.startswith("WASHI_PT_card")]
    assert len(opened) == 7
    assert [one.__name__ for one in opened if not isinstance(getattr(one, "bl_description", None), str)] == []
