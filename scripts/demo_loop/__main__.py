"""`scripts/demo`: arguments, a data folder of its own, and what is said at the end."""

import argparse
import os
import shutil
import signal
import sys
import tempfile
import time
from pathlib import Path
from types import FrameType
from typing import NoReturn

from rich.console import Console
from rich.table import Table
from rich.text import Text

from scripts.demo_loop import plan as plans
from scripts.demo_loop.outcome import Outcome
from scripts.demo_loop.plan import ANNOTATORS, FEWEST_ITEMS, PROJECT, Plan

_ROOT = Path(__file__).parents[2]
_TAIL_LINES = 10


def main() -> int:
    """Run the demo; returns the exit code."""
    given = _arguments()
    plan = (plans.fast if given.fast else plans.full)(given.seed, given.items)
    out = given.out.resolve()
    console = Console(highlight=False, soft_wrap=True)
    console.print(_greeting(plan, out))
    signal.signal(signal.SIGTERM, _end)
    started = time.monotonic()
    try:
        outcome = _play(plan, out, console)
    except KeyboardInterrupt:
        console.print("Stopped; nothing is left running.")
        return 130
    if outcome is None:
        return 1
    console.print(_summary(outcome))
    noticed = (
        f"noticed, with {outcome.campaigns} campaign(s)" if outcome.campaigns else "not noticed: too few came of it"
    )
    console.print(f"Drift: {noticed}.")
    console.print(Text(f"It took {time.monotonic() - started:.0f} s. The report: {out / 'report.html'}"))
    return 0


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog="scripts/demo", description="Quiet Corner at work on made-up tickets, with simulated annotators."
    )
    parser.add_argument("--items", type=_enough, help=f"tickets at the start, {FEWEST_ITEMS:,} or more (default 4000)")
    parser.add_argument("--seed", type=int, default=7, help="same seed, same tickets (default 7)")
    parser.add_argument("--fast", action="store_true", help="fewer tickets and rounds: about a minute")
    parser.add_argument("--out", type=Path, default=_ROOT / "demo-out", help="folder of results (default demo-out)")
    return parser.parse_args()


def _enough(text: str) -> int:
    if not text.isdecimal() or int(text) < FEWEST_ITEMS:
        raise argparse.ArgumentTypeError(f"{text!r}: a number of {FEWEST_ITEMS:,} or more is expected")
    return int(text)


def _greeting(plan: Plan, out: Path) -> Text:
    return Text(
        f"Quiet Corner on {plan.items:,} made-up support tickets, of which one in fifty is about fraud.\n"
        f"After {plan.labels_before} labels, {plan.new_items} more come in, with a new kind of fraud among them.\n"
        "You could do the same by hand:\n"
        f"  quietcorner project create {PROJECT} --config {out / 'project.toml'}\n"
        f"  quietcorner ingest {PROJECT} {out / 'tickets.jsonl'}\n"
        "  quietcorner up\n"
        f"and {len(ANNOTATORS)} times, with the Redis URL that `up` shows:\n"
        f"  python scripts/annotator_example.py --redis URL --project {PROJECT} --name {ANNOTATORS[0]}\n"
    )


def _play(plan: Plan, out: Path, console: Console) -> Outcome | None:
    """The demo in a data folder of its own; None when it failed, and then the folder is kept."""
    # Imported only now, since it takes a moment: the greeting stands already.
    from scripts.demo_loop.screen import screen
    from scripts.demo_loop.story import REPORT, DemoFailedError, Stage, play
    from shared.settings import load_settings

    out.mkdir(parents=True, exist_ok=True)
    (out / REPORT).unlink(missing_ok=True)
    data = Path(tempfile.mkdtemp(prefix="quietcorner-demo-"))
    _isolate(data)
    try:
        with screen(console) as shown:
            stage = Stage(
                plan, out, data / "demo-logs", load_settings(), shown, tell=lambda line: console.print(Text(line))
            )
            outcome = play(stage)
    except DemoFailedError as error:
        console.print(Text(f"error: {error}.\n{_last_lines(data / 'demo-logs', data / 'logs')}", "red"))
        console.print(Text(f"Nothing is left running. The data folder is kept: {data}"))
        return None
    except KeyboardInterrupt:
        shutil.rmtree(data, ignore_errors=True)
        raise
    shutil.rmtree(data, ignore_errors=True)
    return outcome


def _isolate(data: Path) -> None:
    """Leave a database, Redis or settings of the user's own alone; every process started from here inherits this."""
    for name in list(os.environ):
        if name in ("DATABASE_URL", "REDIS_URL") or name.startswith("QUIETCORNER_"):
            del os.environ[name]
    os.environ["QUIETCORNER_DATA_DIR"] = str(data)


def _last_lines(*folders: Path) -> str:
    """The ends of all logs, the one that was written last at the end."""
    logs = sorted((log for folder in folders for log in folder.glob("*.log")), key=lambda log: log.stat().st_mtime)
    ends = {log: log.read_text(encoding="utf-8", errors="replace").splitlines()[-_TAIL_LINES:] for log in logs}
    return "\n".join(f"--- {log}\n" + "\n".join(lines) for log, lines in ends.items() if lines)


def _summary(outcome: Outcome) -> Table:
    table = Table(title=f"{outcome.labels} of {outcome.pool:,} tickets labeled", title_justify="left")
    for heading in ("found", "Quiet Corner", "random, on average", "one random draw"):
        table.add_column(heading, justify="left" if heading == "found" else "right")
    for name, chosen, drawn in (
        ("all fraud", outcome.chosen.fraud, outcome.drawn.fraud),
        ("its new kind", outcome.chosen.new_kind, outcome.drawn.new_kind),
    ):
        expected = f"{outcome.expected_share * chosen.there:.1f} of {chosen.there} ({outcome.expected_share:.0%})"
        table.add_row(name, str(chosen), expected, str(drawn))
    return table


def _end(_number: int, _frame: FrameType | None) -> NoReturn:
    raise KeyboardInterrupt


if __name__ == "__main__":
    sys.exit(main())
