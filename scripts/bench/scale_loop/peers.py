"""Other people's strategies of uncertainty and diversity, each as its package offers it, given probabilities.

A stub stands for their classifier and hands over probabilities that are there already, so that what is measured is the
choice alone. `pip install -e .[bench]` brings the packages; a peer whose package is not there is left out.

References:
    Gilhuber, Beer, Ma and Seidl (2024), "FALCUN: A Simple and Efficient Deep Active Learning Strategy".
    Prabhu, Chandrasekaran, Saenko and Hoffman (2021), "Active Domain Adaptation via Clustering Uncertainty-weighted
        Embeddings": CLUE.
    Ash et al. (2020), "Deep Batch Active Learning by Diverse, Uncertain Gradient Lower Bounds": BADGE.
    Margatina, Vernikos, Barrault and Aletras (2021), "Active Learning by Acquiring Contrastive Examples".
    Cardoso et al. (2017), "Ranked batch-mode active learning".
"""

import importlib.util
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from scripts.bench.scale_loop.handed import Handed
from shared.pool import Floats, Index

PRODUCT = "Quiet Corner"
_MISSING = -1

Choose = Callable[[Handed, int, int], Index]
"""Positions of so many eligible items, by a seed."""


@dataclass(frozen=True)
class Peer:
    """A strategy of a package.

    Attributes:
        module: What is imported.
        package: What is installed.
        choose: How it chooses.
        diverse: Whether it looks at how alike the chosen are; one that does not is a yardstick.
    """

    module: str
    package: str
    choose: Choose
    diverse: bool = True

    @property
    def installed(self) -> bool:
        """Whether its package is there."""
        return importlib.util.find_spec(self.module) is not None


def _margin(handed: Handed, count: int, seed: int) -> Index:
    """scikit-activeml: the smallest margins."""
    from skactiveml.pool import uncertainty_scores
    from skactiveml.utils import simple_batch

    scores = uncertainty_scores(handed.probability[handed.eligible], method="margin_sampling")
    chosen: Index = handed.eligible[simple_batch(scores, random_state=seed, batch_size=count)]
    return chosen


def _falcun(handed: Handed, count: int, seed: int) -> Index:
    """scikit-activeml: margins, and distances between probabilities."""
    from skactiveml.pool import Falcun

    return _asked(Falcun(missing_label=_MISSING, random_state=seed), handed, count)


def _clue(handed: Handed, count: int, seed: int) -> Index:
    """scikit-activeml: k-means that weighs vectors by entropy, with the fastest k-means of scikit-learn."""
    from skactiveml.pool import Clue
    from sklearn.cluster import MiniBatchKMeans

    clusters = {"random_state": seed, "n_init": 1}
    strategy = Clue(cluster_algo=MiniBatchKMeans, cluster_algo_dict=clusters, missing_label=_MISSING, random_state=seed)
    return _asked(strategy, handed, count, name="estimator")


def _badge(handed: Handed, count: int, seed: int) -> Index:
    """scikit-activeml: k-means++ on gradients."""
    from skactiveml.pool import Badge

    return _asked(Badge(missing_label=_MISSING, random_state=seed), handed, count)


def _asked(strategy: Any, handed: Handed, count: int, *, name: str = "clf") -> Index:
    from skactiveml.base import SkactivemlClassifier

    class Fitted(SkactivemlClassifier):  # type: ignore[misc]
        """Says of the candidates what was handed over."""

        def fit(self, *_: Any) -> Any:
            """Nothing: it knows."""
            return self

        def predict_proba(self, candidates: Floats) -> Floats:
            """(m, n_classes), the candidates being the eligible items."""
            if len(candidates) != len(handed.eligible):
                raise ValueError("asked about other items than the candidates")
            return handed.probability[handed.eligible]

    answers = np.full(len(handed.vectors), _MISSING)
    answers[handed.labeled] = handed.labels
    fitted = {name: Fitted(missing_label=_MISSING), f"fit_{name}": False}
    chosen = strategy.query(handed.vectors, answers, candidates=handed.eligible, batch_size=count, **fitted)
    return np.asarray(chosen, dtype=np.int64)


@dataclass(frozen=True)
class _Rows:
    """A data set of small-text: some positions of the pool."""

    positions: Index

    def __len__(self) -> int:
        return len(self.positions)

    def __getitem__(self, places: Index) -> "_Rows":
        return _Rows(self.positions[places])


@dataclass(frozen=True)
class _Known:
    """A classifier of small-text: what was handed over."""

    handed: Handed

    def predict_proba(self, rows: _Rows) -> Floats:
        return self.handed.probability[rows.positions]

    def embed(self, rows: _Rows, **_how: Any) -> tuple[Floats, Floats]:
        return self.handed.vectors[rows.positions], self.handed.probability[rows.positions]


def _breaking_ties(handed: Handed, count: int, seed: int) -> Index:
    """small-text: the smallest margins."""
    from small_text.query_strategies import BreakingTies

    return _queried(BreakingTies(), handed, count, seed)


def _contrastive(handed: Handed, count: int, seed: int) -> Index:
    """small-text: items whose probabilities differ most from their nearest neighbours'."""
    from small_text.query_strategies import ContrastiveActiveLearning

    return _queried(ContrastiveActiveLearning(pbar=None), handed, count, seed)


def _contrastive_of_some(handed: Handed, count: int, seed: int) -> Index:
    """The same among 4,096 items drawn at random, small-text's default."""
    from small_text.query_strategies import ContrastiveActiveLearning, SubsamplingQueryStrategy

    return _queried(SubsamplingQueryStrategy(ContrastiveActiveLearning(pbar=None)), handed, count, seed)


def _queried(strategy: Any, handed: Handed, count: int, seed: int) -> Index:
    np.random.seed(seed)  # small-text draws from the global state
    rows = _Rows(np.arange(len(handed.vectors)))
    chosen = strategy.query(_Known(handed), rows, handed.eligible, handed.labeled, handed.labels, n=count)
    return np.asarray(chosen, dtype=np.int64)


def _ranked_batch(handed: Handed, count: int, _seed: int) -> Index:
    """modAL: one item after another, by its uncertainty and its distance to all that is labeled or chosen."""
    from modAL.batch import uncertainty_batch_sampling
    from modAL.models import ActiveLearner
    from sklearn.base import BaseEstimator

    class Known(BaseEstimator):  # type: ignore[misc]
        """Says of the eligible items what was handed over."""

        def fit(self, *_: Any, **__: Any) -> Any:
            """Nothing: it knows."""
            return self

        def predict_proba(self, _items: Floats) -> Floats:
            """(m, n_classes)."""
            return handed.probability[handed.eligible]

    learner = ActiveLearner(Known(), X_training=handed.vectors[handed.labeled], y_training=handed.labels)
    places, _ = uncertainty_batch_sampling(learner, handed.vectors[handed.eligible], n_instances=count)
    chosen: Index = handed.eligible[places]
    return chosen


PEERS: Mapping[str, Peer] = {
    "scikit-activeml margin": Peer("skactiveml", "scikit-activeml", _margin, diverse=False),
    "scikit-activeml Falcun": Peer("skactiveml", "scikit-activeml", _falcun),
    "scikit-activeml CLUE": Peer("skactiveml", "scikit-activeml", _clue),
    "scikit-activeml BADGE": Peer("skactiveml", "scikit-activeml", _badge),
    "small-text BreakingTies": Peer("small_text", "small-text", _breaking_ties, diverse=False),
    "small-text contrastive": Peer("small_text", "small-text", _contrastive),
    "small-text contrastive of 4,096": Peer("small_text", "small-text", _contrastive_of_some),
    "modAL ranked batch": Peer("modAL", "modAL-python", _ranked_batch),
}
