"""Running cells on several processes, each of which prepares a case once and replays all its strategies."""

import multiprocessing
import os
import queue
import signal
import threading
import warnings
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future, ProcessPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from multiprocessing.queues import Queue
from multiprocessing.synchronize import Event
from pathlib import Path

from scripts.bench.selection_loop.record import Cell, Condition, Record
from scripts.bench.selection_loop.sets import BenchSet

_LOOK_EVERY_S = 0.5
_THREADS = ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS")
# glibc keeps freed arrays for the next ones, and what a selection takes of them would not be seen: mallopt(3).
_GIVE_MEMORY_BACK = {"MALLOC_MMAP_THRESHOLD_": "262144"}


@dataclass(frozen=True)
class Job:
    """The strategies that one process replays in one case."""

    bench_set: BenchSet
    seed: int
    condition: Condition
    strategies: tuple[str, ...]


@dataclass(frozen=True)
class Place:
    """What every process needs: the cache of vectors, the key of their encoder, and the machine in words."""

    cache: Path
    encoder: str
    machine: str


@dataclass(frozen=True)
class Failed:
    """A cell that raised."""

    cell: Cell
    reason: str


Outcome = Record | Failed


def plan_jobs(cells: Sequence[Cell], sets: dict[str, BenchSet]) -> list[Job]:
    """Group cells by case; seed after seed, so that what an interrupted run leaves is even over the sets."""
    grouped: dict[tuple[int, str, Condition], list[str]] = {}
    for cell in cells:
        grouped.setdefault((cell.seed, cell.set, cell.condition), []).append(cell.strategy)
    return [
        Job(sets[name], seed, condition, tuple(strategies))
        for (seed, name, condition), strategies in sorted(grouped.items(), key=lambda entry: entry[0][0])
    ]


def run_jobs(jobs: Sequence[Job], place: Place, *, processes: int) -> Iterator[Outcome]:
    """Run jobs; gives each cell's outcome as it comes.

    Raises:
        RuntimeError: a process died, of a lack of memory for instance.
    """
    context = multiprocessing.get_context("spawn")
    outcomes: Queue[Outcome] = context.Queue()
    over = context.Event()
    with (
        _environment(max(1, (os.cpu_count() or 1) // processes)),
        ProcessPoolExecutor(processes, context, initializer=_start, initargs=(place, outcomes, over)) as pool,
    ):
        futures = [pool.submit(_run_job, job) for job in jobs]
        try:
            yield from _arriving(outcomes, futures, sum(len(job.strategies) for job in jobs))
        finally:
            over.set()
            pool.shutdown(wait=False, cancel_futures=True)


@contextmanager
def _environment(threads: int) -> Iterator[None]:
    """What processes started inside find in their environment."""
    before = dict(os.environ)
    os.environ.update(dict.fromkeys(_THREADS, str(threads)), **_GIVE_MEMORY_BACK)
    try:
        yield
    finally:
        os.environ.clear()
        os.environ.update(before)


def _arriving(outcomes: "Queue[Outcome]", futures: Sequence["Future[None]"], wanted: int) -> Iterator[Outcome]:
    while wanted:
        try:
            yield outcomes.get(timeout=_LOOK_EVERY_S)
            wanted -= 1
        except queue.Empty:
            for future in futures:
                if future.done() and (error := future.exception()):
                    raise RuntimeError(f"a process of the bench ended: {error}") from error


_place: Place
_tell: Callable[[Outcome], None]
_over: Event


def _start(place: Place, outcomes: "Queue[Outcome]", over: Event) -> None:
    """Make a fresh process ready."""
    global _place, _tell, _over
    _place, _tell, _over = place, outcomes.put, over
    threading.Thread(target=_end_with_parent, daemon=True).start()
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C reaches the whole terminal: the parent says when to stop
    # scikit-learn warns of classes with few examples, which are what this is about.
    warnings.filterwarnings("ignore", category=UserWarning, module=r"sklearn\.")


def _end_with_parent() -> None:
    """A process whose parent was killed would wait for jobs for ever."""
    parent = multiprocessing.parent_process()
    if parent is not None:
        parent.join()
        os._exit(1)


def _run_job(job: Job) -> None:
    from scripts.bench.selection_loop.cases import make_case, run_cell
    from scripts.bench.selection_loop.stored import stored_vectors
    from scripts.bench.selection_peers.registry import join_strategies

    join_strategies()
    try:
        case = make_case(
            job.bench_set,
            seed=job.seed,
            condition=job.condition,
            vectors=stored_vectors(_place.cache, _place.encoder),
            encoder=_place.encoder,
            folder=_place.cache / "prepared",
        )
    except Exception as error:  # whatever it is, the other jobs go on
        for strategy in job.strategies:
            _tell(_failed(job, strategy, error))
        return
    for strategy in job.strategies:
        if _over.is_set():
            return
        try:
            _tell(run_cell(case, strategy, machine=_place.machine))
        except Exception as error:
            _tell(_failed(job, strategy, error))


def _failed(job: Job, strategy: str, error: Exception) -> Failed:
    cell = Cell(set=job.bench_set.name, strategy=strategy, seed=job.seed, condition=job.condition)
    return Failed(cell, f"{type(error).__name__}: {error}")
