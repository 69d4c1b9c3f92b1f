"""The drift watch of the product at its default setting, as its task runs it."""

from collections.abc import Callable

import numpy as np

from scripts.bench.drift_loop.peers import Verdict, Watch
from scripts.bench.drift_loop.streams import Items, Stream
from shared.drift_options import Drift
from shared.pool import Pool
from shared.project import ProjectConfig
from workers.drift.channels import alpha
from workers.drift.predictions import Decided, Predicted, decided
from workers.drift.reference import Reference, fit_reference
from workers.drift.report import compare
from workers.drift.watch import Kind, WatchState, advance
from workers.training import classifier
from workers.training.tuning import train_on

NAME = "quietcorner"
BUDGET = Drift().false_alarms_per_1000_windows


def quietcorner(stream: Stream, rng: np.random.Generator) -> Watch:
    """The score is the logarithm of how far the surest channel is beyond what its part of the budget asks for."""
    size, state = len(stream.reference), WatchState()
    reference = fit(stream.reference, rng)
    predict = _predictions(stream, reference)

    def watch(window: Items) -> Verdict:
        nonlocal state
        report = compare(
            reference,
            vectors=window.vectors,
            ids=np.arange(size, size + len(window)),
            sources=window.sources.tolist(),
            texts=texts_of(window),
            predicted=predict(window),
            budget=BUDGET,
        )
        beyond = [
            np.log(alpha(test.channel, budget=BUDGET, scopes=test.scopes) / max(test.p, 1e-300))
            for test in report.verdicts
        ]
        state, changes = advance(state, report, budget=BUDGET)
        raised = any(change.kind is Kind.RAISED for change in changes)
        return Verdict(float(max(beyond)), raised or any(test.alarm for test in report.verdicts), raised)

    return watch


def fit(items: Items, rng: np.random.Generator) -> Reference:
    """The reference; the items' numbers are 0, 1, 2 ..."""
    return fit_reference(
        items.vectors, ids=np.arange(len(items)), sources=items.sources.tolist(), texts=texts_of(items), rng=rng
    )


def texts_of(items: Items) -> list[str] | None:
    """The texts; None of made-up vectors."""
    return items.texts.tolist() if items.texts[0] else None


def _predictions(stream: Stream, reference: Reference) -> Callable[[Items], Predicted | None]:
    """What the project's own model says of a window and of the reference: taught by the items that the peers have."""
    names = tuple(np.unique(stream.taught.labels).tolist())
    if len(names) < 2:
        return lambda _window: None
    model = train_on(_pool(stream.taught, names), np.arange(len(stream.taught)), ProjectConfig(classes=names))
    if model is None:
        return lambda _window: None

    def decide(items: Items) -> Decided:
        probability = classifier.probabilities(model, items.vectors.astype(np.float32), np.arange(len(items)))
        return decided(probability, classifier.decide(model, probability))

    a, b = (decide(stream.reference.take(ids)) for ids in (reference.a_ids, reference.b_ids))
    return lambda window: Predicted(1, names, decide(window), a, b)


def _pool(taught: Items, names: tuple[str, ...]) -> Pool:
    """A pool in which every item has a label."""
    n = len(taught)
    rows, nothing = np.arange(n), np.full(n, -1)
    return Pool(
        item_ids=[str(row) for row in range(n)],
        ids=rows,
        matrix=taught.vectors,
        rows=rows,
        source_names=("one",),
        sources=np.zeros(n, dtype=np.int64),
        groups=rows,
        families=rows,
        draws=(rows + 0.5) / n,
        folds=nothing,
        bands=nothing,
        rule_names=(),
        rule_hits=np.zeros((n, 0), dtype=bool),
        rule_scores=np.zeros((n, 0), dtype=np.float32),
        rule_settled=np.zeros(0, dtype=bool),
        classes=names,
        targets=taught.labels[:, None] == np.array(names),
        labeled=np.ones(n, dtype=bool),
        queued=np.zeros(n, dtype=bool),
    )
