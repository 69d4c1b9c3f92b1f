import pytest
from hypothesis import given
from hypothesis import strategies as st

from workers.reporting.confusions import Confusions, confusions

SHARES = [[0.5, 0.1, 0.0], [0.02, 0.08, 0.1], [0.0, 0.0, 0.0]]
FOUND = Confusions(["a", "b", "c"], SHARES)


def test_rates_are_shares_of_the_true_class() -> None:
    rates = FOUND.rates

    assert rates[0] == pytest.approx([5 / 6, 1 / 6, 0.0])
    assert rates[1] == pytest.approx([0.1, 0.4, 0.5])
    assert rates[2] == [None, None, None]


def test_the_largest_confusions_come_first_and_right_decisions_are_none() -> None:
    found = FOUND.largest(2)

    assert [(true, other) for true, other, *_ in found] == [("a", "b"), ("b", "c")]
    assert found[1][2:] == pytest.approx((0.1, 0.5))


def test_classes_that_are_not_named_are_taken_together() -> None:
    arranged = FOUND.arranged(["b"], others="rest")

    assert arranged.classes == ["b", "rest"]
    assert arranged.share[0] == pytest.approx([0.08, 0.12])
    assert arranged.share[1] == pytest.approx([0.1, 0.5])
    assert FOUND.arranged(["c", "a", "b"], others="rest").classes == ["c", "a", "b"]


@given(st.integers(1, 6).flatmap(lambda size: _drawn(size)))
def test_arranging_loses_no_item(drawn: tuple[list[int], int, list[list[float]]]) -> None:
    order, kept, share = drawn
    names = [str(number) for number in range(len(order))]
    arranged = Confusions(names, share).arranged([names[number] for number in order[:kept]], others="rest")

    assert sum(map(sum, arranged.share)) == pytest.approx(sum(map(sum, share)))
    for number, name in enumerate(arranged.classes):
        if name != "rest":
            assert sum(arranged.share[number]) == pytest.approx(sum(share[int(name)]))


def test_several_classes_an_item_have_no_confusions() -> None:
    assert confusions({"confusion": None}) is None
    assert confusions({}) is None


def _drawn(size: int) -> st.SearchStrategy[tuple[list[int], int, list[list[float]]]]:
    """An order of the classes, how many of them are kept, and shares."""
    return st.tuples(st.permutations(range(size)), st.integers(0, size), _square(size))


def _square(size: int) -> st.SearchStrategy[list[list[float]]]:
    row = st.lists(st.floats(0, 1), min_size=size, max_size=size)
    return st.lists(row, min_size=size, max_size=size)
