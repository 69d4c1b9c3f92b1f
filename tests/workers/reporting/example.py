"""A project some way into its life, written row by row, for the tests of reporting and of the commands that show it."""

from dataclasses import dataclass
from typing import Any

import numpy as np
from sqlmodel import Session, col, select

from shared import lanes
from shared.contracts import Reason, SubmissionMessage
from shared.database import Database, now
from shared.drift_tables import Campaign, DriftReport
from shared.events import Event, emit
from shared.project import ProjectConfig
from shared.repository.pools import space_of
from shared.repository.projects import create_project
from shared.repository.rounds import store_assignments, store_model
from shared.repository.submissions import store_dead_letter
from shared.tables import Assignment, Batch, Item, Project
from shared.vectors import append_segment, text_key
from workers.intake.answers import take_answers

NAME = "tickets"
RARE = "fraud <b>$1_000$</b>"
CLASSES = ("praise", "delay", RARE)
ENCODER = "test-encoder"
NASTY = "<script>alert('&')</script>\x1b[31m refund"


@dataclass(frozen=True)
class Example:
    """The project as the tests need it."""

    id: int
    config: ProjectConfig


def make_project(database: Database, *, name: str = NAME, **options: Any) -> Example:
    """A project without items."""
    config = ProjectConfig.model_validate({"classes": CLASSES, **options})
    with database.write() as session:
        assert create_project(session, name, config)
        return Example(session.exec(select(Project.id).where(col(Project.name) == name)).one(), config)


def add_items(database: Database, project_id: int, texts: list[tuple[str, str]], *, first: int = 1) -> None:
    """Items `item-1`, `item-2` and so on, given as (text, source)."""
    with database.write() as session:
        time = now(session)
        for number, (text, source) in enumerate(texts, first):
            session.add(
                Item(
                    project_id=project_id,
                    item_id=f"item-{number}",
                    text=text,
                    source=source,
                    text_key=text_key(text),
                    normal_key=text_key(text),
                    draw=(number % 97) / 97,
                    added_at=time,
                )
            )


def embed(database: Database, project_id: int, *, most: int | None = None) -> None:
    """A made-up vector for each distinct text, or for some."""
    with database.write() as session:
        found = session.exec(select(Item.text_key).where(col(Item.project_id) == project_id).distinct()).all()
        keys = np.array(sorted(found)[:most], dtype=np.int64)
        vectors = np.random.default_rng(0).normal(size=(len(keys), 8))
        vectors /= np.linalg.norm(vectors, axis=1, keepdims=True)
        append_segment(
            session, space=space_of(project_id), encoder=ENCODER, keys=keys, vectors=vectors.astype(np.float16)
        )
        session.get_one(Project, project_id).encoder_key = ENCODER


def add_batch(database: Database, project_id: int, items: list[int], *, metrics: dict[str, Any] | None = None) -> int:
    """The next round: a model, and a batch of items given by their numbers. Returns the batch's row number."""
    with database.write() as session:
        number = len(session.exec(select(Batch).where(col(Batch.project_id) == project_id)).all()) + 1
        model = store_model(
            session, project_id=project_id, version=number, encoder=ENCODER, labels=10 * number, arrays=b""
        )
        model.metrics = metrics
        batch = Batch(
            project_id=project_id,
            round=number,
            model=model.id,
            seed=7,
            submissions_seen=0,
            wanted=len(items) + 1,
            chosen=len(items),
            shortfalls=["short by 1: no eligible item is left"],
            audit={},
            train_s=0.25,
            select_s=0.5,
            selected_at=now(session),
        )
        session.add(batch)
        session.flush()
        choices = [(_row(session, project_id, item), reason(rank)) for rank, item in enumerate(items, 1)]
        store_assignments(session, batch, choices)
        emit(session, Event.BATCH_SELECTED, project_id=project_id, round=number, chosen=len(items))
        return batch.id


def reason(rank: int) -> Reason:
    """The first of a batch is an audit item, the others come from the boundary."""
    return Reason(
        channel="audit" if rank == 1 else "boundary",
        score=None if rank == 1 else 0.5,
        rank=rank,
        cluster=None if rank == 1 else 3,
        predicted=RARE,
        probability=0.625,
        rules=[],
        inclusion=0.1 if rank == 1 else None,
        model=1,
        encoder=ENCODER,
        seed=7,
    )


def answer(database: Database, example: Example, labels: dict[int, Any], *, name: str = NAME) -> None:
    """Anna's answers by item number."""
    messages = [
        SubmissionMessage(
            project=name, submission_id=f"a-{item}", item_id=f"item-{item}", annotator="anna", label=label
        )
        for item, label in labels.items()
    ]
    with database.write() as session:
        take_answers(session, project_id=example.id, messages=messages, origin="test")


def metrics(macro_f1: float, *, items: int = 40) -> dict[str, Any]:
    """As an evaluation writes them; of `delay` there are too few items."""
    rates = {"precision": 0.5, "recall": 0.75, "f1": 0.6, "recall_low": 0.5, "recall_high": 0.9}
    return {
        "n": items,
        "macro_f1": {"value": macro_f1, "low": macro_f1 - 0.1, "high": macro_f1 + 0.1},
        "per_class": {
            "praise": {**rates, "support": items - 10},
            "delay": {**rates, "support": 2},
            RARE: {**rates, "support": 8},
        },
        "too_few": ["delay"],
    }


def add_drift(database: Database, project_id: int, levels: list[str]) -> None:
    """One window a level; the last one opens a campaign."""
    with database.write() as session:
        first = _row(session, project_id, 1)
        for number, level in enumerate(levels, 1):
            report = DriftReport(
                project_id=project_id,
                window=number,
                reference=1,
                first=first,
                through=first,
                settled=first,
                items=500,
                level=level,
                findings=findings(0.08 if level == "act" else 0.0, typical=first),
                made_at=now(session),
            )
            session.add(report)
        session.flush()
        session.add(
            Campaign(
                project_id=project_id,
                report=report.id,
                budget=5,
                candidates={"drift": [first, first + 1], "relabel": [first + 2]},
                opened_at=now(session),
            )
        )


def findings(share: float, *, typical: int) -> dict[str, Any]:
    """As the drift watch writes them."""
    quiet = {"p": 0.5, "alarm": False, "share": 0.0}
    cell = {
        "cell": 4,
        "novel": True,
        "expected": 2.5,
        "seen": 40,
        "z": 9.0,
        "sources": {"chat": 40},
        "typical": [typical],
    }
    loud = share > 0
    return {
        "items": 500,
        "share": share,
        "tests": {
            "novelty": {"p": 1e-9, "alarm": loud, "share": share},
            "cells": quiet,
            "mix": {**quiet, "alarm": loud},
        },
        "cells": [cell] if loud else [],
        "sources": [
            {"source": "chat", "reference": 0.3, "window": 0.5, "z": 8.0},
            {"source": "mail", "reference": 0.7, "window": 0.5, "z": -8.0},
        ],
        "drifted": 40 if loud else 0,
        "drifted_sources": {"chat": 40} if loud else {},
    }


def make_example(database: Database) -> Example:
    """Ten items of nine texts from two sources, two rounds, four labels, drift with a campaign, a dead letter."""
    example = make_project(database, targets={RARE: 5, "praise": 1})
    texts = [(NASTY, "chat"), ("Where is my parcel?", "mail"), ("Where is my parcel?", "mail")]
    texts += [(f"Text number {number}", "mail") for number in range(4, 11)]
    add_items(database, example.id, texts)
    embed(database, example.id, most=6)
    add_batch(database, example.id, [1, 2, 4], metrics=metrics(0.5))
    answer(database, example, {1: RARE, 2: "delay", 4: "praise"})
    add_batch(database, example.id, [5, 6], metrics=metrics(0.7))
    answer(database, example, {10: "praise"})
    add_drift(database, example.id, ["quiet", "note", "act"])
    with database.write() as session:
        waiting = session.exec(select(Assignment).where(col(Assignment.item) == _row(session, example.id, 5))).one()
        waiting.leased_until, waiting.annotator = now(session) + 600, "bert"
        store_dead_letter(session, origin="stream", project=NAME, payload=NASTY, reason="label: unknown class")
        store_dead_letter(session, origin="stream", project=None, payload="?", reason="not JSON")
        store_dead_letter(session, origin="stream", project="another", payload="?", reason="no such item")
    return example


def set_aside(database: Database, project_id: int, room: str, *, error: str) -> None:
    """Let a lane fail until it is set aside."""
    with database.write() as session:
        lanes.request(session, project_id, room)
    for _ in range(lanes.MOST_ATTEMPTS):
        with database.write() as session:
            claimed = lanes.claim(session, project_id=project_id, room=room, owner="test", lease_s=30)
            assert claimed is not None
            lanes.give_back(session, claimed, error=error)


def _row(session: Session, project_id: int, number: int) -> int:
    statement = select(Item.id).where(col(Item.project_id) == project_id, col(Item.item_id) == f"item-{number}")
    return session.exec(statement).one()
