"""Which alarms a look at labels calls for, and when they are over."""

import numpy as np

from workers.drift import label_watch
from workers.drift.annotators import Difference
from workers.drift.label_alarms import ended, notices
from workers.drift.label_watch import Look
from workers.drift.performance import Finding
from workers.training.metrics import Interval


def look(
    *, performance: tuple[Finding, ...] = (), differences: tuple[Difference, ...] = (), moved: bool = True
) -> Look:
    nothing = np.zeros(0, dtype=np.int64)
    return Look(
        standing=label_watch.begin({}, at=0.0),
        new=nothing,
        answers=200,
        fresh=100,
        performance=list(performance),
        window=None,
        shift=None,
        differences=list(differences),
        moved=list(differences) if moved else [],
        mixes={},
        agreement={},
        ratios=None,
        worth=None,
    )


def finding(now: float, *, alarm: bool) -> Finding:
    return Finding("recall", "fraud", 0.84, 0.75, Interval(now, now - 0.1, now + 0.1), 60, 1.2, alarm)


def difference(label: str, share: float, *, p: float) -> Difference:
    return Difference("annotator", "anna", label, 120, share, 0.1, p, plain=True)


def test_the_models_performance_outranks_whose_labels_moved() -> None:
    found = notices(look(performance=(finding(0.5, alarm=True),), differences=(difference("fraud", 0.4, p=1e-9),)))
    assert [(notice.channel, notice.scope, notice.level) for notice in found] == [
        ("performance", "recall:fraud", "act"),
        ("labels", "annotator:anna", "warn"),
    ]
    assert found[0].why == (
        "recall of fraud is 0.50 (0.40 to 0.60) on 60 fresh audit labels, and was 0.84 at the reference"
    )
    assert found[1].why == (
        "annotator anna: fraud is 40.0 % of 120 audit answers, where it is 10.0 % in the answers of all others"
    )


def test_one_annotator_is_one_alarm_and_tells_of_the_surest_class() -> None:
    [notice] = notices(look(differences=(difference("common", 0.3, p=1e-3), difference("fraud", 0.6, p=1e-9))))
    assert "fraud" in notice.why
    assert notice.share == 0.5


def test_an_alarm_on_performance_is_over_when_the_figure_is_back_within_its_limit() -> None:
    for one, is_over in ((finding(0.5, alarm=True), False), (finding(0.8, alarm=False), True)):
        reason = ended(look(performance=(one,)), channel="performance", scope="recall:fraud", share=0.34)
        assert (reason is not None) == is_over


def test_an_alarm_on_labels_is_over_when_half_of_the_distance_is_gone() -> None:
    for share, is_over in ((0.3, False), (0.2, True)):
        found = look(differences=(difference("fraud", share, p=0.5),), moved=False)
        assert (ended(found, channel="labels", scope="annotator:anna", share=0.3) is not None) == is_over
    assert ended(look(), channel="labels", scope="annotator:anna", share=0.3) is None  # nothing is known of it now
    others = look(differences=(difference("fraud", 0.1, p=0.5),), moved=False)
    assert ended(others, channel="labels", scope="annotator:ben", share=0.3) == "it has too few answers to be compared"
