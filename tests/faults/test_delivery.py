"""Hints that come twice, late, in any order or not at all lead to the same state."""

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.faults.core import Core, core
from workers.app import SWEEP

__all__ = ["core"]

_KINDS = ("take", "repeat", "lose", "sweep", "expire")
_ORDER = st.lists(st.tuples(st.sampled_from(_KINDS), st.integers(0, 30)), max_size=25)


def begin(core: Core) -> None:
    """A project with items and answers, of which no worker has heard yet."""
    core.project(selection={"batch_size": 5}, near_duplicate_cosine=1.0)
    names = core.add_items(40)
    for number, name in enumerate(names[:12]):
        core.send(f"s{number}", name, name.partition("-")[0])
    core.listen()


def disturb(core: Core, order: list[tuple[str, int]]) -> None:
    """Hand out hints as the order says."""
    for kind, place in order:
        if kind == "sweep":
            core.run(SWEEP)
        elif kind == "expire":
            core.free_what_the_dead_hold()
        elif not core.hints:
            continue
        elif kind == "lose":
            core.hints.pop(place % len(core.hints))
        else:
            if kind == "repeat":
                core.hints.append(core.hints[place % len(core.hints)])
            core.take_hint(place)


@pytest.mark.fault("hints twice, late, lost, and in any order", "4, 6")
@pytest.mark.parametrize("examples", [3, pytest.param(30, marks=[pytest.mark.faults, pytest.mark.slow_faults])])
def test_hints_in_any_order_twice_or_not_at_all_lead_to_the_same_state(core: Core, examples: int) -> None:
    begin(core)
    core.settle()
    expected = core.state()

    @settings(max_examples=examples, deadline=None, suppress_health_check=list(HealthCheck))
    @given(_ORDER)
    def it_is_the_same(order: list[tuple[str, int]]) -> None:
        begin(core)
        disturb(core, order)
        core.settle()
        assert core.state() == expected

    it_is_the_same()
