"""Submissions: what becomes of one answer. Pure: `workers.intake.answers` brings the facts and keeps the verdicts."""

from dataclasses import dataclass, replace

from shared.contracts import ReceiptMessage, SubmissionMessage
from shared.errors import InvalidInputError
from shared.labels import LabelJson, in_force, parse_label
from shared.project import ProjectConfig


@dataclass(frozen=True)
class KnownItem:
    """An item as the answer's judge sees it; `asked` tells whether it ever was on the annotation queue."""

    id: int
    text: str
    asked: bool


@dataclass(frozen=True)
class KnownAssignment:
    """An assignment as the answer's judge sees it."""

    id: int
    item: int
    lease: int
    open: bool


@dataclass(frozen=True)
class Earlier:
    """An answer that came under the same submission id."""

    item_id: str
    annotator: str
    label: LabelJson


@dataclass(frozen=True)
class Verdict:
    """What becomes of a submission.

    Attributes:
        receipt: What the sender is told.
        item: Row number of the item; None when refused or a duplicate.
        label: The canonical label; None likewise.
        closes: Assignment that the answer closes; None when it closes none.
    """

    receipt: ReceiptMessage
    item: int | None = None
    label: LabelJson | None = None
    closes: int | None = None


def judge(
    message: SubmissionMessage,
    *,
    config: ProjectConfig,
    item: KnownItem | None,
    assignment: KnownAssignment | None,
    earlier: Earlier | None,
) -> Verdict:
    """Decide on one submission.

    Args:
        message: The submission, already valid in form.
        config: Its project.
        item: The item that it names; None when there is none of that name.
        assignment: The assignment that it names or, when it names none, the open one of its item; None without either.
        earlier: What came before under the same submission id.
    """
    if item is None:
        return _refuse(message, f"item_id: the project has no item {message.item_id!r}")
    try:
        label = parse_label(message.label, config=config, text=item.text)
    except InvalidInputError as error:
        return _refuse(message, f"label: {error}")
    if earlier is not None:
        if _same(earlier, Earlier(message.item_id, message.annotator, label), config):
            return Verdict(ReceiptMessage(submission_id=message.submission_id, status="duplicate"))
        return _refuse(message, "submission_id: it was used before for another answer; the first one stands")
    if message.assignment is not None and (assignment is None or assignment.item != item.id):
        return _refuse(message, f"assignment: {message.assignment} is not an assignment of item {message.item_id!r}")
    late = (
        message.assignment is not None
        and assignment is not None
        and (not assignment.open or (message.lease is not None and message.lease != assignment.lease))
    )
    return Verdict(
        ReceiptMessage(submission_id=message.submission_id, status="accepted", late=late, unasked=not item.asked),
        item=item.id,
        label=label,
        closes=assignment.id if assignment is not None and assignment.open else None,
    )


def _same(one: Earlier, other: Earlier, config: ProjectConfig) -> bool:
    """Whether two answers are the same, whichever name of a class they use."""
    first, second = (replace(each, label=in_force(each.label, config.former_classes)) for each in (one, other))
    return first == second


def _refuse(message: SubmissionMessage, reason: str) -> Verdict:
    return Verdict(ReceiptMessage(submission_id=message.submission_id, status="refused", reason=reason))
