"""Kinds of washi in a bundle: what is written is read, a bundle without them works, damage is said in one sentence."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from conftest import DIM

from washi_latent.core import Kind, ModelInfo, WashiError, load_model, read_kinds
from washi_latent.core.kinds import KINDS_FILE, kinds_bytes
from washi_latent.core.models import amend_bundle


@pytest.fixture
def bundle(small_bundle: ModelInfo, tmp_path: Path) -> Path:
    return Path(shutil.copytree(small_bundle.folder, tmp_path / "small-64"))


def some_kinds() -> list[Kind]:
    rng = np.random.default_rng(3)
    return [Kind("kozo", "kozo, paper mulberry", 0.4, rng.normal(size=(6, DIM))), Kind("ai", "ai, 藍", 0.07, rng.normal(size=(1, DIM)))]


def test_what_is_written_is_read(bundle: Path) -> None:
    kinds = some_kinds()
    info = amend_bundle(bundle, {KINDS_FILE: kinds_bytes(kinds)})
    again = read_kinds(info)
    assert [(k.name, k.title, k.share) for k in again] == [(k.name, k.title, k.share) for k in kinds]
    for read, written in zip(again, kinds, strict=True):
        np.testing.assert_allclose(read.examples, written.examples, atol=1e-4)
    assert kinds_bytes(again) == kinds_bytes(kinds)
    pictures = load_model(bundle).generate(again[0].examples)
    np.testing.assert_allclose(pictures, load_model(bundle).generate(kinds[0].examples), atol=1e-3)


def test_a_bundle_without_kinds_has_none(small_bundle: ModelInfo) -> None:
    assert read_kinds(small_bundle) == ()


def test_an_altered_file_is_refused_before_it_is_read(bundle: Path) -> None:
    info = amend_bundle(bundle, {KINDS_FILE: kinds_bytes(some_kinds())})
    content = (bundle / KINDS_FILE).read_bytes()
    (bundle / KINDS_FILE).write_bytes(content.replace(b"mulberry", b"mulbeery"))
    with pytest.raises(WashiError, match="checksum"):
        read_kinds(info)


def spoil(change: Callable[[dict[str, Any]], object]) -> bytes:
    value = json.loads(kinds_bytes(some_kinds()))
    change(value)
    return json.dumps(value).encode()


SPOILT = {
    "no JSON": b"{",
    "no object": b"[]",
    "no UTF-8": b"\xff\xfe{}",
    "deep": b"[" * 100_000,
    "no kinds": spoil(lambda v: v.pop("kinds")),
    "an empty list": spoil(lambda v: v["kinds"].clear()),
    "too many": spoil(lambda v: v.update(kinds=[{**v["kinds"][0], "name": f"kind {i}"} for i in range(201)])),
    "kinds that are text": spoil(lambda v: v.update(kinds=["kozo"])),
    "one name twice": spoil(lambda v: v["kinds"][1].update(name="kozo")),
    "an empty name": spoil(lambda v: v["kinds"][0].update(name=" ")),
    "a name of two lines": spoil(lambda v: v["kinds"][0].update(name="ko\nzo")),
    "a long title": spoil(lambda v: v["kinds"][0].update(title="x" * 81)),
    "a share above 1": spoil(lambda v: v["kinds"][0].update(share=1.01)),
    "a share that is no number": spoil(lambda v: v["kinds"][0].update(share=float("nan"))),
    "a share that is true": spoil(lambda v: v["kinds"][0].update(share=True)),
    "no examples": spoil(lambda v: v["kinds"][0].update(latents=[])),
    "another dimension": spoil(lambda v: v["kinds"][0].update(latents=[[0.0] * (DIM + 1)])),
    "ragged latents": spoil(lambda v: v["kinds"][0]["latents"][1].pop()),
    "latents that are text": spoil(lambda v: v["kinds"][0].update(latents=["0" * DIM])),
    "a latent that is no number": spoil(lambda v: v["kinds"][0]["latents"][0].__setitem__(0, float("inf"))),
    "a number without end": spoil(lambda v: v["kinds"][0]["latents"][0].__setitem__(0, 10**400)),
}


@pytest.mark.parametrize("content", SPOILT.values(), ids=SPOILT)
def test_damage_is_one_sentence(bundle: Path, content: bytes) -> None:
    info = amend_bundle(bundle, {KINDS_FILE: content})
    with pytest.raises(WashiError) as caught:
        read_kinds(info)
    said = str(caught.value)
    assert "small-64" in said
    assert "get the bundle again" in said
    assert "\n" not in said


def test_another_version_is_said(bundle: Path) -> None:
    info = amend_bundle(bundle, {KINDS_FILE: spoil(lambda v: v.update(kinds_version=2))})
    with pytest.raises(WashiError, match="version 2 and this program reads 1; update"):
        read_kinds(info)
