import ast
import gzip
import json
import sys
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
import redis

from scripts import annotator_example
from scripts.annotator_example import Annotator, Answer, from_file, work
from shared.contracts import (
    RECEIPT_TYPE,
    TASK_TYPE,
    Reason,
    ReceiptMessage,
    SubmissionMessage,
    TaskMessage,
    pack,
    unpack_submission,
)
from shared.streams import ANNOTATORS, INTAKE, SUBMISSIONS, ensure_group, receipts_key, tasks_key

_PROJECT, _NAME = "tickets", "desk-1"
_KEY = tasks_key(_PROJECT)
_SOON_S = 20.0


def test_it_needs_nothing_but_the_standard_library_and_redis() -> None:
    tree = ast.parse(Path(annotator_example.__file__).read_text(encoding="utf-8"))
    imported = {
        name.partition(".")[0]
        for node in ast.walk(tree)
        if isinstance(node, ast.Import | ast.ImportFrom)
        for name in ([node.module or ""] if isinstance(node, ast.ImportFrom) else [alias.name for alias in node.names])
    }

    assert imported - sys.stdlib_module_names == {"redis"}


def test_an_answer_fits_the_contract_and_leaves_the_task_to_quiet_corner(redis_client: redis.Redis) -> None:
    _queue(redis_client, _task(1, lease=3))
    with _intake(redis_client) as received:
        answered = _work(redis_client, lambda _: "fraud", most=1)

    assert answered == 1
    assert received == [
        SubmissionMessage(
            project=_PROJECT,
            submission_id="desk-1:1:3",
            item_id="item-1",
            annotator=_NAME,
            label="fraud",
            assignment=1,
            lease=3,
        )
    ]
    assert redis_client.xpending(_KEY, ANNOTATORS)["pending"] == 1
    assert redis_client.xlen(_KEY) == 1


def test_an_answer_without_a_receipt_is_sent_again_under_the_same_id(
    redis_client: redis.Redis, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(annotator_example, "RESEND_AFTER_S", 0.05)
    annotator = _annotator(redis_client)
    annotator.submit(_task(1).model_dump(), "fraud")

    def sent_again() -> bool:
        annotator.read_receipts()
        return len(_submissions(redis_client)) >= 2

    _until(sent_again)
    assert {message.submission_id for message in _submissions(redis_client)} == {"desk-1:1:1"}


def test_a_refused_answer_is_told_and_not_sent_again(
    redis_client: redis.Redis, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(annotator_example, "RESEND_AFTER_S", 0.0)
    annotator = _annotator(redis_client)
    annotator.submit(_task(1).model_dump(), "frud")
    _give_receipt(redis_client, ReceiptMessage(submission_id="desk-1:1:1", status="refused", reason="unknown class"))
    annotator.read_receipts()

    assert annotator.unconfirmed == {}
    assert redis_client.xlen(SUBMISSIONS) == 1
    assert "unknown class" in capsys.readouterr().err


def test_it_waits_for_a_queue_that_is_not_there_yet(redis_client: redis.Redis) -> None:
    with _intake(redis_client), _working(redis_client, most=1) as told:
        _until(lambda: told)
        _queue(redis_client, _task(1))

    assert "NOGROUP" in told[0]


def test_it_goes_on_after_redis_lost_everything(redis_client: redis.Redis) -> None:
    _queue(redis_client, _task(1))
    with _intake(redis_client) as received, _working(redis_client, most=2):
        _until(lambda: received)
        redis_client.flushall()
        _queue(redis_client, _task(2))

    assert {message.item_id for message in received} == {"item-1", "item-2"}


def test_a_task_that_an_earlier_run_left_is_answered_first(redis_client: redis.Redis) -> None:
    _queue(redis_client, _task(1), _task(2), _task(3))
    redis_client.xreadgroup(ANNOTATORS, _NAME, {_KEY: ">"}, count=2)
    redis_client.xdel(_KEY, _pending(redis_client)["message_id"])
    with _intake(redis_client) as received:
        _work(redis_client, lambda _: "fraud", most=2)

    assert [message.item_id for message in received] == ["item-2", "item-3"]


def test_a_lease_is_renewed_while_somebody_thinks(redis_client: redis.Redis) -> None:
    _queue(redis_client, _task(1))
    annotator = _annotator(redis_client)
    assert annotator.take() is None  # nothing was left by an earlier run
    taken = annotator.take()
    assert taken is not None
    entry = taken[0]
    redis_client.xclaim(_KEY, ANNOTATORS, _NAME, 0, [entry], idle=1_000_000)

    with annotator.renewing(entry, lease_s=0.03):
        _until(lambda: _pending(redis_client)["time_since_delivered"] < 1_000_000)

    assert _pending(redis_client)["consumer"] == _NAME.encode()


def test_an_item_without_an_answer_is_left_to_others(redis_client: redis.Redis, tmp_path: Path) -> None:
    _queue(redis_client, _task(1))
    answer = from_file(_answers(tmp_path, {"another": "fraud"}), delay_s=0, error_rate=0, seed=0)

    assert _work(redis_client, answer, idle_exit_s=0.01) == 0
    assert redis_client.xlen(SUBMISSIONS) == 0


def test_it_ends_where_no_task_came_for_long_though_the_queue_is_away() -> None:
    nowhere = redis.Redis(port=1, protocol=2)

    assert _work(nowhere, lambda _: "fraud", idle_exit_s=0.01) == 0


def test_errors_are_made_at_the_asked_rate_and_only_with_known_classes(tmp_path: Path) -> None:
    path = _answers(tmp_path, {"item-1": "fraud"})
    task = _task(1).model_dump()
    careful = from_file(path, delay_s=0, error_rate=0.0, seed=1)
    careless = from_file(path, delay_s=0, error_rate=0.5, seed=1)

    assert {careful(task) for _ in range(50)} == {"fraud"}
    assert {careless(task) for _ in range(50)} == {"fraud", "other", "praise"}


def test_answers_may_be_compressed(tmp_path: Path) -> None:
    path = tmp_path / "answers.jsonl.gz"
    path.write_bytes(gzip.compress(b'{"id": "item-1", "label": ["a", "b"]}\n'))

    assert annotator_example.read_answers(path) == {"item-1": ["a", "b"]}


def test_the_names_it_takes_are_those_of_the_contract() -> None:
    allowed = SubmissionMessage.model_json_schema()["properties"]["annotator"]

    assert allowed["pattern"] == annotator_example.NAME_PATTERN
    assert (allowed["minLength"], allowed["maxLength"]) == (1, annotator_example.LONGEST_NAME)


@pytest.mark.parametrize("name", ["a b", "", "a\n", "x" * 65])
def test_a_name_that_can_get_no_receipt_is_refused_at_the_start(
    name: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    assert _main(monkeypatch, "--name", name) == 2
    assert "1 to 64 letters from A to Z, digits and . _ @ - are allowed" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("content", "fault"),
    [
        (None, "No such file or directory"),
        ('{"id": "item-1", "label": "fraud"}\n{"id": "item-2"}\n', "line 2: "),
        ("nothing", "line 1: "),
        ('["a"]', "line 1: "),
    ],
)
def test_answers_that_cannot_be_read_are_told(
    content: str | None,
    fault: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    path = tmp_path / "answers.jsonl"
    if content is not None:
        path.write_text(content)

    assert _main(monkeypatch, "--name", _NAME, "--answers", str(path)) == 2
    told = capsys.readouterr().err
    assert f"--answers {path} can't be read: " in told
    assert fault in told


def _main(monkeypatch: pytest.MonkeyPatch, *arguments: str) -> object:
    """The exit code of the program, run with these arguments where no queue is."""
    command = ["annotator_example.py", "--project", _PROJECT, "--redis", "redis://localhost:1", "--idle-exit", "0"]
    monkeypatch.setattr(sys, "argv", [*command, *arguments])
    with pytest.raises(SystemExit) as stop:
        annotator_example.main()
    return stop.value.code


def _annotator(client: redis.Redis) -> Annotator:
    return Annotator(client=client, project=_PROJECT, name=_NAME)


def _task(number: int, *, lease: int = 1) -> TaskMessage:
    return TaskMessage(
        project=_PROJECT,
        assignment=number,
        lease=lease,
        lease_s=600,
        item_id=f"item-{number}",
        text="There is a charge that I did not make.",
        source="Email",
        task="single",
        classes=["fraud", "other", "praise"],
        batch=1,
        reason=Reason(
            channel="coverage",
            score=None,
            rank=1,
            cluster=None,
            predicted=None,
            probability=None,
            rules=[],
            inclusion=None,
            model=None,
            encoder="none",
            seed=0,
        ),
    )


def _queue(client: redis.Redis, *tasks: TaskMessage) -> None:
    ensure_group(client, _KEY, ANNOTATORS)
    for task in tasks:
        fields: dict[Any, Any] = dict(pack(type_=TASK_TYPE, id_=f"{task.assignment}:{task.lease}", data=task))
        client.xadd(_KEY, fields)


def _give_receipt(client: redis.Redis, receipt: ReceiptMessage) -> None:
    fields: dict[Any, Any] = dict(pack(type_=RECEIPT_TYPE, id_=str(receipt.submission_id), data=receipt))
    client.xadd(receipts_key(_NAME), fields)


@contextmanager
def _intake(client: redis.Redis) -> Iterator[list[SubmissionMessage]]:
    """Gives a receipt for each submission, as Quiet Corner does, until the block ends."""
    received: list[SubmissionMessage] = []
    done = threading.Event()

    def listen() -> None:
        while not done.is_set():
            try:
                _take_in(client, received)
            except redis.ResponseError:  # the group is gone with all else
                ensure_group(client, SUBMISSIONS, INTAKE)

    thread = threading.Thread(target=listen, daemon=True)
    thread.start()
    try:
        yield received
    finally:
        done.set()
        thread.join()


def _take_in(client: redis.Redis, received: list[SubmissionMessage]) -> None:
    found: Any = client.xreadgroup(INTAKE, "test", {SUBMISSIONS: ">"}, block=20)
    for _, entries in found or []:
        for _, fields in entries:
            message = unpack_submission(fields)
            received.append(message)
            _give_receipt(client, ReceiptMessage(submission_id=message.submission_id, status="accepted"))


def _work(client: redis.Redis, answer: Answer, *, most: int | None = None, idle_exit_s: float | None = None) -> int:
    """Runs an annotator to its end; returns how many it answered."""
    answered: list[int] = []
    annotator = Annotator(client=client, project=_PROJECT, name=_NAME)
    thread = threading.Thread(
        target=lambda: answered.append(work(annotator, answer, most=most, idle_exit_s=idle_exit_s)), daemon=True
    )
    thread.start()
    thread.join(_SOON_S)
    assert answered, "the annotator did not end"
    return answered[0]


@contextmanager
def _working(client: redis.Redis, *, most: int) -> Iterator[list[str]]:
    """Runs an annotator beside the block and waits for its end; yields what it has told so far."""
    told: list[str] = []
    with pytest.MonkeyPatch.context() as patch, ThreadPoolExecutor(1) as beside:
        patch.setattr(annotator_example, "say", told.append)
        running = beside.submit(_work, client, lambda _: "fraud", most=most)
        yield told
        assert running.result() == most


def _submissions(client: redis.Redis) -> list[SubmissionMessage]:
    entries: Any = client.xrange(SUBMISSIONS)
    return [unpack_submission(fields) for _, fields in entries]


def _pending(client: redis.Redis) -> dict[str, Any]:
    pending: list[dict[str, Any]] = client.xpending_range(_KEY, ANNOTATORS, "-", "+", 1)
    return pending[0]


def _answers(folder: Path, labels: dict[str, str]) -> Path:
    path = folder / "answers.jsonl"
    rows = ({"id": id_, "label": label} for id_, label in labels.items())
    path.write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")
    return path


def _until(condition: Callable[[], object]) -> None:
    deadline = time.monotonic() + _SOON_S
    while not condition():
        assert time.monotonic() < deadline, "it did not happen"
        time.sleep(0.01)
