"""An annotation tool in one file: takes tasks from Quiet Corner's queue and answers them.

It needs redis-py and nothing of Quiet Corner, to show what a tool in any language has to do:

1. Take a task from the stream `quietcorner:tasks:PROJECT` as a member of the consumer group `annotators`.
2. While somebody works on it, renew the lease now and then.
3. Add the answer to the stream `quietcorner:submissions`, with an id of one's own choice.
4. Find the receipt on `quietcorner:receipts:ANNOTATOR`; without one, send the same answer with the same id again.

A task is never acknowledged here: Quiet Corner takes it off the queue once its answer is safe on disk. Redis may
go away and come back, empty even, at any moment: the database behind the queue knows all, and fills it again.

    python scripts/annotator_example.py --project tickets --name desk-1 --redis redis://localhost:6379
"""

import argparse
import gzip
import json
import random
import re
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import redis

GROUP = "annotators"
SUBMISSIONS = "quietcorner:submissions"
# What an annotator may be called: an answer under another name gets no receipt, on whose stream it would have to stand.
NAME_PATTERN = r"^[A-Za-z0-9._@-]+$"
LONGEST_NAME = 64
RESEND_AFTER_S = 5.0
POLL_MS = 1_000

Answer = Callable[[dict[str, Any]], Any]
"""Turns a task into a label; None leaves it to somebody else."""


@dataclass
class Annotator:
    """One person at the queue."""

    client: redis.Redis
    project: str
    name: str
    unconfirmed: dict[str, tuple[float, dict[Any, Any]]] = field(default_factory=dict)
    """Answers without a receipt by submission id: when they were sent last, and their fields."""
    last_receipt: str = "0-0"
    last_own: str = "0-0"
    """First come the tasks that an earlier run of the same name took and left; `>`: all seen, only new ones now."""

    @property
    def tasks(self) -> str:
        """The stream on which the project's tasks wait."""
        return f"quietcorner:tasks:{self.project}"

    def take(self) -> tuple[bytes, dict[str, Any]] | None:
        """The next task with its entry id, or None when the queue stayed empty for a second."""
        found: Any = self.client.xreadgroup(GROUP, self.name, {self.tasks: self.last_own}, count=1, block=POLL_MS)
        entries = found[0][1] if found else []
        if not entries:
            self.last_own = ">"
            return None
        entry, fields = entries[0]
        if self.last_own != ">":
            self.last_own = entry.decode()
        # A task of an earlier run that was taken off the queue meanwhile has no fields any more.
        return (entry, json.loads(fields[b"data"])) if fields else None

    @contextmanager
    def renewing(self, entry: bytes, lease_s: float) -> Iterator[None]:
        """Keep the lease for the length of the block: claiming one's own entry sets its idle time back to zero."""
        done = threading.Event()

        def renew() -> None:
            while not done.wait(lease_s / 3):
                with suppress(redis.RedisError):
                    self.client.xclaim(self.tasks, GROUP, self.name, 0, [entry], justid=True)

        threading.Thread(target=renew, daemon=True).start()
        try:
            yield
        finally:
            done.set()

    def submit(self, task: dict[str, Any], label: Any) -> None:
        """Put an answer on the stream. Its id is the same after a crash of this program, so it can't count twice."""
        id_ = f"{self.name}:{task['assignment']}:{task['lease']}"
        submission = {
            "project": self.project,
            "submission_id": id_,
            "item_id": task["item_id"],
            "annotator": self.name,
            "label": label,
            "assignment": task["assignment"],
            "lease": task["lease"],
        }
        self._send(
            id_,
            {
                "specversion": "1.0",
                "type": "quietcorner.submission.v1",
                "source": f"annotator/{self.name}",
                "id": id_,
                "data": json.dumps(submission),
            },
        )

    def read_receipts(self) -> None:
        """Strike off the answers that are safe or refused; send again those that got no receipt for a while."""
        found: Any = self.client.xread({f"quietcorner:receipts:{self.name}": self.last_receipt}, count=1_000)
        for entry, fields in found[0][1] if found else []:
            self.last_receipt = entry.decode()
            receipt = json.loads(fields[b"data"])
            self.unconfirmed.pop(receipt["submission_id"], None)
            if receipt["status"] == "refused":
                say(f"{self.name}: {receipt['submission_id']} was refused: {receipt['reason']}")
        for id_, (sent_at, fields) in list(self.unconfirmed.items()):
            if time.monotonic() - sent_at > RESEND_AFTER_S:
                self._send(id_, fields)

    def _send(self, id_: str, fields: dict[Any, Any]) -> None:
        self.unconfirmed[id_] = (time.monotonic(), fields)  # first, so that an answer lost on the way is sent again
        self.client.xadd(SUBMISSIONS, fields)


def work(annotator: Annotator, answer: Answer, *, most: int | None, idle_exit_s: float | None) -> int:
    """Take tasks and answer them until there is reason to stop, whatever Redis does meanwhile.

    Args:
        annotator: Who works.
        answer: Finds the label of a task.
        most: Stop after this many answers; None goes on.
        idle_exit_s: Stop when no task came for this long; None waits for ever.

    Returns:
        How many tasks were answered, all of them with a receipt.
    """
    answered, last_task_at, told = 0, time.monotonic(), False
    while True:
        finished = answered == most or (idle_exit_s is not None and time.monotonic() - last_task_at > idle_exit_s)
        try:
            annotator.read_receipts()
            if finished and not annotator.unconfirmed:
                return answered
            taken = None if finished else annotator.take()
            told = False
            if taken is not None:
                entry, task = taken
                with annotator.renewing(entry, task["lease_s"]):
                    label = answer(task)
                last_task_at = time.monotonic()
                if label is not None:
                    answered += 1
                    annotator.submit(task, label)
            elif finished:
                time.sleep(0.1)  # only receipts are missing
        except redis.RedisError as error:
            # Away, restarting, or empty with the queue not there yet (NOGROUP): all of it passes.
            if finished and not annotator.unconfirmed:
                return answered
            if not told:
                say(f"{annotator.name}: waiting for the queue: {error}")
            told = True
            time.sleep(0.5)


def annotator_name(given: str) -> str:
    """A name that Quiet Corner accepts. Raises `argparse.ArgumentTypeError`."""
    if len(given) > LONGEST_NAME or not re.fullmatch(NAME_PATTERN, given):
        raise argparse.ArgumentTypeError(
            f"{given!r}: 1 to {LONGEST_NAME} letters from A to Z, digits and . _ @ - are allowed"
        )
    return given


def read_answers(path: Path) -> dict[str, Any]:
    """Labels by item id from a file of JSON lines with `id` and `label`; `.gz` is read too.

    Raises:
        OSError: the file can't be read.
        EOFError: it is compressed, and breaks off.
        ValueError: a line holds something else.
    """
    answers = {}
    with gzip.open(path, "rt", encoding="utf-8") if path.suffix == ".gz" else path.open(encoding="utf-8") as lines:
        for number, line in enumerate(lines, 1):
            try:
                row = json.loads(line)
                answers[row["id"]] = row["label"]
            except (ValueError, KeyError, TypeError) as error:
                raise ValueError(f'line {number}: {{"id": ..., "label": ...}} is expected') from error
    return answers


def from_file(path: Path, *, delay_s: float, error_rate: float, seed: int) -> Answer:
    """Answers as a file has them, after a moment of thought, and now and then (single labels only) a wrong one."""
    answers, rng = read_answers(path), random.Random(seed)  # nosec B311 # noqa: S311 - imitates slips, guards nothing

    def answer(task: dict[str, Any]) -> Any:
        time.sleep(delay_s * rng.uniform(0.5, 1.5))
        label = answers.get(task["item_id"])
        if task["task"] == "single" and label is not None and rng.random() < error_rate:
            return rng.choice([name for name in task["classes"] if name != label])
        return label

    return answer


def from_terminal(task: dict[str, Any]) -> Any:
    """Ask the person at the terminal; an empty line leaves the item to somebody else."""
    print(
        f"\n[{task['source']}] {task['text']}\n(chosen as {task['reason']['channel']}: {task['reason']['predicted']}?)"
    )
    for number, name in enumerate(task["classes"], 1):
        print(f"  {number:2} {name}")
    if task["task"] == "ner":
        raise SystemExit("Spans can't be typed here: give --answers.")
    separated = task["task"] == "multi"
    while typed := input("numbers, with spaces between: " if separated else "number: ").split():
        with suppress(ValueError, IndexError):
            chosen = [task["classes"][int(word) - 1] for word in typed if int(word) > 0]
            if separated or len(chosen) == 1:
                return chosen if separated else chosen[0]
        print("That is not in the list.")
    return None


def say(line: str) -> None:
    """Tell something on the side."""
    print(line, file=sys.stderr, flush=True)


def main() -> None:
    """Run one annotator as the arguments say."""
    parser = argparse.ArgumentParser(description="Answer the tasks of a Quiet Corner project.")
    parser.add_argument("--redis", default="redis://localhost:6379", help="URL of the queue's Redis; unix:// works")
    parser.add_argument("--project", required=True)
    parser.add_argument("--name", required=True, type=annotator_name, help="who you are: letters, digits, . _ @ -")
    parser.add_argument("--answers", type=Path, help="JSON lines with id and label; missing: you are asked")
    parser.add_argument("--delay", type=float, default=0.0, help="seconds per answer from the file, on average")
    parser.add_argument("--error-rate", type=float, default=0.0, help="share of wrong answers from the file")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--max", type=int, help="stop after so many answers")
    parser.add_argument("--idle-exit", type=float, help="stop when no task came for so many seconds")
    given = parser.parse_args()
    try:
        answer = (
            from_file(given.answers, delay_s=given.delay, error_rate=given.error_rate, seed=given.seed)
            if given.answers
            else from_terminal
        )
    except (OSError, EOFError, ValueError) as error:
        parser.error(f"--answers {given.answers} can't be read: {error}")
    client = redis.Redis.from_url(given.redis, protocol=2, socket_timeout=30, socket_connect_timeout=5)
    annotator = Annotator(client=client, project=given.project, name=given.name)
    with suppress(KeyboardInterrupt, EOFError):
        answered = work(annotator, answer, most=given.max, idle_exit_s=given.idle_exit)
        say(f"{given.name}: {answered} answered")


if __name__ == "__main__":
    main()
