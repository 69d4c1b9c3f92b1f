"""The bench of scale: it runs rounds as a worker does, and the same rounds choose the same items."""

import shutil
from pathlib import Path

import numpy as np
import pytest

from scripts.bench.latency_loop import make_pool
from scripts.bench.scale_loop.handed import load
from scripts.bench.scale_loop.measured import TRUTH, Extras, run_rounds
from scripts.bench.scale_loop.pools import Shape, place
from scripts.bench.scale_loop.watched import STEPS
from shared.database import open_database
from shared.errors import InvalidInputError
from shared.urls import sqlite_url
from tests.servers import make_settings


@pytest.fixture
def pool(tmp_path: Path) -> Path:
    """A data folder with a made-up pool."""
    database = open_database(make_settings(tmp_path / "pool"))
    make_pool(database, items=300, classes=3, labels=60, batch=10, seed=0)
    database.close()
    return tmp_path / "pool"


def test_rounds_on_two_copies_of_a_pool_choose_the_same_items_and_tell_every_step(pool: Path, tmp_path: Path) -> None:
    shutil.copytree(pool, tmp_path / "copy")
    one, other = (run_rounds(make_settings(tmp_path / name), rounds=2) for name in ("pool", "copy"))
    assert one["batches"] == other["batches"]
    assert one["items"] == 300
    assert len(one["rounds"]) == 2
    told = {f"{step}_s" for step in STEPS} | {"total_s", "cpu_s", "cpu"}
    assert set(one["rounds"][0]) == told
    assert set(one["rounds"][0]["cpu"]) == set(STEPS)
    assert one["limits"]["scored_s"] >= 0
    assert one["all_mib"] > one["own_mib"] > 0


def test_the_last_choice_is_handed_over_with_what_the_product_gets_by_each_seed(pool: Path, tmp_path: Path) -> None:
    folder = tmp_path / "handed"
    found = run_rounds(make_settings(pool), rounds=2, extras=Extras(folder, seeds=2, profiled=True, more=50))
    given = load(folder)
    assert [len(chosen) for chosen in found["chosen"]] == [10, 10]
    assert found["chosen"][0] != found["chosen"][1]
    assert np.isin(found["chosen"], given.eligible).all()
    truth = np.load(folder / TRUTH)
    assert (truth[given.labeled] == given.labels).all(), "labels are the true classes"
    assert found["more"]["items"] == 50
    assert found["profile"][0]["name"] == "workers/selection/tasks: conduct_round"


def test_a_kept_pool_is_made_once_and_each_run_has_a_copy_of_it(tmp_path: Path) -> None:
    shape = Shape(items=40, classes=3, labels=20, batch=5)
    for _ in range(2):
        with place(shape, tmp_path) as scratch:
            assert [file.name for file in (scratch / "run").iterdir()] == ["quietcorner.db"]
            (scratch / "run" / "quietcorner.db").unlink()
        assert not scratch.exists()
    assert [folder.name for folder in tmp_path.iterdir()] == ["40-3-20-5"]


def test_a_database_of_ones_own_has_to_be_empty(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DATABASE_URL", sqlite_url(tmp_path / "own.db"))
    shape = Shape(items=40, classes=3, labels=20, batch=5)
    with place(shape, None) as scratch:
        assert list((scratch / "run").iterdir()) == []
    with pytest.raises(InvalidInputError, match="empty"), place(shape, None):
        pass
