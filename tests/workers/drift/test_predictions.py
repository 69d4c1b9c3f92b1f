import numpy as np

from tests.workers.drift.world import EVERYTHING, draw, fit
from workers.drift.predictions import Decided, Predicted, decided
from workers.drift.reference import Reference
from workers.drift.report import WindowReport, compare


def test_decisions_are_counted_by_class_and_where_none_is_made() -> None:
    found = decided(
        np.array([[0.7, 0.3], [0.2, 0.4], [0.9, 0.8]], np.float32), np.array([[1, 0], [0, 0], [1, 1]], bool)
    )

    assert found.classes.tolist() == [0, 2, 0]
    assert found.counts.tolist() == [2, 1]
    assert found.confidence.tolist() == np.array([0.7, 0.4, 0.9], np.float32).tolist()


def test_another_mix_of_decisions_is_found_and_counted() -> None:
    report = _look(window_rate=0.5)

    assert report.verdict("predicted").alarm
    assert report.predicted is not None
    assert report.predicted["model"] == 7
    assert report.predicted["counts"]["rare"] + report.predicted["counts"]["common"] == 500
    assert report.level == "note"


def test_the_same_mix_is_quiet() -> None:
    report = _look(window_rate=0.1)

    assert not any(verdict.alarm for verdict in report.verdicts)


def test_where_many_of_the_reference_are_labeled_nothing_is_compared_but_all_is_counted() -> None:
    report = _look(window_rate=0.5, labeled=0.1)

    assert "predicted" not in {verdict.name for verdict in report.verdicts}
    assert report.predicted is not None
    assert report.predicted["compared"] is False


def _look(*, window_rate: float, labeled: float = 0.0) -> WindowReport:
    reference = fit(draw(EVERYTHING, 2_000, seed=0))
    texts = draw(EVERYTHING, 500, seed=1, first_id=5_000)
    return compare(
        reference,
        vectors=texts.vectors,
        ids=texts.ids,
        sources=texts.sources,
        predicted=_predicted(reference, window_rate=window_rate, labeled=labeled),
    )


def _predicted(reference: Reference, *, window_rate: float, labeled: float) -> Predicted:
    rng = np.random.default_rng(0)

    def draw_decisions(count: int, rate: float) -> Decided:
        classes = (rng.random(count) < rate).astype(np.int64)
        return Decided(classes, rng.random(count).astype(np.float32), np.bincount(classes, minlength=2))

    return Predicted(
        model=7,
        names=("common", "rare"),
        window=draw_decisions(500, window_rate),
        a=draw_decisions(len(reference.a_ids), 0.1),
        b=draw_decisions(len(reference.b_ids), 0.1),
        b_labeled=np.arange(len(reference.b_ids)) < labeled * len(reference.b_ids),
    )
