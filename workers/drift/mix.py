"""The source mix: how much each source sends."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from shared.pool import Index
from workers.drift.channels import Channel
from workers.drift.detectors import Counts, residuals, tabulate
from workers.drift.reference import Reference, encode
from workers.drift.statistics import Verdict, judge_mix


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
    names = tuple(sorted({*reference.source_names, *sources}))
    before = encode(names, reference.source_names)[np.concatenate([reference.a_sources, reference.b_sources])]
    counts = one_stratum(before, encode(names, sources), k=len(names))
    shares, z = (counts.reference[0] / len(before), counts.window[0] / len(sources)), residuals(counts)
    return judge_mix(Channel.MIX, counts, names, budget=budget), tuple(
        SourceShare(name, round(float(was), 4), round(float(now), 4), round(float(by), 2))
        for name, was, now, by in zip(names, *shares, z, strict=True)
    )


def one_stratum(reference_of: Index, window_of: Index, *, k: int) -> Counts:
    """Counts of categories `reference_of` (m,) and `window_of` (n,), below `k`, whatever the source."""
    reference, reference_size = tabulate(np.zeros_like(reference_of), reference_of, shape=(1, k))
    window, window_size = tabulate(np.zeros_like(window_of), window_of, shape=(1, k))
    return Counts(reference, window, reference_size, window_size)
