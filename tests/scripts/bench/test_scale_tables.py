"""Tables and plots of the bench of scale say what was measured, and why a peer came to no end."""

from typing import Any

import pytest

from scripts.bench.scale_loop.comparison import behind, missing, rivals
from scripts.bench.scale_loop.peers import PEERS, PRODUCT, Peer
from scripts.bench.scale_loop.plot import PASS, READ, ROUND, SELECT, draw, mebibytes, seconds
from scripts.bench.scale_loop.tables import bar, limits, peers, report, rounds, spread, starts

FALCUN, MARGIN, RANKED = "scikit-activeml Falcun", "scikit-activeml margin", "modAL ranked batch"
TRIAL = {PRODUCT: [0.6, 0.7, 0.65], FALCUN: [0.61, 0.69, 0.66], MARGIN: [0.5, 0.58, 0.56]}


def make_way(name: str, *cpu_s: float, stopped: str | None = None) -> dict[str, Any]:
    diverse = name == PRODUCT or PEERS[name].diverse
    times = {"cpu_s": list(cpu_s), "clock_s": [2 * one for one in cpu_s], "rare": [3] * len(cpu_s)}
    return {"name": name, "diverse": diverse, "own_mib": 100.0, "stopped": stopped, **times}


def make_size(items: int = 1_000) -> dict[str, Any]:
    steps = {"load": 0.1, "train": 0.2, "select": 0.5, "store": 0.1}
    one = {f"{name}_s": 2 * value for name, value in steps.items()} | {"total_s": 2.0, "cpu_s": 0.9, "cpu": steps}
    ways = [make_way(PRODUCT, 0.5, 0.5), make_way(FALCUN, 9.0, 10.0, 12.0), make_way(MARGIN, 0.1)]
    return {
        "items": items,
        "ready_s": 5.0,
        "rounds": [one | {"total_s": 7.0, "cpu_s": 3.0}, one, one],
        "own_mib": 300,
        "all_mib": 400,
        "limits": {"read_s": 0.0, "numpy_s": 0.25, "scored_s": 0.1},
        "ways": [*ways, make_way(RANKED, stopped="time: over 240 s")],
        "profile": [{"name": "workers/selection/round: select", "share": 0.5, "own_share": 0.01}],
        "more": {"items": 100, "cpu_s": 0.05, "clock_s": 0.1},
    }


def test_a_choice_is_told_as_a_multiple_of_the_products_with_its_spread_and_a_stop_with_its_reason() -> None:
    told = peers(make_size(), TRIAL).splitlines()
    assert told[3] == f"| {FALCUN} | 3 | 10.00 (9.00 to 12.00) | 20.00 | 20.00 (18.00 to 24.00) | 100 | 3 (3 to 3) |"
    assert told[4].startswith(f"| {MARGIN}, uncertainty alone | 1 | 0.10 | 0.20 |")
    assert told[5] == f"| {RANKED} | 0 | time: over 240 s | - | - | - | - |"


def test_rivals_are_diverse_came_to_an_end_and_are_not_behind_in_the_trial() -> None:
    ways = make_size()["ways"]
    assert [way["name"] for way in rivals(ways, TRIAL)] == [FALCUN]
    assert behind({"name": MARGIN}, TRIAL)
    assert not behind({"name": RANKED}, TRIAL), "nothing is known of it"
    assert rivals(ways, TRIAL | {FALCUN: [0.5, 0.6, 0.55]}) == []


def test_the_bar_names_every_rival_and_says_where_there_is_none() -> None:
    assert f"{FALCUN} (20.0 times)" in bar(make_size(), TRIAL)
    alone = make_size() | {"ways": [make_way(PRODUCT, 0.5)]}
    assert "no other way" in bar(alone, TRIAL)


def test_rounds_are_medians_of_the_warm_ones_beside_the_first() -> None:
    row = rounds([make_size()]).splitlines()[-1]
    assert row == (
        "| 1,000 | 0.10 | 0.20 | 0.50 | 0.10 | 0.90 (0.90 to 0.90) | 2.00 (2.00 to 2.00) | 3.0 | 300 | 400 |"
    )


def test_passes_over_the_vectors_are_told_beside_how_many_of_them_a_choice_and_a_round_are() -> None:
    assert limits([make_size()]).splitlines()[-1] == "| 1,000 | 0.000 | 0.250 | 0.100 | 2.00 | 3.60 |"


def test_a_start_is_told_from_the_process_to_its_first_batch() -> None:
    row = starts([make_size()]).splitlines()[-1]
    assert row == "| 1,000 | 5.0 | 0.2 | 0.4 | 1.0 | 0.2 | 12.0 | 100 | 0.050 | 0.100 |"


def test_a_report_leaves_out_what_was_not_asked_for() -> None:
    bare = {name: value for name, value in make_size().items() if name not in ("ways", "profile", "more")}
    assert report([bare], {}) == f"{rounds([bare])}\n\n{limits([bare])}"
    assert report([make_size()], TRIAL).count("| --- |") == 6


@pytest.mark.parametrize(("values", "told"), [([], "-"), ([1.5], "1.5"), ([1.0, 3.0, 2.0], "2.0 (1.0 to 3.0)")])
def test_a_spread_is_a_median_between_the_least_and_the_most(values: list[float], told: str) -> None:
    assert spread(values, 1) == told


def test_lines_of_the_plot_end_where_a_peer_came_to_no_end_and_nothing_is_drawn_of_zero() -> None:
    larger = make_size(10_000) | {"ways": [make_way(PRODUCT, 0.5), make_way(FALCUN, stopped="memory: over 10 GiB")]}
    lines = seconds([make_size(), larger])
    assert lines[FALCUN] == [(1_000, 10.0)]
    assert len(lines[ROUND]) == len(lines[SELECT]) == len(lines[PASS]) == 2
    assert READ not in lines
    assert MARGIN not in lines, "it is a yardstick, and no rival"
    assert mebibytes([make_size()]) == {ROUND: [(1_000, 300)], FALCUN: [(1_000, 100.0)]}


def test_the_plot_names_its_lines_and_gives_the_same_bytes_for_the_same_figures() -> None:
    one = draw([make_size(), make_size(10_000)])
    assert one.startswith("<svg")
    assert FALCUN in one
    assert one == draw([make_size(), make_size(10_000)])


def test_a_package_that_is_not_there_is_named_once_with_what_installs_it() -> None:
    def nothing(*_: Any) -> Any:
        raise AssertionError("not asked")

    absent = {name: Peer("no_such_module", "no-such-package", nothing) for name in ("one", "other")}
    assert missing(absent) == ["no-such-package is not installed and left out: pip install -e .[bench]"]
    assert missing({"there": Peer("numpy", "numpy", nothing)}) == []
