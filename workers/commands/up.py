"""`quietcorner up` runs all workers on one machine; `worker`, `beat` and `listen` run one of them."""

import os
import signal
import socket
import threading
import time
from collections.abc import Iterable
from contextlib import closing
from dataclasses import dataclass, field
from pathlib import Path
from types import FrameType
from typing import Annotated

import typer
from redis.exceptions import RedisError
from rich.console import Console
from rich.text import Text

from shared.database import open_database
from shared.errors import ConfigError
from shared.logs import configure_logs
from shared.settings import Settings, load_settings
from shared.streams import connect, reachable
from shared.urls import without_password
from workers.supervisor import folder_lock, plan, redis_server
from workers.supervisor.processes import Children, Command

_TEND_INTERVAL_S = 0.2
_PING_TIMEOUT_S = 2.0
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
        _start_workers(settings, children)
        threading.Thread(target=_say_when_ready, args=(settings, children, wish, console), daemon=True).start()
        while not wish.end.wait(_TEND_INTERVAL_S):
            children.tend()
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
    from celery.signals import worker_shutting_down

    from workers.app import INTAKE, QUEUES, app, serve
    from workers.supervisor import watchdog

    names = _known_queues(queues, QUEUES)
    serve(names)
    settings = load_settings()
    configure_logs(settings)
    watchdog.start(names, patience_s=settings.worker_patience_s)
    worker_shutting_down.connect(lambda **_: watchdog.end_after(settings.soft_shutdown_s), weak=False)
    # Several light tasks at once for intake; for the rest one heavy task at a time, in a child that may die of it.
    pool = ("threads", "4") if names == (INTAKE,) else ("prefork", "1")
    app.worker_main(
        [
            "worker",
            *("--queues", ",".join(names)),
            *("--hostname", _node_name(names, os.getpid(), host="%h")),
            *("--pool", pool[0]),
            *("--concurrency", pool[1]),
            *("--loglevel", settings.log_level),
        ]
    )


def beat() -> None:
    """Run the clock that sets off the sweep. One in all is enough; more do no harm."""
    from workers.app import app

    settings = load_settings()
    configure_logs(settings)
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


def _start_workers(settings: Settings, children: Children) -> None:
    from workers.app import QUEUES

    for command in plan.commands(settings, QUEUES):
        children.start(command)


def _what_runs_where(settings: Settings) -> Text:
    return Text(
        f"Quiet Corner runs on the data folder {settings.folder}\n"
        f"  database  {without_password(settings.sql_url)}\n"
        f"  Redis     {without_password(settings.redis_in_force)}  (annotators connect here)\n"
        + (f"  HTTP      {settings.http_host} port {settings.http_port}\n" if settings.http_port else "")
        + f"  logs      {settings.folder / 'logs'}\n"
        "Ctrl-C ends all."
    )


def _say_when_ready(settings: Settings, children: Children, wish: _Wish, console: Console) -> None:
    """Say so once every worker has answered a ping and the other children live; till then, now and then who lacks."""
    from workers.app import QUEUES

    names = (plan.LISTENER, *QUEUES, plan.BEAT, *((plan.HTTP,) if settings.http_port else ()))
    patience_ends_at = time.monotonic() + _PATIENCE_S
    while not wish.end.wait(_TEND_INTERVAL_S):
        pids = {name: children.pid(name) for name in names}
        nodes = {queue: _node_name((queue,), pids[queue], host=socket.gethostname()) for queue in QUEUES}
        answering = _answering(list(nodes.values()))
        missing = [name for name in names if not pids[name] or (name in nodes and nodes[name] not in answering)]
        if not missing:
            console.print(Text(f"ready: {', '.join(names)}", "green"))
            return
        if time.monotonic() > patience_ends_at:
            console.print(Text(f"not ready yet: {', '.join(missing)}. See {settings.folder / 'logs'}.", "yellow"))
            patience_ends_at = time.monotonic() + _PATIENCE_S


def _answering(nodes: list[str]) -> set[str]:
    """Which of the workers answer a ping."""
    from kombu.exceptions import OperationalError

    from workers.app import app

    try:
        answers = app.control.ping(destination=nodes, timeout=_PING_TIMEOUT_S)
    except (OperationalError, RedisError):
        return set()
    return {node for answer in answers for node in answer}


def _node_name(queues: Iterable[str], pid: int | None, *, host: str) -> str:
    """A worker's name among all workers of all machines."""
    return f"{'-'.join(queues)}-{pid}@{host}"


def _known_queues(given: str, known: tuple[str, ...]) -> tuple[str, ...]:
    names = tuple(dict.fromkeys(name.strip() for name in given.split(",") if name.strip()))
    for name in names or ("",):
        if name not in known:
            raise ConfigError(f"--queues {given!r}: {name!r} is not a queue. The queues are {', '.join(known)}.")
    return names
