"""One look at the audit sample's answers: the model's real performance, class shares, whose labels moved. Pure.

The first look that finds 100 answers sets the levels; each later one holds the answers that are new to the audit sample
against them. New are those that no look before has seen, whenever they were given: with what earlier looks saw they
make up the sample as it is by now, so that they are as good a draw from the rest of the pool. Few of them are not: they
may all be of a stratum that is drawn from more densely and where the model errs more often. So they wait for others.
"""

from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace
from typing import Any

import numpy as np

from shared.pool import Floats, Index, Mask, Pool
from shared.project import ProjectConfig, Task
from workers.drift import annotators, label_shift, performance, spending
from workers.drift.annotators import Difference
from workers.drift.label_shift import Audited, LabelShift
from workers.drift.performance import Course, Finding, Said
from workers.training import audit, classifier, prior_shift
from workers.training.classifier import LinearModel
from workers.training.crossfit import CrossFit, cross_fit
from workers.training.prior_shift import Worth

# False alarms a year that are accepted: one in four years of the model's performance, and one of whose labels moved.
YEARLY = 0.25
_FEWEST_ANSWERS = 100
# New answers that make a look at the model's performance: of so many, weighed to stand for the pool, the expected loss
# is within 0.002 of the pool's, and of one or two it is two or three times as high.
_FEWEST_NEW = 10
# New answers that it takes to ask again whose labels moved.
_NEW_ANSWERS = 50
# Findings on single losses that are kept, the alarms and the strongest evidence first.
_MOST_FINDINGS = 40


@dataclass(frozen=True)
class Standing:
    """Where the watch over labels stands between two looks.

    Attributes:
        about: what its levels hold for; with anything else they are set anew.
        course: of the model's performance.
        bets: what is left to bet on it.
        mixes: what is left to risk on whose labels moved.
        compared: answers at the last time that this was asked.
        looked_at: time of the last look, seconds since 1970.
    """

    about: dict[str, Any]
    course: Course
    bets: float
    mixes: float
    compared: int
    looked_at: float

    def as_json(self) -> dict[str, Any]:
        """What `from_json` reads."""
        return {**{name: getattr(self, name) for name in self.__dataclass_fields__}, "course": self.course.as_json()}

    @classmethod
    def from_json(cls, value: dict[str, Any]) -> "Standing":
        """Read what `as_json` gave."""
        return cls(**{**value, "course": Course.from_json(value["course"])})


@dataclass(frozen=True)
class Given:
    """Answers to audit items one by one: (n,) positions of the items, (n,) codes of who gave them, (n, k) targets."""

    rows: Index
    names: Index
    targets: Mask
    annotators: tuple[str, ...]


@dataclass(frozen=True)
class Asked:
    """What a look is about.

    Attributes:
        pool: The pool.
        config: The project.
        thresholds: The audit sample's, by stratum.
        model: The newest model, without a correction of its class shares.
        seen: (s,) ids, ascending, of the members of the audit sample whose answers earlier looks saw.
        seen_in: (s,) the look that saw each, from 0.
        given: Who answered what.
        drawn: (q,) ids of items that were queued because they are in the sample: chance gave these to whoever came
            next. What other channels had queued before it joined is with those who worked then.
        before: positions of items of the drift watch's reference, or some of them.
        window: positions of the newest window's items.
        window_number: of that window; None without one.
        through: `Pool.ids` of the last item of the reference.
        since: positions of items that came after it, or some of them.
    """

    pool: Pool
    config: ProjectConfig
    thresholds: dict[str, float]
    model: LinearModel
    seen: Index
    seen_in: Index
    given: Given
    drawn: Index
    before: Index
    window: Index
    window_number: int | None
    through: int
    since: Index

    @property
    def exclusive(self) -> bool:
        """Whether an item has exactly one class."""
        return self.config.task is Task.SINGLE


@dataclass(frozen=True)
class Look:
    """What a look found.

    Attributes:
        standing: where the watch stands now.
        new: (n,) ids, ascending, of the members of the audit sample whose answers no look before saw.
        answers: audit items answered by now.
        fresh: those of them that came after the levels were set.
        performance: the model's losses, alarms first.
        window: number of the newest window; None without one.
        shift: its class shares; None likewise.
        differences: class mixes of annotators and sources, of all that could be compared.
        moved: those of them that are raised now.
        mixes: by `annotators` and `sources`, the answers and classes of each.
        agreement: by annotator, pairs with others and how many are equal.
        ratios: (k,) by how much class shares moved since the reference; None where too few items, or answers to them,
            came since.
        worth: what correcting for that does to the answers; None likewise.
    """

    standing: Standing
    new: Index
    answers: int
    fresh: int
    performance: list[Finding]
    window: int | None
    shift: LabelShift | None
    differences: list[Difference]
    moved: list[Difference]
    mixes: dict[str, dict[str, Any]]
    agreement: dict[str, dict[str, int]]
    ratios: np.ndarray[tuple[int, ...], np.dtype[np.float64]] | None
    worth: Worth | None

    def findings(self) -> dict[str, Any]:
        """JSON-ready; of the losses and differences only those that tell most."""
        return {
            "answers": self.answers,
            "fresh": self.fresh,
            "new": len(self.new),
            "performance": [finding.as_json() for finding in self.performance[:_MOST_FINDINGS]],
            "window": self.window,
            "shift": self.shift and asdict(self.shift),
            "moved": [one.as_json() for one in self.moved],
            **self.mixes,
            "agreement": self.agreement,
            "correction": self.worth and {**asdict(self.worth), "pays": self.worth.pays},
        }


def begin(about: dict[str, Any], *, at: float) -> Standing:
    """Before the first look."""
    return Standing(about, Course(), spending.full(YEARLY), spending.full(YEARLY), 0, at)


def look(asked: Asked, standing: Standing, *, number: int, at: float, rng: np.random.Generator) -> Look | None:
    """Look at the audit sample's answers.

    Args:
        asked: What there is to look at.
        standing: Where the watch stood.
        number: of this look; 0 sets the levels.
        at: time, seconds since 1970.
        rng: Source of the bootstrap's draws.

    Returns:
        None while there are too few answers, or labels too few to train in every fold.
    """
    pool = asked.pool
    rows = audit.answers(pool, asked.thresholds)
    if len(rows) < _FEWEST_ANSWERS:
        return None
    said = _cross_fit(asked, np.unique(np.concatenate([rows, *(_labeled(pool, part) for part in _runs(asked))])))
    if said is None:
        return None
    looks = _looks(pool.ids[pool.representative_of(rows)], asked, number)
    if number and (looks == number).sum() < _FEWEST_NEW:
        rows, looks = rows[looks < number], looks[looks < number]
    ids = pool.ids[pool.representative_of(rows)]
    answers = _said(asked, said, rows, looks)
    elapsed_s = at - standing.looked_at
    given, bets = spending.spend(standing.bets, elapsed_s=elapsed_s, yearly=YEARLY)
    if not number or not (looks == number).any():
        given, bets = 0.0, spending.save(standing.bets, elapsed_s=elapsed_s, yearly=YEARLY)
    course, found = performance.advance(
        standing.course, answers, classes=pool.classes, exclusive=asked.exclusive, given=given, look=number
    )
    compared = _compare(asked, rows, looks)
    due = len(rows) - standing.compared >= _NEW_ANSWERS or not number
    risked, mixes = spending.spend(standing.mixes, elapsed_s=elapsed_s, yearly=YEARLY)
    if not due:
        risked, mixes = 0.0, spending.save(standing.mixes, elapsed_s=elapsed_s, yearly=YEARLY)
    ratios, worth = _correction(asked, said, answers, rows)
    return Look(
        Standing(standing.about, course, bets, mixes, len(rows) if due else standing.compared, at),
        new=np.sort(ids[looks == number]),
        answers=len(rows),
        fresh=int((looks > 0).sum()),
        performance=sorted(found, key=lambda one: (not one.alarm, one.label is not None, -one.evidence)),
        window=asked.window_number,
        shift=_shift(asked, said, answers, rows, rng),
        differences=compared,
        moved=annotators.moved(compared, risked=risked) if risked else [],
        mixes=_mixes(asked, rows),
        agreement=annotators.agreement(_answers(asked), names=asked.given.annotators),
        ratios=ratios,
        worth=worth,
    )


@dataclass(frozen=True)
class _CrossFitted:
    """Held-out predictions of the labeled items at `rows`, ascending, and the model's own of all others."""

    rows: Index
    found: CrossFit
    model: LinearModel
    pool: Pool

    def of(self, rows: Index) -> Index:
        """Places of labeled items that were asked about."""
        places: Index = np.searchsorted(self.rows, rows)
        return places

    def probability(self, positions: Index) -> Floats:
        """(n, k) of any items, by models that did not see them."""
        found = classifier.probabilities(self.model, self.pool.features, self.pool.rows[positions])
        taught = np.flatnonzero(self.pool.labeled[positions])
        found[taught] = self.found.probability[self.of(positions[taught])]
        return found


def _cross_fit(asked: Asked, rows: Index) -> _CrossFitted | None:
    recipe, seed = asked.model.tuning.recipe, asked.config.seed
    found = cross_fit(asked.pool, rows, asked.config, recipe=recipe, seed=seed)
    return None if found is None else _CrossFitted(rows, found, asked.model, asked.pool)


def _runs(asked: Asked) -> tuple[Index, Index, Index]:
    return asked.before, asked.window, asked.since


def _labeled(pool: Pool, positions: Index) -> Index:
    return positions[pool.labeled[positions]]


def _looks(ids: Index, asked: Asked, number: int) -> Index:
    """(m,) the look that saw each answered item first; this one for those that are new."""
    looks = np.full(len(ids), number, dtype=np.int64)
    if len(asked.seen):
        place = np.minimum(np.searchsorted(asked.seen, ids), len(asked.seen) - 1)
        known = asked.seen[place] == ids
        looks[known] = asked.seen_in[place[known]]
    return looks


def _said(asked: Asked, said: _CrossFitted, rows: Index, looks: Index) -> Said:
    """Each look's answers stand for the pool, and weigh as much as they are many."""
    weights = np.ones(len(rows))
    for number in np.unique(looks).tolist():
        own = looks == number
        weighed = audit.weigh(asked.pool, asked.thresholds, rows[own]).weights
        weights[own] = weighed / weighed.mean()
    places = said.of(rows)
    return Said(
        asked.pool.targets[rows],
        said.found.decided[places],
        said.found.probability[places],
        weights,
        asked.pool.families[rows],
        looks,
    )


def _shift(asked: Asked, said: _CrossFitted, answers: Said, rows: Index, rng: np.random.Generator) -> LabelShift | None:
    if not len(asked.window) or not len(asked.before):
        return None
    weighed = audit.weigh(asked.pool, asked.thresholds, rows)
    return label_shift.estimate(
        Audited(answers.targets, answers.probability, weighed.weights, weighed.strata, answers.families),
        before=said.probability(asked.before),
        after=said.probability(asked.window),
        classes=asked.pool.classes,
        exclusive=asked.exclusive,
        rng=rng,
    )


def _correction(
    asked: Asked, said: _CrossFitted, answers: Said, rows: Index
) -> tuple[np.ndarray[tuple[int, ...], np.dtype[np.float64]] | None, Worth | None]:
    """What class shares moved by, and what it does to the answers, those on new items standing for all new ones."""
    new = asked.pool.ids[asked.pool.representative_of(rows)] > asked.through
    if len(asked.since) < prior_shift.FEWEST_ITEMS or new.sum() < prior_shift.FEWEST_ANSWERS:
        return None, None
    known = np.average(answers.probability, axis=0, weights=answers.weights).astype(np.float64)
    ratios = prior_shift.log_ratios(known, said.probability(asked.since), exclusive=asked.exclusive)
    share = float((asked.pool.ids[asked.pool.representatives] > asked.through).mean())
    weights = answers.weights.copy()
    for part, whole in ((new, share), (~new, 1 - share)):
        weights[part] *= whole / max(1e-9, float(weights[part].sum()))
    found = prior_shift.worth(
        answers.probability, answers.targets, weights, answers.families, ratios, exclusive=asked.exclusive
    )
    return ratios, found


def _compare(asked: Asked, rows: Index, looks: Index) -> list[Difference]:
    pool, given = asked.pool, asked.given
    strata = _strata(asked, rows)
    fresh = np.zeros(len(pool), dtype=bool)
    fresh[rows] = looks > 0
    new = fresh[given.rows] & np.isin(pool.ids[given.rows], asked.drawn)
    by_annotator = annotators.Answers(given.rows[new], given.names[new], given.targets[new], strata[given.rows[new]])
    by_source = annotators.Answers(rows, _sources(pool, rows), pool.targets[rows], strata[rows])
    return [
        *annotators.compare_annotators(by_annotator, names=given.annotators, classes=pool.classes),
        *annotators.compare_sources(by_source, looks > 0, names=pool.source_names, classes=pool.classes),
    ]


def _strata(asked: Asked, rows: Index) -> Index:
    """(n,) for items of the audit sample: equal within a stratum of one source."""
    strata = np.zeros(len(asked.pool), dtype=np.int64)
    stratum = audit.weigh(asked.pool, asked.thresholds, rows).strata
    strata[rows] = stratum * len(asked.pool.source_names) + _sources(asked.pool, rows)
    return strata


def _sources(pool: Pool, rows: Index) -> Index:
    """(m,) sources of the members of the audit sample that answered items are the answers of."""
    return pool.sources[pool.representative_of(rows)]


def _answers(asked: Asked) -> annotators.Answers:
    given = asked.given
    return annotators.Answers(given.rows, given.names, given.targets, np.zeros(len(given.rows), dtype=np.int64))


def _mixes(asked: Asked, rows: Index) -> dict[str, dict[str, Any]]:
    pool = asked.pool
    by_source = annotators.Answers(rows, _sources(pool, rows), pool.targets[rows], rows)
    return {
        "annotators": annotators.shares(_answers(asked), names=asked.given.annotators, classes=pool.classes),
        "sources": annotators.shares(by_source, names=pool.source_names, classes=pool.classes),
    }


def given_answers(pool: Pool, answers: Sequence[tuple[int, str, Sequence[str]]]) -> Given:
    """Answers, as (`Item.id`, annotator, classes), to items of a pool; one of classes that are gone is left out."""
    column = {name: place for place, name in enumerate(pool.classes)}
    kept = [(item, who, names) for item, who, names in answers if all(name in column for name in names)]
    annotators_ = tuple(sorted({who for _, who, _ in kept}))
    code = {who: place for place, who in enumerate(annotators_)}
    targets = np.zeros((len(kept), len(column)), dtype=bool)
    for row, (_, _, names) in enumerate(kept):
        targets[row, [column[name] for name in names]] = True
    rows = np.searchsorted(pool.ids, np.array([item for item, _, _ in kept], dtype=np.int64)).astype(np.int64)
    return Given(rows, np.array([code[who] for _, who, _ in kept], dtype=np.int64), targets, annotators_)


def about(config: ProjectConfig, *, encoder: str, reference: int) -> dict[str, Any]:
    """What levels hold for: the classes, what errors cost, the encoder, and the reference where a person set one."""
    aims = config.model_dump(mode="json", include={"goals", "costs", "error_costs"})
    return {"classes": list(config.classes), **aims, "encoder": encoder, "reference": max(1, reference)}


def restarted(standing: Standing | None, what: dict[str, Any], *, at: float) -> tuple[Standing, bool]:
    """Where the watch stands for `what`, and whether it begins anew; what was risked of the year's budget is kept."""
    if standing is None:
        return begin(what, at=at), True
    if standing.about == what:
        return standing, False
    return replace(standing, about=what, course=Course(), compared=0), True
