import pytest

from workers.reporting.sentences import counted, listed, share, window_findings


@pytest.mark.parametrize(
    ("value", "told"),
    [
        (0, "0 %"),
        (1e-9, "0.0 %"),
        (0.00042, "0.04 %"),
        (0.004, "0.4 %"),
        (0.053, "5.3 %"),
        (0.1, "10 %"),
        (0.996, "100 %"),
        (1, "100 %"),
    ],
)
def test_shares_are_told_in_percent_with_a_decimal_where_small(value: float, told: str) -> None:
    assert share(value) == told


def test_nouns_follow_their_numbers() -> None:
    assert [counted(1, "item"), counted(1_200, "item"), counted(2, "class", "classes")] == [
        "1 item",
        "1,200 items",
        "2 classes",
    ]


def test_long_lists_are_cut_and_say_by_how_much() -> None:
    assert listed([]) == ""
    assert listed(["a"]) == "a"
    assert listed(["a", "b", "c"]) == "a, b and c"
    assert listed([str(number) for number in range(12)]) == "0, 1, 2, 3, 4, 5, 6, 7 and 4 more"


def test_a_window_without_findings_says_so() -> None:
    assert window_findings({}) == ["Nothing beyond chance."]
