"""How far annotators agree, counted on the items that several of them answered."""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import groupby

from sqlalchemy import select
from sqlmodel import Session, col

from shared.labels import LabelJson, in_force
from shared.tables import Label, Submission


@dataclass(frozen=True)
class Agreement:
    """The plain share of equal pairs, without correction for chance.

    Attributes:
        items: that two annotators or more answered.
        pairs: of two annotators' answers for the same item.
        equal: those of them that are the same label.
        share: `equal` by `pairs`; None without a pair.
    """

    items: int
    pairs: int
    equal: int
    share: float | None


def read_agreement(session: Session, project_id: int, former: Mapping[str, str]) -> Agreement:
    """Agreement on all items of a project that several annotators answered; the last answer of each counts.

    Args:
        session: A transaction.
        project_id: The project.
        former: Name that a class had before -> its name today.
    """
    statement = (
        select(col(Submission.item), col(Submission.annotator), col(Submission.label))
        .join(Label, col(Label.item) == col(Submission.item))
        .where(col(Label.project_id) == project_id, col(Label.submissions) > 1)
        .order_by(col(Submission.item), col(Submission.id))
    )
    rows = session.connection().execution_options(yield_per=1_000).execute(statement)
    total: Counter[str] = Counter()
    for _, answers in groupby(rows, key=lambda row: row[0]):
        latest: dict[str, LabelJson] = {annotator: label for _, annotator, label in answers}
        total.update(count_pairs([in_force(label, former) for label in latest.values()]))
    share = total["equal"] / total["pairs"] if total["pairs"] else None
    return Agreement(total["items"], total["pairs"], total["equal"], share)


def count_pairs(answers: Sequence[LabelJson]) -> dict[str, int]:
    """`items` (1), `pairs` and `equal` pairs of one item's answers, one canonical label an annotator."""
    same = Counter(repr(answer) for answer in answers)
    return {"items": 1, "pairs": _pairs(len(answers)), "equal": sum(map(_pairs, same.values()))}


def _pairs(count: int) -> int:
    return count * (count - 1) // 2
