"""Items on their way from files into the pool, on both databases."""

import gzip
import json
import random
import time
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest
from pyarrow import parquet
from sqlmodel import col, select

from shared import lanes
from shared.database import Database
from shared.errors import DatabaseUnavailableError
from shared.project import ProjectConfig
from shared.repository.items import NewItem, Stored, set_duplicate_groups
from shared.repository.projects import create_project
from shared.tables import Item, Lane, OutboxEvent, Project, RuleHit
from shared.vectors import text_key
from tests.workers.commands.command_line import CommandLine, cli
from workers.commands import ingest as command
from workers.intake.readers import item_of
from workers.intake.rows import Columns, normalise, permanent_draw
from workers.intake.rules import Rules
from workers.intake.storing import store_items

__all__ = ["cli"]

CONFIG = ProjectConfig.model_validate(
    {
        "classes": ["common", "fraud"],
        "seed": 7,
        "rules": [
            {"name": "words", "class": "fraud", "keywords": ["fraud"]},
            {"name": "digits", "class": "fraud", "pattern": r"\d{4}"},
            {"name": "risky", "class": "fraud", "hint": "risk", "at_least": 0.25},
        ],
    }
)


def make_project(database: Database, name: str = "tickets") -> int:
    with database.write() as session:
        assert create_project(session, name, CONFIG)
    with database.read() as session:
        return session.exec(select(Project.id).where(Project.name == name)).one()


def item(item_id: str, text: str) -> NewItem:
    return NewItem(item_id, text, "chat", None, None, text_key(text), text_key(normalise(text)))


def store(database: Database, project_id: int, *items: NewItem) -> Stored:
    return store_items(database, project_id, items, rules=Rules(CONFIG.rules), seed=CONFIG.seed)


def stored_items(database: Database, project_id: int) -> dict[str, Item]:
    with database.read() as session:
        rows = session.exec(select(Item).where(col(Item.project_id) == project_id).order_by(col(Item.id)))
        return {row.item_id: row for row in rows}


def groups(database: Database, project_id: int) -> dict[str, str | None]:
    """Item id -> item id of its representative."""
    rows = stored_items(database, project_id)
    names = {row.id: row.item_id for row in rows.values()}
    return {row.item_id: names.get(row.duplicate_group or 0) for row in rows.values()}


def requested(database: Database, project_id: int) -> int:
    with database.read() as session:
        return session.get_one(Lane, (project_id, lanes.EMBED)).requested


def events(database: Database) -> list[tuple[str, dict[str, Any]]]:
    with database.read() as session:
        return [(row.event, row.payload) for row in session.exec(select(OutboxEvent).order_by(col(OutboxEvent.id)))]


def test_a_new_item_is_stored_with_its_draw_its_rule_hits_an_event_and_a_request(database: Database) -> None:
    project_id = make_project(database)

    stored = store(database, project_id, item("a", "Fraud 1234"), item("b", "nothing"))

    assert stored == Stored(2, 0, ())
    rows = stored_items(database, project_id)
    assert (rows["a"].text, rows["a"].source, rows["a"].draw) == ("Fraud 1234", "chat", permanent_draw(7, "a"))
    assert (rows["a"].text_key, rows["a"].normal_key) == (text_key("Fraud 1234"), text_key("fraud 1234"))
    with database.read() as session:
        hits = session.exec(select(RuleHit.item, RuleHit.rule, RuleHit.project_id).order_by(RuleHit.rule)).all()
    assert [tuple(hit) for hit in hits] == [(rows["a"].id, "digits", project_id), (rows["a"].id, "words", project_id)]
    assert events(database) == [("items.added", {"added": 2})]
    assert requested(database, project_id) == 1


def test_the_same_items_again_change_nothing_and_wake_nobody(database: Database) -> None:
    project_id = make_project(database)
    items = [item("a", "one"), item("b", "one"), item("c", "two")]
    store(database, project_id, *items)
    before = stored_items(database, project_id)

    stored = store(database, project_id, *reversed(items))

    assert stored == Stored(0, 3, ())
    assert stored_items(database, project_id) == before
    assert len(events(database)) == 1
    assert requested(database, project_id) == 1


def test_the_same_item_id_with_another_text_is_refused_and_the_stored_text_stands(database: Database) -> None:
    project_id = make_project(database)
    store(database, project_id, item("a", "first"))
    changed, new, again, late = item("a", "second"), item("b", "new"), item("b", "new"), item("b", "changed")

    stored = store(database, project_id, changed, new, again, late)

    assert stored == Stored(1, 1, (changed, late))
    assert {name: row.text for name, row in stored_items(database, project_id).items()} == {"a": "first", "b": "new"}


def test_two_projects_do_not_see_each_others_items(database: Database) -> None:
    one, other = make_project(database), make_project(database, "other")

    assert store(database, one, item("a", "text")).added == 1
    assert store(database, other, item("a", "another"), item("b", "text")).added == 2
    assert groups(database, other) == {"a": None, "b": None}


def test_exact_duplicates_of_one_call_and_of_later_calls_are_one_group(database: Database) -> None:
    project_id = make_project(database)

    store(database, project_id, item("a", "Hello"), item("b", "other"), item("c", "hello "))
    assert groups(database, project_id) == {"a": "a", "b": None, "c": "a"}

    store(database, project_id, item("d", "OTHER"), item("e", "HELLO"))
    assert groups(database, project_id) == {"a": "a", "b": "b", "c": "a", "d": "b", "e": "a"}


def test_a_late_exact_duplicate_joins_the_group_into_which_its_own_was_merged(database: Database) -> None:
    project_id = make_project(database)
    store(database, project_id, item("a", "one"), item("b", "two"))
    rows = stored_items(database, project_id)
    with database.write() as session:
        set_duplicate_groups(session, project_id, {rows["a"].id: rows["a"].id, rows["b"].id: rows["a"].id})

    store(database, project_id, item("c", "Two"))

    assert groups(database, project_id) == {"a": "a", "b": "a", "c": "a"}


def test_whoever_joined_a_group_meanwhile_moves_with_its_representative(database: Database) -> None:
    project_id = make_project(database)
    store(database, project_id, item("a", "one"), item("b", "two"))
    rows = stored_items(database, project_id)
    decided = {rows["a"].id: rows["a"].id, rows["b"].id: rows["a"].id}
    store(database, project_id, item("c", "Two"))

    with database.write() as session:
        set_duplicate_groups(session, project_id, decided)
        set_duplicate_groups(session, project_id, {})

    assert groups(database, project_id) == {"a": "a", "b": "a", "c": "a"}


@pytest.mark.parametrize("seed", range(3))
def test_groups_are_the_same_however_the_items_are_cut_into_calls(database: Database, seed: int) -> None:
    rng = random.Random(seed)  # noqa: S311 - made-up data
    project_id = make_project(database)
    items = [item(f"i{number}", rng.choice("abcdefghij") * rng.randint(1, 4)) for number in range(60)]
    rest: Sequence[NewItem] = items
    while rest:
        cut = rng.randint(1, 20)
        store(database, project_id, *rest[:cut])
        rest = rest[cut:]

    first: dict[int, str] = {}
    for one in items:
        first.setdefault(one.normal_key, one.item_id)
    keys = [one.normal_key for one in items]
    expected = {i.item_id: first[i.normal_key] if keys.count(i.normal_key) > 1 else None for i in items}
    assert groups(database, project_id) == expected


def test_runs_at_the_same_time_store_each_item_once(database: Database) -> None:
    project_id = make_project(database)
    chunks = [[item(f"i{n}", f"text {n % 40}") for n in range(start, start + 50)] for start in range(0, 200, 25)]

    with ThreadPoolExecutor(4) as pool:
        stored = list(pool.map(lambda chunk: store(database, project_id, *chunk), chunks + chunks[::-1]))

    rows = stored_items(database, project_id)
    assert sum(one.added for one in stored) == len(rows) == 225
    by_text: dict[str, set[int | None]] = {}
    for row in rows.values():
        by_text.setdefault(row.text, set()).add(row.duplicate_group)
    smallest = {text: min(row.id for row in rows.values() if row.text == text) for text in by_text}
    assert by_text == {text: {smallest[text]} for text in by_text}


def test_storing_and_grouping_at_the_same_time_do_not_wait_for_each_other_for_ever(database: Database) -> None:
    project_id = make_project(database)
    store(database, project_id, item("a", "one"), item("b", "two"))
    rows = stored_items(database, project_id)
    with database.write() as session:
        claimed = lanes.claim(session, project_id=project_id, room=lanes.EMBED, owner="me", lease_s=60)
    assert claimed is not None

    with ThreadPoolExecutor(1) as pool:
        with database.write() as session:
            lanes.confirm(session, claimed)
            storing = pool.submit(store, database, project_id, item("c", "Two"))
            time.sleep(0.3)  # the other one gets as far as it can
            set_duplicate_groups(session, project_id, {rows["b"].id: rows["a"].id, rows["a"].id: rows["a"].id})
        assert storing.result() == Stored(1, 0, ())

    assert groups(database, project_id) == {"a": "a", "b": "a", "c": "a"}


def rejected_rows(file: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in Path(f"{file}.rejected.jsonl").read_text(encoding="utf-8").splitlines()]


def write_rows(path: Path, rows: Sequence[dict[str, Any] | bytes]) -> Path:
    path.write_bytes(b"\n".join(row if isinstance(row, bytes) else json.dumps(row).encode() for row in rows))
    return path


def test_good_rows_go_in_and_bad_ones_are_written_beside_the_file_with_line_and_reason(
    cli: CommandLine, database: Database, tmp_path: Path
) -> None:
    project_id = make_project(database)
    rows: list[dict[str, Any] | bytes] = [
        b'\xef\xbb\xbf{"id": 1, "text": "one"}',
        {"id": 2, "text": "x" * 5_000_000},
        b'{"id": 3, "text": "cut',
        {"id": 4, "text": "a\0b"},
        b'{"id": 5, "text": "\xff"}',
        {"id": 6, "text": "half \ud800"},
        {"id": 1, "text": "changed"},
        {"id": 1, "text": "one"},
        {"id": 7, "text": "two"},
    ]
    file = write_rows(tmp_path / "items.jsonl", rows)

    run = cli("ingest", "tickets", file)

    assert run.code == 0
    assert "2 added, 1 already there, 6 rejected" in run.out
    assert str(file) + ".rejected.jsonl" in run.out
    assert list(stored_items(database, project_id)) == ["1", "7"]
    rejected = rejected_rows(file)
    assert [row["line"] for row in rejected] == [2, 3, 4, 5, 6, 7]
    assert all(len(row["row"]) <= 1_000 for row in rejected)
    for row, reason in zip(
        rejected,
        ["5,000,000 characters", "not valid JSON", "NUL", "not valid UTF-8", "surrogate", "another text"],
        strict=True,
    ):
        assert reason in row["reason"]


def scores(database: Database) -> dict[str, dict[str, float]]:
    """Item id -> rule -> score."""
    found: dict[str, dict[str, float]] = {}
    with database.read() as session:
        for item_id, rule, score in session.exec(
            select(Item.item_id, RuleHit.rule, RuleHit.score).where(col(RuleHit.item) == col(Item.id))
        ):
            found.setdefault(item_id, {})[rule] = score
    return found


@pytest.mark.parametrize("kind", ["jsonl", "csv", "parquet"])
def test_a_score_that_came_with_an_item_is_kept_where_it_reaches_the_rules_threshold(
    cli: CommandLine, database: Database, tmp_path: Path, kind: str
) -> None:
    make_project(database)
    rows: list[dict[str, Any]] = [
        {"id": "high", "text": "fraud", "risk": 0.75},
        {"id": "even", "text": "two", "risk": 0.25},
        {"id": "low", "text": "three", "risk": 0.125},
        {"id": "none", "text": "four", "risk": None},
    ]
    file = tmp_path / f"items.{kind}"
    if kind == "jsonl":
        write_rows(file, [*rows])
    elif kind == "csv":
        lines = ["id,text,risk", *(f"{row['id']},{row['text']},{row['risk'] or ''}" for row in rows)]
        file.write_text("\n".join(lines), encoding="utf-8")
    else:
        parquet.write_table(pa.Table.from_pylist(rows), file)

    assert cli("ingest", "tickets", file).code == 0
    assert scores(database) == {"high": {"words": 1.0, "risky": 0.75}, "even": {"risky": 0.25}}


def test_a_row_with_a_score_that_is_no_number_is_rejected_and_a_file_without_scores_goes_in(
    cli: CommandLine, database: Database, tmp_path: Path
) -> None:
    make_project(database)
    rows: list[dict[str, Any] | bytes] = [
        {"id": 1, "text": "one", "risk": "high"},
        {"id": 2, "text": "two", "risk": 1},
    ]
    file = write_rows(tmp_path / "items.jsonl", rows)
    without = tmp_path / "without.csv"
    without.write_text("text\nthree\n", encoding="utf-8")

    assert cli("ingest", "tickets", file, without).code == 0
    [rejected] = rejected_rows(file)
    assert (rejected["line"], json.loads(rejected["row"])) == (1, rows[0])
    assert rejected["reason"].startswith("risk = 'high': a finite number is expected")
    assert scores(database) == {"2": {"risky": 1.0}}
    assert len(stored_items(database, 1)) == 2


def test_an_item_that_is_there_keeps_the_score_that_it_came_with(
    cli: CommandLine, database: Database, tmp_path: Path
) -> None:
    make_project(database)
    file = write_rows(tmp_path / "items.jsonl", [{"id": 1, "text": "one", "risk": 0.5}])
    cli("ingest", "tickets", file)
    write_rows(file, [{"id": 1, "text": "one", "risk": 0.9}, {"id": 1, "text": "other", "risk": 0.9}])
    cli("ingest", "tickets", file)

    assert scores(database) == {"1": {"risky": 0.5}}
    assert json.loads(rejected_rows(file)[0]["row"])["risk"] == 0.9


def test_a_run_is_repeated_with_a_fresh_list_of_rejected_rows(
    cli: CommandLine, database: Database, tmp_path: Path
) -> None:
    project_id = make_project(database)
    file = write_rows(tmp_path / "items.jsonl", [{"text": "one"}, {"text": "one"}, {"text": ""}])

    assert cli("ingest", "tickets", file).code == cli("ingest", "tickets", file).code == 0
    assert len(rejected_rows(file)) == 1
    write_rows(file, [{"text": "one"}, {"text": "one"}, {"text": "three"}])
    run = cli("ingest", "tickets", file, "--json")

    assert json.loads(run.out)["files"] == [
        {"file": str(file), "added": 1, "already_there": 2, "rejected": 0, "rejected_file": None, "error": None}
    ]
    assert not Path(f"{file}.rejected.jsonl").exists()
    assert len(stored_items(database, project_id)) == 3


def test_a_file_of_bad_rows_alone_ends_with_an_error(cli: CommandLine, database: Database, tmp_path: Path) -> None:
    make_project(database)
    file = write_rows(tmp_path / "items.jsonl", [{"text": 1}, b"{"])

    run = cli("ingest", "tickets", file)

    assert run.code == 2
    assert "every row was rejected" in run.err
    assert len(rejected_rows(file)) == 2


def test_what_precedes_the_break_of_a_file_is_kept_and_the_rest_follows_once_it_is_mended(
    cli: CommandLine, database: Database, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(command, "_ROWS_AT_ONCE", 1_000)
    project_id = make_project(database)
    whole = gzip.compress(b"".join(b'{"text": "number %d"}\n' % number for number in range(10_500)))
    file = tmp_path / "items.jsonl.gz"
    file.write_bytes(whole[: len(whole) // 2])

    broken = cli("ingest", "tickets", file)
    kept = len(stored_items(database, project_id))
    file.write_bytes(whole)
    mended = cli("ingest", "tickets", file)

    assert broken.code == 2
    assert f"broke off after line {kept:,}" in broken.err
    assert f"{kept:,} added" in broken.out
    assert 1_000 < kept < 10_500
    assert mended.code == 0
    assert f"{10_500 - kept:,} added, {kept:,} already there" in mended.out


def test_a_run_that_was_killed_between_two_transactions_goes_on_where_it_stopped(
    database: Database, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(command, "_ROWS_AT_ONCE", 10)
    project_id = make_project(database)
    file = write_rows(tmp_path / "items.jsonl", [{"text": f"text {number % 30}"} for number in range(45)])
    calls = 0

    def dies(items: list[NewItem]) -> Stored:
        nonlocal calls
        calls += 1
        if calls == 3:
            raise KeyboardInterrupt
        return store(database, project_id, *items)

    def ingest(store_chunk: command.Store) -> command.Outcome:
        return command.ingest_file(file, columns=Columns(), store=store_chunk, advance=lambda *_: None)

    with pytest.raises(KeyboardInterrupt):
        ingest(dies)
    outcome = ingest(lambda items: store(database, project_id, *items))

    assert (outcome.added, outcome.already_there) == (25, 20)


def test_long_texts_are_stored_in_smaller_transactions(
    database: Database, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(command, "_CHARACTERS_AT_ONCE", 1_000)
    project_id = make_project(database)
    file = write_rows(tmp_path / "items.jsonl", [{"text": f"{number} " + "x" * 400} for number in range(7)])
    sizes = []

    def measure(items: list[NewItem]) -> Stored:
        sizes.append(len(items))
        return store(database, project_id, *items)

    command.ingest_file(file, columns=Columns(), store=measure, advance=lambda *_: None)

    assert sizes == [3, 3, 1]


def test_while_rows_are_stored_no_more_than_the_next_ones_are_read_and_a_failure_ends_both(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(command, "_ROWS_AT_ONCE", 10)
    file = write_rows(tmp_path / "items.jsonl", [{"text": f"text {number}"} for number in range(100)])
    read, calls = list[object](), list[int]()

    def note(*given: Any) -> Any:
        read.append(item_of(*given))
        return read[-1]

    def store_once(items: list[NewItem]) -> Stored:
        end = time.monotonic() + 30
        while len(read) < 10 * len(calls) + 20 and time.monotonic() < end:
            time.sleep(0.001)
        time.sleep(0.05)
        calls.append(len(read))
        if len(calls) == 3:
            raise DatabaseUnavailableError("away")
        return Stored(len(items), 0, ())

    monkeypatch.setattr(command, "item_of", note)
    with pytest.raises(DatabaseUnavailableError, match="away"):
        command.ingest_file(file, columns=Columns(), store=store_once, advance=lambda *_: None)
    assert calls == [20, 30, 40]
    assert len(read) == 40


def test_an_empty_file_is_an_error_and_the_other_files_go_in(
    cli: CommandLine, database: Database, tmp_path: Path
) -> None:
    project_id = make_project(database)
    empty = write_rows(tmp_path / "empty.jsonl", [])
    missing = tmp_path / "missing.csv"
    good = tmp_path / "good.csv"
    good.write_text("body,nr\nhello,1\n", encoding="utf-8")

    run = cli("ingest", "tickets", empty, missing, good, "--column", "text=body", "--column", "id=nr")

    assert run.code == 2
    assert f"{empty}: the file holds no rows" in run.err
    assert f"{missing}: there is no such file" in run.err
    assert list(stored_items(database, project_id)) == ["1"]


def test_rows_that_an_earlier_run_rejected_are_not_taken_for_items(
    cli: CommandLine, database: Database, tmp_path: Path
) -> None:
    make_project(database)
    file = write_rows(tmp_path / "items.jsonl", [{"text": "one"}, {"text": ""}])
    cli("ingest", "tickets", file)

    run = cli("ingest", "tickets", *sorted(tmp_path.glob("*.jsonl")))

    assert run.code == 0
    assert "left out" in run.err
    assert "0 added, 1 already there, 1 rejected" in run.out
    assert len(list(tmp_path.glob("*.rejected.jsonl"))) == 1


def test_a_folder_that_cannot_be_written_is_named(cli: CommandLine, database: Database, tmp_path: Path) -> None:
    make_project(database)
    file = write_rows(tmp_path / "items.jsonl", [{"text": ""}])
    Path(f"{file}.rejected.jsonl").mkdir()

    run = cli("ingest", "tickets", file)

    assert run.code == 2
    assert f"{file}.rejected.jsonl: the rejected rows can't be written" in run.err


def test_an_unknown_project_and_a_wrong_column_have_their_own_exit_codes(cli: CommandLine, tmp_path: Path) -> None:
    file = write_rows(tmp_path / "items.jsonl", [{"text": "one"}])

    assert cli("ingest", "nothing", file).code == 3
    assert cli("ingest", "nothing", file, "--column", "body").code == 2
