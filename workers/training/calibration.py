"""Calibration: from the scores of a class-weighted model to probabilities that hold in the pool.

Class weights and the choice of items by a model bend the frequencies that a model learns from; what is left intact
is P(class | text), since items are chosen by their text alone. So scores are mapped to probabilities by held-out,
unweighted labels: vector scaling with one slope for a softmax (Guo et al., "On Calibration of Modern Neural Networks",
2017, section 4.2), Platt scaling for each class of a multi-label task. Both are shrunk to the correction that undoes
the class weights, as by a normal prior, so that a class with few labels is left near it.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import minimize
from scipy.special import expit, logsumexp

from shared.pool import Floats, Mask

Doubles = NDArray[np.float64]

# Standard deviations of the prior: a shift of 1 is a factor of 2.7 in the odds. On the development sets anything from
# a third to three times as much gave the same macro-F1 within 0.005.
_SHIFT_SD = 1.0
_LOG_SLOPE_SD = 1.0


@dataclass(frozen=True)
class Calibration:
    """Log-odds are `slope * score + prior + shift`, where `prior` undoes the class weights.

    Attributes:
        slope: (k,) positive.
        shift: (k,) float64; 0 for a class that calibration knew nothing of.
    """

    slope: Doubles
    shift: Doubles

    def apply(self, scores: Floats | Doubles, prior: Doubles) -> Doubles:
        """Calibrated log-odds (or unnormalised log-probabilities of a softmax), (n, k) float64.

        Args:
            scores: (n, k), the model's.
            prior: (k,) or (n, k) what undoes the class weights, see `fitting.unweighted`.
        """
        odds: Doubles = scores * self.slope + (prior + self.shift)
        return odds


def untouched(classes: int) -> Calibration:
    """The calibration of a model about which nothing is known."""
    return Calibration(np.ones(classes), np.zeros(classes))


def calibrate(scores: Floats, targets: Mask, known: Mask, prior: Doubles, *, exclusive: bool) -> Calibration:
    """Fit slopes and shifts on held-out scores by penalised maximum likelihood.

    Args:
        scores: (m, k) float32, of each row from a model that saw neither it nor its family.
        targets: (m, k) bool, the labels.
        known: (m, k) bool, whether that model knew the class; where `exclusive`, rows whose own class it did not
            know are left out.
        prior: (m, k) as in `Calibration.apply`, of each row's model.
        exclusive: Whether classes exclude each other.
    """
    classes = targets.shape[1]
    used = (known & targets).any(axis=1) if exclusive else known.any(axis=1)
    if not used.any():
        return untouched(classes)
    kept, answers, told, undo = np.asarray(scores[used], dtype=np.float64), targets[used], known[used], prior[used]
    slopes = 1 if exclusive else classes

    def objective(flat: Doubles) -> tuple[float, Doubles]:
        slope, shift = np.exp(flat[:slopes]), flat[slopes:]
        loss, by_odds = (_softmax if exclusive else _sigmoid)(kept * slope + undo + shift, answers, told)
        by_slope = (by_odds * kept).sum(axis=0) * slope
        gradient = np.concatenate([[by_slope.sum()] if exclusive else by_slope, by_odds.sum(axis=0)])
        penalty = (flat[:slopes] ** 2).sum() / _LOG_SLOPE_SD**2 + (shift**2).sum() / _SHIFT_SD**2
        gradient += np.concatenate([flat[:slopes] / _LOG_SLOPE_SD**2, shift / _SHIFT_SD**2])
        return (loss + penalty / 2) / len(kept), gradient / len(kept)

    found = minimize(objective, np.zeros(slopes + classes), jac=True, method="L-BFGS-B").x
    return Calibration(np.broadcast_to(np.exp(found[:slopes]), (classes,)).copy(), found[slopes:])


def log_loss(odds: Doubles, targets: Mask, known: Mask, *, exclusive: bool) -> float:
    """Mean negative log-likelihood of the labels, over what `calibrate` would use; infinite when that is nothing."""
    used = (known & targets).any(axis=1) if exclusive else known.any(axis=1)
    if not used.any():
        return float("inf")
    loss, _ = (_softmax if exclusive else _sigmoid)(odds[used], targets[used], known[used])
    return loss / int(used.sum())


def _softmax(odds: Doubles, targets: Mask, known: Mask) -> tuple[float, Doubles]:
    """Sum of losses, and its slope (m, k) in the odds."""
    possible = np.where(known, odds, -np.inf)
    total = logsumexp(possible, axis=1, keepdims=True)
    return float((total[:, 0] - odds[targets]).sum()), np.exp(possible - total) - targets


def _sigmoid(odds: Doubles, targets: Mask, known: Mask) -> tuple[float, Doubles]:
    loss = np.logaddexp(0, np.where(targets, -odds, odds))
    return float(loss[known].sum()), (expit(odds) - targets) * known
