"""The two examples, small: a page with the plan that the command printed, and what came of it."""

import sys
from pathlib import Path

import pytest

from scripts.examples.__main__ import main
from scripts.examples.cases import ABUSE_CASE, CASES, TICKETS


@pytest.mark.parametrize("name", sorted(CASES))
def test_an_example_is_a_project_with_rules_for_what_is_looked_for(name: str) -> None:
    case = CASES[name]
    config = case.config(5)

    assert config.seed == 5
    assert config.selection.batch_size == 1_000
    assert {rule.label for rule in config.rules} == {case.rare}
    assert {one.label for one in case.pool(2_000, 1)} == set(config.classes)
    assert not {one.id for one in case.pool(50, 1)} & {one.id for one in case.test(50, 1)}


def test_other_waves_make_batches_of_their_size() -> None:
    assert ABUSE_CASE.with_waves((30, 20)).config(0).selection.batch_size == 20
    assert TICKETS.waves == (1_000, 1_000)


@pytest.mark.parametrize("name", ["abuse"])  # the other differs in its case alone, and a minute is long
def test_a_small_example_is_played_to_its_end(
    name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    sizes = ("--items", "500", "--test", "100", "--waves", "80", "60", "--seeds", "1")
    monkeypatch.setattr(sys, "argv", ["plan", name, *sizes, "--folder", str(tmp_path)])
    monkeypatch.setenv("QUIETCORNER_COMPUTE_THREADS", "1")
    main()
    page = capsys.readouterr().out

    assert f"$ quietcorner plan {name} --budget 140 --waves 80,60 --prior" in page
    assert "none labeled. A budget of 140 labels: waves of 80 and 60." in page
    for heading in ("## The plan", "## What came of it", "## Diversity"):
        assert heading in page
    assert "| wave | planned at first | planned anew | found |" in page
    lines = page.splitlines()
    first, second = (sum(line.startswith(f"| {wave} |") for line in lines) for wave in (1, 2))
    assert first == second >= 3  # each table of waves has a row for both
