"""Which children one machine runs: the listener, one worker a queue, beat, perhaps the HTTP API; with how many
threads each."""

import sys
from collections.abc import Mapping

from shared.settings import Settings
from workers.supervisor.processes import Command

LISTENER, BEAT, HTTP = "listener", "beat", "http"

# What takes longest when a pool arrives, and alone has matrices large enough for several threads. A round's are small:
# on busy cores its threads would wait for each other longer than they compute, and one thread sums in one order.
# The drift watch and the audits have time: while the cores are busy they stand back, and what they did not get to is
# one piece of work later.
_COMPUTING_QUEUES = ("embedding",)
_PATIENT_QUEUES = ("drift",)
_PATIENT_NICENESS = 5

_VARIABLES = {"database_url": "DATABASE_URL", "redis_url": "REDIS_URL"}
_THREAD_VARIABLES = ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS")


def commands(settings: Settings, queues: tuple[str, ...]) -> list[Command]:
    """The children beside Redis, in the order in which they start.

    Args:
        settings: those of `quietcorner up`; the children get them through their environment.
        queues: the names of all Celery queues.
    """
    shared = environment(settings)
    return [
        _command(LISTENER, "listen", environment={**shared, **_threads(1)}),
        *(
            _command(
                queue,
                *("worker", "--queues", queue),
                environment={**shared, **_threads(settings.compute_threads if queue in _COMPUTING_QUEUES else 1)},
                niceness=_PATIENT_NICENESS if queue in _PATIENT_QUEUES else 0,
            )
            for queue in queues
        ),
        _command(BEAT, "beat", environment={**shared, **_threads(1)}),
        *([] if settings.http_port is None else [_command(HTTP, "serve", environment={**shared, **_threads(1)})]),
    ]


def environment(settings: Settings) -> dict[str, str]:
    """The environment that gives a child the same settings, wherever we have them from."""
    values = settings.model_dump(mode="json", exclude_none=True) | {"data_dir": str(settings.folder)}
    return {_VARIABLES.get(name, f"QUIETCORNER_{name.upper()}"): str(value) for name, value in values.items()}


def _command(name: str, *arguments: str, environment: Mapping[str, str], niceness: int = 0) -> Command:
    return Command(name, (sys.executable, "-m", "workers.cli", *arguments), environment, niceness=niceness)


def _threads(count: int) -> dict[str, str]:
    return {
        "QUIETCORNER_COMPUTE_THREADS": str(count),
        **dict.fromkeys(_THREAD_VARIABLES, str(count)),
        "OMP_WAIT_POLICY": "PASSIVE",  # a thread that waits must not spin while another worker needs the core
        "TOKENIZERS_PARALLELISM": "false",
    }
