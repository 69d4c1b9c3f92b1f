"""The bench of scale: it runs rounds as a worker does, and the same rounds choose the same items."""

import shutil
from pathlib import Path

from scripts.bench.latency_loop import make_pool
from scripts.bench.scale_loop.measured import run_rounds
from shared.database import open_database
from tests.servers import make_settings


def test_rounds_on_two_copies_of_a_pool_choose_the_same_items_and_tell_every_step(tmp_path: Path) -> None:
    settings = make_settings(tmp_path / "pool")
    database = open_database(settings)
    make_pool(database, items=300, classes=3, labels=60, batch=10, seed=0)
    database.close()
    shutil.copytree(tmp_path / "pool", tmp_path / "copy")
    one, other = (run_rounds(make_settings(tmp_path / name), rounds=2) for name in ("pool", "copy"))
    assert one["batches"] == other["batches"]
    assert one["items"] == 300
    assert len(one["rounds"]) == 2
    assert set(one["rounds"][0]) == {"load_s", "train_s", "select_s", "store_s", "total_s", "cpu_s"}
    assert one["limits"]["scored_s"] >= 0
    assert one["all_mib"] > one["own_mib"] > 0
