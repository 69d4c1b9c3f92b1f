"""The Celery application: queues, routes, schedule, and the settings that survived every kill test.

A Celery message is a hint, never the truth: a task looks in the database for what there is to do, so a message that is
lost, repeated or out of order does no harm. See `shared.lanes` and `shared.events`.
"""

from collections.abc import Iterable

from celery import Celery

from shared.settings import load_settings
from shared.streams import CELERY_PREFIX
from workers.acknowledging import free_the_window

INTAKE, EMBEDDING, TRAINING, DRIFT = "intake", "embedding", "training", "drift"
QUEUES = (INTAKE, EMBEDDING, TRAINING, DRIFT)

TASK_MODULES = {
    INTAKE: ("workers.intake.tasks", "workers.dispatch.tasks"),
    EMBEDDING: ("workers.embedding.tasks",),
    TRAINING: ("workers.selection.tasks",),
    DRIFT: (
        "workers.drift.tasks",
        "workers.drift.label_tasks",
        "workers.drift.campaign_tasks",
        "workers.training.tasks",
    ),
}

SWEEP = "intake.sweep"

# A hint that nobody took is repeated by the sweep. It expires by the clock of the machine that takes it, which may be
# an hour away from that of the machine that sent it: no worker may find every hint out of date.
HINTS_EXPIRE_S = 7_200.0

_settings = load_settings()
free_the_window()

app = Celery("quietcorner")
app.conf.update(
    broker_url=_settings.broker_url,
    broker_transport_options={
        "global_keyprefix": CELERY_PREFIX,
        "visibility_timeout": 900,
        "unacked_restore_interval": 5,
        "unacked_restore_throttle": 1,
        "socket_timeout": 30,
        "socket_connect_timeout": 5,
        # A hint to a Redis that is away fails at once: the outbox keeps it, and the sweep sends it later.
        "max_retries": 1,
        "interval_start": 0,
        "interval_step": 0,
        "socket_keepalive": not _settings.broker_url.startswith("redis+socket"),
    },
    broker_connection_retry_on_startup=True,
    broker_connection_max_retries=None,
    accept_content=["json"],
    task_serializer="json",
    task_ignore_result=True,
    task_acks_late=True,
    task_reject_on_worker_lost=False,  # the lane's lease brings the work back, and counts what dies of it
    task_default_queue=INTAKE,
    task_routes={
        "intake.*": {"queue": INTAKE},
        "dispatch.*": {"queue": INTAKE},
        "embedding.*": {"queue": EMBEDDING},
        "selection.*": {"queue": TRAINING},
        "training.*": {"queue": DRIFT},  # evaluation: off the way from submission to batch
        "drift.*": {"queue": DRIFT},
    },
    worker_prefetch_multiplier=1,
    worker_soft_shutdown_timeout=_settings.soft_shutdown_s,
    worker_hijack_root_logger=False,
    # A child has all that the worker has imported. It would hang if the worker had computed with torch, faiss or
    # scikit-learn, or had a connection open: the worker does neither, and its watchdog is a process of its own.
    worker_pool_start_method="fork",
    # On a busy machine a child may take long to say that it is up; by default it is killed after 4 s, again and again.
    worker_proc_alive_timeout=120.0,
    worker_max_tasks_per_child=None,
    beat_scheduler="celery.beat:Scheduler",  # the default one keeps a pickle on disk
    beat_schedule={
        "sweep": {
            "task": SWEEP,
            "schedule": _settings.sweep_interval_s,
            "options": {"expires": HINTS_EXPIRE_S},
        }
    },
)


def serve(queues: Iterable[str]) -> None:
    """Let this process know the tasks of its queues, and no others: what a light queue never needs takes seconds to
    import."""
    app.conf.include = [module for queue in queues for module in TASK_MODULES[queue]]
