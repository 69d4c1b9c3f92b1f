"""What becomes of an answer, decided without a database."""

from shared.contracts import SubmissionMessage
from shared.project import ProjectConfig
from workers.intake.submissions import Earlier, KnownAssignment, KnownItem, Verdict, judge

CONFIG = ProjectConfig(classes=("fraud", "other"))
ITEM = KnownItem(7, "my card was charged twice", asked=True)
OPEN = KnownAssignment(id=5, item=7, lease=2, open=True)


def answer(**changes: object) -> SubmissionMessage:
    base: dict[str, object] = {
        "project": "tickets",
        "submission_id": "s-1",
        "item_id": "item-7",
        "annotator": "ann",
        "label": "fraud",
        "assignment": 5,
        "lease": 2,
    }
    return SubmissionMessage.model_validate(base | changes)


def decide(
    message: SubmissionMessage,
    *,
    item: KnownItem | None = ITEM,
    assignment: KnownAssignment | None = OPEN,
    earlier: Earlier | None = None,
) -> Verdict:
    return judge(message, config=CONFIG, item=item, assignment=assignment, earlier=earlier)


def test_an_answer_in_time_is_accepted_and_closes_its_assignment() -> None:
    verdict = decide(answer())
    assert verdict.receipt.status == "accepted"
    assert (verdict.item, verdict.label, verdict.closes) == (7, "fraud", 5)
    assert not verdict.receipt.late


def test_a_submission_with_a_stale_lease_is_kept_and_marked_late() -> None:
    verdict = decide(answer(lease=1))
    assert verdict.receipt.status == "accepted"
    assert verdict.receipt.late
    assert verdict.closes == 5


def test_an_answer_to_a_closed_assignment_is_kept_and_marked_late() -> None:
    verdict = decide(answer(), assignment=KnownAssignment(id=5, item=7, lease=2, open=False))
    assert verdict.receipt.late
    assert verdict.closes is None


def test_an_answer_that_nobody_asked_for_is_kept_and_marked_so() -> None:
    item = KnownItem(7, "text", asked=False)
    verdict = decide(answer(assignment=None, lease=None), item=item, assignment=None)
    assert verdict.receipt.status == "accepted"
    assert verdict.receipt.unasked
    assert not verdict.receipt.late


def test_the_same_submission_again_is_a_duplicate() -> None:
    verdict = decide(answer(), earlier=Earlier("item-7", "ann", "fraud"))
    assert verdict.receipt.status == "duplicate"
    assert verdict.label is None


def test_the_same_submission_id_with_another_label_is_refused() -> None:
    verdict = decide(answer(), earlier=Earlier("item-7", "ann", "other"))
    assert verdict.receipt.status == "refused"
    assert "submission_id" in (verdict.receipt.reason or "")


def test_an_unknown_class_an_unknown_item_and_a_foreign_assignment_are_refused_by_name() -> None:
    for verdict, name in (
        (decide(answer(label="nonsense")), "unknown class 'nonsense'"),
        (decide(answer(), item=None), "item_id"),
        (decide(answer(), assignment=KnownAssignment(id=5, item=8, lease=2, open=True)), "assignment"),
    ):
        assert verdict.receipt.status == "refused"
        assert name in (verdict.receipt.reason or "")


def test_spans_must_lie_inside_the_text() -> None:
    config = ProjectConfig.model_validate({"task": "ner", "classes": ["card"]})
    for end, status in ((7, "accepted"), (99, "refused")):
        message = answer(label=[{"start": 3, "end": end, "label": "card"}])
        verdict = judge(message, config=config, item=ITEM, assignment=OPEN, earlier=None)
        assert verdict.receipt.status == status
