"""The source mix: how much each source sends."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from shared.pool import Index
from workers.drift.detectors import Counts, homogeneity_p, residuals, tabulate
from workers.drift.reference import Reference, encode


@dataclass(frozen=True)
class SourceShare:
    """A source's share of half B and of the window, and the window's adjusted residual in standard deviations."""

    source: str
    reference: float
    window: float
    z: float


@dataclass(frozen=True)
class Mix:
    """The source mix of a window beside the reference's.

    Attributes:
        p: of the two-sample chi-square test.
        moved: share of the window that would have to come from other sources to bring the old mix back.
        sources: all of both, by name; a new source has the share 0 in the reference, a silent one 0 in the window.
    """

    p: float
    moved: float
    sources: tuple[SourceShare, ...]


def compare_mix(reference: Reference, sources: Sequence[str]) -> Mix:
    """Compare the sources of a window, n names, with those of half B."""
    names = sorted({*reference.source_names, *sources})
    of_b = encode(names, reference.source_names)[reference.b_sources]
    counts = _one_stratum(of_b, encode(names, sources), k=len(names))
    before, after = counts.reference[0] / len(of_b), counts.window[0] / len(sources)
    z = residuals(counts)
    return Mix(
        p=homogeneity_p(counts),
        moved=float(np.maximum(after - before, 0).sum()),
        sources=tuple(
            SourceShare(name, round(float(before[code]), 4), round(float(after[code]), 4), round(float(z[code]), 2))
            for code, name in enumerate(names)
        ),
    )


def _one_stratum(of_b: Index, of_window: Index, *, k: int) -> Counts:
    reference, reference_size = tabulate(np.zeros_like(of_b), of_b, shape=(1, k))
    window, window_size = tabulate(np.zeros_like(of_window), of_window, shape=(1, k))
    return Counts(reference, window, reference_size, window_size)
