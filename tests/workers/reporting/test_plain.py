from hypothesis import given
from hypothesis import strategies as st

from workers.reporting.plain import clock, one_line


@given(st.text(), st.integers(1, 50))
def test_any_text_becomes_one_printable_line_of_bounded_length(text: str, longest: int) -> None:
    line = one_line(text, longest=longest)

    assert len(line) <= longest
    assert all(character.isprintable() for character in line)


def test_a_short_text_is_left_as_it_is() -> None:
    assert one_line("Where is\nmy   parcel?", longest=40) == "Where is my parcel?"


def test_a_long_text_is_cut_with_an_ellipsis() -> None:
    assert one_line("abcdefgh", longest=4) == "abc…"


def test_times_are_told_in_utc() -> None:
    assert clock(0.0) == "1970-01-01 00:00:00"
