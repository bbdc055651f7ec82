"""Work in pieces is whole; while a search or a find is at work, NumPy's matrix products take no core from the network; afterwards they are as they were."""

from __future__ import annotations

from collections.abc import Iterator
from threading import Thread
from typing import Any

import numpy as np
import pytest
from conftest import DIM
from threadpoolctl import threadpool_info, threadpool_limits

from washi_latent.core import Search, find_latents, load_model
from washi_latent.core.models import ModelInfo
from washi_latent.core.preference import features_of
from washi_latent.core.texture_features import texture_features
from washi_latent.core.threads import in_pieces, one_blas_thread


def blas_threads() -> set[int]:
    """Of NumPy's own BLAS: SciPy brings another."""
    return {library["num_threads"] for library in threadpool_info() if library["user_api"] == "blas" and "numpy" in library["filepath"]}


@pytest.fixture(autouse=True)
def three_threads() -> Iterator[None]:
    np.ones((2, 2)) @ np.ones((2, 2))
    if not blas_threads():
        pytest.skip("NumPy's BLAS here can't be told how many threads to use")
    with threadpool_limits(3, user_api="blas"):
        yield


def test_products_stay_on_one_thread_and_get_theirs_back() -> None:
    with one_blas_thread():
        assert blas_threads() == {1}
        with one_blas_thread():
            assert blas_threads() == {1}
        assert blas_threads() == {1}
    assert blas_threads() == {3}


def test_work_that_fails_gives_the_threads_back() -> None:
    with pytest.raises(ZeroDivisionError), one_blas_thread():
        raise ZeroDivisionError
    assert blas_threads() == {3}


def test_the_limit_ends_with_the_last_of_several_that_overlap() -> None:
    first, second = one_blas_thread(), one_blas_thread()
    first.__enter__()
    other = Thread(target=second.__enter__)
    other.start()
    other.join()
    first.__exit__(None, None, None)
    assert blas_threads() == {1}
    second.__exit__(None, None, None)
    assert blas_threads() == {3}


def test_searches_and_finds_leave_the_cores_to_the_network(small_bundle: ModelInfo, monkeypatch: pytest.MonkeyPatch) -> None:
    model = load_model(small_bundle.folder, threads=1)
    seen: list[set[int]] = []
    generate = model.generate

    def watched(*given: Any, **more: Any) -> Any:
        seen.append(blas_threads())
        return generate(*given, **more)

    monkeypatch.setattr(model, "generate", watched)
    search = Search(model)
    search.pick(int(search.sample().representatives.indices[0]))
    search.sample()
    assert seen
    assert set.union(*seen) == {1}
    seen.clear()
    find_latents(model, np.random.default_rng(0).random((32, 32, 3)), 1)
    assert seen
    assert set.union(*seen) == {1}
    assert blas_threads() == {3}


@pytest.mark.parametrize("threads", [1, 3])
@pytest.mark.parametrize(("count", "few"), [(1, 8), (8, 8), (17, 8), (5, 1)])
def test_what_is_measured_in_pieces_is_whole_and_in_order(count: int, few: int, threads: int) -> None:
    pictures = np.random.default_rng(count).random((count, 24, 24, 3), dtype=np.float32)
    np.testing.assert_allclose(in_pieces(texture_features, pictures, few=few, threads=threads), texture_features(pictures), atol=1e-5)
    np.testing.assert_array_equal(in_pieces(lambda some: some[:, 0, 0, 0], pictures, few=few, threads=threads), pictures[:, 0, 0, 0])


def test_features_do_not_depend_on_how_many_threads_take_them(small_bundle: ModelInfo) -> None:
    latents = np.random.default_rng(1).normal(size=(40, DIM))
    one, many = (features_of(load_model(small_bundle.folder, threads=threads), latents, 0) for threads in (1, 4))
    np.testing.assert_array_equal(one, many)
