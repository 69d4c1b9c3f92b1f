"""The vector store: immutable float16 segments in the database, a memory-mapped copy on each worker's disk.

A vector belongs to a text key (a hash of the exact text), a space (one project, or a cache) and an encoder, so a text
that occurs twice is encoded once and vectors of different encoders never meet. The copy only ever grows by the
segments that it lacks, and can be deleted at any time.
"""

import fcntl
import hashlib
import json
import secrets
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from sqlalchemy import func, select
from sqlmodel import Session, col

from shared.tables import SegmentMark, VectorSegment

# Keys looked through at a time, from the newest on.
_LOOKED_THROUGH = 65_536

Keys = NDArray[np.int64]
Vectors = NDArray[np.float16]


@dataclass(frozen=True)
class VectorTable:
    """Vectors with their text keys.

    Attributes:
        keys: (n,) int64, distinct text keys in ascending order.
        rows: (n,) int64, the row of `matrix` that belongs to each key.
        matrix: (m, d) float16, unit vectors; often a memory map.
        segments: of the database that it holds, in their order.
    """

    keys: Keys
    rows: Keys
    matrix: Vectors
    segments: "tuple[Segment, ...]" = ()

    def locate(self, keys: Keys) -> Keys:
        """Row of `matrix` for each of `keys` (n,), -1 where there is none."""
        if not len(self.keys):
            return np.full(len(keys), -1, dtype=np.int64)
        place = np.minimum(np.searchsorted(self.keys, keys), len(self.keys) - 1)
        return np.where(self.keys[place] == keys, self.rows[place], -1)


def text_key(text: str) -> int:
    """The key of a text: the first 64 bits of its SHA-256, as a signed integer.

    Two of 100 million texts share a key with a probability of 0.0003.
    """
    return int.from_bytes(hashlib.sha256(text.encode("utf-8", "surrogatepass")).digest()[:8], "little", signed=True)


def append_segment(
    session: Session, *, space: str, encoder: str, keys: Keys, vectors: Vectors | NDArray[np.float32]
) -> None:
    """Store one segment: `keys` (n,) int64 with `vectors` (n, d), stored as float16."""
    segment = VectorSegment(
        space=space,
        encoder=encoder,
        count=len(keys),
        dimension=vectors.shape[1],
        keys=keys.astype("<i8").tobytes(),
        vectors=vectors.astype("<f2").tobytes(),
    )
    session.add(segment)
    session.flush()
    session.add(SegmentMark(segment=segment.id, mark=secrets.token_hex(8)))


def stored_keys(session: Session, *, space: str, encoder: str) -> Keys:
    """All text keys (n,) that have a vector."""
    blobs = session.connection().execute(
        select(col(VectorSegment.keys)).where(col(VectorSegment.space) == space, col(VectorSegment.encoder) == encoder)
    )
    return np.frombuffer(b"".join(row.keys for row in blobs), dtype="<i8").astype(np.int64)


def count_vectors(session: Session, *, space: str, encoder: str) -> int:
    """How many distinct texts have a vector."""
    statement = select(func.coalesce(func.sum(col(VectorSegment.count)), 0)).where(
        col(VectorSegment.space) == space, col(VectorSegment.encoder) == encoder
    )
    return int(session.connection().execute(statement).scalar_one())


def load_vectors(
    session: Session, *, space: str, encoder: str, folder: Path, known: VectorTable | None = None
) -> VectorTable:
    """The vectors of one space and encoder, through the machine's local copy in `folder`.

    Only segments that the copy lacks are read from the database. A copy that does not fit what the database holds
    (cut short, from another database) is thrown away and made anew. Processes may share the folder.

    Args:
        session: A transaction.
        space: Which vectors.
        encoder: That made them.
        folder: Of the copies.
        known: What an earlier call returned; it is given back where nothing came since.
    """
    segments = _segment_list(session, space=space, encoder=encoder)
    if known is not None and known.segments == tuple(segments):
        return known
    if not segments:
        return VectorTable(np.empty(0, np.int64), np.empty(0, np.int64), np.empty((0, 0), np.float16))
    copy = _copy(folder, space, encoder)
    with _locked(copy):
        held = _sound_part(copy, segments)
        _extend(session, copy, held=held, wanted=segments)
        return _map(copy, segments, known)


def latest_vectors(session: Session, *, space: str, encoder: str, folder: Path, keys: Keys) -> Vectors | None:
    """(n, d) float16 vectors of `keys` (n,), through the local copy; None while one of them has none.

    The newest segments are looked through first, and only as many as it takes: for new texts it costs the same however
    many there are in all.
    """
    segments = _segment_list(session, space=space, encoder=encoder)
    if not segments:
        return None
    copy = _copy(folder, space, encoder)
    with _locked(copy):
        _extend(session, copy, held=_sound_part(copy, segments), wanted=segments)
        count, dimension = sum(segment[1] for segment in segments), segments[0][2]
        stored = np.memmap(copy / "keys.i64", dtype="<i8", mode="r", shape=(count,))
        matrix = np.memmap(copy / "vectors.f16", dtype="<f2", mode="r", shape=(count, dimension))
    rows = _latest_rows(stored, keys)
    return None if (rows < 0).any() else np.array(matrix[rows], dtype=np.float16)


def name_of_first(session: Session, *, space: str, encoder: str, count: int) -> str | None:
    """A name of the first segments that hold `count` vectors together, the same to all who see these; None where no
    number of segments holds so many."""
    return _name(_first(_segment_list(session, space=space, encoder=encoder), count))


def first_vectors(
    session: Session, *, space: str, encoder: str, folder: Path, count: int
) -> tuple[Vectors, str] | None:
    """The first vectors (count, d) as they were stored, row by row those of `load_vectors`, and `name_of_first`.

    They come through the local copy, without the keys, which takes milliseconds where the copy is there.
    """
    segments = _segment_list(session, space=space, encoder=encoder)
    name = _name(_first(segments, count))
    if name is None:
        return None
    copy = _copy(folder, space, encoder)
    with _locked(copy):
        _extend(session, copy, held=_sound_part(copy, segments), wanted=segments)
        shape = (count, segments[0][2])
        return np.memmap(copy / "vectors.f16", dtype="<f2", mode="r", shape=shape), name


def _latest_rows(stored: Keys, keys: Keys) -> Keys:
    """(n,) row in `stored` (m,) of each of `keys` (n,), -1 where there is none; the end is looked at first."""
    wanted, place = np.unique(keys, return_inverse=True)
    rows = np.full(len(wanted), -1, dtype=np.int64)
    for end in range(len(stored), 0, -_LOOKED_THROUGH):
        start = max(0, end - _LOOKED_THROUGH)
        part = np.asarray(stored[start:end])
        among = np.minimum(np.searchsorted(wanted, part), len(wanted) - 1)
        found = np.flatnonzero(wanted[among] == part)
        rows[among[found]] = found + start
        if (rows >= 0).all():
            break
    return rows[place]


Segment = tuple[int, int, int, str | None]
"""`(id, count, dimension, mark)` of a stored segment."""


def _segment_list(session: Session, *, space: str, encoder: str) -> list[Segment]:
    rows = session.connection().execute(
        select(col(VectorSegment.id), col(VectorSegment.count), col(VectorSegment.dimension), col(SegmentMark.mark))
        # A worker of an older version stores segments without marks.
        .join(SegmentMark, col(SegmentMark.segment) == col(VectorSegment.id), isouter=True)
        .where(col(VectorSegment.space) == space, col(VectorSegment.encoder) == encoder)
        .order_by(col(VectorSegment.id))
    )
    return [(row[0], row[1], row[2], row[3]) for row in rows]


def _first(segments: list[Segment], count: int) -> list[Segment]:
    """The first that hold `count` vectors together; none where no number of them does."""
    ends = np.cumsum([0, *(segment[1] for segment in segments)]).tolist()
    return segments[: ends.index(count)] if count in ends else []


def _name(segments: list[Segment]) -> str | None:
    return hashlib.sha256(json.dumps(segments).encode()).hexdigest()[:24] if segments else None


def _copy(folder: Path, space: str, encoder: str) -> Path:
    return folder / hashlib.sha256(f"{space}\0{encoder}".encode()).hexdigest()[:24]


@contextmanager
def _locked(copy: Path) -> Iterator[None]:
    copy.mkdir(parents=True, exist_ok=True)
    with (copy / "lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield


def _sound_part(copy: Path, wanted: list[Segment]) -> list[Segment]:
    """The segments that the copy holds whole, if they are the first of those wanted; else it starts anew."""
    held: list[Segment] = []
    with suppress(FileNotFoundError, json.JSONDecodeError, TypeError, ValueError):
        held = [(int(a), int(b), int(c), d) for a, b, c, d in json.loads((copy / "segments.json").read_text())]
    files = copy / "keys.i64", copy / "vectors.f16"
    long_enough = all(
        file.exists() and file.stat().st_size >= size for file, size in zip(files, _sizes(held), strict=True)
    )
    if held == wanted[: len(held)] and long_enough:
        return held
    for file in files:
        file.unlink(missing_ok=True)  # a process that has it mapped keeps what it sees
    return []


def _extend(session: Session, copy: Path, *, held: list[Segment], wanted: list[Segment]) -> None:
    missing = wanted[len(held) :]
    if not missing:
        return
    with (copy / "keys.i64").open("ab") as keys, (copy / "vectors.f16").open("ab") as vectors:
        for file, size in zip((keys, vectors), _sizes(held), strict=True):
            file.truncate(size)  # what a killed process wrote past its last index entry
        for segment_id, *_ in missing:
            row = session.connection().execute(
                select(col(VectorSegment.keys), col(VectorSegment.vectors)).where(col(VectorSegment.id) == segment_id)
            )
            keys_blob, vectors_blob = row.one()
            keys.write(keys_blob)
            vectors.write(vectors_blob)
    unfinished = copy / "segments.json.new"
    unfinished.write_text(json.dumps(wanted))
    unfinished.replace(copy / "segments.json")


def _map(copy: Path, segments: list[Segment], known: VectorTable | None) -> VectorTable:
    """The copy as a table; of what is known only the segments that came since are read."""
    count, dimension = sum(segment[1] for segment in segments), segments[0][2]
    matrix = np.memmap(copy / "vectors.f16", dtype="<f2", mode="r", shape=(count, dimension))
    if known is None or known.segments != tuple(segments[: len(known.segments)]):
        known = VectorTable(np.empty(0, np.int64), np.empty(0, np.int64), matrix[:0])
    begin = sum(segment[1] for segment in known.segments)
    more = np.fromfile(copy / "keys.i64", dtype="<i8", count=count - begin, offset=8 * begin).astype(np.int64)
    fresh, first = np.unique(more, return_index=True)
    new = known.locate(fresh) < 0
    place = np.searchsorted(known.keys, fresh[new])
    keys, rows = np.insert(known.keys, place, fresh[new]), np.insert(known.rows, place, first[new] + begin)
    return VectorTable(keys, rows, matrix, tuple(segments))


def _sizes(segments: list[Segment]) -> tuple[int, int]:
    return sum(n * 8 for _, n, *_ in segments), sum(n * d * 2 for _, n, d, _ in segments)
