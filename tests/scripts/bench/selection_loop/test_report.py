from pathlib import Path

import pytest

from scripts.bench.selection_loop.comparison import compare
from scripts.bench.selection_loop.frontier import on_frontier
from scripts.bench.selection_loop.record import ALL_LABELS, Record
from scripts.bench.selection_loop.report import write_report
from tests.scripts.bench.selection_loop.records import CONDITION, make_record

_CAPPED = CONDITION.model_copy(update={"caps": True})


def _records() -> list[Record]:
    """The product, better than random on each of three seeds, and as good as margin; and what caps make of it."""
    records = []
    for seed in range(3):
        up = 0.01 * seed
        records += [
            make_record(seed=seed, macro_f1=(0.4, 0.6 + up, 0.8)),
            make_record(strategy="margin", seed=seed, macro_f1=(0.4, 0.6 + 0.01 * ((seed + 1) % 3), 0.8)),
            make_record(strategy="random", seed=seed, macro_f1=(0.4, 0.5, 0.6), rare_found_at=(29,), select_mib=None),
            make_record(strategy="quietcorner-without-likely", seed=seed, macro_f1=(0.4, 0.5 + up, 0.7)),
            make_record(strategy=ALL_LABELS, seed=seed, labels=(100,), macro_f1=(0.9,)),
            make_record(seed=seed, condition=_CAPPED, macro_f1=(0.4, 0.5 + up, 0.7), missing=2),
        ]
    return records


@pytest.fixture
def report(tmp_path: Path) -> str:
    records = {record.cell: record for record in _records()}
    text = write_report(records, tmp_path / "out" / "report.md")
    assert (tmp_path / "out" / "report.md").read_text() == text + "\n"
    return text


def _row(report: str, heading: str, first: str) -> list[str]:
    """The cells of the first row that begins so, after a heading."""
    part = report[report.index(heading) :]
    line = next(line for line in part.splitlines() if line.startswith(f"| {first} |"))
    return [cell.strip() for cell in line.strip("|").split("|")]


def test_strategies_are_compared_over_all_sets(report: str) -> None:
    assert _row(report, "### All sets", "quietcorner")[1] == "0.605"
    random = _row(report, "### All sets", "random")
    assert random[1].startswith("0.500 (-0.105 [")
    assert random[4] == "0.000 (-0.250 [-0.250, -0.250])"
    assert random[-1] == "-"


def test_the_product_is_tied_with_what_it_cannot_be_told_from_and_ahead_of_random(report: str) -> None:
    assert "**quietcorner**" in _row(report, "### Who is first", "mail")[1]
    standing = compare(_records(), CONDITION).standing("macro_f1_area", "mail")
    assert standing is not None
    assert {standing.leader, *standing.tied} == {"quietcorner", "margin"}


def test_a_set_says_how_much_was_found_and_how_long_it_took(report: str) -> None:
    found = _row(report, "| strategy | rare found, half budget | rare found, full budget | labels", "random")
    assert found[1] == "0.000 (-0.250 [-0.250, -0.250])"
    assert found[3].startswith("≥ 30 (+0 [")
    assert "macro-F1 with all labels 0.900" in report


def test_runs_below_random_are_counted(report: str) -> None:
    assert _row(report, "### All sets", "margin")[6:8] == ["0.0 %", "0.0 %"]
    assert "Runs of `quietcorner` below random: 0.0 % (bar: 2 %); beyond doubt: 0.0 %." in report


def test_a_run_that_is_hardly_below_random_is_not_below_beyond_doubt(tmp_path: Path) -> None:
    heights = (0.2, 0.49, 0.7, 0.8)
    records = [make_record(seed=seed, macro_f1=(0.4, height, 0.6)) for seed, height in enumerate(heights)]
    records += [make_record(strategy="random", seed=seed, macro_f1=(0.4, 0.5, 0.6)) for seed in range(4)]
    text = write_report({record.cell: record for record in records}, tmp_path / "report.md")
    assert "Runs of `quietcorner` below random: 50.0 % (bar: 2 %); beyond doubt: 25.0 %." in text


def test_every_table_names_its_command_the_machine_and_the_date(report: str) -> None:
    line = "*`scripts/bench/selection --seeds 3 --init 10 --batch 10 --rounds 3`, 2 cores (x86_64), Python 3.11.9"
    assert report.count(line + ", 2026-11-25*") == 5
    assert "--rounds 3 --caps`" in report


def test_a_channel_that_is_missed_has_earned_its_place(report: str) -> None:
    assert _row(report, "### Without one channel", "mail")[1] == "-0.075 [-0.075, -0.075]"
    assert "- `likely`: without it something is worse on mail; something is better on no set." in report
    assert "quietcorner-without-likely" not in report[: report.index("### Without one channel")]


def test_what_caps_and_wrong_labels_change_is_told_by_pairs_with_and_without(tmp_path: Path) -> None:
    noisy = CONDITION.model_copy(update={"noise": 0.1})
    records = [*_records(), *(make_record(seed=seed, condition=noisy, macro_f1=(0.4, 0.4, 0.4)) for seed in range(2))]
    text = write_report({record.cell: record for record in records}, tmp_path / "report.md")
    caps = _row(text, "## What caps cost: with / without", "quietcorner")
    assert caps[1] == "0.530 / 0.605 (-0.075 [-0.075, -0.075])"
    assert caps[2].endswith("(+0.000 [+0.000, +0.000])")
    assert caps[4] == "6"
    assert _row(text, "## What wrong labels cost: 10 % / none", "quietcorner")[1].startswith("0.400 / 0.603 (-0.203 [")
    assert "margin" not in text[text.index("## What wrong labels cost") :]


def test_finding_is_set_against_learning(report: str) -> None:
    part = report[report.index("### Finding against learning") :]
    rows = {
        row[1].strip(): [cell.strip() for cell in row[2:]]
        for line in part.splitlines()[2:7]
        if (row := line.split("|")[1:-1])
    }
    assert rows["quietcorner"][1].startswith("**")
    assert not rows["random"][1].startswith("**")
    assert "By macro-F1 area `quietcorner` is on the frontier of 1 of 1 sets." in part


def test_the_frontier_is_what_nothing_else_beats() -> None:
    found = {"a": 0.5, "b": 0.4, "c": 0.3, "d": 0.5, "e": 0.9}
    assert on_frontier(found, {"a": 0.7, "b": 0.8, "c": 0.75, "d": 0.7}) == {"a", "b", "d"}
    assert on_frontier({}, {}) == set()


def test_without_results_it_says_so(tmp_path: Path) -> None:
    assert write_report({}, tmp_path / "report.md") == "There are no results yet."


def test_the_product_behind_is_called_behind(tmp_path: Path) -> None:
    records = [
        make_record(strategy=strategy, seed=seed, macro_f1=(0.4, height + 0.01 * seed, 0.8))
        for strategy, height in (("quietcorner", 0.5), ("badge", 0.7))
        for seed in range(4)
    ]
    text = write_report({record.cell: record for record in records}, tmp_path / "report.md")
    assert "badge, quietcorner behind (-0.100 [-0.100, -0.100])" in text
    assert "First or tied for first by macro-F1 area: 0 of 1 sets; behind on mail." in text


def test_rare_items_found_are_set_against_the_best_uncertainty_baseline(tmp_path: Path) -> None:
    records = [
        make_record(strategy="quietcorner", rare_found_at=(1, 2, 3, 4)),
        make_record(strategy="entropy", rare_found_at=(1,)),
        make_record(strategy="margin", rare_found_at=(1, 30)),
    ]
    text = write_report({record.cell: record for record in records}, tmp_path / "report.md")
    assert "Rare found, half budget: 4.00 times what the best" in text
    assert "Rare found, full budget: 2.00 times what the best" in text
    assert "and on no set fewer." in text
    assert "mail 0.13" in text  # 4 labels, where the baselines get nowhere in 30
