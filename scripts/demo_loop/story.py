"""The demo from start to end: the steps that a user would take, and waiting for what comes of them."""

import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from scripts.demo_loop import plan as plans
from scripts.demo_loop.outcome import Outcome, compare, tally
from scripts.demo_loop.plan import ANNOTATORS, ERROR_RATE, PROJECT, Plan
from scripts.demo_loop.screen import Frame, Screen
from scripts.demo_loop.watch import View, look
from scripts.tickets.generator import Ticket
from shared.database import Database, open_database
from shared.settings import Settings
from workers.supervisor.command import Command
from workers.supervisor.processes import Children

REPORT = "report.html"

_UP = "up"
_PROGRAM = Path(__file__).parents[1] / "annotator_example.py"
_LOOK_INTERVAL_S = 0.5
# A lane that is held renews its lease far more often than this.
_STALLED_S = 60.0
_LONGEST_PHASE_S = 300.0
_ENDING_S = 90.0


class DemoFailedError(Exception):
    """The demo can't go on; the message says what happened."""


@dataclass(frozen=True)
class Stage:
    """Where a demo is played.

    Attributes:
        plan: Its sizes.
        out: Folder of what it leaves behind.
        logs: Folder of the processes' output.
        settings: Of the running system.
        screen: Where it shows what happens.
        tell: Takes a line for the person who watches.
    """

    plan: Plan
    out: Path
    logs: Path
    settings: Settings
    screen: Screen
    tell: Callable[[str], None]


def play(stage: Stage) -> Outcome:
    """Go through the whole story.

    Raises:
        DemoFailedError: a command failed, a process died, or nothing moved any more.
    """
    first, new = plans.first_tickets(stage.plan), plans.new_tickets(stage.plan)
    plans.write_answers(stage.out / "answers.jsonl", first + new)
    (stage.out / "project.toml").write_text(plans.project_file(stage.plan), encoding="utf-8")
    _quietcorner("project", "create", PROJECT, "--config", str(stage.out / "project.toml"))
    _bring(stage, "tickets.jsonl", first)
    with Children(stage.logs, tell=stage.tell) as company:
        company.start(Command(_UP, _command("up")))
        watch = _Watch(stage, company, open_database(stage.settings), list(first), time.monotonic())
        _follow(watch, new)
        last = watch.look()
        outcome = compare(watch.pool, last.labeled, campaigns=last.campaigns, seed=stage.plan.seed)
        stage.tell("Writing the report, ending all processes ...")
        _quietcorner("report", PROJECT, "--out", str(stage.out / REPORT))
        company.end(grace_s=_ENDING_S)
    return outcome


def _follow(watch: "_Watch", new: list[Ticket]) -> None:
    """The annotators rest where the story waits for the machine, so that its pace does not change what is labeled."""
    stage, plan = watch.stage, watch.stage.plan
    with _annotators(stage) as annotators:
        watch.until(lambda view: len(view.labeled) >= plan.labels_before, "learning", annotators)
    watch.until(lambda view: view.knows_normal, "a break, until all texts are embedded")
    _bring(stage, "new_tickets.jsonl", new)
    watch.pool.extend(new)
    windows = plan.new_items // plan.window
    watch.until(
        lambda view: view.campaigns > 0 or view.status["drift"]["windows"] >= windows,
        "new tickets came: is anything different?",
    )
    with _annotators(stage) as annotators:
        seen = watch.until(
            lambda view: view.campaigns == view.campaigns_done, "what is new in them is being labeled", annotators
        )
        enough = len(seen.labeled) + plan.labels_after
        watch.until(lambda view: len(view.labeled) >= enough, "going on with what was learned", annotators)


@contextmanager
def _annotators(stage: Stage) -> Iterator[Children]:
    """All annotators at work; at the end each leaves its task, and takes it up again when it comes back."""
    with Children(stage.logs, tell=stage.tell) as annotators:
        for number, name in enumerate(ANNOTATORS):
            annotators.start(Command(name, _annotator(stage, name, seed=stage.plan.seed + number)))
        yield annotators


@dataclass(frozen=True)
class _Watch:
    """Looks at the running system until something has come true.

    Attributes:
        stage: Where the demo is played.
        company: The one process of Quiet Corner.
        database: Of the running system.
        pool: All tickets that were brought in so far.
        started: When the processes were started, by the monotonic clock.
    """

    stage: Stage
    company: Children
    database: Database
    pool: list[Ticket]
    started: float

    def look(self) -> View:
        """How things stand."""
        return look(self.database, PROJECT)

    def until(self, done: Callable[[View], bool], phase: str, annotators: Children | None = None) -> View:
        """Show what goes on until `done` is true; returns the view of which it is.

        Raises:
            DemoFailedError: one of `annotators` (None: they rest) or `up` died, or nothing moved any more.
        """
        began = moved = time.monotonic()
        last = None
        while True:
            view, now = self.look(), time.monotonic()
            found = tally(self.pool, view.labeled)
            self.stage.screen.show(Frame(phase, now - self.started, view.status, found))
            if done(view):
                return view
            if last is None or view.progress != last.progress:
                moved = now
            last = view
            self._check(phase, annotators, still_s=now - moved, phase_s=now - began)
            time.sleep(_LOOK_INTERVAL_S)

    def _check(self, phase: str, annotators: Children | None, *, still_s: float, phase_s: float) -> None:
        dead = [name for name in ANNOTATORS if annotators is not None and annotators.pid(name) is None]
        if self.company.pid(_UP) is None:
            dead.append("`quietcorner up`")
        if dead:
            raise DemoFailedError(f"{', '.join(dead)} ended unexpectedly while: {phase}")
        if still_s > _STALLED_S:
            raise DemoFailedError(f"nothing has moved for {still_s:.0f} s while: {phase}")
        if phase_s > _LONGEST_PHASE_S:
            raise DemoFailedError(f"it took over {_LONGEST_PHASE_S:.0f} s while: {phase}")


def _bring(stage: Stage, name: str, some: list[Ticket]) -> None:
    plans.write_items(stage.out / name, some)
    _quietcorner("ingest", PROJECT, str(stage.out / name))


def _annotator(stage: Stage, name: str, *, seed: int) -> tuple[str, ...]:
    return (
        *(sys.executable, str(_PROGRAM), "--redis", stage.settings.redis_in_force),
        *("--project", PROJECT, "--name", name, "--answers", str(stage.out / "answers.jsonl")),
        *("--delay", str(stage.plan.delay_s), "--error-rate", str(ERROR_RATE), "--seed", str(seed)),
    )


def _quietcorner(*arguments: str) -> None:
    done = subprocess.run(_command(*arguments), capture_output=True, text=True, check=False)
    if done.returncode:
        raise DemoFailedError(f"`quietcorner {' '.join(arguments)}` failed: {done.stderr.strip()}")


def _command(*arguments: str) -> tuple[str, ...]:
    return sys.executable, "-m", "workers.cli", *arguments
