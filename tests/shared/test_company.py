"""Work that was tried in vain is alone in its process; all other work has company."""

import threading
from collections.abc import Iterator
from contextlib import AbstractContextManager, ExitStack, contextmanager

import pytest

from shared import company as company_module
from shared.company import Company

_SOON_S, _LATE_S = 0.2, 10.0


@contextmanager
def begun(work: AbstractContextManager[None]) -> Iterator[threading.Event]:
    """Work in a thread, until the end of the block at least; tells when it has begun."""
    has_begun, may_end = threading.Event(), threading.Event()

    def run() -> None:
        with work:
            has_begun.set()
            may_end.wait(_LATE_S)

    thread = threading.Thread(target=run)
    thread.start()
    try:
        yield has_begun
    finally:
        may_end.set()
        thread.join(_LATE_S)
        assert not thread.is_alive()


def test_others_work_beside_each_other() -> None:
    company = Company()
    with begun(company.beside_others()) as one, begun(company.beside_others()) as other:
        assert one.wait(_LATE_S)
        assert other.wait(_LATE_S)


@pytest.mark.parametrize("others", ["beside_others", "alone"])
def test_nobody_begins_beside_who_works_alone(others: str) -> None:
    company, first = Company(), ExitStack()
    assert first.enter_context(begun(company.alone())).wait(_LATE_S)
    with begun(getattr(company, others)()) as other:
        assert not other.wait(_SOON_S)
        first.close()
        assert other.wait(_LATE_S)


def test_who_works_alone_waits_for_those_at_work() -> None:
    company, first = Company(), ExitStack()
    assert first.enter_context(begun(company.beside_others())).wait(_LATE_S)
    with begun(company.alone()) as alone:
        assert not alone.wait(_SOON_S)
        first.close()
        assert alone.wait(_LATE_S)


def test_nobody_waits_for_ever_for_work_that_hangs(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(company_module, "LONGEST_ALONE_S", 0.1)
    company = Company()
    with begun(company.beside_others()) as hanging, begun(company.alone()) as alone:
        assert hanging.wait(_LATE_S)
        assert alone.wait(_LATE_S)
        with begun(company.beside_others()) as other:
            assert other.wait(_LATE_S / 2)


def test_what_fails_leaves_its_place() -> None:
    company = Company()
    for enter in (company.alone, company.beside_others):
        with pytest.raises(ValueError, match="a fault"), enter():
            raise ValueError("a fault")
    with company.alone():
        pass
