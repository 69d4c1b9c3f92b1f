"""Made-up answers of an audit sample, with what a model says of them."""

import numpy as np

from shared.pool import Floats, Mask
from workers.drift.performance import Said

CLASSES = ("common", "second", "rare")
SHARES = (0.7, 0.2, 0.1)


def answers(items: int, shares: tuple[float, ...] = SHARES, *, seed: int, skill: float = 2.0) -> tuple[Mask, Floats]:
    """Targets and probabilities (items, 3) of a model that is calibrated at `SHARES`."""
    rng = np.random.default_rng(seed)
    truth = rng.choice(len(shares), size=items, p=shares)
    seen = rng.normal(size=(items, len(shares))) + skill * (np.arange(len(shares)) == truth[:, None])
    odds = np.log(SHARES) + skill * seen
    probability = np.exp(odds - odds.max(axis=1, keepdims=True))
    probability /= probability.sum(axis=1, keepdims=True)
    return np.arange(len(shares)) == truth[:, None], probability.astype(np.float32)


def said(items: int, *, look: int, seed: int, wrong: float = 0.0) -> Said:
    """Answers of one look, a share of which changed meaning."""
    targets, probability = answers(items, seed=seed)
    rng = np.random.default_rng([seed, 1])
    turned = rng.random(items) < wrong
    targets = np.where(turned[:, None], np.roll(targets, 1, axis=1), targets)
    decided = np.arange(targets.shape[1]) == probability.argmax(axis=1)[:, None]
    weights = rng.choice([1.0, 3.0], size=items)
    return Said(
        targets,
        decided,
        probability,
        weights,
        1_000_000 * seed + np.arange(items),
        np.full(items, look, dtype=np.int64),
    )


def together(*parts: Said) -> Said:
    """Several looks' answers."""
    return Said(*(np.concatenate([getattr(part, name) for part in parts]) for name in Said.__dataclass_fields__))
