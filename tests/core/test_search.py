"""The search: Algorithm 1, history as a value, the same state the same pictures."""

from __future__ import annotations

import json
from collections import Counter

import numpy as np
import pytest
from conftest import DIM
from hypothesis import given, settings
from hypothesis import strategies as st

from washi_latent.core import Cancelled, Search, SearchSettings, SearchState, TextureModel, WashiError, pack_state, rank_by_picture, unpack_state
from washi_latent.core.search import SEARCH_METHODS, candidate_latents, compared, similarities
from washi_latent.core.similarity import mssim_matrix

FEW = SearchSettings(radius=2.0, samples=9, representatives=4, method="coverage")
LEARNING = SearchSettings(radius=2.0, samples=9, representatives=4)


def start(model: TextureModel, **changes: object) -> Search:
    return Search(model, **{"settings": FEW, "settings_after": FEW, **changes})  # type: ignore[arg-type]


def test_a_pick_steps_to_the_point_that_made_it(model: TextureModel) -> None:
    search = start(model, settings=SearchSettings(radius=2, samples=9, representatives=4, method="coverage", shell=False))
    candidates = search.sample()
    np.testing.assert_allclose(np.linalg.norm(candidates.latents, axis=1), 2, atol=1e-9)
    state = search.pick(5)
    np.testing.assert_allclose(state.node.center, candidates.latents[5])
    np.testing.assert_allclose(state.node.direction, candidates.latents[5] / 2)
    np.testing.assert_allclose(search.picture(), candidates.images[5], atol=1e-6)


@pytest.mark.parametrize("step", [0.25, 1.0, 1.5])
def test_a_part_of_the_step_or_beyond_it(model: TextureModel, step: float) -> None:
    search = start(model, settings=SearchSettings(radius=2, samples=5, representatives=2, shell=False, step=step))
    candidates = search.sample()
    np.testing.assert_allclose(search.pick(3).node.center, step * candidates.latents[3], atol=1e-12)


@given(seed=st.integers(0, 1000), radius=st.floats(0.01, 50), kappa=st.floats(0, 1e6), shell=st.booleans())
@settings(max_examples=50, deadline=None)
def test_candidates_lie_on_their_sphere_or_on_the_shell(seed: int, radius: float, kappa: float, shell: bool) -> None:
    rng = np.random.default_rng(seed)
    center, direction = rng.normal(size=DIM), rng.normal(size=DIM)
    points = candidate_latents(
        center, direction, SearchSettings(radius=radius, concentration=kappa, samples=6, representatives=1, method="coverage", shell=shell), rng, 10.0
    )
    distances = np.linalg.norm(points if shell else points - center, axis=1)
    np.testing.assert_allclose(distances, 10.0 if shell else radius, rtol=1e-6, atol=1e-6)


def test_the_light_points_where_the_last_step_went(model: TextureModel) -> None:
    narrow = SearchSettings(radius=1, concentration=1e6, samples=6, representatives=2, method="coverage", shell=False)
    search = start(model)
    search.pick(2, narrow)
    ways = search.sample().latents - np.asarray(search.state.node.center)
    np.testing.assert_allclose(ways @ np.asarray(search.state.node.direction), 1, atol=1e-3)


@given(st.data())
@settings(max_examples=25, deadline=None)
def test_state_goes_to_json_and_back_exactly(model: TextureModel, data: st.DataObject) -> None:
    search = start(model, seed=data.draw(st.integers(0, 2**40)))
    for _ in range(data.draw(st.integers(0, 7))):
        gesture = data.draw(st.sampled_from(["pick", "others", "back", "forward", "jump", "keep", "adjust", "step_to"]))
        try:
            if gesture == "pick":
                search.pick(data.draw(st.integers(0, 8)))
            elif gesture == "jump":
                search.jump(data.draw(st.integers(0, len(search.state.nodes) - 1)))
            elif gesture == "keep":
                search.keep(data.draw(st.text(min_size=1, max_size=5).filter(str.strip)))
            elif gesture == "adjust":
                search.adjust(SearchSettings(radius=data.draw(st.floats(0.1, 9)), samples=9, representatives=3))
            elif gesture == "step_to":
                search.step_to(data.draw(st.lists(st.floats(-3, 3), min_size=DIM, max_size=DIM)))
            else:
                getattr(search, gesture)()
        except WashiError:
            assert gesture in ("back", "forward")
    again = SearchState.from_json(search.state.to_json())
    assert again == search.state
    assert SearchState.from_json(again.to_json()).to_json() == search.state.to_json()
    np.testing.assert_array_equal(Search(model, state=again).sample().images, search.sample().images)


def test_same_seed_same_pictures_and_another_seed_others(model: TextureModel) -> None:
    a, b, c = start(model, seed=1), start(model, seed=1), start(model, seed=2)
    np.testing.assert_array_equal(a.sample().images, b.sample().images)
    np.testing.assert_array_equal(a.sample().representatives.indices, b.sample().representatives.indices)
    assert np.abs(a.sample().images - c.sample().images).max() > 0.01


def test_back_forward_and_branches(model: TextureModel) -> None:
    search = start(model)
    first = search.sample().images
    search.pick(1)
    second = search.sample().images
    search.pick(2)
    search.back()
    np.testing.assert_array_equal(search.sample().images, second)
    search.back()
    np.testing.assert_array_equal(search.sample().images, first)
    search.pick(4)  # another branch; the first one stays
    assert search.state.children(0) == [1, 3]
    search.back()
    assert search.forward().current == 3
    search.jump(2)
    assert search.state.path() == [0, 1, 2]
    search.back()
    search.back()
    assert search.forward().current == 1
    search.jump(3)
    with pytest.raises(WashiError, match="nothing ahead"):
        search.forward()
    search.jump(0)
    with pytest.raises(WashiError, match="began"):
        search.back()


def test_others_are_other_textures_of_the_same_place(model: TextureModel) -> None:
    search = start(model)
    before, center = search.sample().latents, search.state.node.center
    search.others()
    assert search.state.node.center == center
    assert np.abs(search.sample().latents - before).max() > 0.1
    search.pick(0)
    assert search.state.node.picked_draw == 1


def test_favourites(model: TextureModel) -> None:
    search = start(model)
    search.pick(3)
    search.keep("soft")
    search.keep("warm", np.ones(DIM))
    search.keep("soft", np.zeros(DIM))
    assert [f.name for f in search.state.favourites] == ["warm", "soft"]
    np.testing.assert_array_equal(search.favourite("soft"), np.zeros(DIM))
    search.forget("warm")
    with pytest.raises(WashiError, match="soft"):
        search.favourite("warm")
    with pytest.raises(WashiError, match="name"):
        search.keep("  ")


def test_two_hundred_steps_stay_in_the_shell(model: TextureModel) -> None:
    search = start(model)
    rng = np.random.default_rng(0)
    for _ in range(200):
        search.pick(int(rng.integers(9)))
    norms = [np.linalg.norm(n.center) for n in search.state.nodes[1:]]
    np.testing.assert_allclose(norms, np.sqrt(DIM))
    assert len(search._cache) <= 1


def test_toward_a_picture(model: TextureModel) -> None:
    images = model.generate(np.random.default_rng(0).normal(size=(20, DIM)))
    for i in (0, 7, 19):
        assert rank_by_picture(images, images[i])[0] == i
        large = np.kron(images[i], np.ones((3, 3, 1), np.float32))
        assert rank_by_picture(images, large)[0] == i


def test_similarity_sees_colour() -> None:
    flat = np.full((2, 32, 32, 3), 0.5, np.float32)
    flat[1, ..., 0] = 0.9
    assert compared(flat).shape == (2, 32, 32, 3)
    assert compared(np.zeros((2, 256, 256, 5))).shape == (2, 64, 64, 3)


def test_a_model_that_makes_one_texture_only_is_said(model: TextureModel) -> None:
    class Flat:
        info, latent_dim = model.info, model.latent_dim

        def generate(self, latents: object, size: object = None, seed: int = 0, progress: object = None) -> np.ndarray:
            return np.full((len(np.atleast_2d(latents)), 32, 32, 3), 0.5, np.float32)

    for chosen_by in (FEW, LEARNING):
        chosen = Search(Flat(), settings=chosen_by).sample().representatives  # type: ignore[arg-type]
        assert chosen.indices.tolist() == [0]
        assert "1 of 9" in (chosen.message or "")


def test_similarity_is_there_for_who_asks(model: TextureModel) -> None:
    for chosen_by in (FEW, LEARNING):
        candidates = start(model, settings=chosen_by).sample()
        np.testing.assert_allclose(candidates.similarity, mssim_matrix(compared(candidates.images)), atol=1e-6)


@pytest.mark.parametrize(
    "changes",
    [
        {"radius": 0},
        {"radius": np.nan},
        {"concentration": -1},
        {"samples": 0},
        {"samples": 10**6},
        {"representatives": 51},
        {"method": "best"},
        {"step": 0},
        {"direction": "up"},
    ],
)
def test_bad_settings_are_refused(changes: dict[str, object]) -> None:
    with pytest.raises(WashiError) as caught:
        SearchSettings(**changes)  # type: ignore[arg-type]
    assert "\n" not in str(caught.value)


def test_bad_gestures_are_refused(model: TextureModel) -> None:
    search = start(model)
    for gesture in (
        lambda: search.pick(9),
        lambda: search.pick(-1),
        lambda: search.jump(5),
        lambda: search.step_to([1, 2]),
        lambda: search.step_to(np.full(DIM, np.inf)),
    ):
        with pytest.raises(WashiError):
            gesture()
    assert len(search.state.nodes) == 1


def spoiled() -> list[object]:
    good = {"parent": -1, "center": [0.0] * DIM, "direction": [0.0] * DIM, "picked": -1, "draw": 0, "picked_draw": 0, "settings": vars(FEW)}
    state = {"state_version": 1, "model": "small-64", "seed": 0, "noise_seed": 0, "nodes": [good], "current": 0, "trail": [-1], "favourites": []}
    changes: list[dict[str, object]] = [
        {"state_version": 2},
        {"seed": -1},
        {"seed": 1.5},
        {"nodes": []},
        {"nodes": [{**good, "parent": 0}]},
        {"nodes": [{**good, "center": [None] * DIM}]},
        {"nodes": [{**good, "center": [0.0]}]},
        {"nodes": [{**good, "settings": {}}]},
        {"nodes": [{**good, "settings": {**vars(FEW), "radius": -1}}]},
        {"current": 1},
        {"trail": []},
        {"trail": [0]},
        {"favourites": [{"name": 3, "latent": [0.0] * DIM}]},
        {"favourites": [{"name": "a", "latent": [0.0]}]},
        {"model": 3},
    ]
    return [{**state, **c} for c in changes] + [{k: v for k, v in state.items() if k != missing} for missing in state] + [[], 3, None, "x"]


@pytest.mark.parametrize("value", spoiled())
def test_what_is_no_state_is_refused(value: object) -> None:
    with pytest.raises(WashiError) as caught:
        SearchState.from_json(json.dumps(value))
    assert "\n" not in str(caught.value)


def test_garbage_and_foreign_states_are_refused(model: TextureModel) -> None:
    for text in ("", "{", "[" * 100_000):
        with pytest.raises(WashiError):
            SearchState.from_json(text)
    foreign = start(model).state.to_json().replace("small-64", "another")
    with pytest.raises(WashiError, match="another"):
        Search(model, state=SearchState.from_json(foreign))


def test_representatives_are_spread_over_the_candidates(model: TextureModel) -> None:
    chosen = start(model, settings=SearchSettings(radius=2, samples=40, representatives=5)).sample().representatives
    assert len(Counter(chosen.labels.tolist())) == 5


@given(steps=st.lists(st.integers(0, 9), min_size=0, max_size=6))
@settings(max_examples=15, deadline=None)
def test_a_packed_state_is_the_same_state(model: TextureModel, steps: list[int]) -> None:
    search = Search(model, seed=3, settings=SearchSettings(samples=10, representatives=3, step=0.7))
    for number, index in enumerate(steps):
        search.pick(index)
        if number == 1:
            search.keep("紙")
            search.back()
            search.others()
    assert unpack_state(pack_state(search.state)) == search.state


def test_two_hundred_packed_steps_are_small(model: TextureModel) -> None:
    search = Search(model, settings=SearchSettings(samples=10, representatives=3))
    for number in range(200):
        search.pick(number % 10)
    per_number = 8 * 4 / 3
    assert len(pack_state(search.state)) < 200 * (model.latent_dim * per_number + 40) + 2000


@pytest.mark.parametrize("text", ["", "{}", "[]", '{"centers": "x", "nodes": [], "kept": "", "favourites": []}', "null"])
def test_what_is_no_packed_state_is_said(text: str) -> None:
    with pytest.raises(WashiError, match="begin a new one"):
        unpack_state(text)


def test_the_light_can_point_to_a_favourite(model: TextureModel) -> None:
    narrow = SearchSettings(samples=10, representatives=3, concentration=500.0, direction="favourite:goal", shell=False)
    search = Search(model, settings=narrow)
    goal = np.linspace(-1, 1, model.latent_dim)
    search.keep("goal", goal)
    ways = search.latents() / np.linalg.norm(search.latents(), axis=1, keepdims=True)
    assert (ways @ (goal / np.linalg.norm(goal))).min() > 0.9
    search.forget("goal")
    with pytest.raises(WashiError, match="goal"):
        search.latents()


def test_a_cancelled_look_ends_at_once_and_leaves_the_search_as_it_was(model: TextureModel) -> None:
    search, said = Search(model, seed=1), []

    def stop(share: float) -> None:
        said.append(share)
        if len(said) > 1:
            raise Cancelled

    before = search.state
    with pytest.raises(Cancelled):
        search.sample(stop)
    assert search.state == before
    shares: list[float] = []
    assert len(search.sample(shares.append).latents) == 50
    assert shares == sorted(shares)


def test_a_thousand_candidates_are_compared_through_references(model: TextureModel) -> None:
    """The estimate of all pairs orders them as MSSIM does."""
    images = model.generate(np.random.default_rng(0).normal(size=(210, DIM)))
    estimated, exact = similarities(images), mssim_matrix(images)
    assert estimated.shape == (210, 210)
    np.testing.assert_array_equal(np.diag(estimated), 1)
    off = ~np.eye(210, dtype=bool)
    assert np.corrcoef(estimated[off], exact[off])[0, 1] > 0.7
    np.testing.assert_array_equal(similarities(images[:20]), mssim_matrix(images[:20]))


@pytest.mark.parametrize("method", SEARCH_METHODS)
def test_every_method_shows_as_many_as_are_asked_for(model: TextureModel, method: str) -> None:
    search = Search(model, settings=SearchSettings(samples=220, representatives=7, method=method))  # type: ignore[arg-type]
    assert len(set(search.sample().representatives.indices.tolist())) == 7
