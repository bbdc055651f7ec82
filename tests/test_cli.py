"""The commands as a user types them."""

from __future__ import annotations

import json
import re
import shutil
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from washi_latent.cli import main
from washi_latent.core import Kind, ModelInfo
from washi_latent.core.images import read_provenance
from washi_latent.core.kinds import KINDS_FILE, kinds_bytes
from washi_latent.core.models import amend_bundle

pytestmark = pytest.mark.usefixtures("models_folder")


@pytest.fixture
def session(tmp_path: Path) -> Path:
    assert (
        main(
            ["explore", "--model", "small-64", "--steps", "2", "--pick", "1,2", "--samples", "12", "--representatives", "4", "--out", str(tmp_path / "search")]
        )
        == 0
    )
    return tmp_path / "search" / "session.json"


def test_models_are_listed(capsys: pytest.CaptureFixture[str]) -> None:
    main(["models", "--json"])
    rows = {row["name"]: row for row in json.loads(capsys.readouterr().out)}
    assert rows["small-64"]["latent_dim"] == 12
    main(["models"])
    assert "small-64: A small model" in capsys.readouterr().out


def test_a_broken_model_is_named_and_exits_with_1(
    models_folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    broken = tmp_path / "bad"
    broken.mkdir()
    (broken / "model.json").write_text("{}")
    monkeypatch.setenv("WASHI_LATENT_MODELS", str(tmp_path))
    assert main(["models"]) == 1
    assert "bad: the model in" in capsys.readouterr().out


def test_explore_writes_sheets_and_a_session(session: Path) -> None:
    names = sorted(p.name for p in session.parent.iterdir())
    assert names == ["find.png", "session.json", *(f"step-0{i}-{what}.png" for i in (1, 2) for what in ("candidates", "representatives"))]
    assert read_provenance(session.parent / "find.png")["model"] == "small-64"  # type: ignore[index]


def test_explore_is_repeatable_and_goes_on(session: Path, tmp_path: Path) -> None:
    again = tmp_path / "again"
    options = ["--samples", "12", "--representatives", "4"]
    assert main(["explore", "--model", "small-64", "--steps", "1", "--pick", "1", *options, "--out", str(again)]) == 0
    assert main(["explore", "--from", str(again / "session.json"), "--steps", "1", "--pick", "2", "--out", str(again)]) == 0
    assert json.loads(session.read_text())["search"] == json.loads((again / "session.json").read_text())["search"]
    np.testing.assert_array_equal(np.asarray(Image.open(session.parent / "find.png")), np.asarray(Image.open(again / "find.png")))


def test_toward_a_picture_finds_what_looks_like_it(session: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    target = session.parent / "find.png"
    assert main(["explore", "--model", "small-64", "--toward", str(target), "--steps", "4", "--seed", "9", "--out", str(tmp_path / "toward"), "--json"]) == 0
    assert len(json.loads(capsys.readouterr().out)["picked"]) == 4
    found, wanted = (np.asarray(Image.open(p), float).mean((0, 1)) for p in (tmp_path / "toward" / "find.png", target))
    assert np.abs(found - wanted).max() < 25


def test_sequence_from_a_session(session: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    out = tmp_path / "sequence"
    assert main(["sequence", "--from", str(session), "--ends", "1", "end", "--count", "6", "--out", str(out), "--json"]) == 0
    facts = json.loads(capsys.readouterr().out)
    assert facts["textures"] == 6
    assert sorted(p.name for p in out.iterdir()) == ["sequence.json", "sequence.png", "similarity.png", *(f"texture-00{i}.png" for i in range(6))]
    written = json.loads((out / "sequence.json").read_text())
    assert read_provenance(out / "texture-003.png")["latent"] == written["latents"][3]  # type: ignore[index]
    assert (
        main(
            [
                "sequence",
                "--from",
                str(session),
                "--from",
                str(session),
                "--ends",
                "1",
                "end",
                "--count",
                "4",
                "--spacing",
                "similarity",
                "--path",
                "lerp",
                "--out",
                str(out),
            ]
        )
        == 0
    )


@pytest.mark.parametrize(
    "arguments",
    [
        ["explore", "--model", "no-such"],
        ["explore", "--model", "small-64", "--steps", "0"],
        ["explore", "--model", "small-64", "--pick", "99"],
        ["explore", "--model", "small-64", "--seed", "-1"],
        ["explore", "--model", "small-64", "--radius", "0"],
        ["explore", "--model", "small-64", "--angle", "120"],
        ["explore", "--model", "small-64", "--size", "64"],
        ["explore", "--model", "small-64", "--threads", "0"],
        ["explore", "--model", "small-64", "--backend", "abacus"],
        ["explore", "--model", "small-64", "--toward", "missing.png"],
        ["explore", "--from", "missing.json"],
        ["sequence", "--from", "missing.json"],
        ["synthesize", "--kind", "cardboard"],
        ["synthesize", "--size", "3"],
        ["synthesize", "--scale", "9"],
        ["train", "--images", "no-such-folder", "--out", "x"],
        ["train", "--synthetic", "--out", "x", "--iterations", "0"],
        ["figures", "--model", "no-such"],
    ],
    ids=" ".join,
)
def test_a_users_mistake_is_one_sentence_and_exit_code_2(
    arguments: list[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    if arguments[0] == "train":
        pytest.importorskip("torch")
    assert main(arguments) == 2
    said = capsys.readouterr().err
    assert said.startswith("washi-latent: ")
    assert said.count("\n") == 1
    assert not [p for p in tmp_path.rglob("*") if p.is_file()]


@pytest.mark.parametrize(("ends", "count"), [(["1"], "6"), (["1", "nowhere"], "6"), (["1", "end"], "2")])
def test_bad_ends_are_refused(session: Path, tmp_path: Path, ends: list[str], count: str) -> None:
    assert main(["sequence", "--from", str(session), "--ends", *ends, "--count", count, "--out", str(tmp_path / "s")]) == 2


def test_a_spoiled_session_is_refused(session: Path, capsys: pytest.CaptureFixture[str]) -> None:
    value = json.loads(session.read_text())
    for spoiled in ({}, {**value, "session_version": 9}, {**value, "search": {}}, {**value, "size": "x"}):
        session.write_text(json.dumps(spoiled))
        assert main(["explore", "--from", str(session)]) == 2
        assert capsys.readouterr().err.count("\n") == 1


def test_every_command_helps_with_an_example(capsys: pytest.CaptureFixture[str]) -> None:
    for command in ("models", "explore", "sequence", "synthesize", "train", "figures"):
        assert main([command, "--help"]) == 0
        assert f"example: washi-latent {command}" in " ".join(capsys.readouterr().out.split())
    assert main(["no-such-command"]) == 2
    assert main([]) == 2


def test_synthesize_writes_a_sheet_and_its_maps(tmp_path: Path) -> None:
    pytest.importorskip("skia")
    out = tmp_path / "sheet.png"
    assert main(["synthesize", "--kind", "unryu+ai", "--size", "96", "--seed", "3", "--maps", "--out", str(out)]) == 0
    assert Image.open(out).size == (96, 96)
    assert Image.open(tmp_path / "sheet_height.png").mode == "I;16"
    assert read_provenance(out)["simulated"] == "unryu+ai"  # type: ignore[index]


def test_analyse_writes_a_report_with_pictures(models_folder: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["analyse", "small-64", "--out", str(tmp_path / "report")]) == 0
    page = Path(capsys.readouterr().out.strip())
    text = page.read_text(encoding="utf-8")
    named = set(re.findall(r'src="([^"]+)"', text))
    assert len(named) == 5
    for name in named:
        with Image.open(page.parent / name) as picture:
            assert min(picture.size) > 200
    facts = json.loads((page.parent / "analysis.json").read_text(encoding="utf-8"))
    assert all(direction["name"] in text for direction in facts["directions"])
    assert "Kinds of washi" not in text
    assert main(["analyse", "none"]) == 2


def test_analyse_shows_the_kinds_that_a_bundle_names(small_bundle: ModelInfo, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    folder = shutil.copytree(small_bundle.folder, tmp_path / "small-64")
    latents = np.random.default_rng(0).normal(size=(3, small_bundle.latent_dim))
    amend_bundle(folder, {KINDS_FILE: kinds_bytes([Kind("ai $\\x$", "ai & indigo", 0.25, latents), Kind("kozo", "kozo, mulberry", 0.5, latents[:1])])})
    assert main(["analyse", str(folder), "--out", str(tmp_path / "report")]) == 0
    page = Path(capsys.readouterr().out.strip())
    text = page.read_text(encoding="utf-8")
    assert "Kinds of washi" in text
    assert {"kinds.png", "kinds-map.png"} <= set(re.findall(r'src="([^"]+)"', text))
    for name in ("kinds.png", "kinds-map.png"):
        with Image.open(page.parent / name) as picture:
            assert min(picture.size) > 150
    assert re.search(r"<tr>.*\bkozo\b.*</tr>", text)  # in the row of the region where its one example lies
    facts = json.loads((page.parent / "analysis.json").read_text(encoding="utf-8"))
    assert [(k["name"], k["title"], k["share"]) for k in facts["kinds"]] == [("ai $\\x$", "ai & indigo", 0.25), ("kozo", "kozo, mulberry", 0.5)]
    assert all(1 <= region <= len(facts["regions"]) for k in facts["kinds"] for region in k["regions"])
    amend_bundle(folder, {KINDS_FILE: b"{}"})
    assert main(["analyse", str(folder), "--out", str(tmp_path / "report")]) == 2
    assert "kinds.json" in capsys.readouterr().err
