"""Detectors of other people, written from the papers: they see the vectors alone.

References:
    Gretton, Borgwardt, Rasch, Schölkopf and Smola (2012), "A Kernel Two-Sample Test", JMLR 13.
    Rahimi and Recht (2007), "Random Features for Large-Scale Kernel Machines", NeurIPS.
    Rabanser, Günnemann and Lipton (2019), "Failing Loudly", NeurIPS: KS tests with Bonferroni, label predictions.
    Lopez-Paz and Oquab (2017), "Revisiting Classifier Two-Sample Tests", ICLR.
"""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.stats import chi2_contingency, ks_2samp, rankdata
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import cross_val_predict

from scripts.bench.drift_loop.streams import Items, Stream
from shared.pool import Floats

Numbers = NDArray[np.float64]

LEVEL = 0.05
_PERMUTATIONS, _FEATURES, _FOLDS = 100, 512, 5
_PAIRS = 1_000


@dataclass(frozen=True)
class Verdict:
    """What a detector says of a window.

    Attributes:
        score: The higher, the more of a drift; comparable between windows of one detector.
        alarm: Whether it finds a change at its usual setting.
        raised: Whether that is a new alarm to somebody; None where each finding is one.
    """

    score: float
    alarm: bool
    raised: bool | None = None


Watch = Callable[[Items], Verdict]
"""Looks at one window after another."""

Fit = Callable[[Stream, np.random.Generator], Watch]
"""Makes a detector ready for a stream: it sees the reference, and what a model may be taught."""


def exact_mmd(stream: Stream, rng: np.random.Generator) -> Watch:
    """MMD with a Gaussian kernel, the median distance its width, and 100 permutations (Gretton et al. 2012, section 3).

    This is the statistic of alibi-detect's `MMDDrift` with its defaults. The score is the statistic itself.
    """
    before = stream.reference.vectors.astype(np.float32)
    width = _median_distance(before, rng)
    inside = _kernel(before, before, width)

    def watch(window: Items) -> Verdict:
        after = window.vectors.astype(np.float32)
        m, n = len(before), len(after)
        kernel = np.empty((m + n, m + n), dtype=np.float32)
        kernel[:m, :m], kernel[:m, m:], kernel[m:, m:] = (
            inside,
            _kernel(before, after, width),
            _kernel(after, after, width),
        )
        kernel[m:, :m] = kernel[:m, m:].T
        sides = np.zeros((m + n, 1 + _PERMUTATIONS), dtype=np.float32)
        sides[m:, 0] = 1
        for column in range(1, 1 + _PERMUTATIONS):
            sides[rng.permutation(m + n)[:n], column] = 1
        found = _mmd(kernel, sides, m, n)
        return Verdict(float(found[0]), _permutation_p(found) < LEVEL)

    return watch


def feature_mmd(stream: Stream, rng: np.random.Generator) -> Watch:
    """The same on 512 random Fourier features (Rahimi and Recht 2007) with 100 permutations."""
    before = stream.reference.vectors.astype(np.float32)
    width = _median_distance(before, rng)
    directions = rng.normal(scale=1 / width, size=(before.shape[1], _FEATURES // 2)).astype(np.float32)
    inside = _features(before, directions)

    def watch(window: Items) -> Verdict:
        both = np.concatenate([inside, _features(window.vectors.astype(np.float32), directions)])
        m, n = len(inside), len(window)
        sides = np.full((1 + _PERMUTATIONS, m + n), -1 / m, dtype=np.float32)
        sides[0, m:] = 1 / n
        for row in range(1, 1 + _PERMUTATIONS):
            sides[row, rng.permutation(m + n)[:n]] = 1 / n
        found = ((sides @ both) ** 2).sum(axis=1)
        return Verdict(float(found[0]), _permutation_p(found) < LEVEL)

    return watch


def kolmogorov_smirnov(stream: Stream, _rng: np.random.Generator) -> Watch:
    """A KS test on each dimension, with Bonferroni (Rabanser et al. 2019)."""
    before = stream.reference.vectors.astype(np.float32)

    def watch(window: Items) -> Verdict:
        p = ks_2samp(before, window.vectors.astype(np.float32), axis=0, method="asymp").pvalue
        return Verdict(-float(np.log(max(p.min(), 1e-300))), float(p.min()) < LEVEL / len(p))

    return watch


def domain_classifier(stream: Stream, rng: np.random.Generator) -> Watch:
    """Logistic regression that tells reference from window, on five folds (Lopez-Paz and Oquab 2017).

    The score is the area under its ROC curve; the alarm is by the normal approximation of the rank sum.
    """
    before = stream.reference.vectors.astype(np.float32)

    def watch(window: Items) -> Verdict:
        both = np.concatenate([before, window.vectors.astype(np.float32)])
        side = np.arange(len(both)) >= len(before)
        order = rng.permutation(len(both))
        model = LogisticRegression(class_weight="balanced", max_iter=200)
        said = cross_val_predict(model, both[order], side[order], cv=_FOLDS, method="decision_function")
        m, n = len(before), len(window)
        ranks = rankdata(said)[side[order]].sum() - n * (n + 1) / 2
        z = (ranks - m * n / 2) / np.sqrt(m * n * (m + n + 1) / 12)
        return Verdict(float(ranks / (m * n)), bool(z > _Z))

    return watch


def predictions(stream: Stream, _rng: np.random.Generator) -> Watch:
    """KS tests with Bonferroni on the probabilities of a model (Rabanser et al. 2019: black box shift detection, soft).

    The model is taught by labels, where there are any.
    """
    model = teach(stream)
    if model is None:
        return lambda _window: Verdict(0.0, alarm=False)
    before = model.predict_proba(stream.reference.vectors.astype(np.float32))

    def watch(window: Items) -> Verdict:
        p = ks_2samp(before, model.predict_proba(window.vectors.astype(np.float32)), axis=0, method="asymp").pvalue
        return Verdict(-float(np.log(max(p.min(), 1e-300))), float(p.min()) < LEVEL / len(p))

    return watch


def teach(stream: Stream) -> LogisticRegression | None:
    """A light model of the labels that may be taught; None where there are not two classes."""
    taught = stream.taught
    if len(np.unique(taught.labels)) < 2:
        return None
    model = LogisticRegression(class_weight="balanced", max_iter=500)
    return model.fit(taught.vectors.astype(np.float32), taught.labels)


def source_test(stream: Stream, _rng: np.random.Generator) -> Watch:
    """Pearson's chi-square test on the counts of the sources."""
    before = stream.reference.sources

    def watch(window: Items) -> Verdict:
        names = np.unique(np.concatenate([before, window.sources]))
        if len(names) < 2:
            return Verdict(0.0, alarm=False)
        counts = [[(sources == name).sum() for name in names] for sources in (before, window.sources)]
        p = float(chi2_contingency(counts).pvalue)
        return Verdict(-float(np.log(max(p, 1e-300))), p < LEVEL)

    return watch


PEERS: dict[str, Fit] = {
    "MMD, permutations": exact_mmd,
    "MMD, random features": feature_mmd,
    "KS, Bonferroni": kolmogorov_smirnov,
    "domain classifier": domain_classifier,
    "KS on predictions": predictions,
    "chi-square on sources": source_test,
}

# One-sided, of the normal distribution, for LEVEL.
_Z = 1.6449


def _permutation_p(found: NDArray[np.float32] | Numbers) -> float:
    """Of the first of the values beside the others, each from a permutation; the first counts as one of them."""
    return float((found >= found[0]).mean())


def _median_distance(vectors: Floats, rng: np.random.Generator) -> float:
    some = vectors[rng.permutation(len(vectors))[:_PAIRS]]
    squares = 2 - 2 * (some @ some.T)[np.triu_indices(len(some), 1)]
    return float(np.sqrt(max(float(np.median(squares)), 1e-12)))


def _kernel(one: Floats, other: Floats, width: float) -> Floats:
    """Of unit vectors, whose squared distance is 2 less twice the cosine."""
    kernel = one @ other.T
    kernel -= 1
    kernel /= width**2
    gaussian: Floats = np.exp(kernel, out=kernel)
    return gaussian


def _mmd(kernel: Floats, sides: Floats, m: int, n: int) -> NDArray[np.float32]:
    """The unbiased statistic for each column of `sides`, 1 for items of the window."""
    np.fill_diagonal(kernel, 0.0)
    to_window = kernel @ sides
    inside = (sides * to_window).sum(axis=0)
    across = to_window.sum(axis=0) - inside
    rest = float(kernel.sum(dtype=np.float64)) - inside - 2 * across
    found: NDArray[np.float32] = rest / (m * (m - 1)) + inside / (n * (n - 1)) - 2 * across / (m * n)
    return found


def _features(vectors: Floats, directions: Floats) -> Floats:
    angles = vectors @ directions
    features: Floats = np.concatenate([np.cos(angles), np.sin(angles)], axis=1) / np.sqrt(directions.shape[1])
    return features
