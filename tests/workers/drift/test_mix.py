from collections.abc import Mapping

from tests.workers.drift.world import Texts, draw, fit, join, sends_only
from workers.drift.mix import compare_mix


def test_a_source_that_sends_a_quarter_more_is_seen_in_the_first_window() -> None:
    before = fit(_sent({"mail": 500, "chat": 500, "form": 500, "phone": 500}))

    verdict, shares = compare_mix(before, _sources({"mail": 320, "chat": 250, "form": 250, "phone": 180}), budget=1.0)

    assert verdict.alarm
    assert round(verdict.share, 2) == 0.07
    assert [share.source for share in shares if abs(share.z) > 3] == ["mail", "phone"]


def _sent(counts: Mapping[str, int]) -> Texts:
    """So many texts of each source."""
    return join(
        *(
            draw(sends_only(0, name), count, seed=count, first_id=10_000 * i)
            for i, (name, count) in enumerate(counts.items())
        )
    )


def _sources(counts: Mapping[str, int]) -> list[str]:
    return [name for name, count in counts.items() for _ in range(count)]
