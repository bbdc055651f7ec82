"""Many small textures are made side by side, each by one thread: they are the same, can be ended, and say what went wrong."""

from __future__ import annotations

import threading
import time

import numpy as np
import pytest
from conftest import DIM
from hypothesis import given
from hypothesis import strategies as st

from washi_latent.core import TextureModel, WashiError, load_model, models
from washi_latent.core.progress import Cancelled


@pytest.mark.parametrize("count", [1, 2, 3, 5, 7, 17, 50])
def test_textures_made_side_by_side_are_those_made_in_a_row(count: int, model: TextureModel, sheet_model: TextureModel) -> None:
    latents = np.random.default_rng(count).normal(size=(count, DIM))
    for one, size in ((model, None), (sheet_model, 64), (sheet_model, (48, 40)), (sheet_model, 200), (sheet_model, (64, 704))):
        alone = load_model(one.info.folder, threads=1).generate(latents, size, 3)
        for threads in (2, 5):
            np.testing.assert_array_equal(load_model(one.info.folder, threads=threads).generate(latents, size, 3), alone)


@pytest.mark.parametrize("name", ["washi-sheet", "washi-dcgan-64"])
def test_no_bit_of_a_texture_depends_on_how_many_threads_there_are(name: str) -> None:
    alone, *others = (load_model(name, threads=threads) for threads in (1, 2, 4))
    for count, size in ((1, 64), (5, 64), (18, 64), (7, 192), (4, 208), (3, 256), (1, (72, 1040))):
        latents = np.random.default_rng(count).normal(size=(count, alone.latent_dim))
        expected = alone.generate(latents, None if alone.info.size else size)
        for other in others:
            np.testing.assert_array_equal(other.generate(latents, None if alone.info.size else size), expected)


@given(st.integers(1, 60), st.integers(8, 160).map(lambda n: 8 * n), st.integers(8, 160).map(lambda n: 8 * n), st.integers(1, 20))
def test_every_pixel_of_every_texture_is_made_once(sheet_model: TextureModel, count: int, height: int, width: int, threads: int) -> None:
    made = np.zeros((count, height // 8, width // 8), int)
    pieces = sheet_model._pieces(count, height, width, threads)
    for few, rows, columns in pieces:
        assert len(few) * len(rows) * len(columns) <= 1 << 17
        made[few.start : few.stop, rows.start // 8 : -(-rows.stop // 8), columns.start // 8 : -(-columns.stop // 8)] += 1
    assert (made >= 1).all()
    assert sum(len(few) * len(rows) * len(columns) for few, rows, columns in pieces) == count * height * width
    # Of fewer than three latents a product's last bits are others: only where there are no more, or larger textures, may so few be taken.
    few_at_a_time = min(len(few) for few, _, _ in pieces) < 3
    assert few_at_a_time == (count < 3 or (1 << 17) // (height * width) < 3)


@pytest.mark.parametrize(("count", "size", "threads"), [(24, 64, 2), (50, 128, 4), (8, 64, 2), (50, 64, 16), (24, 64, 16), (1, 1024, 8), (8, 256, 16)])
def test_all_threads_have_some_of_the_work(count: int, size: int, threads: int, sheet_model: TextureModel) -> None:
    assert len(sheet_model._pieces(count, size, size, threads)) >= threads / 2


@pytest.mark.parametrize(("count", "size", "threads"), [(1, 64, 2), (5, 64, 2), (8, 64, 16), (1, 256, 4)])
def test_few_small_textures_have_all_threads_for_themselves(count: int, size: int, threads: int, sheet_model: TextureModel) -> None:
    many = load_model(sheet_model.info.folder, threads=threads)
    many._single = lambda latents, **_: pytest.fail("side by side")
    assert many.generate(np.zeros((count, DIM)), size).shape[:3] == (count, size, size)


def test_textures_side_by_side_end_at_a_question(sheet_model: TextureModel) -> None:
    many = load_model(sheet_model.info.folder, threads=2)
    single, began = many._single, []
    assert single is not None

    def slow(latents: np.ndarray, **inputs: np.ndarray) -> np.ndarray:
        began.append(len(latents))
        time.sleep(0.1)
        return single(latents, **inputs)

    many._single = slow

    def end(_: float) -> None:
        if began:
            raise Cancelled

    with pytest.raises(Cancelled):
        many.generate(np.zeros((200, DIM)), 64, progress=end)
    asked = len(began)
    assert asked <= 4
    time.sleep(0.3)
    assert len(began) == asked


@pytest.mark.parametrize("threads", [1, 3])
def test_progress_rises_to_the_end_and_is_told_by_the_caller(threads: int, sheet_model: TextureModel) -> None:
    many = load_model(sheet_model.info.folder, threads=threads)
    shares: list[float] = []

    def note(share: float) -> None:
        assert threading.current_thread() is threading.main_thread()
        shares.append(share)

    many.generate(np.zeros((60, DIM)), 64, progress=note)
    assert shares == sorted(shares)
    assert shares[-1] == pytest.approx(1)


def test_a_network_that_fails_on_a_thread_is_said(sheet_model: TextureModel) -> None:
    many = load_model(sheet_model.info.folder, threads=2)
    many._single = lambda latents, **_: np.full((len(latents), 5, 64, 64), np.nan, np.float32)
    with pytest.raises(WashiError, match="not numbers"):
        many.generate(np.zeros((60, DIM)), 64)


def test_threads_that_work_side_by_side_need_memory_each(sheet_model: TextureModel, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(models, "_available_memory", lambda: 0.35 * 2**30)
    many, latents = load_model(sheet_model.info.folder, threads=2), np.zeros((30, DIM))
    for threads in (1, 2, 200):  # of two hundred none has anything of its own to do: they work in a row
        many.threads = threads
        assert many.generate(latents, 128).shape == (30, 128, 128, 5)
    many.threads = 16
    with pytest.raises(WashiError, match="GB"):
        many.generate(latents, 128)
