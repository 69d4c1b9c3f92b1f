"""Bands of the audit sample: the pool divided by how likely a text is of a rare class.

Of 100 items drawn alike, one is of a class of 1 %: too few to tell its recall. A share p is known best when each
stratum is drawn from in proportion to its size times sqrt(p (1 - p)) (Neyman, "On the two different aspects of the
representative method", 1934), so the pool is cut where the running sum of that, by rising likelihood, is divided
evenly (Dalenius and Hodges, "Minimum variance stratification", 1959): bands of equal weight, from each of which as many
are drawn, the unlikely ones large and the likely ones small.

The model that scores, the scorer, never saw the label of an audit item and stays as it was made, so the band of an item
depends on its text and not on whether it was drawn. Twice as many labels bring a new scorer and with it a new phase of
the sample; what was drawn in earlier phases stays (see `workers.training.audit`).

An item's bands are kept as one number: a 1, then one octal digit a phase, the newest first.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from shared.arrays import dump_arrays, load_arrays
from shared.pool import Index, Mask, Pool
from shared.project import ProjectConfig
from workers.training import classifier, model_storage
from workers.training.classifier import LinearModel
from workers.training.tuning import train_on

COUNT = 5
_MOST_PHASES = 8
_BITS = 3
# Before there are so many labels, and so many of them of rare classes, a model says little about who is rare.
_FEWEST_LABELS = 150
_FEWEST_RARE = 10
# Times as many labels as the last scorer learned from.
_GROWTH = 2.0
# Of an even share of the pool; a class with less is rare: with two classes under 25 %, with ten under 5 %.
RARE_PART = 0.5
# Codes below are looked up in a table of all that are possible: those of five phases.
_MOST_IN_TABLE = 2**18
# Added to both sides of a likelihood, so that no item is so surely of one side that none like it would be drawn.
_DOUBT = 1e-3


@dataclass(frozen=True)
class Scorer:
    """What divides the pool in one phase.

    Attributes:
        phase: from 1.
        model: trained on labels outside the audit sample.
        columns: classes whose probabilities are added up.
        cuts: (COUNT - 1,) ascending, the likelihoods at which the next band begins.
        labels: that the model was trained on.
    """

    phase: int
    model: LinearModel
    columns: Index
    cuts: NDArray[np.float64]
    labels: int


@dataclass(frozen=True)
class Banded:
    """A pool whose items all have bands, as far as there are scorers.

    Attributes:
        pool: with its `bands`.
        scorers: of all phases.
        fresh: the scorer that is new; None as a rule.
        changed: (n,) bool, items whose code is new.
    """

    pool: Pool
    scorers: tuple[Scorer, ...]
    fresh: Scorer | None
    changed: Mask


def divide(pool: Pool, config: ProjectConfig, sealed: Mask, scorers: Sequence[Scorer]) -> Banded:
    """Give every item its bands, with one more phase if there are labels enough for it.

    Args:
        pool: The pool.
        config: The project.
        sealed: (n,) bool, items of the audit sample and their families.
        scorers: Of the phases so far.
    """
    fresh = _next_scorer(pool, config, sealed, scorers)
    known = (*scorers, fresh) if fresh else tuple(scorers)
    codes = pool.bands.copy()
    new = codes < 0
    if len(scorers):
        codes[new] = _codes(pool, np.flatnonzero(new), scorers)
    if fresh:
        digits = _bands(pool, np.arange(len(pool)), fresh)
        codes = _with_digit(np.where(codes < 0, 1, codes), digits, phase=fresh.phase)
    return Banded(replace(pool, bands=codes), known, fresh, codes != pool.bands)


def phases(codes: Index) -> int:
    """How many phases codes tell of; 0 where there are none."""
    return (int(codes.max(initial=0)).bit_length() - 1) // _BITS if codes.max(initial=-1) > 0 else 0


def band(codes: Index, phase: int) -> Index:
    """(n,) band in a phase, 0 for the least likely; -1 for items without a code."""
    return np.where(codes < 0, -1, (codes >> (_BITS * (phase - 1))) & (2**_BITS - 1))


def dump(scorer: Scorer) -> bytes:
    """The scorer as safetensors; what `load` reads."""
    return dump_arrays(
        {
            "model": np.frombuffer(model_storage.dump(scorer.model, header={}), dtype=np.uint8),
            "columns": scorer.columns,
            "cuts": scorer.cuts,
        },
        {"phase": scorer.phase, "labels": scorer.labels},
    )


def load(blob: bytes) -> Scorer:
    """Read what `dump` wrote."""
    arrays, header = load_arrays(blob)
    model = model_storage.load(arrays["model"].tobytes())
    return Scorer(header["phase"], model, arrays["columns"], arrays["cuts"], header["labels"])


def _next_scorer(pool: Pool, config: ProjectConfig, sealed: Mask, scorers: Sequence[Scorer]) -> Scorer | None:
    """The scorer of one more phase; None while it would know little more than the last."""
    rows = np.flatnonzero(pool.labeled & ~sealed)
    wanted = max(_FEWEST_LABELS, _GROWTH * scorers[-1].labels if scorers else 0)
    if len(rows) < wanted or len(scorers) == _MOST_PHASES:
        return None
    # Of labels alone: whether a text may teach a pupil depends on whether it was drawn, and its band must not.
    training = config.training.model_copy(update={"unlabeled": False})
    model = train_on(pool, rows, config.model_copy(update={"training": training}))
    if model is None:
        return None
    probability = classifier.probabilities(model, pool.features, pool.rows).astype(np.float64)
    columns = _rare(probability, config, pool.classes)
    if int(pool.targets[rows][:, columns].any(axis=1).sum()) < _FEWEST_RARE:
        return None
    likelihood = np.sort(_likelihood(probability[:, columns]))
    weight = np.cumsum(np.sqrt((likelihood + _DOUBT) * (1 - likelihood + _DOUBT)))
    ends = np.searchsorted(weight, weight[-1] * np.arange(1, COUNT) / COUNT)
    return Scorer(len(scorers) + 1, model, columns, likelihood[ends], len(rows))


def _rare(probability: NDArray[np.float64], config: ProjectConfig, classes: Sequence[str]) -> Index:
    """Columns of classes that are rare in the pool, or that have a goal."""
    share = probability.mean(axis=0)
    rare = (share < share.sum() / len(share) * RARE_PART) | np.isin(classes, list(config.goals))
    return np.flatnonzero(rare).astype(np.int64)


def _likelihood(probability: NDArray[np.float64]) -> NDArray[np.float64]:
    """(n,) chance of any of the classes of the columns."""
    any_of_them: NDArray[np.float64] = 1 - np.prod(1 - probability, axis=1)
    return any_of_them


def _bands(pool: Pool, positions: Index, scorer: Scorer) -> Index:
    probability = classifier.probabilities(scorer.model, pool.features, pool.rows[positions]).astype(np.float64)
    found: Index = np.searchsorted(scorer.cuts, _likelihood(probability[:, scorer.columns]), side="right")
    return found


def _codes(pool: Pool, positions: Index, scorers: Sequence[Scorer]) -> Index:
    codes = np.ones(len(positions), dtype=np.int64)
    for scorer in scorers:
        codes = _with_digit(codes, _bands(pool, positions, scorer), phase=scorer.phase)
    return codes


def _with_digit(codes: Index, digits: Index, *, phase: int) -> Index:
    """One octal digit more under the leading 1."""
    lead = 1 << (_BITS * (phase - 1))
    return (codes - lead) + (digits << (_BITS * (phase - 1))) + (lead << _BITS)


def by_item(thresholds: Mapping[str, float], codes: Index) -> NDArray[np.float64]:
    """(n,) the largest threshold that any phase sets for each item; 0 for items without a code."""
    highest = int(codes.max(initial=-1))
    if highest >= _MOST_IN_TABLE:
        there, place = np.unique(codes, return_inverse=True)
        return _by_code(thresholds, there, phases(codes))[place]
    table = np.append(_by_code(thresholds, np.arange(highest + 1), phases(codes)), 0.0)  # the last is that of code -1
    return table[codes]


def _by_code(thresholds: Mapping[str, float], codes: Index, count: int) -> NDArray[np.float64]:
    largest = np.zeros(len(codes))
    for phase in range(1, count + 1):
        by_band = np.array([thresholds.get(key(phase, number), 0.0) for number in range(2**_BITS)])
        bands = band(codes, phase)
        largest = np.maximum(largest, np.where(bands < 0, 0.0, by_band[bands]))
    return largest


def key(phase: int, number: int) -> str:
    """The name of a band's threshold."""
    return f"{phase}:{number}"
