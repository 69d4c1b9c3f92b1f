"""The audit sample's places in a batch.

Caps hold for audit items too. An item that the cap on a class refuses can't be asked about, and were those behind it
asked meanwhile, the sample would hold all classes but the capped one. So items of a stratum are asked about in the
order of their draws, and the first that such a cap refuses ends the stratum's turn: its threshold is taken back to
there. What is answered of a stratum thereby stays what chance puts first, and under a cap that binds, the sample grows
more slowly.

What the cap on a source refuses is left out, and stands for no class: until it has room again, the source's other items
of the stratum, and those of other sources, speak for it.
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
        first: `Pool.ids` of items that come before others, and have a turn of their own.
        most: Places that it may take.

    Returns:
        The sample after it, and in words what kept it from growing as far as it should; nothing if nothing did.
    """
    sample, strata = audit.extend(pool, thresholds, draws=draws), audit.strata(pool)
    waiting, refused = 0, dict[tuple[bool, int], float]()
    for position, is_first in _due(pool, sample, first):
        if not ledger.left or len(picks) == most:
            break
        turn = is_first, int(strata[position])
        if turn not in refused and ledger.add(position, keep=Keep.NOTHING):
            picks[position] = Pick("audit", None, None, -1)
            continue
        waiting += 1
        if turn not in refused and not ledger.is_full(position):
            refused[turn] = float(pool.draws[position])
    back = {stratum: draw for (is_first, stratum), draw in refused.items() if not is_first}
    sample = audit.no_further(pool, thresholds, sample.thresholds, back) if back else sample
    causes = ", ".join(sorted(ledger.refused))
    return sample, [f"audit sample: {waiting} item(s) short ({causes})"] if waiting else []


def _due(pool: Pool, sample: AuditSample, first: Sequence[int]) -> list[tuple[int, bool]]:
    """Members of the sample that nobody has labeled, by their draw; those with the ids `first`, which is told of each,
    before others."""
    due = pool.eligible[sample.members[pool.eligible]]
    is_first = np.isin(pool.ids[due], first)
    order: Index = np.lexsort((pool.draws[due], ~is_first))
    return list(zip(due[order].tolist(), is_first[order].tolist(), strict=True))
