"""Streams by date bring an event's items on the days on which they came, and know how much of a window is new."""

import numpy as np
import pytest

from scripts.bench.drift_loop.cases import Case, make_stream
from scripts.bench.drift_loop.dated import BY_DAY, IN_ORDER, Times
from scripts.bench.drift_loop.record import Cell, Record
from scripts.bench.drift_loop.streams import REFERENCE, WINDOW, Items
from scripts.bench.drift_loop.tables import by_date, onset_delay
from tests.scripts.bench.drift_loop.piles import pile

SET, EVENTS, EACH, DAY_S = "crisislex_t26", 12, 900, 86_400


@pytest.fixture(scope="module")
def items() -> Items:
    return pile(domains=EVENTS, intents=3, items=EACH // 3)


@pytest.fixture(scope="module")
def times() -> Times:
    """Event n begins on day 100 n and has 450 items on its first day, then 50 a day."""
    days = np.concatenate([np.zeros(450), np.repeat(np.arange(1, 10), 50)])
    found: Times = np.concatenate([DAY_S * (100 * event + days) for event in range(EVENTS)])
    return found


def test_an_event_comes_day_by_day_after_the_events_before_it(items: Items, times: Times) -> None:
    event_of = dict(zip(items.texts.tolist(), items.sources.tolist(), strict=True))
    new = set()
    for seed in range(4):
        stream = make_stream(Case(SET, BY_DAY), items, seed=seed, times=times)
        assert stream.shares == (0.0, 0.0, 0.45, *[0.05] * 9)
        known = {event_of[text] for text in (*stream.reference.texts, *stream.taught.texts)}
        for window, share in zip(stream.windows, stream.shares, strict=True):
            assert len(window) == WINDOW
            events = [event_of[text] for text in window.texts]
            assert np.mean([event not in known for event in events]) == pytest.approx(share)
            new |= set(events) - known
        assert set(stream.windows[-1].sources) == {"one"}
    assert len(new) == 3  # each event in its turn that has eight thousand items before it


def test_in_order_nothing_of_a_window_is_older_than_the_reference(items: Items, times: Times) -> None:
    mixed = np.random.default_rng(0).permutation(len(items))
    stream = make_stream(Case(SET, IN_ORDER), items.take(mixed), seed=1, times=times[mixed])
    time_of = dict(zip(items.texts.tolist(), times.tolist(), strict=True))
    ends = [max(time_of[text] for text in part.texts) for part in (stream.reference, *stream.windows)]
    begins = [min(time_of[text] for text in part.texts) for part in stream.windows]
    assert len(stream.reference) == REFERENCE
    assert all(begin >= end for begin, end in zip(begins, ends[:-1], strict=True))
    assert stream.shares == pytest.approx([0.7, 1.0, 1.0, 1.0], abs=1e-9)


def test_items_without_times_make_no_stream_by_date(items: Items, times: Times) -> None:
    with pytest.raises(ValueError, match="the times of the items are missing"):
        make_stream(Case(SET, BY_DAY), items, seed=1)
    with pytest.raises(ValueError, match="1 items have no time"):
        make_stream(Case(SET, BY_DAY), items, seed=1, times=np.where(np.arange(len(items)) == 5, np.nan, times))


def record() -> Record:
    return Record(
        cell=Cell(set=SET, change=BY_DAY, share=0.0, seed=7, detector="quietcorner"),
        before=2,
        scores=(0.0, 1.0, 2.0, 0.0, 9.0),
        alarms=(False, False, True, False, True),
        raised=(False, False, True, False, False),
        fit_s=0.1,
        window_s=(0.01,) * 5,
        machine="none",
        date="2026-11-27",
        shares=(0.0, 0.0, 0.01, 0.03, 0.2),
    )


def test_the_delay_counts_from_the_window_in_which_enough_is_new() -> None:
    assert onset_delay(record(), None, 0.01) == (1, True)
    assert onset_delay(record(), None, 0.02) == (2, True)
    assert onset_delay(record(), None, 0.05) == (1, True)
    assert onset_delay(record(), 10.0, 0.05) == (2, False)
    assert onset_delay(record(), None, 0.5) is None


def test_the_table_counts_windows_by_how_much_of_them_is_new() -> None:
    printed = by_date([record()])
    assert "| quietcorner, default | 1 | 2.0 | 1.0 | 0 of 1 | - | 1 of 1 |" in printed
    never = record().model_copy(update={"shares": (0.0,) * 5})
    assert "| quietcorner, default | 1 | - | - | - | - | - |" in by_date([never])
