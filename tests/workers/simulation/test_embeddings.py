from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest

from shared.errors import InvalidInputError
from shared.pool import Floats
from shared.settings import Settings
from shared.vectors import text_key
from tests.workers.simulation.made_up import WordEncoder
from workers.simulation import embeddings
from workers.simulation.embeddings import cached_vectors


class TiringEncoder(WordEncoder):
    """Is interrupted when it is asked for the third time."""

    calls = 0

    def encode(self, texts: Sequence[str]) -> Floats:
        self.calls += 1
        if self.calls == 3:
            raise KeyboardInterrupt
        return super().encode(texts)


def by_key(*texts: str) -> dict[int, str]:
    return {text_key(text): text for text in texts}


def ignore(_done: int, _of: int) -> None:
    pass


def test_a_second_run_encodes_nothing_and_gets_the_same_float16_values(tmp_path: Path, settings: Settings) -> None:
    texts = by_key("one", "two words", "three more words")
    first, second = WordEncoder(), WordEncoder()
    tables = [
        cached_vectors(texts, encoder=encoder, folder=tmp_path / "cache", settings=settings, advance=ignore)
        for encoder in (first, second)
    ]
    assert sorted(first.encoded) == sorted(texts.values())
    assert second.encoded == []
    keys = np.array(list(texts), dtype=np.int64)
    found = [table.matrix[table.locate(keys)] for table in tables]
    np.testing.assert_array_equal(found[0], found[1])
    np.testing.assert_array_equal(found[0], WordEncoder().encode(list(texts.values())).astype(np.float16))


def test_only_texts_that_are_missing_are_encoded(tmp_path: Path, settings: Settings) -> None:
    cached_vectors(by_key("one", "two"), encoder=WordEncoder(), folder=tmp_path, settings=settings, advance=ignore)
    encoder = WordEncoder()
    seen: list[tuple[int, int]] = []
    table = cached_vectors(
        by_key("two", "three"),
        encoder=encoder,
        folder=tmp_path,
        settings=settings,
        advance=lambda done, of: seen.append((done, of)),
    )
    assert encoder.encoded == ["three"]
    assert seen == [(0, 1), (1, 1)]
    assert (table.locate(np.array([text_key(text) for text in ("one", "two", "three")])) >= 0).all()


def test_vectors_of_another_encoder_are_not_taken(tmp_path: Path, settings: Settings) -> None:
    other = WordEncoder()
    other.key = "others@1"
    for encoder in (WordEncoder(), other):
        cached_vectors(by_key("one"), encoder=encoder, folder=tmp_path, settings=settings, advance=ignore)
    assert other.encoded == ["one"]


def test_an_interrupted_run_is_taken_up_where_it_stopped(
    tmp_path: Path, settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(embeddings, "_TEXTS_AT_ONCE", 2)
    texts = by_key(*(f"text {number}" for number in range(7)))
    with pytest.raises(KeyboardInterrupt):
        cached_vectors(texts, encoder=TiringEncoder(), folder=tmp_path, settings=settings, advance=ignore)
    encoder = WordEncoder()
    cached_vectors(texts, encoder=encoder, folder=tmp_path, settings=settings, advance=ignore)
    assert encoder.encoded == list(texts.values())[4:]


def test_a_cache_that_can_not_be_made_is_an_error_with_advice(tmp_path: Path, settings: Settings) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(InvalidInputError, match="--cache"):
        cached_vectors(
            by_key("one"), encoder=WordEncoder(), folder=tmp_path / "file" / "x", settings=settings, advance=ignore
        )
