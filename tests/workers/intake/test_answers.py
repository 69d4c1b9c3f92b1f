"""Transactions of answers that meet others on their way."""

from collections.abc import Iterator

import psycopg
import pytest
from sqlalchemy.exc import IntegrityError, OperationalError

from shared.errors import DatabaseUnavailableError
from workers.intake.answers import until_alone


def test_a_submission_that_another_stored_meanwhile_is_looked_up_again() -> None:
    outcomes: Iterator[object] = iter([IntegrityError("INSERT", {}, Exception("UNIQUE")), "stored"])

    def store() -> object:
        outcome = next(outcomes)
        if isinstance(outcome, Exception):
            raise outcome
        return outcome

    assert until_alone(store) == "stored"


def test_a_transaction_that_ended_a_deadlock_is_begun_anew() -> None:
    asked = []

    def store() -> str:
        asked.append(1)
        if len(asked) == 1:
            cause = OperationalError("UPDATE", {}, psycopg.errors.DeadlockDetected())
            raise DatabaseUnavailableError("deadlock detected") from cause
        return "stored"

    assert until_alone(store) == "stored"


def test_a_database_that_is_away_is_not_asked_again_at_once() -> None:
    asked = []

    def store() -> None:
        asked.append(1)
        raise DatabaseUnavailableError("it does not answer")

    with pytest.raises(DatabaseUnavailableError):
        until_alone(store)
    assert len(asked) == 1
