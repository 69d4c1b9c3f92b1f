"""Records of made-up replays for the tests of measures and report."""

from typing import Any

from scripts.bench.selection_loop.record import Cell, Condition, Record

CONDITION = Condition(init=10, batch=10, rounds=3)


def make_record(
    name: str = "mail", strategy: str = "quietcorner", seed: int = 0, condition: Condition = CONDITION, **changes: Any
) -> Record:
    """A replay with 30 labels that found two of four rare items."""
    fields: dict[str, Any] = {
        "eligible": 100,
        "rare_classes": ("rare",),
        "rare_items": 4,
        "labels": (10, 20, 30),
        "macro_f1": (0.4, 0.6, 0.8),
        "rare_f1": (0.0, 0.2, 0.4),
        "rare_pr_auc": (0.1, 0.3, 0.5),
        "rare_found_at": (12, 25),
        "select_s": (0.5, 0.01, 0.03),
        "train_s": (0.1, 0.1, 0.1),
        "select_mib": 7.5,
        "over_caps": 0,
        "missing": 0,
        "machine": "2 cores (x86_64), Python 3.11.9",
        "date": "2026-11-25",
    }
    cell = Cell(set=name, strategy=strategy, seed=seed, condition=condition)
    return Record.model_validate({"cell": cell, **fields, **changes})
