"""Representatives: properties, and scikit-learn as the judge of the paper's method."""

from __future__ import annotations

from itertools import combinations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.metrics import adjusted_rand_score

from washi_latent.core import METHODS, WashiError, choose_representatives, coverage


def similarity(seed: int, groups: int = 4, each: int = 6, spread: float = 0.05) -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(seed)
    truth = np.repeat(np.arange(groups), each)
    points = rng.normal(size=(groups, 5))[truth] * 2 + rng.normal(size=(groups * each, 5)) * spread
    distance = np.linalg.norm(points[:, None] - points[None], axis=-1)
    return np.exp(-distance), truth


@pytest.mark.parametrize("method", ["coverage", "medoids", "paper"])
def test_finds_clear_groups(method: str) -> None:
    matrix, truth = similarity(0)
    chosen = choose_representatives(matrix, 4, method, np.random.default_rng(0))
    assert adjusted_rand_score(truth, chosen.labels) == 1
    assert len(set(truth[chosen.indices])) == 4


@given(seed=st.integers(0, 500), count=st.integers(1, 9), method=st.sampled_from(METHODS))
@settings(max_examples=60, deadline=None)
def test_every_texture_is_stood_for(seed: int, count: int, method: str) -> None:
    matrix, _ = similarity(seed, 3, 3, spread=1.0)
    chosen = choose_representatives(matrix, count, method, np.random.default_rng(seed))
    assert len(set(chosen.indices.tolist())) == len(chosen.indices) == count
    np.testing.assert_array_equal(chosen.labels[chosen.indices], np.arange(count))
    members = np.concatenate([chosen.members(i) for i in range(count)])
    assert sorted(members.tolist()) == list(range(9))
    assert all(chosen.members(i)[0] == chosen.indices[i] for i in range(count))


@given(seed=st.integers(0, 200), count=st.integers(1, 4))
@settings(max_examples=25, deadline=None)
def test_greedy_is_within_its_bound_of_the_best(seed: int, count: int) -> None:
    matrix, _ = similarity(seed, 3, 3, spread=1.0)
    best = max(coverage(matrix, list(c)) for c in combinations(range(9), count))
    greedy = coverage(matrix, choose_representatives(matrix, count, "coverage").indices)
    swapped = coverage(matrix, choose_representatives(matrix, count, "medoids").indices)
    assert best * (1 - 1 / np.e) <= greedy <= swapped + 1e-12 <= best + 2e-12


def test_fewer_distinct_textures_is_fine_and_said() -> None:
    matrix = np.kron([[1, 0.3], [0.3, 1]], np.ones((5, 5)))
    for method in METHODS:
        chosen = choose_representatives(matrix, 6, method)
        assert len(chosen.indices) == 2
        assert "2 of 10" in (chosen.message or "")
    assert choose_representatives(np.ones((4, 4)), 3).indices.tolist() == [0]
    assert choose_representatives(np.ones((1, 1)), 1).message is None


def test_paper_works_with_one_reference() -> None:
    chosen = choose_representatives(np.linspace(0, 1, 20)[:, None], 4, "paper")
    assert len(chosen.indices) == 4


def test_same_seed_same_choice() -> None:
    matrix, _ = similarity(1, spread=2.0)
    for method in METHODS:
        a, b = (choose_representatives(matrix, 5, method, np.random.default_rng(2)) for _ in range(2))
        np.testing.assert_array_equal(a.indices, b.indices)


@pytest.mark.parametrize(
    ("matrix", "count", "method"),
    [
        (np.ones((3, 3)), 0, "coverage"),
        (np.ones((0, 0)), 1, "coverage"),
        (np.ones((3, 2)), 1, "coverage"),
        (np.full((2, 2), np.nan), 1, "paper"),
        (np.ones((3, 3)), 1, "best"),
    ],
)
def test_bad_input_is_refused(matrix: np.ndarray, count: int, method: str) -> None:
    with pytest.raises(WashiError) as caught:
        choose_representatives(matrix, count, method)
    assert "\n" not in str(caught.value)
