"""The source mix: how much each source sends."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from workers.drift.channels import Channel
from workers.drift.detectors import Counts, residuals
from workers.drift.reference import Reference, encode
from workers.drift.statistics import Verdict, judge_mix

# As Cohen's w. Less than for other mixes: how much has moved decides by itself what is made of it, and with 0.05 a
# change that a test of the sources alone sees at once was missed in one window of ten.
_TOLERANCE = 0.02


@dataclass(frozen=True)
class SourceShare:
    """A source's shares of reference and window, and the window's adjusted residual in standard deviations."""

    source: str
    reference: float
    window: float
    z: float


def compare_mix(
    reference: Reference, sources: Sequence[str], *, budget: float
) -> tuple[Verdict, tuple[SourceShare, ...]]:
    """Compare the sources of a window, n names, with those of the reference.

    Both halves take part, as nothing is learned from half A's sources. The share is what would have to come from other
    sources to bring the old mix back. A new source is a category with nothing in the reference, and one that fell
    silent has nothing in the window.

    Returns:
        The verdict, and the shares of all sources of both, by name.
    """
    seen = Counter(sources)
    names = tuple(sorted({*reference.source_names, *seen}))
    before = np.zeros((1, len(names)), dtype=np.int64)
    before[0, encode(names, reference.source_names)] = reference.items_of_sources
    window = np.array([[seen[name] for name in names]], dtype=np.int64)
    counts = Counts(before, window, before.sum(axis=1), window.sum(axis=1))
    shares, z = (counts.reference[0] / before.sum(), counts.window[0] / len(sources)), residuals(counts)
    return judge_mix(Channel.MIX, counts, names, budget=budget, tolerance=_TOLERANCE), tuple(
        SourceShare(name, round(float(was), 4), round(float(now), 4), round(float(by), 2))
        for name, was, now, by in zip(names, *shares, z, strict=True)
    )
