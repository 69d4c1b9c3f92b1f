"""What annotation tools build on: the schemas and the session in docs/queue.md are those of the code."""

import json
import shlex
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import redis
from jsonschema import Draft202012Validator, ValidationError  # type: ignore[import-untyped] # ships no types
from pydantic import BaseModel

from shared.contracts import (
    RECEIPT_TYPE,
    SCHEMAS,
    SUBMISSION_TYPE,
    TASK_TYPE,
    Reason,
    ReceiptMessage,
    SubmissionMessage,
    TaskMessage,
    pack,
    unpack_submission,
)
from shared.streams import ANNOTATORS, SUBMISSIONS, ensure_group, tasks_key
from workers.dispatch.queue import add_tasks, send_receipts

_ROOT = Path(__file__).parents[1]
_ENTRY = "1764000000000-0"

_TASK = TaskMessage(
    project="tickets",
    assignment=17,
    lease=1,
    lease_s=600,
    item_id="item-1",
    text="There is a charge that I did not make.",
    source="Email",
    task="single",
    classes=["fraud", "other"],
    batch=3,
    reason=Reason(
        channel="boundary",
        score=0.9,
        rank=1,
        cluster=4,
        predicted="fraud",
        probability=0.55,
        rules=["charge"],
        inclusion=None,
        model=2,
        encoder="minilm",
        seed=7,
    ),
)
_SUBMISSION = SubmissionMessage(
    project="tickets",
    submission_id="anna-17-1",
    item_id="item-1",
    annotator="anna",
    label="fraud",
    assignment=17,
    lease=1,
)
_MESSAGES: dict[str, list[BaseModel]] = {
    TASK_TYPE: [_TASK, _TASK.model_copy(update={"reason": _TASK.reason.model_copy(update={"score": None})})],
    SUBMISSION_TYPE: [
        _SUBMISSION,
        _SUBMISSION.model_copy(update={"label": [], "assignment": None, "lease": None}),
        _SUBMISSION.model_copy(update={"label": [{"start": 0, "end": 5, "label": "fraud"}]}),
    ],
    RECEIPT_TYPE: [
        ReceiptMessage(submission_id="anna-17-1", status="accepted", late=True),
        ReceiptMessage(submission_id=None, status="refused", reason="label: unknown class"),
    ],
}


def test_the_schemas_in_the_docs_are_those_of_the_models(tmp_path: Path) -> None:
    subprocess.run([sys.executable, str(_ROOT / "scripts" / "schemas"), str(tmp_path)], check=True)

    made = {path.name: path.read_text(encoding="utf-8") for path in tmp_path.iterdir()}
    kept = {path.name: path.read_text(encoding="utf-8") for path in (_ROOT / "docs" / "schemas").iterdir()}
    assert kept == made, "run scripts/schemas"
    assert kept.keys() == {f"{type_}.json" for type_ in SCHEMAS}


@pytest.mark.parametrize("type_", SCHEMAS)
def test_messages_fit_their_schema(type_: str) -> None:
    validator = Draft202012Validator(_schema(type_))
    validator.check_schema(validator.schema)

    for message in _MESSAGES[type_]:
        validator.validate(json.loads(pack(type_=type_, id_="1", data=message)["data"]))


@pytest.mark.parametrize(
    "change", [{"label": 7}, {"annotator": "anna smith"}, {"submission_id": ""}, {"item_id": None}, {"lable": "fraud"}]
)
def test_what_the_model_refuses_the_schema_refuses_too(change: dict[str, Any]) -> None:
    document = {**_SUBMISSION.model_dump(), **change}

    with pytest.raises(ValidationError):
        Draft202012Validator(_schema(SUBMISSION_TYPE)).validate(document)
    with pytest.raises(ValueError, match="validation error"):
        SubmissionMessage.model_validate(document)


def test_the_docs_name_every_field() -> None:
    told = (_ROOT / "docs" / "queue.md").read_text(encoding="utf-8")
    models: list[type[BaseModel]] = [*SCHEMAS.values(), Reason]
    fields = {name for model in models for name in model.model_fields}

    assert {name for name in fields if f"`{name}`" not in told} == set()


def test_the_session_in_the_docs_takes_a_task_and_answers_it(redis_server: str, redis_client: redis.Redis) -> None:
    ensure_group(redis_client, tasks_key("tickets"), ANNOTATORS)
    (entry,) = add_tasks(redis_client, "tickets", [_TASK])
    send_receipts(redis_client, [("anna", ReceiptMessage(submission_id="anna-17-1", status="accepted"))])

    read, renewed, _, receipts, length, pending, dead = [
        _typed_in(redis_server, line.replace(_ENTRY, entry)) for line in _session()
    ]

    assert json.loads(_fields(read[0][1][0])[b"data"]) == _TASK.model_dump()
    assert renewed == [entry.encode()]
    (sent,) = _typed_in(redis_server, f"XRANGE {SUBMISSIONS} - +")
    assert unpack_submission(_fields(sent)) == _SUBMISSION
    assert json.loads(_fields(receipts[0][1][0])[b"data"])["status"] == "accepted"
    assert (length, pending[0], dead) == (1, 1, [])


def _session() -> list[str]:
    told = (_ROOT / "docs" / "queue.md").read_text(encoding="utf-8")
    return told.partition("```redis\n")[2].partition("```")[0].splitlines()


def _typed_in(url: str, line: str) -> Any:
    """The bare answer to a command line, as redis-cli gets it."""
    with redis.Redis.from_url(url, protocol=2) as client:
        connection = client.connection_pool.get_connection()
        connection.send_command(*shlex.split(line))
        return connection.read_response()


def _fields(entry: Any) -> dict[bytes, bytes]:
    flat = entry[1]
    return dict(zip(flat[::2], flat[1::2], strict=True))


def _schema(type_: str) -> dict[str, Any]:
    schema: dict[str, Any] = json.loads((_ROOT / "docs" / "schemas" / f"{type_}.json").read_text(encoding="utf-8"))
    return schema
