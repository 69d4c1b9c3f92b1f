"""Rows become items, or are refused with a reason that names the column."""

from collections import Counter
from datetime import date, datetime, timedelta, timezone
from decimal import Decimal
from typing import Any

import numpy as np
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from shared.errors import InvalidInputError
from shared.repository.items import NewItem
from workers.intake.rows import Columns, normalise, parse_row, permanent_draw


def parse(row: dict[str, Any], columns: Columns | None = None) -> NewItem:
    return parse_row(row, columns=columns or Columns(), derived=Counter())


def refusal(row: dict[str, Any], columns: Columns | None = None) -> str:
    with pytest.raises(InvalidInputError) as caught:
        parse(row, columns)
    return str(caught.value)


def test_a_row_with_everything_becomes_an_item_and_its_label_is_ignored() -> None:
    item = parse(
        {"id": 7, "text": "Hello", "source": "chat", "group": "t-1", "timestamp": 12.5, "label": "x", "split": "train"}
    )

    assert (item.item_id, item.text, item.source, item.group, item.timestamp) == ("7", "Hello", "chat", "t-1", 12.5)


def test_a_row_with_a_text_alone_becomes_an_item_of_an_unknown_source() -> None:
    item = parse({"text": "Hello"})

    assert (item.source, item.group, item.timestamp) == ("unknown", None, None)


def test_item_id_is_taken_before_id() -> None:
    assert parse({"text": "a", "id": "2", "item_id": "1"}).item_id == "1"
    assert parse({"text": "a", "id": "2", "item_id": ""}).item_id == "2"


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        (None, "text is missing"),
        ("", "text is blank"),
        (" \n\t\u2003", "text is blank"),
        (5, "text = 5: a string is expected"),
        ("x" * 5_000_000, "text is 5,000,000 characters long; 100,000 at most"),
        ("ab\0c", "text holds a NUL character at position 3"),
        ("ab\ud800", "text holds half of a surrogate pair at position 3"),
    ],
)
def test_a_text_that_cannot_be_stored_is_refused(text: object, reason: str) -> None:
    assert reason in refusal({"text": text})


def test_a_text_of_the_longest_length_is_taken() -> None:
    assert len(parse({"text": "x" * 100_000}).text) == 100_000


@pytest.mark.parametrize("column", ["id", "source", "group"])
@pytest.mark.parametrize(
    ("value", "reason"),
    [
        ("x" * 201, "is 201 characters long; 200 at most"),
        ("a\nb", "it holds a control character"),
        ("a\0b", "it holds a control character"),
        ("\udfff", "half of a surrogate pair"),
        (1.5, "a string or a whole number is expected"),
        (True, "a string or a whole number is expected"),
        (["a"], "a string or a whole number is expected"),
    ],
)
def test_a_bad_name_is_refused(column: str, value: object, reason: str) -> None:
    message = refusal({"text": "a", column: value})

    assert message.startswith(column)
    assert reason in message


@pytest.mark.parametrize(
    ("given_time", "seconds"),
    [
        ("1970-01-02T00:00:00Z", 86_400.0),
        ("1970-01-02T00:00:00", 86_400.0),
        ("1970-01-02", 86_400.0),
        ("1970-01-02T01:00:00+01:00", 86_400.0),
        (" 1970-01-02 00:00:00.5 ", 86_400.5),
        ("1700000000", 1_700_000_000.0),
        (1_700_000_000, 1_700_000_000.0),
        (-5.5, -5.5),
        (datetime(1970, 1, 2), 86_400.0),
        (datetime(1970, 1, 2, 2, tzinfo=timezone(timedelta(hours=2))), 86_400.0),
        (date(1970, 1, 2), 86_400.0),
        ("", None),
        (" ", None),
        (None, None),
    ],
)
def test_a_timestamp_becomes_seconds_and_utc_is_meant_without_a_zone(given_time: object, seconds: float | None) -> None:
    assert parse({"text": "a", "timestamp": given_time}).timestamp == seconds


@pytest.mark.parametrize(
    "value",
    ["yesterday", "2026-13-01", "2026", True, [], float("nan"), float("inf"), 10**400, 1_700_000_000_000, "nan"],
)
def test_a_timestamp_that_is_no_time_is_refused(value: object) -> None:
    assert refusal({"text": "a", "timestamp": value}).startswith("timestamp = ")


@pytest.mark.parametrize(
    ("value", "score"),
    [(0.75, 0.75), ("0.75", 0.75), (" 1e-3 ", 0.001), (3, 3.0), (Decimal("0.5"), 0.5), (np.float16(0.5), 0.5)],
)
def test_a_score_that_a_seeding_rule_reads_is_a_number_however_it_is_written(value: object, score: float) -> None:
    assert parse({"text": "a", "risk": value}, Columns(hints=("risk",))).hints == (("risk", score),)


@pytest.mark.parametrize("value", [None, "", "  "])
def test_a_score_that_is_missing_is_left_out(value: object) -> None:
    columns = Columns(hints=("risk", "age"))

    assert parse({"text": "a", "risk": value, "age": 1}, columns).hints == (("age", 1.0),)
    assert parse({"text": "a"}, columns).hints == ()


@pytest.mark.parametrize(
    "value", ["high", "1_0", "nan", "-inf", float("nan"), float("inf"), 10**400, 1e39, True, [0.5], Decimal("NaN")]
)
def test_a_score_that_is_no_finite_number_is_refused(value: object) -> None:
    message = refusal({"text": "a", "risk": value}, Columns(hints=("risk",)))

    assert message.startswith("risk = ")
    assert "a finite number is expected" in message
    assert parse({"text": "a", "risk": value}).hints == ()


def test_an_id_does_not_depend_on_scores() -> None:
    rows = [{"text": "a", "risk": risk} for risk in (0.1, 0.9)]

    assert len({parse(row, Columns(hints=("risk",))).item_id for row in rows}) == 1


any_text = st.text(st.characters(exclude_categories=()) | st.sampled_from("\0\ud800 \n"), max_size=8)
any_value = st.none() | st.booleans() | st.integers() | st.floats() | any_text | st.lists(any_text, max_size=2)


@given(st.dictionaries(st.sampled_from(["text", "id", "source", "group", "timestamp"]), any_value))
def test_any_row_is_taken_whole_or_refused_and_what_is_taken_can_be_stored(row: dict[str, Any]) -> None:
    try:
        item = parse(row)
    except InvalidInputError:
        return
    for value in (item.item_id, item.text, item.source, item.group or ""):
        assert "\0" not in value
        value.encode()
    assert item.text.strip()
    assert 1 <= len(item.item_id) <= 200


def test_a_row_nested_a_thousand_deep_is_refused() -> None:
    deep: list[Any] = []
    for _ in range(100_000):
        deep = [deep]

    assert "a string is expected" in refusal({"text": deep})


@given(st.lists(st.sampled_from(["a", "b"]), max_size=8), st.randoms())
def test_rows_without_an_id_get_the_same_ids_again_whatever_their_order(texts: list[str], random: Any) -> None:
    def ids(rows: list[str]) -> list[str]:
        derived: Counter[str] = Counter()
        return [parse_row({"text": text}, columns=Columns(), derived=derived).item_id for text in rows]

    shuffled = texts.copy()
    random.shuffle(shuffled)

    assert sorted(ids(texts)) == sorted(ids(shuffled))
    assert len(set(ids(texts))) == len(texts)


def test_a_derived_id_depends_on_all_that_is_known_of_the_item() -> None:
    rows: list[dict[str, Any]] = [
        {"text": "a"},
        {"text": "b"},
        {"text": "a", "source": "s"},
        {"text": "a", "group": "s"},
        {"text": "a", "timestamp": 1},
    ]

    assert len({parse(row).item_id for row in rows}) == len(rows)


def test_columns_are_renamed() -> None:
    columns = Columns.parse(["text=body", "id=ticket", "source=channel"])

    item = parse({"body": "Hello", "ticket": 3, "channel": "mail", "text": "ignored", "item_id": "ignored"}, columns)

    assert (item.text, item.item_id, item.source) == ("Hello", "3", "mail")


def test_an_id_column_that_the_user_named_must_be_there() -> None:
    assert "ticket is missing" in refusal({"text": "a", "id": "1"}, Columns.parse(["id=ticket"]))


@pytest.mark.parametrize("pairs", [["body"], ["text="], ["label=x"], ["text=a", "text=b"], ["id=a", "item_id=b"]])
def test_a_wrong_column_option_names_the_pair(pairs: list[str]) -> None:
    with pytest.raises(InvalidInputError, match=pairs[-1]):
        Columns.parse(pairs)


@pytest.mark.parametrize(
    ("one", "other"),
    [("Hello  World ", "hello world"), ("\uff26\uff35LL", "full"), ("Straße", "STRASSE"), ("a\u00a0b", "a b")],
)
def test_texts_that_differ_in_case_width_or_space_share_a_normal_key(one: str, other: str) -> None:
    assert parse({"text": one}).normal_key == parse({"text": other}).normal_key
    assert parse({"text": one}).text_key != parse({"text": other}).text_key


@example("\u03b1\u0308\u0345")
@given(st.text())
def test_normalising_twice_is_normalising_once(text: str) -> None:
    assert normalise(normalise(text)) == normalise(text)


@given(st.integers(0, 2**31), st.text(st.characters(codec="utf-8")))
def test_a_draw_is_permanent_and_lies_in_the_unit_interval(seed: int, item_id: str) -> None:
    assert 0 <= permanent_draw(seed, item_id) < 1
    assert permanent_draw(seed, item_id) == permanent_draw(seed, item_id)


def test_draws_are_spread_evenly_and_depend_on_the_seed() -> None:
    draws = [permanent_draw(0, f"item-{number}") for number in range(10_000)]
    others = [permanent_draw(1, f"item-{number}") for number in range(10_000)]

    assert [round(sum(draw < cut for draw in draws) / 10_000, 1) for cut in (0.1, 0.5, 0.9)] == [0.1, 0.5, 0.9]
    assert not set(draws) & set(others)


def test_the_draw_of_an_item_never_changes_between_versions() -> None:
    assert permanent_draw(7, "item-1") == 0.547166036011186
