"""Whatever comes in at an edge is taken, or refused once with a reason that names the place: never anything else.

`QUIETCORNER_FUZZ_EXAMPLES=100000 pytest tests/workers/test_edges.py` looks at as many inputs at each edge.
"""

import csv
import gzip
import io
import json
import os
import re
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeVar

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from shared.contracts import SubmissionMessage, unpack_submission
from shared.errors import ConfigError, InvalidInputError
from shared.project import ProjectConfig, parse_project
from shared.repository.items import NewItem
from workers.gateway.answers import Unreadable, read_answer
from workers.gateway.faults import RefusedError, split_reason
from workers.gateway.reception import read_rows as read_body
from workers.intake import readers
from workers.intake.readers import item_of
from workers.intake.rows import Columns, parse_row
from workers.intake.rules import Rules
from workers.intake.submissions import KnownItem, judge

EXAMPLES = int(os.environ.get("QUIETCORNER_FUZZ_EXAMPLES", "40"))
T = TypeVar("T")
edge = settings(
    max_examples=EXAMPLES,
    deadline=None,
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large, HealthCheck.function_scoped_fixture],
)

COLUMNS = Columns(hints=("risk",))
FIELDS = ("text", "item_id", "id", "source", "group", "timestamp", "risk", "other")
CONFIGS = [
    ProjectConfig.model_validate({"task": task, "classes": ["common", "fraud"]}) for task in ("single", "multi", "ner")
]

texts = st.text(st.characters(exclude_categories=[]), max_size=12)  # half surrogate pairs too, as JSON can hold them
values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | texts,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(texts, inner, max_size=3),
    max_leaves=6,
)
likely = st.sampled_from(
    ["fraud", "common", "one", "anna", "", " ", "2026-01-31", "9" * 40, "1e999", "nan", "x" * 201, "a\0b", "\ud800"]
)
spans = st.lists(st.fixed_dictionaries({"start": values, "end": values, "label": values | likely}), max_size=2)


def rows_of(fields: tuple[str, ...]) -> st.SearchStrategy[Any]:
    """Objects with mostly the right fields and mostly odd values."""
    return st.dictionaries(st.sampled_from(fields) | texts, values | likely | spans, max_size=len(fields))


SUBMISSION = ("project", "submission_id", "item_id", "annotator", "label", "assignment", "lease")
submissions = rows_of(SUBMISSION) | st.fixed_dictionaries(
    {
        "submission_id": likely | texts,
        "item_id": likely | texts,
        "annotator": likely,
        "label": values | likely | spans,
    },
    optional={"assignment": values, "lease": values, "project": likely, "more": values},
)
documents = rows_of(FIELDS) | submissions | values
as_json: st.SearchStrategy[bytes] = documents.map(lambda value: json.dumps(value).encode(errors="replace"))
raw = st.binary(max_size=200) | as_json | st.builds(lambda text, cut: text[:cut], as_json, st.integers(0, 200))


def outcome(call: Callable[[], T]) -> tuple[T | None, str]:
    """What a call gives, or the message of the deliberate error with which it refuses."""
    try:
        return call(), ""
    except (InvalidInputError, ConfigError, RefusedError) as error:
        return None, str(error)


def names_a_field(reason: str) -> bool:
    """Whether a reason says where it hurts: a field in front, or what is wrong with the row as a whole."""
    where, what = split_reason(reason)
    of_the_whole = r"\w+ (is|=|holds)|not valid|a JSON object|data is|an object is expected"
    return bool(what) and (where != "body" or re.match(of_the_whole, what) is not None)


@edge
@given(row=rows_of(FIELDS))
def test_a_row_becomes_an_item_or_is_refused_by_the_name_of_a_column(row: dict[str, Any]) -> None:
    item, refusal = outcome(lambda: parse_row(row, columns=COLUMNS, derived=Counter()))
    if item is None:
        assert refusal.startswith(FIELDS)
        return
    item.text.encode()
    assert item.text.strip()
    assert len(item.item_id) <= 200


KINDS: dict[str, Callable[[list[bytes]], bytes]] = {
    "items.jsonl": b"\n".join,
    "items.jsonl.gz": lambda lines: gzip.compress(b"\n".join(lines), mtime=0),
    "items.csv": lambda lines: b"text,id,timestamp\n" + b"\n".join(lines),
    "items.parquet": b"PAR1".join,
    "cut.jsonl.gz": lambda lines: gzip.compress(b"\n".join(lines), mtime=0)[:-9],
}


@pytest.mark.parametrize("name", KINDS)
def test_a_file_of_anything_gives_items_and_refused_rows_and_ends(name: str, tmp_path: Path) -> None:
    @edge
    @given(lines=st.lists(raw, max_size=5))
    def look(lines: list[bytes]) -> None:
        file = tmp_path / name
        file.write_bytes(KINDS[name](lines))
        numbers: list[int] = []

        def read() -> bool:
            for row in readers.read_rows(file, columns=COLUMNS):
                numbers.append(row.line)
                found = item_of(row, COLUMNS, Counter())
                assert isinstance(found, NewItem) or found.reason
            return True

        done, refusal = outcome(read)
        assert done or str(file) in refusal
        assert numbers == sorted(set(numbers)), "each row is told of once"

    look()


@edge
@given(table=st.lists(st.lists(texts, min_size=3, max_size=3), max_size=4))
def test_every_row_of_a_whole_csv_is_told_of_once(table: list[list[str]], tmp_path: Path) -> None:
    written = io.StringIO()
    csv.writer(written, lineterminator="\n").writerows([["text", "id", "timestamp"], *table])
    file = tmp_path / "whole.csv"
    file.write_bytes(written.getvalue().encode(errors="surrogatepass"))
    told, refusal = outcome(
        lambda: [item_of(row, COLUMNS, Counter()) for row in readers.read_rows(file, columns=COLUMNS)]
    )
    if told is None:
        assert not table
        assert "holds no rows" in refusal
        return
    assert len(told) <= len(table)  # what a carriage return makes of a row is refused as one
    assert all(isinstance(one, NewItem) or one.reason for one in told)


@edge
@given(
    fields=st.dictionaries(
        st.sampled_from([b"type", b"data", b"id", b"source"]), st.just(b"quietcorner.submission.v1") | raw, max_size=4
    )
)
def test_an_entry_of_the_stream_is_a_submission_or_refused_by_the_name_of_a_field(fields: dict[bytes, bytes]) -> None:
    message, refusal = outcome(lambda: unpack_submission(fields))
    assert message is not None or re.match(r"field (type|data)|data|[\w.\[\]-]+: ", refusal)


@edge
@given(row=submissions, config=st.sampled_from(CONFIGS))
def test_an_answer_is_judged_or_unreadable_and_each_refusal_names_its_field(
    row: dict[str, Any], config: ProjectConfig
) -> None:
    answer = read_answer(row, project="tickets")
    if isinstance(answer, Unreadable):
        assert names_a_field(answer.reason), answer.reason
        answer.payload.encode()
        return
    verdict = judge(answer, config=config, item=KnownItem(1, "a text", asked=False), assignment=None, earlier=None)
    if verdict.receipt.status == "refused":
        assert names_a_field(verdict.receipt.reason or "")
    verdict.receipt.model_dump_json().encode()
    answer.model_dump_json().encode()


@edge
@given(body=raw | st.lists(documents, max_size=4).map(lambda value: json.dumps(value).encode(errors="replace")))
def test_a_body_is_rows_of_which_each_is_an_answer_or_unreadable_or_refused_whole(body: bytes) -> None:
    read, _ = outcome(lambda: read_body(body))
    if read is None:
        return
    rows, is_one = read
    answers = [read_answer(row, project="tickets") for row in rows]
    assert len(answers) == len(rows)
    assert not is_one or len(rows) == 1
    for answer in answers:
        assert isinstance(answer, SubmissionMessage) or names_a_field(answer.reason)


def toml(value: Any) -> str:
    """A value as TOML, as far as TOML can say it."""
    if isinstance(value, bool) or value is None:
        return str(bool(value)).lower()
    if isinstance(value, (int, float)):
        return repr(value)
    if isinstance(value, str):
        return json.dumps(value)
    if isinstance(value, list):
        return "[" + ", ".join(map(toml, value)) + "]"
    return "{" + ", ".join(f"{json.dumps(str(key))} = {toml(one)}" for key, one in value.items()) + "}"


KEYS = st.sampled_from(sorted(ProjectConfig.model_fields))
WORDS = (
    "name class keywords pattern hint at_least description batch_size overlap by_class lease_s queue_below mode kind "
    "recall count fraud common"
)
INNER = st.sampled_from(WORDS.split())
projects = st.dictionaries(
    KEYS | texts,
    values | likely | st.dictionaries(INNER, values | likely, max_size=3) | st.lists(st.dictionaries(INNER, values)),
    max_size=4,
)


@edge
@given(
    text=st.text(max_size=80)
    | projects.map(lambda document: "\n".join(f"{json.dumps(key)} = {toml(one)}" for key, one in document.items()))
    | projects.map(
        lambda document: (
            'classes = ["common", "fraud"]\n'
            + "\n".join(
                f"{key} = {toml(one)}" for key, one in document.items() if key.isidentifier() and key != "classes"
            )
        )
    )
)
def test_a_project_file_is_a_project_or_refused_with_the_file_and_the_keys_at_fault(text: str) -> None:
    config, refusal = outcome(lambda: parse_project(text, origin="project.toml"))
    if config is None:
        assert refusal.startswith("project.toml")
        return
    assert ProjectConfig.model_validate(config.model_dump(mode="json", by_alias=True)) == config


patterns = st.text("ab.*+?|()[]{}^$\\1,-dwpL", max_size=12) | st.text(max_size=6) | st.just("(a*)*b{1000}{1000}")


@edge
@given(
    rules=st.lists(
        st.fixed_dictionaries({"pattern": patterns}) | st.fixed_dictionaries({"keywords": st.lists(texts, max_size=3)}),
        max_size=3,
    ),
    text=st.text(max_size=60) | st.just("a" * 2_000),
)
def test_rules_are_refused_by_their_names_or_search_any_text(rules: list[dict[str, Any]], text: str) -> None:
    named = [{"name": f"rule-{number}", "class": "fraud", **rule} for number, rule in enumerate(rules)]
    document = 'classes = ["common", "fraud"]\nrules = ' + toml(named)
    compiled, refusal = outcome(lambda: Rules(parse_project(document, origin="project.toml").rules))
    if compiled is None:
        assert "rule" in refusal or refusal.startswith("project.toml")
        return
    assert set(compiled.hits(text)) <= {rule["name"] for rule in named}


def test_a_project_file_with_a_number_of_too_many_digits_or_nested_too_deeply_is_refused() -> None:
    for text in ("seed = " + "9" * 5_000, "classes = " + "[" * 5_000 + "]" * 5_000):
        with pytest.raises(ConfigError, match=r"project\.toml: not valid TOML"):
            parse_project(text, origin="project.toml")
