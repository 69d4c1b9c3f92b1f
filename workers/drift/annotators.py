"""Whose labels moved: the class mix of each annotator and source in the audit sample, and agreement. Pure.

Items that are queued because they are in the sample go to whoever asks next, so that within a stratum every annotator
should meet the same mix of classes. Each class of an annotator's answers is held against the others' answers of the
same strata by the exact conditional test of stratified two by two tables, whose count is a sum of independent
hypergeometric ones (Gart, "Point and interval estimation of the common odds ratio in the combination of 2 x 2 tables
with fixed marginals", Biometrika 1970). Sources differ by nature, so the fresh answers of a source are held against its
own at the reference. An answer counts once for each of its classes. Items that several answered make the test a little
careful, not bold.
"""

from collections import defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass
from itertools import combinations
from typing import Any

import numpy as np

from shared.pool import Index, Mask

ANNOTATOR, SOURCE = "annotator", "source"
# Fewer answers of one annotator or source are not looked at.
_FEWEST = 20
# What is plain enough to speak of, whatever the p-value: points of a share, or times as much or as little.
_POINTS, _TIMES = 0.05, 1.5


@dataclass(frozen=True)
class Answers:
    """Answers to audit items, one row each.

    Attributes:
        items: (n,) the items.
        names: (n,) code of the annotator (or source).
        targets: (n, k) bool.
        strata: (n,) answers with equal numbers are alike but for who gave them.
    """

    items: Index
    names: Index
    targets: Mask
    strata: Index


@dataclass(frozen=True)
class Difference:
    """A class's share of one group's answers beside what others' answers of the same strata would make it.

    Attributes:
        kind: `annotator` or `source`.
        name: whose.
        label: the class.
        answers: of the group.
        share: of the class among them.
        expected: the share at the rates of the others.
        p: of the exact test, two-sided.
        plain: whether the difference is large enough to speak of.
    """

    kind: str
    name: str
    label: str
    answers: int
    share: float
    expected: float
    p: float
    plain: bool

    def as_json(self) -> dict[str, Any]:
        """JSON-ready, the class as `class`."""
        found = asdict(self)
        return {"kind": found.pop("kind"), "name": found.pop("name"), "class": found.pop("label"), **found}


def compare_annotators(answers: Answers, *, names: Sequence[str], classes: Sequence[str]) -> list[Difference]:
    """Each annotator with enough answers beside all others."""
    if len(np.unique(answers.names)) < 2:
        return []
    return [
        found
        for code in np.flatnonzero(np.bincount(answers.names, minlength=len(names)) >= _FEWEST).tolist()
        for found in _compare(ANNOTATOR, names[code], answers.names == code, answers.targets, answers.strata, classes)
    ]


def compare_sources(answers: Answers, fresh: Mask, *, names: Sequence[str], classes: Sequence[str]) -> list[Difference]:
    """Each source's fresh answers (n,) beside its own at the reference."""
    found = list[Difference]()
    for code, name in enumerate(names):
        own = answers.names == code
        if min((own & fresh).sum(), (own & ~fresh).sum()) >= _FEWEST:
            found += _compare(SOURCE, name, fresh[own], answers.targets[own], answers.strata[own], classes)
    return found


def moved(differences: Sequence[Difference], *, risked: float) -> list[Difference]:
    """Those that are plain, and surer than the share of the risk that each of all tests gets."""
    return [one for one in differences if one.plain and one.p <= risked / len(differences)]


def shares(answers: Answers, *, names: Sequence[str], classes: Sequence[str]) -> dict[str, dict[str, Any]]:
    """By name, how many `answers` and how many of each class that occurs among them."""
    counted = {}
    for code in np.unique(answers.names).tolist():
        own = answers.names == code
        totals = answers.targets[own].sum(axis=0)
        counted[names[code]] = {
            "answers": int(own.sum()),
            "classes": {classes[column]: int(totals[column]) for column in np.flatnonzero(totals).tolist()},
        }
    return counted


def agreement(answers: Answers, *, names: Sequence[str]) -> dict[str, dict[str, int]]:
    """By name, `pairs` with other annotators' answers to the same items, and those that are `equal`."""
    by_item: dict[int, list[int]] = defaultdict(list)
    for row, item in enumerate(answers.items.tolist()):
        by_item[item].append(row)
    found: dict[str, dict[str, int]] = defaultdict(lambda: {"pairs": 0, "equal": 0})
    for rows in by_item.values():
        for one, other in combinations(rows, 2):
            same = bool((answers.targets[one] == answers.targets[other]).all())
            for row in (one, other):
                pair = found[names[int(answers.names[row])]]
                pair["pairs"] += 1
                pair["equal"] += same
    return dict(sorted(found.items()))


def exact_p(inside: Mask, hit: Mask, strata: Index) -> float:
    """Two-sided p of the number of hits inside a group, given all margins of every stratum.

    Args:
        inside: (n,) the group.
        hit: (n,) what is counted.
        strata: (n,) rows with equal numbers are exchanged.
    """
    from scipy.stats import hypergeom  # half a second, which `quietcorner up` would wait for

    chance, seen = np.ones(1), 0
    for stratum in np.unique(strata).tolist():
        there = strata == stratum
        all_, drawn, hits = int(there.sum()), int((there & inside).sum()), int((there & hit).sum())
        chance = np.convolve(chance, hypergeom.pmf(np.arange(min(drawn, hits) + 1), all_, hits, drawn))
        seen += int((there & inside & hit).sum())
    below, above = float(chance[: seen + 1].sum()), float(chance[seen:].sum())
    return min(1.0, 2 * min(below, above))


def _compare(
    kind: str, name: str, inside: Mask, targets: Mask, strata: Index, classes: Sequence[str]
) -> Iterator[Difference]:
    met = np.isin(strata, np.intersect1d(strata[inside], strata[~inside]))
    inside, targets, strata = inside[met], targets[met], strata[met]
    count = int(inside.sum())
    if count < _FEWEST:
        return
    for column in np.flatnonzero(targets.any(axis=0)).tolist():
        hit = targets[:, column]
        share, expected = float(hit[inside].mean()), _expected(inside, hit, strata)
        least, most = sorted((share, expected))
        yield Difference(
            kind,
            name,
            classes[column],
            count,
            share,
            expected,
            exact_p(inside, hit, strata),
            plain=most - least >= _POINTS or most >= _TIMES * least,
        )


def _expected(inside: Mask, hit: Mask, strata: Index) -> float:
    """The group's share of hits at the rates of all others in each of its strata."""
    number = np.unique(strata, return_inverse=True)[1]
    drawn, others = np.bincount(number, weights=inside), np.bincount(number, weights=~inside)
    hits = np.bincount(number, weights=hit & ~inside)
    return float((drawn * hits / others).sum() / drawn.sum())
