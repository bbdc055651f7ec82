"""Many small textures are made side by side, each by one thread: they are the same, can be ended, and say what went wrong."""

from __future__ import annotations

import threading
import time

import numpy as np
import pytest
from conftest import DIM

from washi_latent.core import ModelInfo, TextureModel, WashiError, load_model
from washi_latent.core.progress import Cancelled


def both_ways(info: ModelInfo, threads: int) -> tuple[TextureModel, TextureModel]:
    return load_model(info.folder, threads=threads), load_model(info.folder, threads=1)


@pytest.mark.parametrize("count", [2, 6, 17, 50])
@pytest.mark.parametrize("threads", [2, 5])
def test_textures_made_side_by_side_are_those_made_in_a_row(count: int, threads: int, model: TextureModel, sheet_model: TextureModel) -> None:
    latents = np.random.default_rng(count).normal(size=(count, DIM))
    for one, size in ((model, None), (sheet_model, 64), (sheet_model, (48, 40))):
        many, alone = both_ways(one.info, threads)
        np.testing.assert_allclose(many.generate(latents, size, 3), alone.generate(latents, size, 3), atol=1e-6)


@pytest.mark.parametrize(("count", "pixels", "threads"), [(24, 64**2, 2), (50, 128**2, 4), (8, 64**2, 2), (50, 64**2, 16), (24, 64**2, 16), (7, 64**2, 2)])
def test_each_texture_is_made_once_by_threads_that_all_have_some(count: int, pixels: int, threads: int, model: TextureModel) -> None:
    many, _ = both_ways(model.info, threads)
    shares = many._shares(count, pixels)
    assert [number for few in shares for number in range(count)[few]] == list(range(count))
    assert 2 * len(shares) >= threads
    assert {len(range(count)[few]) for few in shares} <= {3, 4}


@pytest.mark.parametrize(("count", "size"), [(1, 64), (5, 64), (50, 256), (8, 64)])
def test_few_or_large_textures_have_all_threads_for_themselves(count: int, size: int, sheet_model: TextureModel) -> None:
    threads = 64 if count == 8 else 2
    assert both_ways(sheet_model.info, threads)[0]._shares(count, size**2) == []


def test_textures_side_by_side_end_at_a_question(sheet_model: TextureModel) -> None:
    many, _ = both_ways(sheet_model.info, 2)
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


def test_progress_of_textures_side_by_side_rises_and_is_told_by_the_caller(sheet_model: TextureModel) -> None:
    many, _ = both_ways(sheet_model.info, 3)
    shares: list[float] = []

    def note(share: float) -> None:
        assert threading.current_thread() is threading.main_thread()
        shares.append(share)

    many.generate(np.zeros((60, DIM)), 64, progress=note)
    assert shares == sorted(shares)
    assert shares[-1] == pytest.approx(1)


def test_a_network_that_fails_on_a_thread_is_said(sheet_model: TextureModel) -> None:
    many, _ = both_ways(sheet_model.info, 2)
    many._single = lambda latents, **_: np.full((len(latents), 5, 64, 64), np.nan, np.float32)
    with pytest.raises(WashiError, match="not numbers"):
        many.generate(np.zeros((60, DIM)), 64)
