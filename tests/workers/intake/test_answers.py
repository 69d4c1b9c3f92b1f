"""Transactions of answers that meet others on their way."""

from collections.abc import Iterator

import pytest
from sqlalchemy.exc import IntegrityError

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


def test_a_database_that_is_away_is_not_asked_again_at_once() -> None:
    asked = []

    def store() -> None:
        asked.append(1)
        raise DatabaseUnavailableError("it does not answer")

    with pytest.raises(DatabaseUnavailableError):
        until_alone(store)
    assert len(asked) == 1
