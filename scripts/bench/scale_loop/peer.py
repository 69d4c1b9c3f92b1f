"""One process that lets a peer choose once, and tells what that took. Started by `scripts/bench/scale`."""

import argparse
import json
import resource
import time
import warnings
from pathlib import Path

import numpy as np

from scripts.bench.scale_loop.handed import Handed, load
from scripts.bench.scale_loop.memory import Peak
from scripts.bench.scale_loop.peers import PEERS

_GIB = 1024**3


def main() -> None:
    """Choose and print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--peer", choices=PEERS, required=True)
    parser.add_argument("--count", type=int, required=True)
    parser.add_argument("--seed", type=int, required=True)
    parser.add_argument("--gib", type=float, required=True)
    given = parser.parse_args()
    warnings.simplefilter("ignore")
    PEERS[given.peer].choose(_few(), 2, 0)  # imports what the package needs, which is no part of a choice
    handed, peak = load(given.folder), Peak()
    # An array that does not fit is refused at once, and the refusal says how large it was to be.
    resource.setrlimit(resource.RLIMIT_DATA, (int(given.gib * _GIB),) * 2)
    with peak.watching():
        started, worked = time.perf_counter(), time.process_time()
        try:
            chosen = PEERS[given.peer].choose(handed, given.count, given.seed)
        except MemoryError as error:
            print(json.dumps({"stopped": f"memory: {error or 'not enough'}"}))
            return
        cpu_s, clock_s = time.process_time() - worked, time.perf_counter() - started
    if len(set(chosen.tolist())) != given.count:
        raise ValueError(f"{given.peer} chose {len(set(chosen.tolist()))} items of {given.count}")
    told = {"cpu_s": round(cpu_s, 3), "clock_s": round(clock_s, 3), "own_mib": round(peak.own_mib)}
    print(json.dumps(told | {"chosen": chosen.tolist()}))


def _few() -> Handed:
    """A choice among some random items."""
    rng, items, classes = np.random.default_rng(0), 120, 3
    vectors = rng.normal(size=(items, 4)).astype(np.float32)
    probability = rng.dirichlet(np.ones(classes), size=items).astype(np.float32)
    labeled = np.arange(20)
    return Handed(vectors, probability, np.arange(20, items), labeled, labeled % classes)


if __name__ == "__main__":
    main()
