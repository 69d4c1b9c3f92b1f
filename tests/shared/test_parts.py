"""Long lists in parts: nothing is lost, nothing comes twice, and no part is too long for a statement."""

import pytest

from shared.repository.parts import in_parts

_MOST_OF_SQLITE = 32_766


@pytest.mark.parametrize("count", [0, 1, 4_999, 5_000, 5_001, 10_000, 100_003])
def test_the_parts_together_are_the_list(count: int) -> None:
    parts = in_parts(range(count))
    assert [value for part in parts for value in part] == list(range(count))
    assert all(0 < len(part) <= _MOST_OF_SQLITE for part in parts)
