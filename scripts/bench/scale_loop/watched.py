"""Rounds as a worker runs them, with the seconds that each step took of the processor."""

import cProfile
import pstats
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from unittest.mock import patch

from shared.pool import Pool
from shared.project import ProjectConfig
from workers.selection import tasks
from workers.selection.round import RoundPlan, Selected, select
from workers.training.classifier import LinearModel
from workers.training.tuning import train

STEPS = "load", "train", "select", "store"
_ROOT = Path(__file__).parents[3]
_PRODUCT = "shared", "workers"
# Of a round: smaller shares are left out.
_LEAST = 0.02


@dataclass(frozen=True)
class Asked:
    """What a round asked of `select`, with what it knew beside, and what it got."""

    pool: Pool
    model: LinearModel
    config: ProjectConfig
    plan: RoundPlan
    beside: Mapping[str, Any]
    selected: Selected

    def again(self, plan: RoundPlan) -> Selected:
        """What it gets for another plan."""
        return select(self.pool, self.model, self.config, plan, **self.beside)


@dataclass
class Watch:
    """What is seen of one round.

    Attributes:
        marks: seconds of the processor at its start, before training, before and after the choice, and at its end.
        keep: whether what was asked for is kept, and with it the arrays of the pool.
        asked: what was, if it is kept.
    """

    keep: bool = False
    marks: list[float] = field(default_factory=list)
    asked: Asked | None = None

    @contextmanager
    def watching(self) -> Iterator[None]:
        """Look at the round in the block: it runs as it does in a worker, but for a look at the clock."""
        self._mark()
        with patch.object(tasks, "train", self._train), patch.object(tasks, "select", self._select):
            yield
        self._mark()

    @property
    def steps(self) -> dict[str, float]:
        """Seconds of the processor by step."""
        spans = zip(STEPS, self.marks, self.marks[1:], strict=False)
        return {name: round(after - before, 3) for name, before, after in spans}

    def _mark(self) -> None:
        self.marks.append(time.process_time())

    def _train(self, *args: Any, **named: Any) -> LinearModel | None:
        self._mark()
        return train(*args, **named)

    def _select(
        self, pool: Pool, model: LinearModel, config: ProjectConfig, plan: RoundPlan, **beside: Any
    ) -> Selected:
        self._mark()
        selected = select(pool, model, config, plan, **beside)
        self._mark()
        if self.keep:
            self.asked = Asked(pool, model, config, plan, beside, selected)
        return selected


def profile(run: Callable[[], object]) -> list[dict[str, Any]]:
    """Where a round's seconds go: of each function of the product its share with all that it calls, and without.

    Returns:
        By function `name`, `share` and `own_share`, the largest first; sums of shares exceed 1, as they contain each
        other.
    """
    seen = cProfile.Profile(time.process_time)
    seen.runcall(run)
    stats = pstats.Stats(seen)
    total: float = stats.total_tt  # type: ignore[attr-defined]
    calls: dict[tuple[str, int, str], tuple[int, int, float, float, Any]] = stats.stats  # type: ignore[attr-defined]
    return shares(calls, total)


def shares(
    calls: Mapping[tuple[str, int, str], tuple[int, int, float, float, Any]], total: float
) -> list[dict[str, Any]]:
    """Of the product's functions those with a share worth telling.

    Args:
        calls: By file, line and name: calls without recursion, calls, own seconds, seconds with all that was called.
        total: All seconds.
    """
    told = []
    for (file, _, name), (_, _, own_s, all_s, _) in calls.items():
        place = Path(file)
        if place.is_relative_to(_ROOT) and place.relative_to(_ROOT).parts[0] in _PRODUCT and all_s >= _LEAST * total:
            where = f"{place.relative_to(_ROOT).with_suffix('')}: {name}"
            told.append({"name": where, "share": all_s / total, "own_share": own_s / total})
    return sorted(told, key=lambda one: -float(one["share"]))
