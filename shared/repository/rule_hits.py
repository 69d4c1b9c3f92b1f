"""Queries on the hits of seeding rules, for rules that change after the items came."""

from collections.abc import Collection, Mapping

from sqlalchemy import delete, func, insert
from sqlmodel import Session, col, select

from shared.tables import Item, RuleHit

# Rows of one statement.


def texts_after(session: Session, project_id: int, *, after: int, count: int) -> list[tuple[int, str]]:
    """The next items after row number `after`, at most `count`: row numbers and texts."""
    statement = (
        select(Item.id, Item.text)
        .where(col(Item.project_id) == project_id, col(Item.id) > after)
        .order_by(col(Item.id))
        .limit(count)
    )
    return list(session.exec(statement).all())


def count_hits(session: Session, project_id: int) -> dict[str, int]:
    """Rule -> number of items that it hits."""
    statement = (
        select(RuleHit.rule, func.count()).where(col(RuleHit.project_id) == project_id).group_by(col(RuleHit.rule))
    )
    return dict(session.exec(statement).all())


def hit_scores(session: Session, project_id: int, rule: str) -> dict[int, float]:
    """Item row number -> score, of the items that a rule hits."""
    statement = select(RuleHit.item, RuleHit.score).where(
        col(RuleHit.project_id) == project_id, col(RuleHit.rule) == rule
    )
    return dict(session.exec(statement).all())


def remove_hits(session: Session, project_id: int, rules: Collection[str]) -> None:
    """Forget what some rules hit."""
    session.connection().execute(
        delete(RuleHit).where(col(RuleHit.project_id) == project_id, col(RuleHit.rule).in_(rules))
    )


def add_hits(session: Session, project_id: int, rule: str, scores: Mapping[int, float]) -> None:
    """Write down what a rule hits: item row number -> score."""
    rows = [
        {"item": item, "rule": rule, "project_id": project_id, "score": score} for item, score in sorted(scores.items())
    ]
    if rows:
        session.connection().execute(insert(RuleHit), rows)
