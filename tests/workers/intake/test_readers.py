"""Readers give every row that can be read, and say which can't and why."""

import gzip
import json
import tempfile
import tracemalloc
from collections.abc import Sequence
from contextlib import suppress
from datetime import datetime
from io import BytesIO
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pyarrow import parquet

from shared.errors import InvalidInputError
from workers.commands.submit import AnswerColumns
from workers.intake import readers
from workers.intake.readers import RawRow, RejectedRow, read_lines, read_rows
from workers.intake.rows import Columns
from workers.simulation.dataset import LabeledColumns


def write(folder: Path, name: str, content: bytes | str) -> Path:
    path = folder / name
    raw = content.encode() if isinstance(content, str) else content
    path.write_bytes(gzip.compress(raw) if name.endswith(".gz") else raw)
    return path


def read(path: Path, *pairs: str) -> list[RawRow]:
    return list(read_rows(path, columns=Columns.parse(pairs)))


def texts(rows: Sequence[RawRow]) -> list[Any]:
    return [row.content["text"] for row in rows if not isinstance(row.content, RejectedRow)]


def refused(rows: Sequence[RawRow]) -> dict[int, str]:
    return {row.line: row.content.reason for row in rows if isinstance(row.content, RejectedRow)}


KINDS = ["jsonl", "ndjson", "jsonl.gz", "csv", "csv.gz", "parquet", "JSONL"]


def write_texts(folder: Path, kind: str, values: Sequence[str]) -> Path:
    path = folder / f"items.{kind}"
    if kind == "parquet":
        parquet.write_table(pa.table({"text": list(values), "extra": [0] * len(values)}), path)
        return path
    if kind.startswith("csv"):
        lines = "text,extra\r\n" + "".join('"' + value.replace('"', '""') + '",0\r\n' for value in values)
        return write(folder, path.name, lines)
    return write(folder, path.name, "".join(json.dumps({"text": v}, ensure_ascii=False) + "\n" for v in values))


@pytest.mark.parametrize("kind", KINDS)
def test_every_kind_of_file_gives_the_same_rows(tmp_path: Path, kind: str) -> None:
    values = ["one", "two\nlines", "next\u0085line", "line\u2028separator", 'a "quoted" word', "comma, comma", "é"]

    rows = read(write_texts(tmp_path, kind, values))

    assert texts(rows) == values
    assert not refused(rows)


@pytest.mark.parametrize("kind", KINDS)
def test_the_last_row_is_read_at_the_end_of_the_file(tmp_path: Path, kind: str) -> None:
    path = write_texts(tmp_path, kind, ["text"] * 3_000)

    read_so_far = [row.bytes_read for row in read(path)]

    assert read_so_far == sorted(read_so_far)
    assert read_so_far[-1] == path.stat().st_size


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("content", [b"", b"\n \n"])
def test_a_file_without_rows_is_refused_as_empty(tmp_path: Path, kind: str, content: bytes) -> None:
    path = write(tmp_path, f"items.{kind}", content)
    if kind == "parquet" and content:
        parquet.write_table(pa.table({"text": pa.array([], pa.string())}), path)
    if kind.startswith("csv") and content:
        path = write(tmp_path, f"items.{kind}", "text\n")

    with pytest.raises(InvalidInputError, match=r"items\..*holds no rows$"):
        read(path)


def test_a_missing_file_and_a_folder_are_refused(tmp_path: Path) -> None:
    (tmp_path / "folder.jsonl").mkdir()
    for name, told in (("none.jsonl", "there is no such file"), ("folder.jsonl", "this is a folder")):
        with pytest.raises(InvalidInputError, match=told):
            read(tmp_path / name)


@pytest.mark.parametrize("kind", ["jsonl", "jsonl.gz", "csv", "tsv.gz"])
@pytest.mark.parametrize("encoding", ["utf-16-le", "utf-16-be", "utf-32-le", "utf-32-be"])
def test_a_file_of_another_encoding_is_told_by_its_byte_order_mark(tmp_path: Path, kind: str, encoding: str) -> None:
    path = write(tmp_path, f"items.{kind}", '\ufefftext\n{"text": "\xe9"}\n'.encode(encoding))
    name = encoding.upper()[:6]

    with pytest.raises(InvalidInputError, match=f"seems to be {name}, .* `iconv -f {name} -t UTF-8`"):
        read(path)


def test_a_stream_of_another_encoding_is_told() -> None:
    assert [row.content for row in read_lines(BytesIO(b"\xc3\xa9\n"), text="text")] == [{"text": "\xe9"}]
    with pytest.raises(InvalidInputError, match="standard input: it seems to be UTF-16"):
        list(read_lines(BytesIO("\ufeffone\n".encode("utf-16-le")), text="text"))


def test_the_field_of_a_column_that_is_not_there_is_told(tmp_path: Path) -> None:
    path = write(tmp_path, "items.csv", "nr,what,text\n1,2,3\n")
    for columns, field in (
        (Columns.parse(["text=body"]), "text"),
        (Columns.parse(["id=ticket"]), "id"),
        (Columns.parse(["group=case"]), "group"),
        (AnswerColumns(), "label"),
        (AnswerColumns.parse(["label=what,toxic"]), "label"),
        (AnswerColumns.parse(["annotator=who", "label=what"]), "annotator"),
        (LabeledColumns.parse(["label=verdict"]), "label"),
    ):
        with pytest.raises(InvalidInputError, match=rf"there is no column .*--column {field}=COLUMN\."):
            list(read_rows(path, columns=columns))


@pytest.mark.parametrize("name", ["items.txt", "items.json", "items.parquet.gz", "items", "items.gz"])
def test_an_unknown_kind_of_file_is_refused_and_the_kinds_are_named(tmp_path: Path, name: str) -> None:
    with pytest.raises(InvalidInputError, match=r"\.jsonl, \.ndjson, \.csv and \.tsv"):
        read(write(tmp_path, name, "x"))


def test_broken_lines_are_set_aside_with_line_and_reason_and_the_rest_goes_on(tmp_path: Path) -> None:
    lines = [
        b'{"text": "one"}',
        b'{"text": "cut',
        b"",
        b'{"text": "\xff"}',
        b'["text"]',
        b'"text"',
        b"[" * 100_000,
        b'{"text": ' + b"1" * 5_000 + b"}",
        b'{"text": "two"}\r',
        b'{"text": "three"}',
    ]

    rows = read(write(tmp_path, "items.jsonl", b"\n".join(lines)))

    assert texts(rows) == ["one", "two", "three"]
    reasons = refused(rows)
    assert list(reasons) == [2, 4, 5, 6, 7, 8]
    assert "not valid JSON" in reasons[2]
    assert "not valid UTF-8 at byte 11" in reasons[4]
    assert "a JSON object is expected" in reasons[5]
    assert "a JSON object is expected" in reasons[6]
    assert "nested too deeply" in reasons[7]
    assert "not valid JSON" in reasons[8]


@pytest.mark.parametrize("kind", ["jsonl", "jsonl.gz", "csv", "csv.gz"])
def test_a_byte_order_mark_is_accepted(tmp_path: Path, kind: str) -> None:
    content = write_texts(tmp_path, kind.removesuffix(".gz"), ["one", "two"]).read_bytes()

    assert texts(read(write(tmp_path, f"marked.{kind}", b"\xef\xbb\xbf" + content))) == ["one", "two"]


def test_an_endless_line_is_set_aside_without_being_kept(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(readers, "LONGEST_LINE", 1_000)
    monkeypatch.setattr(readers, "_CHUNK", 100)
    long = b'{"text": "' + b"x" * 5_000 + b'"}'
    good = b'{"text": "good"}'

    middle = read(write(tmp_path, "middle.jsonl", b"\n".join([good, long, good])))
    last = read(write(tmp_path, "last.jsonl", b"\n".join([good, long])))

    assert texts(middle) == ["good", "good"]
    assert list(refused(middle)) == list(refused(last)) == [2]
    assert "longer than 1,000 bytes" in refused(middle)[2]
    assert isinstance(middle[1].content, RejectedRow)
    assert len(middle[1].content.row) <= 1_000


def test_a_file_without_line_ends_fills_no_memory(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(readers, "LONGEST_LINE", 100_000)
    path = write(tmp_path, "items.jsonl.gz", b"x" * 30_000_000)

    tracemalloc.start()
    rows = read(path)
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()

    assert list(refused(rows)) == [1]
    assert peak < 5_000_000


@pytest.mark.parametrize(("count", "cut"), [(3_000, 0.5), (3_000, 0.9), (50_000, 0.5), (50_000, 0.999)])
@pytest.mark.parametrize("kind", ["jsonl.gz", "csv.gz"])
def test_what_precedes_the_break_of_a_gzip_file_is_read_and_the_error_says_where(
    tmp_path: Path, kind: str, count: int, cut: float
) -> None:
    values = [f"text number {number}" for number in range(count)]
    whole = write_texts(tmp_path, kind, values).read_bytes()
    path = tmp_path / f"cut.{kind}"
    path.write_bytes(whole[: int(len(whole) * cut)])

    rows: list[RawRow] = []
    with pytest.raises(InvalidInputError) as caught:
        rows.extend(read_rows(path, columns=Columns()))

    assert cut * 0.8 < len(rows) / len(values) < 1
    assert texts(rows) == values[: len(rows)]
    assert f"broke off after line {rows[-1].line:,}" in str(caught.value)


# Without a time, which would name the test otherwise in each process that runs some of them.
_WRONG_SUM = gzip.compress(b'{"text": "a"}\n', mtime=0)[:-8] + b"badcrc!!"


@pytest.mark.parametrize("content", [b"no gzip at all", _WRONG_SUM])
def test_a_gzip_file_that_is_none_is_refused(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "items.jsonl.gz"
    path.write_bytes(content)

    with pytest.raises(InvalidInputError, match="broke off after line"):
        read(path)


def test_ragged_and_broken_csv_rows_are_set_aside_and_the_rest_goes_on(tmp_path: Path) -> None:
    content = (
        b'text,id\none,1\ntwo\nthree,3,3\n"four"4,4\n\n\xff,5\n"six\n6",6\n"nine\n9\xe9",9\nten,10\n"open,11\nlost,12\n'
    )

    rows = read(write(tmp_path, "items.csv", content))

    assert texts(rows) == ["one", "six\n6", "ten"]
    reasons = refused(rows)
    assert list(reasons) == [3, 4, 5, 7, 10, 13]
    assert reasons[3] == "1 fields where the header has 2"
    assert reasons[4] == "3 fields where the header has 2"
    assert "not valid CSV" in reasons[5]
    assert reasons[7] == reasons[10]
    assert "text is not valid UTF-8; `iconv" in reasons[7]
    assert "up to line 14" in reasons[13]


@pytest.mark.parametrize("name", ["items.csv", "items.tsv", "items.tsv.gz"])
@pytest.mark.parametrize("delimiter", [";", "\t"])
def test_fields_may_be_parted_by_semicolons_or_tabs(tmp_path: Path, name: str, delimiter: str) -> None:
    lines = [["id", '"body"'], ["1", "one, two"], ["2", f'"three{delimiter}four"'], ["3", "five", "six"]]
    path = write(tmp_path, name, "".join(delimiter.join(line) + "\r\n" for line in lines))
    rows = read(path, "text=body")
    assert [row.content for row in rows[:2]] == [
        {"id": "1", "body": "one, two"},
        {"id": "2", "body": f"three{delimiter}four"},
    ]
    assert refused(rows) == {4: "3 fields where the header has 2"}


def test_what_parts_the_needed_columns_counts_and_not_what_is_there_more_often(tmp_path: Path) -> None:
    assert texts(read(write(tmp_path, "items.csv", "text,a;b;c\none; two,3\n"))) == ["one; two"]


def test_a_missing_column_is_told_with_those_that_there_are(tmp_path: Path) -> None:
    with pytest.raises(InvalidInputError, match=r"no column 'text'; there are: v1, v2\. .*--column text=COLUMN"):
        read(write(tmp_path, "items.csv", "v1;v2\n1;one, two\n"))


def test_a_csv_field_longer_than_the_module_allows_by_default_is_read(tmp_path: Path) -> None:
    assert texts(read(write(tmp_path, "items.csv", "text\n" + "x" * 200_000))) == ["x" * 200_000]


def test_a_header_without_the_text_column_is_refused_and_the_columns_are_named(tmp_path: Path) -> None:
    table = pa.table({"body": ["a"], "id": [1]})
    parquet.write_table(table, tmp_path / "items.parquet")
    write(tmp_path, "items.csv", "body,id\na,1\n")

    for name in ("items.csv", "items.parquet"):
        with pytest.raises(InvalidInputError, match="no column 'text'; there are: body, id"):
            read(tmp_path / name)
        with pytest.raises(InvalidInputError, match="no column 'ticket'"):
            read(tmp_path / name, "text=body", "id=ticket")
        assert len(read(tmp_path / name, "text=body")) == 1


def test_a_csv_header_that_names_a_column_twice_is_refused(tmp_path: Path) -> None:
    with pytest.raises(InvalidInputError, match="'text' occurs more than once"):
        read(write(tmp_path, "items.csv", "text,text\na,b\n"))


def test_parquet_gives_times_and_sets_aside_values_that_are_no_text(tmp_path: Path) -> None:
    bad = pa.Array.from_buffers(pa.string(), 1, [None, pa.py_buffer(b"\0\0\0\0\1\0\0\0"), pa.py_buffer(b"\xff")])
    text = pa.concat_arrays([pa.array(["one"]), bad, pa.array(["three"])])
    time = pa.array([1_000_000_001, 2, None], pa.timestamp("ns"))
    path = tmp_path / "items.parquet"
    parquet.write_table(pa.table({"text": text, "timestamp": time}), path)

    rows = read(path)

    assert texts(rows) == ["one", "three"]
    assert list(refused(rows)) == [2]
    assert isinstance(rows[0].content, dict)
    assert rows[0].content["timestamp"] == datetime(1970, 1, 1, 0, 0, 1)


def test_a_parquet_file_that_is_none_is_refused(tmp_path: Path) -> None:
    with pytest.raises(InvalidInputError, match="not a Parquet file"):
        read(write(tmp_path, "items.parquet", b"PAR1 or so"))


@settings(deadline=None, max_examples=300)
@given(
    st.sampled_from(["jsonl", "csv", "jsonl.gz", "csv.gz", "parquet"]),
    st.binary(max_size=200)
    | st.lists(
        st.sampled_from([b'{"text": "a"}', b"text,id", b'"', b",", b"\n", b"\r", b"\0", b"\xff", b"{", b"\xef\xbb\xbf"])
    ).map(b"".join),
    st.booleans(),
)
def test_no_file_crashes_the_reader(kind: str, content: bytes, pack: bool) -> None:
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / f"items.{kind}"
        path.write_bytes(gzip.compress(content) if pack else content)
        with suppress(InvalidInputError):
            for row in read_rows(path, columns=Columns()):
                assert isinstance(row.content, RejectedRow | dict)
