"""A campaign with real processes: started by the command, served over rounds, ended by the worker that tends it."""

from pathlib import Path

import pytest

from tests.live import Running, annotator, wait_for
from tests.live_loop.test_loop import start_project

pytestmark = pytest.mark.live


def test_a_persons_campaign_runs_to_its_end_and_says_what_it_brought(running: Running, tmp_path: Path) -> None:
    project = start_project(running, tmp_path, name="campaigns")
    project.wait_for_batch(1)
    [(source,)] = project.query("SELECT source FROM item JOIN me ON me.id = project_id GROUP BY source LIMIT 1")
    started = running.place.facts("campaign", "start", "campaigns", "--source", source, "--budget", "30")
    assert started["state"] == "running"
    with annotator(project, "--delay", "0.01"):
        wait_for(lambda: project.count("campaign", "state = 'done' AND outcome IS NOT NULL"), what="its end")
    over = running.place.facts("campaign", "show", "campaigns")
    assert over["end_reason"].startswith(("its budget is spent", "nothing is left to ask for"))
    assert len(over["rounds"]) >= 2
    assert over["spent"] == over["outcome"]["answered"] <= over["budget"]
    twice = "SELECT item FROM assignment JOIN me ON me.id = project_id GROUP BY item, slot HAVING count(*) > 2"
    assert project.query(twice) == []
