"""Which children one machine runs: the listener, one worker a queue, beat, perhaps the HTTP API; with how many
threads each."""

import gc
import os
import sys
from importlib import import_module

from shared.settings import Settings
from workers.supervisor.command import Command, Main

LISTENER, BEAT, HTTP = "listener", "beat", "http"

# What takes longest when a pool arrives, and alone has matrices large enough for several threads. A round's are small:
# on busy cores its threads would wait for each other longer than they compute, and one thread sums in one order. Its
# passes over a large pool are divided otherwise, see `shared.blocks`.
_COMPUTING_QUEUES = ("embedding",)
# While the cores are busy, who waits for the receipt of an answer goes first: the queue holds what to label next
# meanwhile. The drift watch and the audits have time, and what they did not get to is one piece of work later. At 15
# campaigns, which they tend, took a minute to end on a machine with as much else to do.
_NICENESS = {"training": 5, "embedding": 5, "drift": 10}

_VARIABLES = {"database_url": "DATABASE_URL", "redis_url": "REDIS_URL"}
_THREAD_VARIABLES = ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS")

# What the children import beside the modules of their tasks.
_PROGRAMS = (
    "celery.bin.celery",
    "celery.apps.worker",
    "celery.apps.beat",
    "celery.concurrency.prefork",
    "celery.concurrency.thread",
    "workers.intake.listener",
)
_HTTP_PROGRAM = "workers.gateway.serving"


def commands(settings: Settings, queues: tuple[str, ...], *, main: Main | None = None) -> list[Command]:
    """The children beside Redis, in the order in which they start.

    Args:
        settings: those of `quietcorner up`; the children get them through their environment.
        queues: the names of all Celery queues.
        main: the command line, called with a child's arguments in a fork of this process; without it each child is a
            program of its own, for a parent that can't be forked.
    """
    shared = environment(settings)
    program = () if main is not None else (sys.executable, "-m", "workers.cli")

    def command(name: str, *arguments: str, threads: int = 1, niceness: int = 0) -> Command:
        return Command(name, (*program, *arguments), {**shared, **_threads(threads)}, niceness=niceness, main=main)

    return [
        command(LISTENER, "listen"),
        *(
            command(
                queue,
                *("worker", "--queues", queue),
                threads=settings.compute_threads if queue in _COMPUTING_QUEUES else 1,
                niceness=_NICENESS.get(queue, 0),
            )
            for queue in queues
        ),
        command(BEAT, "beat"),
        *([] if settings.http_port is None else [command(HTTP, "serve")]),
    ]


def preload(settings: Settings) -> None:
    """Import what the children will need, so that they are forked with it, and share its memory for long.

    The encoder is not among it: only one of them loads it, and loading it computes.
    """
    from workers.app import TASK_MODULES

    # A library that makes its threads when it is loaded must not: they would be missing in a forked process.
    os.environ.update(dict.fromkeys(_THREAD_VARIABLES, "1"))
    for module in (*_PROGRAMS, *(each for modules in TASK_MODULES.values() for each in modules)):
        import_module(module)
    if settings.http_port is not None:
        import_module(_HTTP_PROGRAM)
    gc.collect()
    gc.freeze()  # the collector would write into every object, and so have its page copied


def environment(settings: Settings) -> dict[str, str]:
    """The environment that gives a child the same settings, wherever we have them from."""
    values = settings.model_dump(mode="json", exclude_none=True) | {"data_dir": str(settings.folder)}
    return {_VARIABLES.get(name, f"QUIETCORNER_{name.upper()}"): str(value) for name, value in values.items()}


def _threads(count: int) -> dict[str, str]:
    return {
        "QUIETCORNER_COMPUTE_THREADS": str(count),
        **dict.fromkeys(_THREAD_VARIABLES, str(count)),
        "OMP_WAIT_POLICY": "PASSIVE",  # a thread that waits must not spin while another worker needs the core
        "TOKENIZERS_PARALLELISM": "false",
    }
