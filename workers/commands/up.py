"""`quietcorner up` runs all workers on one machine; `worker`, `beat` and `listen` run one of them."""

import os
import signal
import threading
import time
from collections.abc import Iterable
from contextlib import closing
from dataclasses import dataclass, field
from pathlib import Path
from types import FrameType
from typing import Annotated

import typer
from rich.console import Console
from rich.text import Text

from shared.database import open_database
from shared.errors import ConfigError
from shared.logs import configure_logs
from shared.settings import Settings, load_settings
from shared.streams import connect, reachable
from shared.urls import without_password
from workers.readiness import say_ready
from workers.supervisor import folder_lock, plan, redis_server
from workers.supervisor.command import Command
from workers.supervisor.processes import Children

_TEND_INTERVAL_S = 0.2
_PATIENCE_S = 60.0


def up(
    data: Annotated[
        Path | None, typer.Option(help="Data folder: the embedded database, Redis and the logs.", file_okay=False)
    ] = None,
    http: Annotated[
        int | None,
        typer.Option(
            metavar="PORT", min=1, max=65_535, help="Serve the HTTP API on this port of this machine as well."
        ),
    ] = None,
) -> None:
    """Run everything on this machine, until Ctrl-C.

    Without DATABASE_URL the database is SQLite in the data folder; without REDIS_URL a Redis is started there.
    """
    if data is not None:
        os.environ["QUIETCORNER_DATA_DIR"] = str(data.expanduser().resolve())  # the Celery app reads it too
    if http is not None:
        os.environ["QUIETCORNER_HTTP_PORT"] = str(http)
    settings = load_settings()
    console = Console(soft_wrap=True, highlight=False)
    wish = _hear_signals()
    with (
        folder_lock.hold(settings.folder),
        Children(settings.folder / "logs", tell=lambda line: console.print(Text(line, "yellow"))) as children,
    ):
        open_database(settings).close()
        _bring_redis(settings, children)
        console.print(_what_runs_where(settings))
        roll_call = _start_workers(settings, children)
        while not wish.end.wait(_TEND_INTERVAL_S):
            children.tend()
            if (told := roll_call.hear(children.ready())) is not None:
                console.print(told)
        console.print("Ending. Ctrl-C again ends at once.")
        children.end(hurry=wish.end_at_once.is_set)
    console.print("All has ended.")


def worker(
    queues: Annotated[str, typer.Option(help="Queues to serve, with commas: intake, embedding, training, drift.")],
) -> None:
    """Run one worker, for example on another machine (set DATABASE_URL and REDIS_URL).

    It ends by itself, with exit code 70, when its work lies undone for long though database and Redis answer: let
    whatever runs it start it again.
    """
    from workers.app import QUEUES, serve
    from workers.supervisor.watchdog import Watchdog

    names = _known_queues(queues, QUEUES)
    serve(names)
    settings = load_settings()
    configure_logs(settings)
    watchdog = Watchdog(lambda: _work(names, settings), grace_s=settings.soft_shutdown_s)
    raise typer.Exit(watchdog.watch(names, patience_s=settings.worker_patience_s))


def beat() -> None:
    """Run the clock that sets off the sweep. One in all is enough; more do no harm."""
    from celery.signals import beat_init

    from workers.app import app

    settings = load_settings()
    configure_logs(settings)
    beat_init.connect(lambda **_: say_ready(), weak=False)
    app.start(["beat", "--scheduler", app.conf.beat_scheduler, "--loglevel", settings.log_level])


def listen() -> None:
    """Run the listener, which takes the submissions from the Redis stream into the database."""
    from workers.intake import listener

    listener.listen()


@dataclass(frozen=True)
class _Wish:
    """What the signals so far have asked for."""

    end: threading.Event = field(default_factory=threading.Event)
    end_at_once: threading.Event = field(default_factory=threading.Event)


def _hear_signals() -> _Wish:
    wish = _Wish()

    def note(_number: int, _frame: FrameType | None) -> None:
        (wish.end_at_once if wish.end.is_set() else wish.end).set()

    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, note)
    if signal.getsignal(signal.SIGHUP) is not signal.SIG_IGN:  # nohup
        signal.signal(signal.SIGHUP, note)
    return wish


def _bring_redis(settings: Settings, children: Children) -> None:
    if settings.redis_url is not None:
        with reachable(settings), closing(connect(settings)) as client:
            redis_server.check_version(client)
        return
    children.start(Command(redis_server.NAME, redis_server.prepare(settings), serves_others=True))
    redis_server.wait_until_ready(settings, is_alive=lambda: children.pid(redis_server.NAME) is not None)


class _RollCall:
    """Tells once that all are ready; till then, now and then, who is not."""

    def __init__(self, names: Iterable[str]) -> None:
        self._all, self._missing = tuple(names), list(names)
        self._patience_ends_at = time.monotonic() + _PATIENCE_S

    def hear(self, ready: set[str]) -> Text | None:
        """What to tell after these have said that they are ready."""
        if not self._missing:
            return None
        self._missing = [name for name in self._missing if name not in ready]
        if not self._missing:
            return Text(f"ready: {', '.join(self._all)}", "green")
        if time.monotonic() < self._patience_ends_at:
            return None
        self._patience_ends_at = time.monotonic() + _PATIENCE_S
        return Text(f"not ready yet: {', '.join(self._missing)}. See the logs.", "yellow")


def _start_workers(settings: Settings, children: Children) -> _RollCall:
    from workers.app import QUEUES
    from workers.cli import main

    plan.preload(settings)
    commands = plan.commands(settings, QUEUES, main=main)
    for command in commands:
        children.start(command)
    return _RollCall([command.name for command in commands])


def _work(queues: tuple[str, ...], settings: Settings) -> None:
    """Be one Celery worker."""
    from celery.signals import worker_process_init, worker_ready

    from workers.app import EMBEDDING, INTAKE, app

    worker = os.getpid()
    # As under `quietcorner up`: the products of a round have one thread each.
    threads = settings.compute_threads if EMBEDDING in queues else 1
    worker_ready.connect(lambda **_: say_ready(), weak=False)
    worker_process_init.connect(lambda **_: _join_pool(worker, threads), weak=False)
    # Several light tasks at once for intake; for the rest one heavy task at a time, in a child that may die of it.
    pool = ("threads", "4") if queues == (INTAKE,) else ("prefork", "1")
    app.worker_main(
        [
            "worker",
            *("--queues", ",".join(queues)),
            *("--hostname", f"{'-'.join(queues)}-{worker}@%h"),  # one name among all machines
            *("--pool", pool[0]),
            *("--concurrency", pool[1]),
            *("--loglevel", settings.log_level),
        ]
    )


def _join_pool(worker: int, threads: int) -> None:
    """Prepare the child of a worker's pool, given the worker's process id, for its tasks."""
    from threadpoolctl import threadpool_limits

    from workers.supervisor.forked import die_with

    die_with(worker)
    threadpool_limits(threads)  # what the libraries took from the environment when they were loaded


def _what_runs_where(settings: Settings) -> Text:
    return Text(
        f"Quiet Corner runs on the data folder {settings.folder}\n"
        f"  database  {without_password(settings.sql_url)}\n"
        f"  Redis     {without_password(settings.redis_in_force)}  (annotators connect here)\n"
        + (f"  HTTP      {settings.http_host} port {settings.http_port}\n" if settings.http_port else "")
        + f"  logs      {settings.folder / 'logs'}\n"
        "Ctrl-C ends all."
    )


def _known_queues(given: str, known: tuple[str, ...]) -> tuple[str, ...]:
    names = tuple(dict.fromkeys(name.strip() for name in given.split(",") if name.strip()))
    for name in names or ("",):
        if name not in known:
            raise ConfigError(f"--queues {given!r}: {name!r} is not a queue. The queues are {', '.join(known)}.")
    return names
