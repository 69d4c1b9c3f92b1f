"""The drift watch of the product at its default setting, as its task runs it."""

from collections.abc import Callable

import numpy as np

from scripts.bench.drift_loop.peers import Verdict, Watch, teach
from scripts.bench.drift_loop.streams import Items, Stream
from shared.drift_options import Drift
from workers.drift.channels import alpha
from workers.drift.predictions import Decided, Predicted, decided
from workers.drift.reference import Reference, fit_reference
from workers.drift.report import compare
from workers.drift.watch import Kind, WatchState, advance

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
    """What the project's model says of a window and of the reference; it is the model that the peers have."""
    model = teach(stream)
    if model is None:
        return lambda _window: None

    def decide(items: Items) -> Decided:
        probability = model.predict_proba(items.vectors.astype(np.float32)).astype(np.float32)
        return decided(probability, probability == probability.max(axis=1, keepdims=True))

    a, b = (decide(stream.reference.take(ids)) for ids in (reference.a_ids, reference.b_ids))
    unlabeled = np.zeros(len(reference.b_ids), dtype=bool)
    names = tuple(model.classes_.tolist())
    return lambda window: Predicted(1, names, decide(window), a, b, unlabeled)
