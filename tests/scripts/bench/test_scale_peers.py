"""What peers are given, what they choose of it, and how a process that takes too much is ended."""

import sys
from pathlib import Path

import numpy as np
import pytest

from scripts.bench.scale_loop import trial
from scripts.bench.scale_loop.bounded import Bounds, run
from scripts.bench.scale_loop.handed import handed, load, store
from scripts.bench.scale_loop.peers import PEERS, PRODUCT
from scripts.bench.scale_loop.watched import Watch, shares
from workers.selection.tasks import conduct_round

WIDE = Bounds(60, 4)


def test_what_is_handed_over_is_read_as_it_was(tmp_path: Path) -> None:
    pool = trial.make(0, items=300).pool
    probability = np.full((len(pool), len(pool.classes)), 1 / len(pool.classes), dtype=np.float32)
    store(tmp_path / "handed", pool, probability)
    read, given = load(tmp_path / "handed"), handed(pool, probability)
    for name in ("vectors", "probability", "eligible", "labeled", "labels"):
        np.testing.assert_array_equal(getattr(read, name), getattr(given, name))
    assert len(np.intersect1d(read.eligible, read.labeled)) == 0


@pytest.mark.parametrize("name", [name for name, peer in PEERS.items() if peer.installed])
def test_a_peer_chooses_distinct_eligible_items_and_the_same_by_the_same_seed(name: str) -> None:
    pool = trial.make(0, items=400).pool
    probability = np.random.default_rng(0).dirichlet(np.ones(len(pool.classes)), size=len(pool)).astype(np.float32)
    one, again = (PEERS[name].choose(handed(pool, probability), 10, 7) for _ in range(2))
    assert one.tolist() == again.tolist()
    assert len(set(one.tolist())) == 10
    assert np.isin(one, pool.eligible).all()


@pytest.mark.parametrize("way", [PRODUCT, trial.CHANCE])
def test_a_labeling_of_the_trial_is_the_same_by_the_same_seed(way: str) -> None:
    one, again = (trial.play(way, 1, items=1_000) for _ in range(2))
    assert one == again
    assert 0.2 < one < 1


def test_a_process_within_its_bounds_says_what_it_says() -> None:
    assert run([sys.executable, "-c", "print('chosen')"], WIDE).said == "chosen\n"


def test_a_process_that_fails_is_told_by_its_last_line() -> None:
    ended = run([sys.executable, "-c", "raise ValueError('no such thing')"], WIDE)
    assert ended.stopped == "ValueError: no such thing"


def test_a_process_that_takes_too_long_is_ended() -> None:
    ended = run([sys.executable, "-c", "while True: pass"], Bounds(0.3, 4))
    assert ended.stopped == "time: over 0 s"


def test_a_process_that_takes_too_much_memory_is_ended() -> None:
    greedy = "import time\nheld = bytearray(300_000_000)\ntime.sleep(60)"
    assert run([sys.executable, "-c", greedy], Bounds(60, 0.1)).stopped == "memory: over 0.1 GiB"


def test_steps_are_what_lies_between_the_marks() -> None:
    assert Watch(marks=[1.0, 1.5, 3.5, 3.75, 4.0]).steps == {"load": 0.5, "train": 2.0, "select": 0.25, "store": 0.25}


def test_a_profile_tells_the_products_own_functions_that_take_a_part_worth_telling() -> None:
    ours = conduct_round.__code__.co_filename
    calls = {
        (ours, 1, "conduct_round"): (1, 1, 1.0, 10.0, None),
        (ours, 2, "small"): (1, 1, 0.1, 0.1, None),
        ("/usr/lib/numpy.py", 3, "dot"): (1, 1, 9.0, 9.0, None),
        (__file__, 4, "test"): (1, 1, 9.0, 9.0, None),
    }
    assert shares(calls, 10.0) == [{"name": "workers/selection/tasks: conduct_round", "share": 1.0, "own_share": 0.1}]
