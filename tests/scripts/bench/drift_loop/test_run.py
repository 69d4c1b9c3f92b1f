"""Every detector sees a plain change and is quiet without one, and what it said can be read again."""

from pathlib import Path

import numpy as np
import pytest

from scripts.bench.drift_loop.cases import FAR, MADE_UP, NULL, Case
from scripts.bench.drift_loop.peers import predictions, source_test
from scripts.bench.drift_loop.record import Cell, read
from scripts.bench.drift_loop.run import DETECTORS, cells_of, show
from scripts.bench.drift_loop.streams import Stream, together
from scripts.bench.records import append, write
from shared.errors import InvalidInputError
from tests.scripts.bench.drift_loop.piles import pile

BLIND = [name for name, fit in DETECTORS.items() if fit in (predictions, source_test)]


@pytest.fixture(scope="module")
def stream() -> Stream:
    """Quiet windows, then one of which four fifths are of a domain that was never there."""
    items = pile(domains=3, intents=4, items=120)
    usual, new = items.take(items.sources != "domain 2"), items.take(items.sources == "domain 2")
    order = np.random.default_rng(0).permutation(len(usual))
    quiet = [usual.take(order[start : start + 100]) for start in (500, 600, 700)]
    changed = together(new.take(np.arange(80)), usual.take(order[800:820]))
    return Stream(usual.take(order[:500]), (*quiet, changed), 3, usual.take(order[820:]))


@pytest.mark.parametrize("detector", [name for name in DETECTORS if name not in BLIND])
def test_a_plain_change_is_seen(stream: Stream, detector: str) -> None:
    (record,) = show(stream, [cell(detector)], machine="none")
    assert record.alarms[-1]
    assert record.scores[-1] > max(record.scores[:3])
    assert len(record.scores) == len(record.raised) == len(record.window_s) == 4


def test_a_detector_that_is_not_there_is_left_out(stream: Stream) -> None:
    assert list(show(stream, [cell("evidently mmd")], machine="none")) == []


def test_cells_are_only_of_detectors_that_can_see_something() -> None:
    cells = cells_of([Case(MADE_UP, NULL), Case("hwu64", FAR, 0.05)], [3], list(DETECTORS))
    by_set = {name: {cell.detector for cell in cells if cell.set == name} for name in (MADE_UP, "hwu64")}
    assert set(DETECTORS) - by_set[MADE_UP] == {"KS on predictions"}
    assert set(DETECTORS) - by_set["hwu64"] == {"chi-square on sources"}


def test_what_was_kept_is_read_again_without_a_line_that_was_cut_short(stream: Stream, tmp_path: Path) -> None:
    path = tmp_path / "results.jsonl"
    records = list(show(stream, [cell("quietcorner"), cell("KS, Bonferroni")], machine="none"))
    write(path, records[:1])
    append(path, records[1])
    with path.open("a") as lines:
        lines.write('{"cell": ')
    assert list(read(path).values()) == records
    path.write_text("{}\n")
    with pytest.raises(InvalidInputError, match="line 1: not a record"):
        read(path)


def cell(detector: str) -> Cell:
    return Cell(set="made up", change=FAR, share=0.8, seed=0, detector=detector)
