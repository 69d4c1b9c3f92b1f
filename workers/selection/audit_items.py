"""The audit sample's places in a batch.

Caps hold for audit items too. An item that one refuses can't be asked about, and were those behind it asked meanwhile,
the sample would hold all classes but the capped one. So items of a stratum are asked about in the order of their draws,
and the first that is refused ends the stratum's turn: its threshold is taken back to there. What is answered of a
stratum thereby stays what chance puts first, and under a cap that binds, the sample grows more slowly.
"""

from collections.abc import Mapping, Sequence

import numpy as np

from shared.pool import Index, Pool
from workers.selection.filling import Pick, Picks
from workers.selection.ledger import Keep, Ledger
from workers.training import audit
from workers.training.audit import AuditSample


def draw_audit_items(
    pool: Pool,
    ledger: Ledger,
    picks: Picks,
    thresholds: Mapping[str, float],
    *,
    draws: int,
    first: Sequence[int],
    most: int,
) -> tuple[AuditSample, list[str]]:
    """Let the audit sample choose.

    Args:
        pool: The pool.
        ledger: Of a batch that holds nothing yet.
        picks: Where its items go.
        thresholds: The sample's, by stratum, as the last round left them.
        draws: Items that it is to grow by.
        first: `Pool.ids` of items that come before others.
        most: Places that it may take.

    Returns:
        The sample after it, and in words what kept it from growing as far as it should; nothing if nothing did.
    """
    sample, strata = audit.extend(pool, thresholds, draws=draws), audit.strata(pool)
    waiting, refused = 0, dict[int, float]()
    for position in _due(pool, sample, first).tolist():
        if not ledger.left or len(picks) == most:
            break
        stratum = int(strata[position])
        if stratum not in refused and ledger.add(position, keep=Keep.QUOTAS):
            picks[position] = Pick("audit", None, None, -1)
            continue
        refused[stratum] = min(refused.get(stratum, 1.0), float(pool.draws[position]))
        waiting += 1
    if not refused:
        return sample, []
    causes = ", ".join(sorted(ledger.refused)) or "quotas"
    return audit.no_further(pool, thresholds, sample.thresholds, refused), [
        f"audit sample: {waiting} item(s) short, as of those that chance puts first some are refused ({causes})"
    ]


def _due(pool: Pool, sample: AuditSample, first: Sequence[int]) -> Index:
    """Members of the sample that nobody has labeled, by their draw; those with the ids `first` before others."""
    free = np.zeros(len(pool), dtype=bool)
    free[pool.eligible] = True
    due = np.flatnonzero(sample.members & free)
    return due[np.lexsort((pool.draws[due], ~np.isin(pool.ids[due], first)))]
