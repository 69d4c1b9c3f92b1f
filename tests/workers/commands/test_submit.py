import gzip
import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import redis
from hypothesis import given
from hypothesis import strategies as st
from sqlmodel import col, select

from shared.contracts import TaskMessage
from shared.database import Database
from shared.errors import InvalidInputError
from shared.project import ProjectConfig
from shared.repository.assignments import mark_queued, open_assignments
from shared.streams import ANNOTATORS, CELERY_PREFIX, ensure_group, tasks_key
from shared.tables import Assignment, DeadLetter, Label, Submission
from tests.workers.reporting.command import run, there
from tests.workers.reporting.example import NAME, RARE, Example, add_batch, add_items, make_project, reason
from workers.commands.submit import derive_submission_id
from workers.dispatch.queue import add_tasks

__all__ = ["there"]

_FILE = "labels.jsonl"
_NOTHING = {"accepted": 0, "duplicate": 0, "refused": 0, "late": 0, "unasked": 0}


def test_labels_are_taken_and_counted(there: Database) -> None:
    example = _project(there)
    add_batch(there, example.id, [1, 2])
    _write({"item_id": "item-1", "label": "praise"}, {"id": "item-3", "label": RARE, "annotator": "anna"})
    told = run("submit", NAME, _FILE).stdout

    assert told == f"{NAME}: 2 accepted (0 late, 1 unasked), 0 duplicate, 0 refused\n"
    with there.read() as session:
        stored = session.exec(select(Submission).order_by(col(Submission.id))).all()
        assert [(row.annotator, row.label, row.unasked) for row in stored] == [
            ("file", "praise", False),
            ("anna", RARE, True),
        ]
        assert [row.state for row in session.exec(select(Assignment).order_by(col(Assignment.rank)))] == [
            "done",
            "open",
        ]


def test_the_same_file_given_again_does_nothing(there: Database) -> None:
    _project(there)
    _write(*({"id": f"item-{number}", "label": "praise"} for number in range(1, 6)))
    first, second = (_summary() for _ in range(2))

    assert first == {**_NOTHING, "accepted": 5, "unasked": 5}
    assert second == {**_NOTHING, "duplicate": 5}


def test_another_label_for_the_same_item_is_another_answer(there: Database) -> None:
    _project(there)
    for label in ("praise", "delay"):
        _write({"id": "item-1", "label": label})
        run("submit", NAME, _FILE)

    with there.read() as session:
        assert [label.value for label in session.exec(select(Label))] == ["delay"]


def test_refused_and_broken_rows_are_set_aside_with_line_and_reason(there: Database) -> None:
    _project(there)
    good = {"id": "item-1", "label": "praise"}
    rows = [
        json.dumps(good),
        "{broken",
        "",
        '["a list"]',
        json.dumps({"id": "item-2", "label": "frud"}),
        json.dumps({"id": "nobody", "label": "praise"}),
        json.dumps({"id": "item-3"}),
        json.dumps({"label": "praise"}),
        json.dumps({**good, "annotator": "two words"}),
        '{"id": "item-4", "label": ' + "[" * 900 + "]" * 900 + "}",
    ]
    Path(_FILE).write_text("\n".join(rows), encoding="utf-8")
    told = run("submit", NAME, _FILE).stdout
    rejected = [json.loads(line) for line in Path(f"{_FILE}.rejected.jsonl").read_text(encoding="utf-8").splitlines()]

    assert "1 accepted (0 late, 1 unasked), 0 duplicate, 8 refused" in told
    assert f"{_FILE}.rejected.jsonl" in told
    assert [row["line"] for row in rejected] == [2, 4, 5, 6, 7, 8, 9, 10]
    for row, reason_told in zip(
        rejected,
        (
            "not valid JSON",
            "a JSON object is expected",
            "unknown class 'frud'",
            "no item 'nobody'",
            "label is missing",
            "item_id",
            "annotator",
            "",
        ),
        strict=True,
    ):
        assert reason_told in row["reason"]
    assert json.loads(rejected[2]["row"]) == {"id": "item-2", "label": "frud"}


def test_what_the_project_refuses_is_kept_among_the_dead_letters(there: Database) -> None:
    _project(there)
    _write({"id": "item-1", "label": "praise"}, {"id": "item-2", "label": "frud"})
    run("submit", NAME, _FILE)

    with there.read() as session:
        (letter,) = session.exec(select(DeadLetter)).all()
        assert (letter.origin, letter.project) == ("file", NAME)
        assert "unknown class 'frud'" in letter.reason


def test_a_later_run_without_faults_leaves_no_rejected_file(there: Database) -> None:
    _project(there)
    _write({"id": "item-1", "label": "praise"}, {"id": "item-2", "label": "frud"})
    run("submit", NAME, _FILE)
    _write({"id": "item-2", "label": "delay"})
    run("submit", NAME, _FILE)

    assert [path.name for path in Path().iterdir()] == [_FILE]


def test_a_file_of_which_nothing_can_be_taken_is_an_error(there: Database) -> None:
    _project(there)
    _write({"id": "item-1", "label": "frud"})
    with pytest.raises(InvalidInputError, match="every row was refused") as raised:
        run("submit", NAME, _FILE)

    assert raised.value.exit_code == 2


@pytest.mark.parametrize(
    ("name", "content", "told"),
    [
        ("missing.jsonl", None, "no such file"),
        ("empty.jsonl", b"", "no rows"),
        ("labels.xlsx", b"PK", "unknown kind of file"),
        ("labels.parquet", b"PAR1", "not a Parquet file"),
        (
            "broken.jsonl.gz",
            gzip.compress(b'{"id": "item-1", "label": "praise"}\n' * 10_000, mtime=0)[:-20],
            "broke off",
        ),
    ],
)
def test_a_file_that_can_not_be_read_is_told(there: Database, name: str, content: bytes | None, told: str) -> None:
    _project(there)
    if content is not None:
        Path(name).write_bytes(content)
    with pytest.raises(InvalidInputError, match=told):
        run("submit", NAME, name)


@pytest.mark.parametrize(
    ("task", "expected"),
    [("single", "a class"), ("multi", "a list of classes"), ("ner", "a list of spans {start, end, label}")],
)
def test_a_row_without_a_label_says_what_the_task_wants(there: Database, task: str, expected: str) -> None:
    add_items(there, make_project(there, task=task).id, [("Text", "mail")])
    _write({"id": "item-1", "label": None}, {"id": "item-1"}, {"id": "item-1", "label": True})
    with pytest.raises(InvalidInputError, match="every row was refused"):
        run("submit", NAME, _FILE)
    reasons = [json.loads(line)["reason"] for line in Path(f"{_FILE}.rejected.jsonl").read_text().splitlines()]

    assert reasons[:2] == [f"label is missing: {expected} is expected"] * 2
    assert reasons[2] == 'label: a class is expected, or a list of classes (task = "multi") or of spans (task = "ner")'


def test_a_spreadsheet_without_a_label_column_is_told_how_to_name_one(there: Database) -> None:
    _project(there)
    Path("labels.csv").write_text("id,verdict\nitem-1,praise\n")
    with pytest.raises(InvalidInputError, match=r"there is no column 'label'.*--column label=COLUMN\."):
        run("submit", NAME, "labels.csv")


def test_a_spreadsheet_with_columns_of_other_names_is_taken(there: Database) -> None:
    _project(there)
    Path("labels.csv").write_text("ticket;who;verdict;text\nitem-1;anna;praise;a, b\nitem-2;;delay;c\nitem-9;;;d\n")
    told = run(
        "submit",
        NAME,
        "labels.csv",
        *(f"--column={pair}" for pair in ("id=ticket", "annotator=who")),
        "--column=label=verdict",
    )

    assert "2 accepted (0 late, 2 unasked), 0 duplicate, 1 refused" in told.stdout
    with there.read() as session:
        stored = session.exec(select(Submission).order_by(col(Submission.id))).all()
        assert [(row.annotator, row.label) for row in stored] == [("anna", "praise"), ("file", "delay")]


def test_a_label_may_be_spread_over_columns_of_yes_and_no(there: Database) -> None:
    example = make_project(there, task="multi", classes=["toxic", "threat", "obscene"])
    add_items(there, example.id, [(f"Text {number}", "mail") for number in range(4)])
    Path("labels.csv").write_text("id,toxic,threat\nitem-1,1,0\nitem-2,0,0\nitem-3,true,Yes\nitem-4,,1\n")
    told = run("submit", NAME, "labels.csv", "--column", "label=toxic,threat")

    assert "3 accepted (0 late, 3 unasked), 0 duplicate, 1 refused" in told.stdout
    [refused] = [json.loads(line) for line in Path("labels.csv.rejected.jsonl").read_text().splitlines()]
    assert refused["reason"].startswith("toxic = ''")
    with there.read() as session:
        stored = session.exec(select(Submission.label).order_by(col(Submission.id))).all()
        assert [set(label) for label in stored] == [{"toxic"}, set(), {"toxic", "threat"}]


def test_compressed_files_and_standard_input_are_read(there: Database) -> None:
    _project(there)
    Path("labels.jsonl.gz").write_bytes(gzip.compress(b'{"id": "item-1", "label": "praise"}\n'))
    run("submit", NAME, "labels.jsonl.gz")
    piped = run("submit", NAME, "-", "--annotator", "pipe", stdin=b'{"id": "item-2", "label": "delay"}\n{"id": 2}\n')

    assert "1 accepted (0 late, 1 unasked), 0 duplicate, 1 refused" in piped.stdout
    assert Path("stdin.rejected.jsonl").exists()
    with there.read() as session:
        assert sorted(session.exec(select(Submission.annotator))) == ["file", "pipe"]


def test_more_rows_than_one_transaction_takes_are_all_taken(there: Database) -> None:
    _project(there, items=1_200)
    _write(*({"id": f"item-{number}", "label": "praise"} for number in range(1, 1_201)))

    assert _summary() == {**_NOTHING, "accepted": 1_200, "unasked": 1_200}


def test_a_submission_id_of_ones_own_changes_an_answer_back(there: Database) -> None:
    _project(there)
    for id_, label in (("1", "praise"), ("2", "delay"), ("3", "praise")):
        _write({"id": "item-1", "label": label, "submission_id": id_})
        run("submit", NAME, _FILE)

    with there.read() as session:
        assert [label.value for label in session.exec(select(Label))] == ["praise"]


def test_an_answered_task_leaves_the_queue_and_the_workers_are_woken(
    there: Database, redis_server: str, redis_client: redis.Redis
) -> None:
    example = _project(there)
    add_batch(there, example.id, [1, 2])
    _queue(there, example, redis_client)
    _write({"id": "item-1", "label": "praise"})
    subprocess.run(
        [sys.executable, "-m", "workers.cli", "submit", NAME, _FILE],
        env={**os.environ, "REDIS_URL": redis_server},
        check=True,
    )

    (left,) = redis_client.xrange(tasks_key(NAME)) or []
    assert json.loads((left[1] or {})[b"data"])["item_id"] == "item-2"
    assert redis_client.keys(f"{CELERY_PREFIX}*")


_LABELS = st.lists(st.sampled_from(["a", "b", "c"]), max_size=3)


@given(_LABELS, _LABELS)
def test_answers_have_the_same_id_when_their_labels_mean_the_same(one: list[str], other: list[str]) -> None:
    config = ProjectConfig(task="multi", classes=("a", "b", "c"))
    ids = [derive_submission_id(item_id="i", annotator="n", label=label, config=config) for label in (one, other)]

    assert (ids[0] == ids[1]) == (set(one) == set(other))


def test_another_item_or_annotator_gives_another_id() -> None:
    config = ProjectConfig(classes=("a",))
    pairs = [("i", "n"), ("j", "n"), ("i", "m"), ("in", ""), ("", "in")]
    ids = {derive_submission_id(item_id=item, annotator=who, label="a", config=config) for item, who in pairs}

    assert len(ids) == len(pairs)


def _project(database: Database, *, items: int = 5) -> Example:
    example = make_project(database)
    add_items(database, example.id, [(f"Text {number}", "mail") for number in range(items)])
    return example


def _write(*rows: dict[str, Any]) -> None:
    Path(_FILE).write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")


def _summary() -> dict[str, int]:
    summary = json.loads(run("submit", NAME, _FILE, "--json").stdout)
    return {key: summary[key] for key in _NOTHING}


def _queue(database: Database, example: Example, client: redis.Redis) -> None:
    """Put the open assignments on the tasks stream."""
    ensure_group(client, tasks_key(NAME), ANNOTATORS)
    with database.write() as session:
        rows = open_assignments(session, example.id)
        tasks = [
            TaskMessage(
                project=NAME,
                assignment=row.id,
                lease=1,
                lease_s=600,
                item_id=f"item-{row.rank}",
                text="Text",
                source="mail",
                task="single",
                classes=list(example.config.classes),
                batch=1,
                reason=reason(row.rank),
            )
            for row in rows
        ]
        mark_queued(session, dict(zip([row.id for row in rows], add_tasks(client, NAME, tasks), strict=True)))
