"""Random projects, of any shape and with any wishes: no cap is ever exceeded, and a batch is the same byte for byte.

`QUIETCORNER_RANDOM_PROJECTS=1000` looks at so many projects; an ordinary run at fewer.
"""

import json
import os
from collections import Counter
from dataclasses import asdict, dataclass, replace

import numpy as np
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from shared.pool import Pool
from shared.project import ProjectConfig, Task
from tests.pools import make_pool
from workers.selection.round import RoundPlan, Selected, select
from workers.selection.strategies import STRATEGIES, UNAUDITED
from workers.training import audit
from workers.training.classifier import LinearModel
from workers.training.tuning import train

_PROJECTS = int(os.environ.get("QUIETCORNER_RANDOM_PROJECTS", "200"))
_SOURCES = ("a", "b", "c")


@dataclass(frozen=True)
class Drawn:
    """A project at some moment, and the round that it is about to run."""

    pool: Pool
    config: ProjectConfig
    plan: RoundPlan

    def run(self) -> tuple[LinearModel | None, Selected]:
        """Train and choose, from nothing but the state."""
        model = train(self.pool, self.config)
        return model, select(self.pool, model, self.config, self.plan)


@st.composite
def projects(draw: st.DrawFn) -> Drawn:
    pool, classes = _draw_pool(draw)
    config = _draw_config(draw, classes, pool.rule_names)
    return Drawn(pool, config, _draw_plan(draw, pool))


def _draw_pool(draw: st.DrawFn) -> tuple[Pool, tuple[str, ...]]:
    seed = draw(st.integers(0, 10_000))
    count = draw(st.integers(2, 4))
    classes = tuple(f"class-{number}" for number in range(count))
    shares = np.array([0.8, 0.1, 0.06, 0.04])[:count]
    labeled = draw(st.one_of(st.just(0), st.integers(1, 6), st.integers(7, 50)))
    pool, _ = make_pool(
        items=draw(st.integers(1, 110)) + labeled,
        classes=classes,
        shares=(shares / shares.sum()).tolist(),
        labeled=labeled,
        queued=draw(st.integers(0, 10)),
        rules=("r",) if draw(st.booleans()) else (),
        sources=_SOURCES,
        dimension=8,
        seed=seed,
    )
    copies = draw(st.sampled_from([1, 1, 2, 3]))
    groups = (pool.ids - 1) // copies
    return replace(pool, groups=groups, families=groups), classes


def _draw_config(draw: st.DrawFn, classes: tuple[str, ...], rules: tuple[str, ...]) -> ProjectConfig:
    limit = st.none() | st.integers(0, 12)
    cap = st.fixed_dictionaries({"batch": limit, "total": limit | st.integers(10, 60)})
    some = st.booleans()
    wishes = {name: draw(st.floats(0, 0.33)) for name in _SOURCES if draw(some)}
    return ProjectConfig.model_validate(
        {
            "task": draw(st.sampled_from([Task.SINGLE, Task.MULTI])),
            "classes": classes,
            "seed": draw(st.integers(0, 1_000)),
            "targets": {name: draw(st.integers(0, 30)) for name in classes if draw(some)},
            "caps": {
                "classes": {name: draw(cap) for name in classes if draw(some)},
                "sources": {name: draw(cap) for name in _SOURCES if draw(some)},
            },
            "quotas": {"sources": wishes},
            "rules": [{"name": name, "class": classes[-1], "keywords": ["x"]} for name in rules],
            "selection": {
                "audit_share": draw(st.sampled_from([0.0, 0.1, 0.5, 1.0])),
                "rare_floor": draw(st.sampled_from([0.0, 0.1, 0.5, 1.0])),
                "overlap": draw(st.integers(1, 3)),
                "overlap_share": draw(st.sampled_from([0.0, 0.2, 1.0])),
            },
        }
    )


def _draw_plan(draw: st.DrawFn, pool: Pool) -> RoundPlan:
    """A round with what campaigns ask for: anything, and some of it by now impossible."""
    asked = st.lists(st.sampled_from(pool.ids.tolist()), max_size=8, unique=True)
    drift, relabel, drawn = draw(asked), draw(asked), draw(asked)
    before = draw(st.integers(0, 12))
    return RoundPlan(
        number=draw(st.integers(1, 9)),
        places=draw(st.integers(1, 40)),
        encoder="e",
        model=1,
        audit=audit.extend(pool, {}, draws=before).thresholds if before else {},
        strategy=draw(st.sampled_from(sorted(STRATEGIES))),
        drift=drift,
        relabel=[item for item in relabel if item not in drift],
        drawn=[item for item in drawn if item not in {*drift, *relabel}],
        scorers=draw(st.sampled_from([None, ()])),
    )


@given(projects())
@settings(max_examples=_PROJECTS, deadline=None, suppress_health_check=[HealthCheck.too_slow])
def test_no_cap_is_ever_exceeded_and_the_same_state_gives_the_same_bytes(drawn: Drawn) -> None:
    model, batch = drawn.run()
    _caps_hold(drawn, batch)
    _a_batch_is_what_it_says(drawn, batch, modelled=model is not None)
    _, again = drawn.run()
    assert as_bytes(batch) == as_bytes(again)


def as_bytes(batch: Selected) -> bytes:
    """All that is stored of a batch."""
    choices = [(choice.id, choice.item_id, choice.reason.model_dump()) for choice in batch.choices]
    stopping = {name: asdict(found) for name, found in batch.stopping.items()}
    return json.dumps([choices, batch.shortfalls, batch.audit, batch.division, batch.done, stopping]).encode()


def _caps_hold(drawn: Drawn, batch: Selected) -> None:
    """Counted from what the batch tells, not by the ledger that kept the caps."""
    pool, caps = drawn.pool, drawn.config.caps
    by_source = Counter(pool.source_names[pool.sources[choice.position]] for choice in batch.choices)
    before = Counter(pool.source_names[code] for code in pool.sources[pool.labeled | pool.queued].tolist())
    by_class = Counter(choice.reason.predicted for choice in batch.choices)
    labels = dict(zip(pool.classes, pool.label_counts.tolist(), strict=True))
    for counts, had, limits in ((by_source, before, caps.sources), (by_class, labels, caps.classes)):
        for name, cap in limits.items():
            assert cap.batch is None or counts[name] <= cap.batch
            assert cap.total is None or counts[name] == 0 or had[name] + counts[name] <= cap.total


def _a_batch_is_what_it_says(drawn: Drawn, batch: Selected, *, modelled: bool) -> None:
    pool, plan, options = drawn.pool, drawn.plan, drawn.config.selection
    positions = [choice.position for choice in batch.choices]
    reasons = [choice.reason for choice in batch.choices]
    again = {choice.position for choice in batch.choices if choice.reason.channel == "relabel"}
    assert len(set(positions)) == len(positions) <= plan.places
    assert set(positions) - again <= set(pool.eligible.tolist())
    assert all(pool.labeled[position] and not pool.queued[position] for position in again)
    assert (len(positions) < plan.places) == any(line.startswith("short by") for line in batch.shortfalls)
    assert [reason.rank for reason in reasons] == list(range(1, len(reasons) + 1))
    assert all((reason.predicted is not None) == (reason.model is not None) for reason in reasons)
    assert modelled or not any(reason.predicted for reason in reasons)
    assert all((reason.inclusion is not None) == (reason.channel == "audit") for reason in reasons)
    several = int(np.ceil(options.overlap_share * len(reasons) - 1e-9))
    assert sorted(reason.overlap for reason in reasons) == sorted(
        [options.overlap] * several + [1] * (len(reasons) - several)
    )
    if plan.strategy not in UNAUDITED:
        assert all(pool.draws[c.position] < c.reason.inclusion for c in batch.choices if c.reason.inclusion is not None)
