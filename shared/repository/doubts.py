"""Queries on labels that may no longer hold: those in doubt, those that grew old, and what came of asking again."""

from collections import defaultdict
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass

from sqlalchemy import Subquery
from sqlmodel import Session, col, func, select

from shared.among import among
from shared.database import now
from shared.drift_tables import LabelDoubt
from shared.labels import LabelJson, in_force, resolve
from shared.tables import Label, Project, Submission

_DAY_S = 86_400.0


@dataclass(frozen=True)
class Again:
    """A labeled item that was asked again: the label that stood, and the newest answer since."""

    item: int
    before: LabelJson
    after: LabelJson

    @property
    def changed(self) -> bool:
        """Whether the answer is another one."""
        return self.before != self.after


def answers_again(session: Session, project_id: int, items: Collection[int], *, since: float) -> list[Again]:
    """What became of labels that were asked again: of `items` those that have answers both from before and after."""
    former = session.get_one(Project, project_id).config.get("former_classes", {})
    statement = (
        select(Submission.item, Submission.annotator, Submission.label, Submission.received_at)
        .where(among(Submission.item, items))
        .order_by(col(Submission.id))
    )
    before: dict[int, dict[str, LabelJson]] = defaultdict(dict)
    after: dict[int, LabelJson] = {}
    for item, annotator, label, received_at in session.exec(statement):
        if received_at < since:
            before[item].pop(annotator, None)  # a later answer of the same annotator counts as new
            before[item][annotator] = in_force(label, former)
        else:
            after[item] = in_force(label, former)
    return [
        Again(item, resolve(list(before[item].values()))[0], answer)
        for item, answer in sorted(after.items())
        if before[item]
    ]


def store_doubts(session: Session, project_id: int, items: Collection[int], *, why: str) -> None:
    """Put labels in doubt, until an answer comes that is newer."""
    time = now(session)
    for item in sorted(items):
        session.merge(LabelDoubt(item=item, project_id=project_id, why=why, since=time))
    session.flush()


def doubted(session: Session, project_id: int) -> dict[int, str]:
    """Item row number -> why its label is in doubt; those that were answered since are left out."""
    newest = _newest_answers(project_id)
    statement = (
        select(LabelDoubt.item, LabelDoubt.why)
        .join(newest, newest.c.item == col(LabelDoubt.item))
        .where(col(LabelDoubt.project_id) == project_id, newest.c.received_at <= col(LabelDoubt.since))
        .order_by(col(LabelDoubt.item))
    )
    return dict(session.exec(statement).all())


def expired(session: Session, project_id: int, *, days: float) -> dict[int, float]:
    """Item row number -> days since its last answer, of labels whose last answer is older than `days`."""
    time, newest = now(session), _newest_answers(project_id)
    statement = (
        select(Label.item, newest.c.received_at)
        .join(newest, newest.c.item == col(Label.item))
        .where(col(Label.project_id) == project_id, newest.c.received_at < time - days * _DAY_S)
        .order_by(col(Label.item))
    )
    return {item: (time - received_at) / _DAY_S for item, received_at in session.exec(statement)}


def answered_before(session: Session, project_id: int, time: float) -> list[int]:
    """Row numbers of the items that had an answer before this time."""
    statement = select(Submission.item).where(
        col(Submission.project_id) == project_id, col(Submission.received_at) < time
    )
    return sorted(session.exec(statement.distinct()))


def standing_labels(session: Session, items: Sequence[int]) -> Mapping[int, LabelJson]:
    """Item row number -> the label that stands for it."""
    return dict(session.exec(select(Label.item, Label.value).where(among(Label.item, items))).all())


def _newest_answers(project_id: int) -> Subquery:
    return (
        select(col(Submission.item).label("item"), func.max(col(Submission.received_at)).label("received_at"))
        .where(col(Submission.project_id) == project_id)
        .group_by(col(Submission.item))
        .subquery()
    )
