"""The project's classifier as an estimator of scikit-learn, for use without a pool, a database or a project file."""

from collections.abc import Mapping
from typing import Any, Self

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.sparse import issparse
from scipy.special import expit, softmax
from sklearn.base import BaseEstimator, ClassifierMixin
from sklearn.utils import Tags, column_or_1d
from sklearn.utils.multiclass import check_classification_targets
from sklearn.utils.validation import _check_sample_weight, check_consistent_length, check_is_fitted, validate_data

from shared.pool import Index, Mask
from shared.training_options import Training
from workers.training import classifier, fitting
from workers.training.calibration import Doubles
from workers.training.sampling import Sampling
from workers.training.splits import FOLDS, spread
from workers.training.tuning import learn
from workers.training.weighting import Weighting


class QuietClassifier(ClassifierMixin, BaseEstimator):  # type: ignore[misc]  # scikit-learn has no types
    """Class-weighted logistic regression, tuned, calibrated and given its decision offsets by cross-fitting.

    What a round trains, on arrays: a softmax for labels of one class a row, a sigmoid a class for an indicator matrix.
    From 40 rows on the ridge penalty, the calibration and the offsets for the highest expected macro-F1 are found by
    5 folds in which families stay together; see `workers.training.tuning`. So `predict` is not always the most probable
    class. Where there is just one class it is predicted for every row.

    Parameters:
        class_weights, focal_gamma, label_smoothing, sampling, members: As in the project file's `training`.
        costs: How many times as much an error on a class weighs, by class; 1 where not named. Classes of an indicator
            matrix are named by their column's number.
        seed: Of folds and of over- and undersampling: the same data and seed give the same model.

    Attributes:
        classes_: (n_classes,) labels in their order; numbers of the columns for an indicator matrix.
        model_: The `LinearModel`.
        n_features_in_: Columns of `X`.
    """

    def __init__(
        self,
        *,
        class_weights: Weighting = "balanced",
        focal_gamma: float = 0.0,
        label_smoothing: float = 0.0,
        sampling: Sampling = "none",
        members: int = 5,
        costs: Mapping[Any, float] | None = None,
        seed: int = 0,
    ) -> None:
        """Keep the parameters, which `fit` looks at."""
        self.class_weights = class_weights
        self.focal_gamma = focal_gamma
        self.label_smoothing = label_smoothing
        self.sampling = sampling
        self.members = members
        self.costs = costs
        self.seed = seed

    def fit(
        self,
        X: ArrayLike,  # noqa: N803 - scikit-learn's name
        y: ArrayLike,
        groups: ArrayLike | None = None,
        sample_weight: ArrayLike | None = None,
    ) -> Self:
        """Fit.

        Args:
            X: (n, d) numbers; sentence vectors are best given in unit length, as the ridge penalties to choose from are
                made for those.
            y: (n,) labels, or (n, n_classes) of 0 and 1 where a row may have any number of classes.
            groups: (n,) rows with equal values share a fold; each row is alone if not given.
            sample_weight: (n,) how much each row counts in the fit; rows of weight 0 are left out. Class weights and
                calibration count rows, whatever their weight.

        Raises:
            ValueError: Something is not as said here, or a parameter is not allowed.
        """
        vectors, answers = validate_data(self, X, y, multi_output=True, dtype=[np.float64, np.float32])
        if issparse(answers):
            answers = answers.toarray()
        if answers.ndim == 2 and answers.shape[1] == 1:
            answers = column_or_1d(answers, warn=True)
        check_classification_targets(answers)
        weights = _check_sample_weight(sample_weight, vectors, dtype=np.float64, ensure_non_negative=True)
        families = np.arange(len(vectors)) if groups is None else _numbered(groups, len(vectors))
        kept = np.flatnonzero(weights)
        self._exclusive = answers.ndim == 1
        self.classes_, targets = _told(answers[kept])
        cost_of = {str(name): cost for name, cost in (self.costs or {}).items()}
        if unknown := sorted(cost_of.keys() - {str(name) for name in self.classes_}):
            raise ValueError(f"costs names {unknown[0]!r}, which is not among the classes")
        names = tuple(str(name) for name in self.classes_)
        sample = fitting.gather(
            vectors[kept].astype(np.float32),
            targets,
            weights=weights[kept].astype(np.float32),
            classes=names,
            exclusive=self._exclusive,
            costs=cost_of,
            families=families[kept],
            options=self._options(),
            seed=self.seed,
        )
        alike = np.zeros(len(kept), dtype=np.int64)  # no sources are known here
        folds = spread(targets, families[kept], alike, count=FOLDS, seed=self.seed)
        self.model_ = learn(sample, classes=names, folds=folds)
        return self

    def predict_proba(self, X: ArrayLike) -> Doubles:  # noqa: N803 - scikit-learn's name
        """(n, n_classes) calibrated probabilities; of an indicator matrix each class's own."""
        check_is_fitted(self)
        vectors = validate_data(self, X, reset=False, dtype=np.float64)
        # In double precision, so that a row's probabilities don't hang on the rows beside it.
        odds = vectors @ self.model_.weights.T.astype(np.float64) + self.model_.bias
        return np.asarray(softmax(odds, axis=1) if self._exclusive else expit(odds))

    def decision_function(self, X: ArrayLike) -> Doubles:  # noqa: N803 - scikit-learn's name
        """Log-probabilities and the decision offsets, (n, n_classes): the highest class is decided for, or each class
        of more than 0 for an indicator matrix; with two classes (n,), above 0 for the second."""
        scores = self._scores(X)
        return scores[:, 1] - scores[:, 0] if self._exclusive and scores.shape[1] == 2 else scores

    def predict(self, X: ArrayLike) -> NDArray[Any]:  # noqa: N803 - scikit-learn's name
        """(n,) labels, or (n, n_classes) of 0 and 1."""
        scores = self._scores(X)
        if self._exclusive:
            return np.asarray(self.classes_[scores.argmax(axis=1)])
        return (scores >= 0).astype(np.int64)

    def __sklearn_tags__(self) -> Tags:
        """What scikit-learn is to know: it also takes several classes a row."""
        tags: Tags = super().__sklearn_tags__()
        tags.classifier_tags.multi_label = True
        return tags

    def _scores(self, X: ArrayLike) -> Doubles:  # noqa: N803 - scikit-learn's name
        probability = self.predict_proba(X)
        return np.asarray(classifier.decision_scores(self.model_, probability), dtype=np.float64)

    def _options(self) -> Training:
        return Training(
            class_weights=self.class_weights,
            focal_gamma=self.focal_gamma,
            label_smoothing=self.label_smoothing,
            sampling=self.sampling,
            members=self.members,
        )


def _told(answers: NDArray[Any]) -> tuple[NDArray[Any], Mask]:
    """Classes, and (n, n_classes) which row has which."""
    if answers.ndim == 1:
        classes, of = np.unique(answers, return_inverse=True)
        return classes, np.arange(len(classes)) == of[:, None]
    if not np.isin(answers, (0, 1)).all():
        raise ValueError("y has several columns: only 0 and 1 are allowed there, one column a class")
    return np.arange(answers.shape[1]), answers.astype(bool)


def _numbered(groups: ArrayLike, count: int) -> Index:
    found = np.asarray(groups)
    check_consistent_length(found, np.empty(count))
    _, numbers = np.unique(found, return_inverse=True)
    return numbers.astype(np.int64)
