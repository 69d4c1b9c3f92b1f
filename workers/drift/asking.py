"""What a campaign asks for, from the pool: about a window that drifted, or about a stretch that a person names.

Three fifths are new items, a fifth are labeled ones, and a fifth is drawn by chance from the stretch of the pool that
the campaign is about: by permanent random numbers, as all of the audit sample is, with a threshold of its own that is
on record (see `workers.training.windows`). So what is reported of the pool stays right, and the new regime has items of
its own to be measured on.
"""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from shared.campaigns import Region
from shared.pool import Floats, Index, Mask, Pool
from shared.project import ProjectConfig
from workers.drift.candidates import DRAWN_SHARE, campaign_candidates, choose
from workers.drift.reference import Reference
from workers.drift.report import WindowReport
from workers.drift.worth import worth
from workers.training import audit, windows
from workers.training.classifier import LinearModel


@dataclass(frozen=True)
class Asked:
    """A campaign to be.

    Attributes:
        items: `Pool.ids` by kind, see `shared.campaigns.CHANNELS`.
        region: what it is about.
    """

    items: dict[str, list[int]]
    region: Region


@dataclass(frozen=True)
class Asker:
    """What every campaign's choice needs.

    Attributes:
        pool: the pool.
        config: the project.
        model: the newest model; None before the first.
        thresholds: the audit sample's, by stratum.
        rng: seeds the clusters.
    """

    pool: Pool
    config: ProjectConfig
    model: LinearModel | None
    thresholds: Mapping[str, float]
    rng: np.random.Generator

    def worth(self, rows: Index) -> Floats | None:
        """Of the items at positions `rows`, see `workers.drift.worth`."""
        return worth(self.pool, self.config, self.model, self.thresholds, rows) if len(rows) else None

    @property
    def askable(self) -> Index:
        """Positions of new items that may be asked for and are not due for the audit sample anyway."""
        eligible = self.pool.eligible
        return eligible[~audit.measure(self.pool, self.thresholds).members[eligible]]

    @property
    def labeled(self) -> Index:
        """Positions of labeled items that may be asked for again."""
        return np.flatnonzero(self.pool.labeled & ~self.pool.queued)


def ask_about_window(asker: Asker, report: WindowReport, *, reference: Reference, budget: int) -> Asked:
    """A campaign about what drifted in a window.

    Args:
        asker: The pool and what is known of it.
        report: On the window.
        reference: What it was compared with.
        budget: Most items.
    """
    pool, rows, labeled = asker.pool, asker.askable, asker.labeled
    threshold, drawn = _draw(asker, report.ids, None, budget)
    rows = rows[np.isin(pool.ids[rows], report.ids)]
    items = campaign_candidates(
        report,
        vectors=pool.vectors(rows),
        ids=pool.ids[rows],
        worth=asker.worth(rows),
        labeled_vectors=pool.vectors(labeled),
        labeled_ids=pool.ids[labeled],
        drawn=drawn,
        budget=budget,
        rng=asker.rng,
    )
    region = Region(
        affected=report.ids[report.drifted].tolist(), near=float(np.median(reference.b_nearness)), audit=threshold
    )
    return Asked(items, region)


def ask_about_stretch(asker: Asker, *, ids: Index, source: str | None, budget: int) -> Asked:
    """A campaign about a stretch of the pool.

    Args:
        asker: The pool and what is known of it.
        ids: `Pool.ids` of its items.
        source: Of which its items are; None: of all sources.
        budget: Most items.
    """
    pool, rows, labeled = asker.pool, asker.askable, asker.labeled
    threshold, drawn = _draw(asker, ids, source, budget)
    rows = rows[_inside(pool, ids, source)[rows]]
    items = choose(
        vectors=pool.vectors(rows),
        ids=pool.ids[rows],
        scores=None,
        worth=asker.worth(rows),
        labeled_vectors=pool.vectors(labeled),
        labeled_ids=pool.ids[labeled],
        drawn=drawn,
        budget=budget,
        rng=asker.rng,
    )
    return Asked(items, Region(audit=threshold))


def _inside(pool: Pool, ids: Index, source: str | None) -> Mask:
    inside: Mask = np.isin(pool.ids, ids)
    if source is not None:
        inside &= np.isin(pool.sources, [code for code, name in enumerate(pool.source_names) if name == source])
    return inside


def _draw(asker: Asker, ids: Index, source: str | None, budget: int) -> tuple[dict[str, float], Index]:
    """What chance draws of a stretch, whether it drifted or not, with the threshold that goes on record."""
    pool, rows = asker.pool, asker.askable
    standing = np.sort(pool.ids[pool.representatives])  # what repeats an earlier item is never drawn, and is no gap
    inside = np.isin(standing, ids)
    if not inside.any():
        return {}, ids[:0]
    name = windows.key_of(standing, inside, source)
    rows = rows[windows.within(name, pool.ids, pool.sources, pool.source_names)[rows]]
    return windows.draw(name, pool.draws[rows], pool.ids[rows], count=round(DRAWN_SHARE * budget))
