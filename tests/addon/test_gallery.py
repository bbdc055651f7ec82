"""What of the gallery needs no window: ends of a sequence, and the pictures that it draws."""

from __future__ import annotations

import json
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

bpy = pytest.importorskip("bpy")

from washi_latent.addon import engine, gallery, gallery_engine, session, translations
from washi_latent.addon.japanese import JAPANESE
from washi_latent.addon.jobs import jobs
from washi_latent.core import TextureModel
from washi_latent.core.light import lit

WIDTH = 64


@pytest.fixture
def scene(washi: Any) -> Any:
    assert bpy.ops.washi.explore() == {"FINISHED"}
    return bpy.context.scene


@pytest.fixture
def gradient() -> np.ndarray:
    """Brighter to the right in red, upward in green."""
    pixels = np.full((WIDTH, WIDTH, 4), 255, np.uint8)
    pixels[..., 0] = np.linspace(0, 255, WIDTH)[None]
    pixels[..., 1] = np.linspace(0, 255, WIDTH)[:, None]
    return pixels


def test_ends_of_a_sequence_are_the_textures_that_were_shown(scene: Any) -> None:
    shown = session.look(scene)
    assert shown is not None
    bpy.ops.washi.sequence_from(end="A", source="HERE", index=3)
    bpy.ops.washi.sequence_from(end="B", source="HERE", index=shown.shown[1])
    assert engine.from_text(scene.washi.sequence_start) == shown.latents[3]
    assert engine.from_text(scene.washi.sequence_end) == shown.latents[shown.shown[1]]


def test_end_without_a_candidate_is_where_the_search_stands(scene: Any) -> None:
    bpy.ops.washi.pick(index=5)
    bpy.ops.washi.sequence_from(end="A", source="HERE")
    stands = session.place(scene)
    assert stands is not None
    assert engine.from_text(scene.washi.sequence_start) == stands.centers[1]


def test_end_stays_when_the_search_goes_on_and_a_candidate_that_is_not_there_changes_nothing(scene: Any) -> None:
    bpy.ops.washi.sequence_from(end="A", source="HERE", index=0)
    before = engine.from_text(scene.washi.sequence_start)
    bpy.ops.washi.others()
    with pytest.raises(RuntimeError, match="not there any more"):
        bpy.ops.washi.sequence_from(end="A", source="HERE", index=4000)
    assert engine.from_text(scene.washi.sequence_start) == before


def test_gallery_needs_a_window(washi: Any) -> None:
    assert not bpy.ops.washi.gallery.poll()


@pytest.mark.parametrize("edge", [32, 64, 100, 301])
def test_enlarged_pictures_keep_their_sides(gradient: np.ndarray, edge: int) -> None:
    large = gallery_engine.enlarged(gradient, edge)
    assert large.shape == (edge, edge, 4)
    assert large.dtype == np.uint8
    assert (large[..., 3] == 255).all()
    red, green = large[..., 0].astype(int), large[..., 1].astype(int)
    assert (np.diff(red, axis=1) >= 0).all()
    assert (np.diff(green, axis=0) >= 0).all()
    assert large[..., :3].mean((0, 1)) == pytest.approx(gradient[..., :3].mean((0, 1)), abs=1)


def test_tiling_is_four_times_the_picture(gradient: np.ndarray) -> None:
    four = gallery_engine.tiled(gradient, 2 * WIDTH)
    for y in (0, WIDTH):
        for x in (0, WIDTH):
            np.testing.assert_array_equal(four[y : y + WIDTH, x : x + WIDTH], gradient)


def test_larger_sheet_is_the_model_s_own_picture_of_that_size(sheet_model: TextureModel) -> None:
    folder = str(sheet_model.info.folder)
    edge = gallery_engine.paper(folder).sheet_edge(150)
    assert edge == 144
    latent = np.random.default_rng(1).standard_normal(sheet_model.latent_dim)
    pixels = gallery_engine.sheet(json.dumps({"noise_seed": 3}), folder, 1, latent.astype("<f8").tobytes(), edge)(lambda _: None)
    expected = lit(sheet_model.generate(latent, edge, 3), sheet_model.info)[0, ::-1]
    np.testing.assert_allclose(pixels[..., :3] / 255, expected, atol=0.51 / 255)


def test_what_is_said_of_a_model_s_scale(sheet_model: TextureModel, models_folder: Path) -> None:
    sheet, small = gallery_engine.paper(str(sheet_model.info.folder)), gallery_engine.paper(str(models_folder / "small-64"))
    assert (sheet.tileable, small.tileable) == (True, False)
    assert sheet.width(144) == pytest.approx(14.4)
    assert small.width(128) == pytest.approx(3.2)  # 32 pixels, however large they are shown
    assert small.sheet_edge(300) is None


def test_sheet_sizes() -> None:
    any_size = gallery_engine.Paper(None, 8, 0.1, tileable=True)
    assert [any_size.sheet_edge(n) for n in (7, 8, 303, 304, 5000)] == [None, 8, 296, 304, gallery_engine.LARGEST]


def test_each_gesture_of_the_gallery_is_one_undo_step(scene: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    pushed: list[str] = []
    monkeypatch.setattr(session, "push", pushed.append)
    monkeypatch.setattr(gallery.Gallery, "redraw", lambda self: None)
    shown = object.__new__(gallery.Gallery)
    for operator, arguments in (("pick", {"index": 3}), ("others", {}), ("keep", {"index": 1}), ("back", {})):
        assert shown.call(operator, **arguments)
        assert len(pushed) == 1, operator
        pushed.clear()


def test_what_went_wrong_is_said_in_the_artists_language_with_its_values(scene: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    bpy.ops.washi.keep(name="moss")
    bpy.ops.washi.keep(name="bark")
    session.rename(scene, "moss", "bark")
    # The bpy module comes without languages.
    stub = SimpleNamespace(app=SimpleNamespace(translations=SimpleNamespace(pgettext_rpt=lambda text: JAPANESE.get(text, text))))
    with monkeypatch.context() as patch:
        patch.setattr(translations, "bpy", stub)
        shown = gallery.Gallery._status(SimpleNamespace(), scene, session.place(scene))
    jobs.error = ""
    assert shown == ("お気に入り 'bark' はすでにあります。別の名前にしてください", True)


@pytest.mark.parametrize(
    ("listens", "still", "job", "backups", "pauses"),
    [(61, 2, None, True, True), (59, 2, None, True, False), (61, 0.5, None, True, False), (61, 2, "a job", True, False), (61, 2, None, False, False)],
)
def test_the_gallery_pauses_for_blender_to_save_a_backup_where_nothing_is_missed(
    monkeypatch: pytest.MonkeyPatch, listens: float, still: float, job: Any, backups: bool, pauses: bool
) -> None:
    begun: list[Any] = []
    timers = SimpleNamespace(register=lambda act, first_interval: begun.append(act))
    preferences = SimpleNamespace(filepaths=SimpleNamespace(use_auto_save_temporary_files=backups))
    monkeypatch.setattr(gallery, "bpy", SimpleNamespace(app=SimpleNamespace(timers=timers), context=SimpleNamespace(preferences=preferences)))
    monkeypatch.setattr(jobs, "current", job)
    monkeypatch.setattr(gallery, "monotonic", lambda: 100.0)
    one = gallery.Gallery.__new__(gallery.Gallery)
    one.listens, one._listens_since, one._touched = True, 100.0 - listens, 100.0 - still
    assert one.pause() is pauses
    assert len(begun) == pauses
    one.listen()
    assert one.pause() is False
