"""The peers against other people's versions of the same strategies; `pip install -e .[bench]` brings those."""

import warnings
from typing import Any

import numpy as np
import pytest

from scripts.bench.selection_peers.anchoral import subpool
from scripts.bench.selection_peers.badge import Gradients, badge
from scripts.bench.selection_peers.coreset import coreset
from scripts.bench.selection_peers.peer import probabilities
from scripts.bench.selection_peers.scores import doubt, highest
from scripts.bench.selection_peers.seals import neighbours
from scripts.bench.selection_peers.typiclust import typicality
from shared.pool import Floats, Index
from tests.scripts.bench.selection_peers.views import MadeView, make_view

_MISSING = -1


def test_coreset_chooses_what_scikit_activeml_chooses() -> None:
    core_set = _scikit_activeml("CoreSet")(missing_label=_MISSING, random_state=0)
    view = make_view()
    theirs = core_set.query(_vectors(view), _answers(view), batch_size=25)

    assert coreset(view, 25).tolist() == np.asarray(theirs).tolist()


def test_badge_begins_as_in_scikit_activeml_and_has_the_same_chances_after_each_pick() -> None:
    view = make_view()
    eligible = view.pool.eligible
    probability, vectors = probabilities(view)[eligible], view.pool.vectors(eligible)
    picks, chances = _scikit_activeml("Badge")(missing_label=_MISSING, random_state=0).query(
        _vectors(view), _answers(view), _fitted(view), fit_clf=False, batch_size=12, return_utilities=True
    )
    place = {position: number for number, position in enumerate(eligible.tolist())}
    gradients = Gradients(probability - (probability == probability.max(axis=1, keepdims=True)), vectors)
    origin = gradients.squared.copy()  # scikit-activeml takes it for a centre; the authors' own code does not

    assert badge(view, 1)[0] == picks[0]
    for number in range(1, 12):
        gradients.add_centre(place[int(picks[number - 1])])
        weight = np.minimum(gradients.squared, origin).astype(np.float64)
        np.testing.assert_allclose(weight / weight.sum(), np.nan_to_num(chances[number][eligible]), atol=1e-5)


def test_typicality_ranks_a_cluster_as_in_scikit_activeml() -> None:
    theirs = _module("skactiveml.pool._typi_clust")._typicality
    vectors = _vectors(make_view(items=100))
    vectors /= np.linalg.norm(vectors, axis=1, keepdims=True)  # float16 has bent their length
    ours = typicality(vectors, neighbours=5)
    expected = theirs(vectors, np.arange(100), 5)

    assert ours.argmax() == expected.argmax()
    assert highest(ours, 100).tolist() == highest(expected.astype(np.float32), 100).tolist()


def test_the_margin_is_that_of_small_text() -> None:
    breaking_ties = _module("small_text.query_strategies").BreakingTies
    view = make_view()
    theirs = [breaking_ties._best_versus_second_best(row) for row in probabilities(view)]

    np.testing.assert_allclose(doubt(view, np.arange(len(view.pool))), 1 - np.array(theirs), atol=1e-6)


def test_anchoral_narrows_the_pool_as_in_small_text() -> None:
    view = make_view(items=600, labeled=60)
    anchor_subsampling = _module("small_text.query_strategies.subsampling").AnchorSubsampling
    eligible, anchors = view.pool.eligible, np.flatnonzero(view.pool.labeled)[:12]
    theirs = object.__new__(anchor_subsampling)  # the constructor asks for the approximate index
    theirs.k, theirs.subsample_size, theirs.nn = 50, 100, _ExactIndex(view)
    theirs.indices_unlabeled = set(eligible.tolist())
    expected = theirs._get_subset_indices(_vectors(view), eligible, anchors)
    places, cosine = neighbours(view, anchors, 50)

    assert set(eligible[subpool(places, cosine, 100)].tolist()) == set(expected.tolist())


def test_seals_looks_at_the_neighbours_that_small_text_looks_at() -> None:
    view = make_view(items=600, labeled=20)
    seals = _module("small_text.query_strategies").SEALS
    eligible, labeled = view.pool.eligible, np.flatnonzero(view.pool.labeled)
    theirs = object.__new__(seals)
    theirs.k, theirs.nn, theirs.embeddings = 30, _ExactIndex(view), _vectors(view)
    theirs.indices_unlabeled = set(eligible.tolist())
    expected = theirs.get_subset_indices(None, None, eligible, labeled)

    assert set(eligible[neighbours(view, labeled, 30)[0].ravel()].tolist()) == set(expected.tolist())


class _ExactIndex:
    """Stands for small-text's approximate index and finds the true neighbours."""

    def __init__(self, view: MadeView) -> None:
        self._eligible = view.pool.eligible
        self._vectors = view.pool.vectors(self._eligible)

    def knn_query(self, queries: Floats, k: int) -> tuple[Index, Floats]:
        squared = ((queries[:, None] - self._vectors[None]) ** 2).sum(axis=2)
        order = np.argsort(squared, axis=1, kind="stable")[:, :k]
        return self._eligible[order], np.take_along_axis(squared, order, axis=1).astype(np.float32)


def _module(name: str) -> Any:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return pytest.importorskip(name)


def _scikit_activeml(name: str) -> Any:
    return getattr(_module("skactiveml.pool"), name)


def _fitted(view: MadeView) -> Any:
    """The view's own model, as scikit-activeml takes one."""
    base = _module("skactiveml.base").SkactivemlClassifier

    class Fitted(base):  # type: ignore[misc, valid-type]
        def __init__(self, missing_label: int = _MISSING) -> None:
            super().__init__(missing_label=missing_label)

        def fit(self, *_: Any) -> Any:
            return self

        def predict_proba(self, vectors: Floats) -> Floats:
            all_vectors = _vectors(view)
            rows = [int(np.abs(all_vectors - vector).sum(axis=1).argmin()) for vector in vectors]
            return probabilities(view)[rows]

    return Fitted()


def _vectors(view: MadeView) -> Floats:
    return view.pool.vectors(np.arange(len(view.pool)))


def _answers(view: MadeView) -> Index:
    return np.where(view.pool.labeled, view.pool.targets.argmax(axis=1), _MISSING)
