"""The drift watch of the product, as its task runs it: one comparison a window, and the state that goes on."""

import numpy as np

from scripts.bench.drift_loop.peers import Verdict, Watch
from scripts.bench.drift_loop.streams import Items, Stream
from workers.drift.reference import fit_reference
from workers.drift.report import compare

NAME = "quietcorner"


def quietcorner(stream: Stream, rng: np.random.Generator) -> Watch:
    """At the default setting. The score is minus the logarithm of the smallest p-value."""
    size = len(stream.reference)
    reference = fit_reference(
        stream.reference.vectors, ids=np.arange(size), sources=stream.reference.sources.tolist(), rng=rng
    )

    def watch(window: Items) -> Verdict:
        report = compare(
            reference,
            vectors=window.vectors,
            ids=np.arange(size, size + len(window)),
            sources=window.sources.tolist(),
        )
        tests = (report.novelty, report.cells, report.mix)
        return Verdict(-float(np.log(max(min(test.p for test in tests), 1e-300))), any(test.alarm for test in tests))

    return watch
