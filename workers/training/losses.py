"""Losses of scores and labels with their exact slopes: log loss, focal loss, and labels that are smoothed.

The focal loss gives the log loss of a class of probability p the factor `(1 - p)^gamma`, so that items which are told
well already hardly count (Lin et al., "Focal Loss for Dense Object Detection", 2017, section 3; there for a sigmoid,
here for each class of a softmax too). Smoothing takes a share of each label and spreads it evenly: over the classes of
a softmax, over yes and no of a sigmoid (Szegedy et al., "Rethinking the Inception Architecture", 2016, section 7).
"""

from dataclasses import dataclass

import numpy as np
from scipy.special import expit

from shared.pool import Floats, Mask


@dataclass(frozen=True)
class Loss:
    """What an item costs the fit.

    Attributes:
        focal_gamma: Exponent of the focal loss; 0 is the log loss. Above 0 the loss is not convex in the scores.
        label_smoothing: Share of each label that is spread, in [0, 1).
    """

    focal_gamma: float = 0.0
    label_smoothing: float = 0.0

    def of_softmax(self, scores: Floats, targets: Mask | Floats, share: Floats) -> tuple[float, Floats]:
        """Loss of a softmax, and its slope (m, k) in the scores.

        Args:
            scores: (m, k), logits; overwritten.
            targets: (m, k) bool, exactly one true in each row, or float32, probabilities of the classes.
            share: (m, k), how much each row counts: its columns are equal.
        """
        scores -= scores.max(axis=1, keepdims=True)
        if self.focal_gamma == 0 and self.label_smoothing == 0:
            return _log_loss_of_softmax(scores, targets, share)
        log_p = scores - np.log(np.exp(scores).sum(axis=1, keepdims=True))
        p, wanted = np.exp(log_p), self._spread(targets, parts=targets.shape[1])
        rest = -np.expm1(log_p)  # 1 - p, to the last digit where p is near 1
        factor = rest**self.focal_gamma
        loss = -float((share * wanted * factor * log_p).sum(dtype=np.float64))
        steepness = np.divide(log_p, rest, out=np.full_like(rest, -1), where=rest > 0)  # its limit for p = 1
        by_own = wanted * factor * (self.focal_gamma * p * steepness - 1)
        slope: Floats = share * (by_own - p * by_own.sum(axis=1, keepdims=True))
        return loss, slope

    def of_sigmoids(self, scores: Floats, targets: Mask | Floats, share: Floats) -> tuple[float, Floats]:
        """Loss of sigmoids, and its slope (m, k) in the scores.

        Args:
            scores: (m, k), log-odds.
            targets: (m, k) bool, or float32, probabilities.
            share: (m, k), how much each row counts in each class.
        """
        if self.focal_gamma == 0 and self.label_smoothing == 0:
            return _log_loss_of_sigmoids(scores, targets, share)
        yes, no, wanted = expit(scores), expit(-scores), self._spread(targets, parts=2)
        log_yes, log_no = -np.logaddexp(0, -scores), -np.logaddexp(0, scores)
        if_yes, if_no = wanted * no**self.focal_gamma, (1 - wanted) * yes**self.focal_gamma
        loss = -float((share * (if_yes * log_yes + if_no * log_no)).sum(dtype=np.float64))
        rising, falling = self.focal_gamma * yes * log_yes - no, self.focal_gamma * no * log_no - yes
        slope: Floats = share * (if_yes * rising - if_no * falling)
        return loss, slope

    def _spread(self, targets: Mask | Floats, *, parts: int) -> Floats:
        spread: Floats = targets * np.float32(1 - self.label_smoothing) + np.float32(self.label_smoothing / parts)
        return spread


LOG_LOSS = Loss()


def _log_loss_of_softmax(scores: Floats, targets: Mask | Floats, share: Floats) -> tuple[float, Floats]:
    """Of scores whose highest is 0 in each row."""
    # Of labels one a row, in the order of the rows.
    own = scores[targets] if targets.dtype == np.bool_ else np.einsum("mk,mk->m", scores, targets)
    np.exp(scores, out=scores)
    total = scores.sum(axis=1)
    loss = float((share[:, 0] * (np.log(total) - own)).sum(dtype=np.float64))
    scores /= total[:, None]
    scores -= targets
    scores *= share
    return loss, scores


def _log_loss_of_sigmoids(scores: Floats, targets: Mask | Floats, share: Floats) -> tuple[float, Floats]:
    if targets.dtype == np.bool_:
        missed = np.logaddexp(0, np.where(targets, -scores, scores))
    else:
        missed = np.logaddexp(0, scores) - targets * scores
    loss = float((share * missed).sum(dtype=np.float64))
    slope: Floats = share * (expit(scores) - targets)
    return loss, slope
