"""While a search or a find is at work, NumPy's matrix products take no core from the network; afterwards they are as they were."""

from __future__ import annotations

from collections.abc import Iterator
from threading import Thread
from typing import Any

import numpy as np
import pytest
from threadpoolctl import threadpool_info, threadpool_limits

from washi_latent.core import Search, find_latents, load_model
from washi_latent.core.models import ModelInfo
from washi_latent.core.threads import one_blas_thread


def blas_threads() -> set[int]:
    return {library["num_threads"] for library in threadpool_info() if library["user_api"] == "blas"}


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
