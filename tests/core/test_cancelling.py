"""Long work asks often whether it is to end, and ends there: no thread goes on, and nothing of it is left."""

from __future__ import annotations

import itertools
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from washi_latent.core import ModelInfo, Search, SearchSettings, TextureModel, find_latents, interpolate, load_model, write_png
from washi_latent.core.analysis import named_directions
from washi_latent.core.fields import draw_fields
from washi_latent.core.maps import material_maps, normal_from_height, roughness_from_height, write_map
from washi_latent.core.models import SheetModel, install_bundle
from washi_latent.core.progress import Cancelled, Progress, ignore
from washi_latent.core.search import similarities
from washi_latent.core.sheets import number_files, write_atlas
from washi_latent.core.threads import Ask, together


class Ended(Cancelled):
    """The work was ended at one of its questions."""


class Question:
    """Progress that ends the work when it is told of it for so many times."""

    def __init__(self, last: int = -1) -> None:
        self.asked, self.last, self.shares = 0, last, list[float]()

    def __call__(self, share: float) -> None:
        self.shares.append(share)
        self.asked += 1
        if self.asked == self.last:
            raise Ended


def files(folder: Path, count: int) -> list[dict[str, Path]]:
    rng = np.random.default_rng(0)
    return [{"height": write_png(folder / f"{i}.png", rng.random((24, 24)), bits=16)} for i in range(count)]


def look(model: TextureModel, samples: int, method: str, progress: Progress) -> None:
    Search(model, settings=SearchSettings(samples=samples, method=method), threads=1).sample(progress)  # type: ignore[arg-type]


def sequence(model: TextureModel, spacing: str, progress: Progress) -> None:
    ends = np.random.default_rng(0).standard_normal((2, model.latent_dim))
    interpolate(model, *ends, 3, spacing, threads=1, progress=progress)  # type: ignore[arg-type]


def all_maps(folder: Path, progress: Progress) -> None:
    texture = np.random.default_rng(0).random((64, 64, 3), dtype=np.float32)
    maps = material_maps(texture, progress=progress)
    for form in ("png8", "png16"):
        write_map(folder / f"{form}.png", maps.height, False, form, None, progress)  # type: ignore[arg-type]


WORK: dict[str, Callable[[TextureModel, Path, Progress], Any]] = {
    "many textures": lambda model, _, progress: model.generate(np.zeros((60, model.latent_dim)), progress=progress),
    "look": lambda model, _, progress: look(model, 30, "preference", progress),
    "look by coverage": lambda model, _, progress: look(model, 30, "coverage", progress),
    "look at many": lambda model, _, progress: look(model, 230, "medoids", progress),
    "similarities of many": lambda _model, _, progress: similarities(np.random.default_rng(0).random((220, 16, 16, 3)), 1, progress),
    "even sequence": lambda model, _, progress: sequence(model, "even", progress),
    "sequence by similarity": lambda model, _, progress: sequence(model, "similarity", progress),
    "find": lambda model, _, progress: find_latents(model, np.random.default_rng(0).random((40, 40, 3)), 1, progress),
    "directions": lambda model, _, progress: named_directions(model, progress=progress),
    "maps": lambda _model, folder, progress: all_maps(folder, progress),
    "atlas": lambda _model, folder, progress: write_atlas(files(folder / "given", 3), folder, "atlas", progress),
    "row of files": lambda _model, folder, progress: number_files(files(folder / "given", 3), folder, "film", progress),
    "added model": lambda model, folder, progress: install_bundle(model.info.folder, folder, progress),
}


@pytest.mark.parametrize("work", WORK)
def test_work_ends_wherever_it_asks_and_leaves_nothing(work: str, small_bundle: ModelInfo, tmp_path: Path) -> None:
    (tmp_path / "given").mkdir()
    whole = Question()
    WORK[work](load_model(small_bundle.folder, threads=1), tmp_path, whole)
    assert whole.asked >= 2
    assert 0 <= min(whole.shares) <= max(whole.shares) <= 1
    for number, last in enumerate(sorted({1, 2, (whole.asked + 2) // 3, whole.asked // 2, whole.asked - 1})):
        folder = tmp_path / str(number)
        (folder / "given").mkdir(parents=True)
        question = Question(last)
        with pytest.raises(Ended):
            WORK[work](load_model(small_bundle.folder, threads=1), folder, question)
        assert question.asked == last, "it went on asking"
        left = [path.name for path in folder.iterdir() if path.name not in {"given", "png8.png", "atlas_height.png"}]
        assert left == []
        assert [one for one in threading.enumerate() if one.name.startswith("ThreadPool")] == []


@pytest.mark.parametrize("threads", [1, 4])
def test_drawing_fields_ends_at_a_question_of_any_field(threads: int, monkeypatch: pytest.MonkeyPatch) -> None:
    tile = np.full((4, 64, 64), 128, np.uint8)
    whole = Question()
    draw_fields(128, 128, 0, tile, progress=whole, threads=1)
    assert whole.asked > 200, "too seldom for a sheet of 4096 pixels, whose pieces are a thousand times as large"
    for last in (1, 2, 3) if threads > 1 else (1, whole.asked // 2, whole.asked - 1):
        with pytest.raises(Ended):
            draw_fields(128, 128, 0, tile, progress=Question(last), threads=threads)
        assert [one for one in threading.enumerate() if one.name.startswith("ThreadPool")] == []


def test_threads_and_margin_change_no_field() -> None:
    tile = np.random.default_rng(0).integers(0, 255, (4, 64, 64), np.uint8)
    plain = draw_fields(64, 96, 3, tile, threads=1)
    np.testing.assert_array_equal(plain, draw_fields(64, 96, 3, tile, threads=3))
    around = draw_fields(64, 96, 3, tile, margin=7)
    np.testing.assert_array_equal(around, np.pad(plain, ((0, 0), (7, 7), (7, 7)), mode="wrap"))


class Counting:
    """Passes a network's pictures on, and counts the pixels that it makes at a time."""

    def __init__(self, model: TextureModel) -> None:
        self.network, self.pixels = model._network, list[int]()

    def __call__(self, latents: Any, **inputs: Any) -> Any:
        made = self.network(latents, **inputs)
        self.pixels.append(made.shape[0] * made.shape[2] * made.shape[3])
        return made


@pytest.mark.parametrize(("count", "size"), [(40, 128), (100, 64), (3, 512), (1, 1024), (1, (32, 4096))])
def test_no_more_than_a_few_pixels_are_made_between_two_questions(sheet_model: SheetModel, count: int, size: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    counting = Counting(sheet_model)
    monkeypatch.setattr(sheet_model, "_network", counting)
    since = [0]

    def note(_: float) -> None:
        since.append(len(counting.pixels))

    sheet_model.generate(np.zeros((count, sheet_model.latent_dim)), size, progress=note)
    assert max(counting.pixels) <= 1 << 17
    assert max(np.diff([*since, len(counting.pixels)])) <= 1


def test_a_model_in_use_can_be_used_for_another_size(sheet_model: SheetModel) -> None:
    """A job that was cancelled may still be at its fields while the next one draws."""
    latent, expected = np.ones(sheet_model.latent_dim), {}
    for size in (64, 96):
        expected[size] = sheet_model.generate(latent, size, seed=1)
    wrong: list[Any] = []

    def use(size: int) -> None:
        for _ in range(15):
            made = sheet_model.generate(latent, size, seed=1)
            if not np.array_equal(made, expected[size]):
                wrong.append(size)

    both = [threading.Thread(target=use, args=(size,)) for size in expected]
    for one in both:
        one.start()
    for one in both:
        one.join()
    assert wrong == []


def test_maps_in_strips_are_those_of_the_whole(monkeypatch: pytest.MonkeyPatch) -> None:
    from scipy import ndimage

    from washi_latent.core import maps

    height = ndimage.gaussian_filter(np.random.default_rng(1).random((90, 70)), 2, mode="wrap").astype(np.float32)
    for periodic in (True, False):
        whole = normal_from_height(height, 40, periodic=periodic), roughness_from_height(height, 40, 0.1, periodic)
        with monkeypatch.context() as patch:
            patch.setattr(maps, "_AT_ONCE", 70 * 11)
            strips = normal_from_height(height, 40, periodic=periodic), roughness_from_height(height, 40, 0.1, periodic)
        for one, other in zip(whole, strips, strict=True):
            np.testing.assert_array_equal(one, other)
        assert whole[1].std() > 0.001


# Work that several threads share


@pytest.mark.parametrize("threads", [1, 3])
def test_tasks_are_all_done_and_their_share_is_told(threads: int) -> None:
    done, question = list[int](), Question()
    together([lambda ask, n=n: (ask(), done.append(n)) for n in range(7)], threads, question)
    assert sorted(done) == list(range(7))
    assert max(question.shares) <= 1


@pytest.mark.parametrize("threads", [1, 3])
def test_progress_is_told_by_the_calling_thread_alone_and_never_goes_back(threads: int) -> None:
    told, workers = list[tuple[int, float]](), set[int]()

    def task(ask: Ask) -> None:
        workers.add(threading.get_ident())
        for _ in range(20):
            ask()
            time.sleep(0.0005)

    together([task] * 9, threads, lambda share: told.append((threading.get_ident(), share)))
    assert {thread for thread, _ in told} == {threading.get_ident()}
    shares = [share for _, share in told]
    assert len(shares) >= 20
    assert shares == sorted(shares)
    assert shares[-1] == 1
    assert len(workers) == threads
    assert threading.get_ident() in workers


@pytest.mark.parametrize("threads", [1, 3])
def test_endless_tasks_end_when_progress_says_so(threads: int) -> None:
    ended = list[int]()

    def endless(number: int) -> Callable[[Ask], None]:
        def task(ask: Ask) -> None:
            try:
                for _ in itertools.count():
                    ask()
            finally:
                ended.append(number)

        return task

    with pytest.raises(Ended):
        together([endless(number) for number in range(3)], threads, Question(2))
    assert sorted(ended) == list(range(threads))


def test_what_a_task_raises_ends_the_others() -> None:
    def fails(_: Ask) -> None:
        raise ZeroDivisionError

    def endless(ask: Ask) -> None:
        while True:
            ask()

    with pytest.raises(ZeroDivisionError):
        together([endless, fails, endless], 3, ignore)
