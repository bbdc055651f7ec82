"""What picks tell: independent arithmetic, and searches that must get nearer."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.optimize import minimize

from washi_latent.core import Comparison, Search, SearchSettings, TextureModel, WashiError, pack_state, unpack_state
from washi_latent.core.preference import (
    DRAWS,
    LENIENCE,
    SURVEYED,
    UNCERTAINTY,
    FeatureSpace,
    Seen,
    believe,
    features_of,
    likelihoods,
    most_useful,
    survey,
    wishes,
)
from washi_latent.core.search import candidate_latents
from washi_latent.core.texture_features import GROUPS

FEATURES = sum(GROUPS.values())
LEARNING = SearchSettings(radius=2.0, samples=12, representatives=4)


def space(seed: int = 0) -> FeatureSpace:
    return FeatureSpace.of(np.random.default_rng(seed).normal(size=(300, FEATURES)) * 3 + 1)


def comparisons(known: FeatureSpace, wish: np.ndarray, count: int, seed: int = 1) -> list[Comparison]:
    """Choices of somebody who always takes what is nearest to a wish (F,) in coordinates."""
    rng, result = np.random.default_rng(seed), []
    for _ in range(count):
        options = rng.normal(size=(6, FEATURES)) * 3 + 1
        nearest = int(np.linalg.norm(known(options) - wish, axis=1).argmin())
        result.append(Comparison(tuple(tuple(o) for o in options.tolist()), nearest))
    return result


def test_belief_is_the_most_probable_wish() -> None:
    """Against a general minimizer of the negative log posterior, written anew."""
    known = space()
    told = comparisons(known, known.points[0], 5)

    def loss(y: np.ndarray) -> float:
        total = 0.5 * y @ np.linalg.solve(known.covariance, y)
        for one in told:
            points = known(one.options)
            spread = np.sqrt(((points - points.mean(0)) ** 2).sum(1).mean())
            utility = -((points - y) ** 2).sum(1) / (2 * UNCERTAINTY * known.typical * spread)
            total -= utility[one.chosen] - np.log(np.exp(utility - utility.max()).sum()) - utility.max()
        return float(total)

    best = minimize(loss, np.zeros(FEATURES), method="BFGS").x
    np.testing.assert_allclose(believe(known, told).mean, best, atol=2e-3)


def test_more_comparisons_know_more() -> None:
    known = space()
    wish = known.points[3]
    distances, volumes = [], []
    for count in (0, 5, 40):
        belief = believe(known, comparisons(known, wish, count))
        distances.append(np.linalg.norm(belief.mean - wish))
        volumes.append(np.linalg.slogdet(belief.covariance)[1])
    assert distances[0] > distances[1] > distances[2]
    assert volumes[0] > volumes[1] > volumes[2]


def test_an_anchor_is_where_it_is_expected() -> None:
    known = space()
    features = np.random.default_rng(3).normal(size=FEATURES)
    np.testing.assert_allclose(believe(known, [], features).mean, known(features))


def test_textures_of_the_survey_are_wishes_as_often_as_picks_make_them_likely() -> None:
    known = space()
    told = comparisons(known, known.points[7], 6)
    logs = []
    for point in known.points:
        log = 0.0
        for one in told:
            options = known(one.options)
            spread = np.sqrt(((options - options.mean(0)) ** 2).sum(1).mean())
            utility = -((options - point) ** 2).sum(1) / (2 * LENIENCE * UNCERTAINTY * known.typical * spread)
            log += utility[one.chosen] - np.logaddexp.reduce(utility)
        logs.append(log)
    wanted = np.exp(logs) / np.exp(logs).sum()
    np.testing.assert_allclose(likelihoods(known, told), wanted, rtol=1e-4)
    drawn = np.concatenate([wishes(known, told, np.random.default_rng(seed)) for seed in range(40)])
    often = np.array([(drawn == point).all(1).mean() for point in known.points])
    assert often.sum() == pytest.approx(SURVEYED)
    np.testing.assert_allclose(often / often.sum(), wanted, atol=5 / np.sqrt(40 * DRAWS * SURVEYED) * np.sqrt(wanted.max()))


def test_after_a_jump_all_wishes_are_near_where_it_led() -> None:
    known = space()
    features = np.full(FEATURES, 4.0)
    drawn = wishes(known, [], np.random.default_rng(0), features)
    assert drawn.shape == (DRAWS, FEATURES)
    assert not (drawn[:, None] == known.points).all(-1).any()
    np.testing.assert_allclose(drawn.mean(0), known(features), atol=0.2)


def test_shown_are_the_textures_that_leave_the_nearest_nearest() -> None:
    points = np.array([[0.0, 0], [0.1, 0], [5, 0], [9, 9]])
    wishes = np.array([[0.0, 0], [0, 0], [5, 0]])
    assert set(most_useful(points, wishes, 2).tolist()) == {0, 2}
    assert most_useful(points, wishes, 1, here=np.zeros(2)).tolist() == [2]  # what is there already needs no showing


def test_a_search_learns_what_is_liked(model: TextureModel) -> None:
    """An artist who wants one texture: representatives get nearer to it than those of a search that learns nothing."""
    reached = {}
    for method in ("preference", "random"):
        ends = []
        for seed in range(6):
            wish = features_of(model, np.random.default_rng(100 + seed).normal(size=(1, model.latent_dim)), 0)
            known = survey(model, 0)
            settings = SearchSettings(radius=3.0, samples=30, representatives=4, method=method)  # type: ignore[arg-type]
            search = Search(model, seed=seed, settings=settings, settings_after=settings)
            for _ in range(6):
                candidates = search.sample()
                shown = candidates.representatives.indices
                distance = np.linalg.norm(known(features_of(model, candidates.latents[shown], 0)) - known(wish), axis=1)
                search.pick(int(shown[distance.argmin()]))
            ends.append(distance.min())
        reached[method] = np.mean(ends)
    assert reached["preference"] < reached["random"]


def test_what_was_learned_is_part_of_the_state(model: TextureModel) -> None:
    search = Search(model, seed=4, settings=LEARNING, settings_after=LEARNING)
    search.sample()
    search.pick(3)
    search.sample()
    search.others()
    assert [len(n.comparisons) for n in search.state.nodes] == [0, 2]  # of the pick that led there, and of the others asked for
    again = Search(model, state=unpack_state(pack_state(search.state)))
    assert again.state == search.state
    np.testing.assert_array_equal(again.sample().representatives.indices, search.sample().representatives.indices)


def test_a_pick_made_elsewhere_teaches_the_same(model: TextureModel) -> None:
    """The picture of a place and the pick may be made by two objects: what was seen goes with the pick."""
    one = Search(model, seed=4, settings=LEARNING, settings_after=LEARNING)
    seen = one.sample().seen
    other = Search(model, state=one.state)
    assert other.pick(3, LEARNING, seen) == one.pick(3, LEARNING)
    assert Search(model, state=one.state).pick(3).nodes[-1].comparisons == ()


def test_a_jump_begins_to_learn_anew(model: TextureModel) -> None:
    search = Search(model, seed=4, settings=LEARNING, settings_after=LEARNING)
    search.sample()
    search.pick(3)
    assert [len(told) for told, _ in [search.state.comparisons()]] == [1]
    search.step_to(np.ones(model.latent_dim))
    assert search.state.comparisons() == ([], True)
    wish = survey(model, 0)(features_of(model, np.ones((1, model.latent_dim)), 0)[0])
    shown = search.sample()
    assert shown.seen is not None
    points = survey(model, 0)(shown.seen.features)
    distance = np.linalg.norm(points - wish, axis=1)
    assert distance[shown.representatives.indices].mean() < distance.mean()


def test_nothing_seen_teaches_nothing() -> None:
    features = np.zeros((3, FEATURES), np.float32)
    assert Seen(features, np.array([0])).comparison(0) is None
    assert Seen(features, np.array([0, 1])).comparison(None) is None
    stayed = Seen(features, np.array([0, 1]), features[0]).comparison(None)
    assert stayed is not None
    assert (stayed.chosen, len(stayed.options)) == (2, 3)
    with pytest.raises(WashiError):
        Comparison(((0.0,),), 0)
    with pytest.raises(WashiError):
        Comparison((tuple([0.0] * FEATURES),), 1)


def test_candidates_lie_near_and_elsewhere() -> None:
    rng = np.random.default_rng(0)
    center = np.full(20, 3.0)
    settings = SearchSettings(radius=2.0, samples=50, shell=False, elsewhere=0.4, nearest=0.25)
    distances = np.linalg.norm(candidate_latents(center, np.zeros(20), settings, rng, 4.0) - center, axis=1)
    assert (distances[:30] <= 2 + 1e-9).all()
    assert (distances[:30] >= 0.5 - 1e-9).all()
    assert (distances[30:] > 5).all()
    np.testing.assert_allclose(np.log2(distances[:30] / 2).mean(), -1, atol=0.25)


def test_representatives_are_those_of_the_seen(model: TextureModel) -> None:
    candidates = Search(model, settings=LEARNING).sample()
    assert candidates.seen is not None
    np.testing.assert_array_equal(candidates.seen.shown, candidates.representatives.indices)
    np.testing.assert_array_equal(candidates.representatives.labels[candidates.representatives.indices], np.arange(4))
