"""Real performance: what fresh audit labels say of the model's decisions, beside what they said at the reference. Pure.

Text can drift and the model stay right, and labels can change their meaning under the same text. Only labels tell. So
of each answer that the audit sample got since the reference it is asked what the current decisions lose: errors of all
items, missed items of a class (one less recall), false ones among those decided for (one less precision), and how far
probabilities came true. Each loss is bet against its level at the reference (see `workers.drift.betting`), and the bets
win with a known small chance if nothing became worse. The level is an upper confidence limit, since the reference is a
sample too, and at least two points above what was seen, so that a large sample does not alarm on nothing.

Rules. A level is set for a class once 20 answers speak of it. It is never raised; as long as no alarm is open, and each
time that there are twice as many answers, it is lowered to what the model has learned to do since. All begins anew with
other classes, another encoder, or a reference that a person set. An alarm is over when the newest 100 answers are back
at the level, and its bets begin anew. An answer is bet on once, by what a model said that saw neither the item nor its
family.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from typing import Any, Self

import numpy as np
from scipy.special import betainccinv, ndtri

from shared.pool import Floats, Index, Mask
from workers.drift import betting
from workers.training.intervals import Doubles
from workers.training.metrics import Interval

# Answers that a level may rest on: with fewer its limit allows nearly anything.
_FEWEST = 20
# How much worse than at the reference is too little to act on, whatever the evidence.
_TOLERANCE = 0.02
# Chance that any of the limits of one reference is wrong, and what each further setting gets of the last one's.
_LIMITS_WRONG = 0.05
_AGAIN = 0.5
# Answers that say how things are now.
_NOW = 100
_INTERVAL_ALPHA = 0.05
# Ends of the ranges of probability in which it is asked whether it came true.
_RANGES = np.array([0.05, 0.2, 0.5, 0.8, 0.95])

ERROR, CALIBRATION, RECALL, PRECISION = "error", "calibration", "recall", "precision"
Doubt = tuple[str, str | None]
"""What is watched: a kind of loss, and the class that it is about."""


@dataclass(frozen=True)
class Said:
    """Answered audit items with what a model said of them that saw neither the item nor its family.

    Attributes:
        targets: (m, k) bool, the answers.
        decided: (m, k) bool.
        probability: (m, k) float32.
        weights: (m,) items of the pool that each stands for.
        families: (m,) items with equal numbers count as one.
        looks: (m,) the look in which each was seen first, from 0, the reference's.
    """

    targets: Mask
    decided: Mask
    probability: Floats
    weights: Doubles
    families: Index
    looks: Index

    def part(self, rows: Mask) -> Self:
        """Some of the items."""
        return type(self)(*(getattr(self, name)[rows] for name in self.__dataclass_fields__))


@dataclass(frozen=True)
class Level:
    """What a loss was at the reference, the items that said so, and the limit that bets are held against."""

    value: float
    limit: float
    items: int


@dataclass(frozen=True)
class Course:
    """Where the watch stands between two looks.

    Attributes:
        levels: by loss, see `key`.
        fortunes: by loss, what the bets on it hold.
        signs: for each range of probability, the weighted sum of what came true less what was said.
        open: losses with an open alarm.
        measured: answers at the last setting of levels.
        settings: how often levels were set.
    """

    levels: dict[str, Level] = field(default_factory=dict)
    fortunes: dict[str, list[float]] = field(default_factory=dict)
    signs: list[float] = field(default_factory=lambda: [0.0] * (len(_RANGES) + 1))
    open: tuple[str, ...] = ()
    measured: int = 0
    settings: int = 0

    def as_json(self) -> dict[str, Any]:
        """What `from_json` reads."""
        return {**asdict(self), "open": list(self.open)}

    @classmethod
    def from_json(cls, value: Mapping[str, Any]) -> Self:
        """Read what `as_json` gave."""
        levels = {name: Level(**level) for name, level in value["levels"].items()}
        return cls(**{**value, "levels": levels, "open": tuple(value["open"])})


@dataclass(frozen=True)
class Finding:
    """One loss now and at the reference, as the figure that people know: recall and precision, not what lacks of them.

    Attributes:
        kind: `error`, `calibration`, `recall` or `precision`.
        label: the class; None for all.
        reference: what it was.
        limit: how bad it may be without being worse than the reference.
        now: by the newest answers; None without any.
        items: answers that speak of it now.
        evidence: what the bets hold, as a share of what they need.
        alarm: whether an alarm is open.
    """

    kind: str
    label: str | None
    reference: float
    limit: float
    now: Interval | None
    items: int
    evidence: float
    alarm: bool

    def as_json(self) -> dict[str, Any]:
        """JSON-ready, the class as `class`."""
        found = asdict(self)
        return {"kind": found.pop("kind"), "class": found.pop("label"), **found}


def key(doubt: Doubt) -> str:
    """The name of a loss in a stored course."""
    kind, label = doubt
    return kind if label is None else f"{kind}:{label}"


def advance(
    course: Course, said: Said, *, classes: Sequence[str], exclusive: bool, given: float, look: int
) -> tuple[Course, list[Finding]]:
    """Look at the answers of one more report.

    Args:
        course: As it stood.
        said: All answers since and with the reference.
        classes: Names of the columns.
        exclusive: Whether an item has exactly one class.
        given: What the bets of this look may risk, all together.
        look: The number of this one; 0 sets the reference.
    """
    new, before = said.part(said.looks == look), course.open
    if look:
        course = _bet(course, new, classes, exclusive, given=given)
    course = _remember(course, new, exclusive)
    if not course.open and len(said.targets) >= 2 * course.measured:
        course = _set_levels(course, said, classes, exclusive)
    fresh = said.part(said.looks > 0)
    findings = [
        _find(course, fresh, doubt, loss, raised=key(doubt) in course.open and key(doubt) not in before)
        for doubt, loss in _losses(fresh, course, classes, exclusive)
    ]
    found = [finding for finding in findings if finding is not None]
    still = tuple(key((one.kind, one.label)) for one in found if one.alarm)
    begun = {name: betting.start() for name in set(course.open) - set(still)}
    return replace(course, open=still, fortunes=course.fortunes | begun), found


def _bet(course: Course, new: Said, classes: Sequence[str], exclusive: bool, *, given: float) -> Course:
    fortunes, raised = dict(course.fortunes), set(course.open)
    for doubt, (lost, base) in _losses(new, course, classes, exclusive):
        name = key(doubt)
        if name not in course.levels:
            continue
        answers = betting.gather(lost, base, new.weights, new.families)
        part = given / max(1, len(course.levels))
        fortunes[name] = betting.play(fortunes[name], answers, level=course.levels[name].limit, given=part)
        if sum(fortunes[name]) >= 1:
            raised.add(name)
    return replace(course, fortunes=fortunes, open=tuple(sorted(raised)))


def _set_levels(course: Course, said: Said, classes: Sequence[str], exclusive: bool) -> Course:
    losses = {key(doubt): loss for doubt, loss in _losses(said, course, classes, exclusive)}
    spoken = {name: loss for name, loss in losses.items() if (loss[1] > 0).sum() >= _FEWEST}
    wrong = _LIMITS_WRONG * _AGAIN ** (course.settings + 1) / max(1, len(losses))
    levels, fortunes = dict(course.levels), dict(course.fortunes)
    for name, (lost, base) in spoken.items():
        level = _level(lost, base, said.weights, wrong=wrong, range_half=name == CALIBRATION)
        if name not in levels or level.limit < levels[name].limit:
            levels[name] = level
        fortunes.setdefault(name, betting.start())
    return replace(course, levels=levels, fortunes=fortunes, measured=len(said.targets), settings=course.settings + 1)


def _level(lost: Doubles, base: Doubles, weights: Doubles, *, wrong: float, range_half: bool) -> Level:
    """A loss with its upper limit: that of Clopper and Pearson for as many equally weighted items as would know it as
    well (Korn and Graubard 1998); for calibration, whose losses are far from 0 and 1, by their variance."""
    weight = weights * base
    whole = float(weight.sum())
    value = float(weights @ lost) / whole
    alike = whole**2 / float(weight @ weight)
    if range_half:
        spread = float(weight @ (np.divide(lost, base, out=np.zeros_like(lost), where=base > 0) - value) ** 2) / whole
        limit, tolerance = value + float(-ndtri(wrong)) * np.sqrt(spread / alike), _TOLERANCE / 2
    else:
        limit, tolerance = float(betainccinv(value * alike + 1, max((1 - value) * alike, 1e-9), wrong)), _TOLERANCE
    limit = min(max(limit, value + tolerance), 0.98)
    return Level(value, float(limit), int((base > 0).sum()))


def _find(course: Course, fresh: Said, doubt: Doubt, loss: tuple[Doubles, Doubles], *, raised: bool) -> Finding | None:
    name, (lost, base) = key(doubt), loss
    if name not in course.levels:
        return None
    level, newest = course.levels[name], _newest(fresh.looks, base)
    answers = betting.gather(lost[newest], base[newest], fresh.weights[newest], fresh.families[newest])
    now = betting.interval(answers, alpha=_INTERVAL_ALPHA)
    items = int((base[newest] > 0).sum())
    is_open = name in course.open
    if is_open and not raised and now is not None and items >= _FEWEST:
        is_open = now.value > level.limit
    shown = now and _as_known(doubt[0], now)
    return Finding(
        doubt[0],
        doubt[1],
        _figure(doubt[0], level.value),
        _figure(doubt[0], level.limit),
        shown,
        items,
        sum(course.fortunes[name]),
        is_open,
    )


def _newest(looks: Index, base: Doubles) -> Mask:
    """The looks, the newest first, until so many answers speak of a loss; each look as a whole."""
    count = np.bincount(looks, weights=base > 0, minlength=1)[::-1].cumsum()[::-1]
    enough = np.flatnonzero(count >= _NOW)
    newest: Mask = looks >= (enough[-1] if len(enough) else 0)
    return newest


def _losses(
    said: Said, course: Course, classes: Sequence[str], exclusive: bool
) -> Iterator[tuple[Doubt, tuple[Doubles, Doubles]]]:
    """(m,) loss of each item, between 0 and its base, and its base (m,), of everything that is watched."""
    every = np.ones(len(said.targets))
    yield (ERROR, None), ((said.targets != said.decided).any(axis=1).astype(np.float64), every)
    yield (CALIBRATION, None), (_untrue(said, np.array(course.signs), exclusive), every)
    for column, label in enumerate(classes):
        true, decided = said.targets[:, column], said.decided[:, column]
        yield (RECALL, label), ((true & ~decided).astype(np.float64), true.astype(np.float64))
        yield (PRECISION, label), ((decided & ~true).astype(np.float64), decided.astype(np.float64))


def _untrue(said: Said, signs: Doubles, exclusive: bool) -> Doubles:
    """(m,) in [0, 1], half and half of how far probabilities are from what came true, in the direction of each range.

    The calibration error is the largest expectation of `sign(range) * (true - said)` over all choices of signs, so that
    bets with signs from earlier answers are fair (Arnold, Henzi and Ziegel, "Sequentially valid tests for forecast
    calibration", AOAS 2023).
    """
    probability, came = _asked(said, exclusive)
    sign = np.where(signs > 0, 1.0, -1.0)[np.searchsorted(_RANGES, probability)]  # unknown: too sure of itself
    untrue: Doubles = ((1 + sign * (came - probability)) / 2).mean(axis=1) if len(came) else np.zeros(0)
    return untrue


def _asked(said: Said, exclusive: bool) -> tuple[Doubles, Doubles]:
    """What was predicted and whether it came true: of the most probable class, or of each where they don't exclude each
    other."""
    probability, came = said.probability.astype(np.float64), said.targets.astype(np.float64)
    if not exclusive or not len(came):
        return probability, came
    best = probability.argmax(axis=1)[:, None]
    return np.take_along_axis(probability, best, axis=1), np.take_along_axis(came, best, axis=1)


def _remember(course: Course, new: Said, exclusive: bool) -> Course:
    """The direction in which probabilities err, half forgotten with each look that brings answers."""
    if not len(new.targets):
        return course
    probability, came = _asked(new, exclusive)
    weight = np.broadcast_to((new.weights / new.weights.mean())[:, None], came.shape)
    excess = np.bincount(
        np.searchsorted(_RANGES, probability).ravel(),
        weights=(weight * (came - probability)).ravel(),
        minlength=len(course.signs),
    )
    return replace(course, signs=[old / 2 + float(more) for old, more in zip(course.signs, excess, strict=True)])


def _figure(kind: str, loss: float) -> float:
    """A loss as the figure that people know."""
    if kind == CALIBRATION:
        return max(0.0, 2 * loss - 1)
    return loss if kind == ERROR else 1 - loss


def _as_known(kind: str, found: Interval) -> Interval:
    value, low, high = (_figure(kind, part) for part in (found.value, found.low, found.high))
    return Interval(value, min(low, high), max(low, high))
