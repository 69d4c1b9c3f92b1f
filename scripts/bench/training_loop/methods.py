"""The ways of training that are compared: the product's options, and those of other packages.

Others' answers are all scikit-learn's `LogisticRegression` with its defaults, on what imbalanced-learn makes of the
labels; where an item may have several classes, one for each class.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from shared.pool import Floats, Index, Mask, Pool
from shared.project import ProjectConfig
from workers.training import classifier, fitting
from workers.training.classifier import LinearModel, Recipe
from workers.training.crossfit import cross_fit
from workers.training.metrics import evaluate
from workers.training.tuning import STRENGTHS, train_on

PRODUCT, PLAIN, LABELS, VECTORS = "quietcorner", "LogisticRegression", "labels alone", "vectors alone"

_MOST_STEPS = 2_000
_NEIGHBOURS = 5
_FEW = 10


@dataclass(frozen=True)
class Task:
    """What a model is trained on and for.

    Attributes:
        pool: The pool, only the items of `rows` labeled.
        rows: (n,) positions of the labeled items.
        config: The project.
        asked: (m,) rows of the pool's matrix that are to be predicted.
    """

    pool: Pool
    rows: Index
    config: ProjectConfig
    asked: Index

    @property
    def exclusive(self) -> bool:
        """Whether an item has exactly one class."""
        return self.config.task == "single"


Predicted = tuple[Floats, Mask]
"""Probabilities (m, n_classes) and decided classes (m, n_classes)."""

Method = Callable[[Task], Predicted]


def _ours(finish: Callable[[LinearModel], LinearModel] = lambda model: model, **options: Any) -> Method:
    def method(task: Task) -> Predicted:
        training = task.config.training.model_copy(update=options)
        model = train_on(task.pool, task.rows, task.config.model_copy(update={"training": training}))
        return _predict(None if model is None else finish(model), task)

    return method


def _strength_by_macro_f1(task: Task) -> Predicted:
    """The product with the ridge penalty whose held-out decisions have the highest macro-F1."""
    targets, found = task.pool.targets[task.rows], []
    for strength in STRENGTHS:
        crossed = cross_fit(task.pool, task.rows, task.config, recipe=Recipe(strength), seed=task.config.seed)
        if crossed is not None:
            measured = evaluate(targets, crossed.decided, crossed.probability, classes=task.pool.classes)
            found.append((-measured.macro_f1, strength))
    model = train_on(task.pool, task.rows, task.config, recipe=Recipe(min(found)[1] if found else STRENGTHS[0]))
    return _predict(model, task)


def _predict(model: LinearModel | None, task: Task) -> Predicted:
    if model is None:
        raise ValueError("the labels tell nothing apart")
    probability = classifier.probabilities(model, task.pool.features, task.asked)
    return probability, classifier.decide(model, probability)


def _without_offsets(model: LinearModel) -> LinearModel:
    return replace(model, offsets=np.zeros_like(model.offsets))


def _as_weighted(model: LinearModel) -> LinearModel:
    return _without_offsets(classifier.uncalibrated(model))


def _theirs(make: Callable[[Index, int], Any]) -> Method:
    """A method from what makes an estimator of the class sizes and the seed."""

    def method(task: Task) -> Predicted:
        vectors, asked = task.pool.vectors(task.rows), task.pool.matrix[task.asked].astype(np.float32)
        targets = task.pool.targets[task.rows]
        probability = np.zeros((len(asked), targets.shape[1]), dtype=np.float32)
        if task.exclusive:
            answers = targets.argmax(axis=1)
            estimator = make(np.bincount(answers), task.config.seed).fit(vectors, answers)
            probability[:, estimator.classes_] = estimator.predict_proba(asked)
            return probability, np.arange(targets.shape[1]) == probability.argmax(axis=1)[:, None]
        for column in np.flatnonzero(fitting.learnable(targets)):
            answers = targets[:, column].astype(np.int64)
            estimator = make(np.bincount(answers), task.config.seed).fit(vectors, answers)
            probability[:, column] = estimator.predict_proba(asked)[:, 1]
        probability[:, targets.all(axis=0)] = 1
        return probability, probability >= 0.5

    return method


def _logistic(**options: Any) -> Any:
    from sklearn.linear_model import LogisticRegression

    return LogisticRegression(max_iter=_MOST_STEPS, **options)


def _resampled(sampler: Any) -> Any:
    from imblearn.pipeline import make_pipeline

    return make_pipeline(sampler, _logistic())


def _oversampler(_: Index, seed: int) -> Any:
    from imblearn.over_sampling import RandomOverSampler

    return _resampled(RandomOverSampler(random_state=seed))


def _undersampler(_: Index, seed: int) -> Any:
    from imblearn.under_sampling import RandomUnderSampler

    return _resampled(RandomUnderSampler(random_state=seed))


def _smote(sizes: Index, seed: int) -> Any:
    """SMOTE of the classes that have a neighbour; for a class of one item it raises an error, so that is left alone."""
    from imblearn.over_sampling import SMOTE

    able = np.flatnonzero(sizes > 1)
    wanted = {int(name): int(sizes.max()) for name in able}
    if not len(able):
        return _logistic()
    neighbours = min(_NEIGHBOURS, int(sizes[able].min()) - 1)
    return _resampled(SMOTE(sampling_strategy=wanted, k_neighbors=neighbours, random_state=seed))


def _balanced_bagging(sizes: Index, seed: int) -> Any:
    """Each member draws with replacement, but for small classes: it raises an error where a member drew one class."""
    from imblearn.ensemble import BalancedBaggingClassifier

    return BalancedBaggingClassifier(_logistic(), bootstrap=int(sizes.min()) > _FEW, random_state=seed)


METHODS: Mapping[str, Method] = {
    PRODUCT: _ours(),
    "no class weights": _ours(class_weights="none"),
    "effective": _ours(class_weights="effective"),
    "focal 1": _ours(focal_gamma=1.0),
    "focal 2": _ours(focal_gamma=2.0),
    "smoothing 0.05": _ours(label_smoothing=0.05),
    "oversample": _ours(sampling="oversample"),
    "undersample": _ours(sampling="undersample"),
    LABELS: _ours(unlabeled=False),
    VECTORS: _ours(lexical=False, unlabeled=False),
    "without offsets": _ours(_without_offsets),
    "without calibration": _ours(_as_weighted),
    "strength by macro-F1": _strength_by_macro_f1,
    PLAIN: _theirs(lambda _sizes, _seed: _logistic()),
    "LogisticRegression balanced": _theirs(lambda _sizes, _seed: _logistic(class_weight="balanced")),
    "LogisticRegression balanced, C=10": _theirs(lambda _sizes, _seed: _logistic(class_weight="balanced", C=10)),
    "RandomOverSampler": _theirs(_oversampler),
    "RandomUnderSampler": _theirs(_undersampler),
    "SMOTE": _theirs(_smote),
    "BalancedBaggingClassifier": _theirs(_balanced_bagging),
}
