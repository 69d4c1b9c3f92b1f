"""A story: items arrive, rounds ask for labels, and at some point a new kind of a rare class appears.

Run twice, with the watch and without it, with the same number of labels: what a campaign asks for comes out of the same
batches. All decisions are the workers' own; only the annotators, who answer at once, are made up.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from scripts.bench.drift_loop.streams import REFERENCE, WINDOW, Items
from shared.campaigns import Running
from shared.pool import Index, Mask, Pool
from shared.project import ProjectConfig
from workers.drift.asking import Asker, ask_about_window
from workers.drift.channels import CONTENT
from workers.drift.levels import opens_campaign
from workers.drift.reference import Reference, fit_reference
from workers.drift.report import compare
from workers.drift.watch import WatchState, advance, lasts, level_after
from workers.selection.campaigns import most_places, serve
from workers.selection.round import RoundPlan, select
from workers.training.bands import Scorer
from workers.training.classifier import LinearModel
from workers.training.splits import assign_folds
from workers.training.tuning import train

AKIN, UNLIKE = "of a domain that the class has", "of another domain"
_KINDS, _RARE_SHARE, _NEW_SHARE = 4, 0.02, 0.025
_QUIET_WINDOWS, _WINDOWS, _ROUNDS_BEFORE = 1, 5, 2
_CLASSES = ("common", "rare")


@dataclass(frozen=True)
class Story:
    """Items in the order in which they arrive.

    Attributes:
        items: The reference first, then windows of 1,000 items.
        is_rare: (n,) bool, the rare class, its new kind included.
        is_new: (n,) bool, the new kind.
        reference: How many items are there from the start.
        window: How many arrive at a time.
    """

    items: Items
    is_rare: Mask
    is_new: Mask
    reference: int = REFERENCE
    window: int = WINDOW


@dataclass(frozen=True)
class Ending:
    """How a story ended.

    Attributes:
        found: Share of the new kind's items that were labeled.
        labels: Labels asked for since the first of them arrived.
        waited: Items that had arrived since the first of them when one was labeled; None when none was.
        campaigns: How many were opened.
    """

    found: float
    labels: int
    waited: int | None
    campaigns: int


def make_story(corpus: Items, *, kinship: str, seed: int, reference: int = REFERENCE, window: int = WINDOW) -> Story:
    """Four intents of a domain are the rare class, 2 % of all items; 2.5 % of the later windows are a fifth intent."""
    rng = np.random.default_rng([seed, len(kinship)])
    domains, counts = np.unique([d for d, _ in _intents(corpus, window)], return_counts=True)
    domain, other = rng.choice(domains[counts > _KINDS], size=2, replace=False)
    intents = rng.permutation([intent for of, intent in _intents(corpus, window) if of == domain])
    old, left = intents[:_KINDS], intents[_KINDS:]
    new = rng.choice(left if kinship == AKIN else [intent for of, intent in _intents(corpus, window) if of == other])
    rare, fresh = (rng.permutation(np.flatnonzero(np.isin(corpus.labels, of))) for of in (old, [new]))
    common = rng.permutation(np.flatnonzero(~np.isin(corpus.labels, [*old, new])))
    parts: list[Index] = []

    def arrive(count: int, new_ones: int) -> None:
        nonlocal rare, fresh, common
        rares = round(_RARE_SHARE * count)
        taken = [fresh[:new_ones], rare[:rares], common[: count - new_ones - rares]]
        fresh, rare, common = fresh[new_ones:], rare[rares:], common[count - new_ones - rares :]
        parts.append(rng.permutation(np.concatenate(taken)))

    arrive(reference, 0)
    for number in range(_WINDOWS):
        arrive(window, 0 if number < _QUIET_WINDOWS else round(_NEW_SHARE * window))
    order = np.concatenate(parts)
    items = replace(corpus.take(order), sources=np.full(len(order), "one"))
    return Story(items, np.isin(items.labels, [*old, new]), items.labels == new, reference, window)


def _intents(corpus: Items, window: int) -> list[tuple[str, str]]:
    """Domain and name of the intents that have enough items to be the new one."""
    names, first, counts = np.unique(corpus.labels, return_index=True, return_counts=True)
    enough = counts >= round(_NEW_SHARE * window) * (_WINDOWS - _QUIET_WINDOWS)
    return [(str(corpus.sources[row]), str(name)) for name, row in zip(names[enough], first[enough], strict=True)]


def tell(story: Story, *, watched: bool, batch: int, seed: int) -> Ending:
    """Run a story: some rounds on the reference alone, then a round after each window.

    Args:
        story: What arrives.
        watched: Whether the drift watch looks at the windows and may open campaigns.
        batch: Labels of each round, those of campaigns included.
        seed: Of the project.
    """
    config = ProjectConfig.model_validate(
        {"classes": _CLASSES, "seed": seed, "selection": {"batch_size": batch}, "drift": {"campaign_items": batch}}
    )
    office, watch = _Office(story, config), _Watch(story, config) if watched else None
    for _ in range(_ROUNDS_BEFORE):
        office.round([])
    before = 0
    for number in range(_WINDOWS):
        office.receive(story.reference + (number + 1) * story.window)
        if number == _QUIET_WINDOWS:
            before = int(office.pool.labeled.sum())
        if watch is None:
            office.round([])
        else:
            watch.look(office)
            watch.answered(office.round(watch.campaigns))
    new = np.flatnonzero(story.is_new)
    labeled = new[office.pool.labeled[new]]
    return Ending(
        found=len(labeled) / len(new),
        labels=int(office.pool.labeled.sum()) - before,
        waited=min((office.arrived_when[row] - int(new[0]) for row in labeled.tolist()), default=None),
        campaigns=0 if watch is None else watch.opened,
    )


class _Office:
    """The pool, and what rounds leave behind.

    Attributes:
        pool: The items that have arrived.
        model: The newest; None before the first.
        audit: Thresholds of the audit sample.
        arrived_when: By position, how many items had arrived when it was chosen.
    """

    def __init__(self, story: Story, config: ProjectConfig) -> None:
        """Begin with the reference and without a label."""
        self._story, self._config = story, config
        self._truth = np.stack([~story.is_rare, story.is_rare], axis=1)
        self._draws = np.random.default_rng(config.seed).random(len(story.is_rare))
        self._number = 0
        self._scorers: tuple[Scorer, ...] = ()
        self.pool = _arrived(story, self._draws, story.reference, None)
        self.model: LinearModel | None = None
        self.audit: dict[str, float] = {}
        self.arrived_when: dict[int, int] = {}

    def receive(self, count: int) -> None:
        """More items, so that there are `count` in all."""
        self.pool = _arrived(self._story, self._draws, count, self.pool)

    def round(self, campaigns: Sequence[Running]) -> frozenset[int]:
        """One round that serves campaigns; returns `Pool.ids` of what it chose."""
        config, self._number = self._config, self._number + 1
        size = config.selection.batch_size
        served = serve(campaigns, self.pool, most=min(size, most_places(size, config.drift.campaign_share)))
        thresholds = {name: max(value, self.audit.get(name, 0.0)) for name, value in served.audit.items()}
        plan = RoundPlan(
            number=self._number,
            places=size,
            encoder="",
            model=self._number,
            audit={**self.audit, **thresholds},
            drift=served.items["drift"],
            relabel=served.items["relabel"],
            drawn=served.items["audit"],
            scorers=self._scorers,
        )
        selected = select(self.pool, self.model, config, plan)
        if selected.banded:
            self.pool, self._scorers = selected.banded.pool, selected.banded.scorers
        self.audit, labeled = selected.audit, self.pool.labeled.copy()
        labeled[[choice.position for choice in selected.choices]] = True
        for choice in selected.choices:
            self.arrived_when.setdefault(choice.position, len(self.pool))
        pool = replace(self.pool, labeled=labeled, targets=self._truth[: len(labeled)] & labeled[:, None])
        self.pool = replace(pool, folds=assign_folds(pool, seed=config.seed))
        self.model = train(self.pool, config, previous=self.model)
        return frozenset(choice.id for choice in selected.choices)


class _Watch:
    """The drift watch, and the campaigns that it opened.

    Attributes:
        opened: How many campaigns.
    """

    def __init__(self, story: Story, config: ProjectConfig) -> None:
        """Fit the reference."""
        self._story, self._config = story, config
        known = story.items.take(np.arange(story.reference))
        rng = np.random.default_rng(config.seed)
        self._reference: Reference = fit_reference(
            known.vectors,
            ids=np.arange(1, story.reference + 1),
            sources=known.sources.tolist(),
            texts=known.texts.tolist(),
            rng=rng,
        )
        self._state, self._levels = WatchState(), list[str]()
        self._since: int | None = None
        self._campaigns: list[Running] = []
        self.opened = 0

    @property
    def campaigns(self) -> list[Running]:
        """Those that run."""
        return [one for one in self._campaigns if one.places > 0 and any(one.left.values())]

    def look(self, office: _Office) -> None:
        """Look at the newest window, as the task does, and open a campaign where that is called for."""
        budget = self._config.drift.false_alarms_per_1000_windows
        rows = np.arange(len(office.pool) - self._story.window, len(office.pool))
        window = self._story.items.take(rows)
        report = compare(
            self._reference,
            vectors=window.vectors,
            ids=rows + 1,
            sources=window.sources.tolist(),
            texts=window.texts.tolist(),
            budget=budget,
        )
        before = self._state
        self._state, changes = advance(before, report, budget=budget)
        self._levels.append(level_after(report, changes))
        self._since = None if self._since is None else self._since + 1
        alarmed = any(test.alarm for test in report.verdicts if test.channel in CONTENT)
        lasting = lasts(before, report)
        if alarmed and opens_campaign(self._levels[-3:], windows_since_campaign=self._since, lasts=lasting):
            rng = np.random.default_rng([self._config.seed, len(self._levels)])
            asker = Asker(office.pool, self._config, office.model, office.audit, rng)
            asked = ask_about_window(asker, report, reference=self._reference, budget=self._config.drift.campaign_items)
            self._since, self.opened = 0, self.opened + 1
            places = self._config.drift.campaign_items
            self._campaigns.append(Running(self.opened, asked.items, places, asked.region.audit, new=True))

    def answered(self, ids: frozenset[int]) -> None:
        """Take what was chosen out of the campaigns."""
        self._campaigns = [_less(campaign, ids) for campaign in self._campaigns]


def _less(campaign: Running, ids: frozenset[int]) -> Running:
    left = {kind: [one for one in items if one not in ids] for kind, items in campaign.left.items()}
    gone = sum(map(len, campaign.left.values())) - sum(map(len, left.values()))
    return replace(campaign, left=left, places=campaign.places - gone, new=campaign.new and not gone)


def _arrived(story: Story, draws: NDArray[np.float64], count: int, before: Pool | None) -> Pool:
    """The pool of the first `count` items, with the labels, folds and bands that it had before."""
    rows, none = np.arange(count), np.full(count, -1)
    pool = Pool(
        item_ids=[f"item {row}" for row in rows.tolist()],
        ids=rows + 1,
        matrix=story.items.vectors,
        rows=rows,
        source_names=("one",),
        sources=np.zeros(count, dtype=np.int64),
        groups=rows + 1,
        families=rows,
        draws=draws[:count],
        folds=none,
        bands=none.copy(),
        rule_names=(),
        rule_hits=np.zeros((count, 0), dtype=bool),
        rule_scores=np.zeros((count, 0), dtype=np.float32),
        rule_settled=np.zeros(0, dtype=bool),
        classes=_CLASSES,
        targets=np.zeros((count, len(_CLASSES)), dtype=bool),
        labeled=np.zeros(count, dtype=bool),
        queued=np.zeros(count, dtype=bool),
    )
    for name in ("folds", "bands", "targets", "labeled") if before is not None else ():
        getattr(pool, name)[: len(getattr(before, name))] = getattr(before, name)
    return pool
