"""Vectors from the simulation's cache: filled once, then only read."""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

from scripts.bench.selection_loop.sets import BenchSet, read_thinned
from shared.pool import Floats
from shared.settings import load_settings
from shared.vectors import VectorTable
from workers.embedding.encoders import load_encoder
from workers.simulation.embeddings import cached_vectors

Advance = Callable[[str, int, int], None]
"""Told of which file how many of how many missing texts are encoded."""


def fill_cache(sets: Iterable[BenchSet], *, folder: Path, encoder: str, advance: Advance) -> str:
    """Encode the texts of the sets that the cache lacks; returns the key of the encoder."""
    settings = load_settings()
    loaded = load_encoder(encoder, threads=settings.compute_threads)
    for file in dict.fromkeys(bench_set.file for bench_set in sets):

        def told(done: int, of: int, name: str = file.name) -> None:
            advance(name, done, of)

        texts = {row.item.text_key: row.item.text for row in read_thinned(file).items}
        cached_vectors(texts, encoder=loaded, folder=folder, settings=settings, advance=told)
    return loaded.key


@dataclass(frozen=True)
class _Filled:
    """Stands for the encoder of a cache that lacks nothing."""

    key: str

    def encode(self, texts: Sequence[str]) -> Floats:
        raise RuntimeError(f"the cache lacks {len(texts)} text(s) under {self.key}")


@lru_cache(maxsize=1)
def stored_vectors(folder: Path, encoder: str) -> VectorTable:
    """All vectors that a filled cache holds under an encoder's key; a process maps them once."""
    return cached_vectors(
        {}, encoder=_Filled(encoder), folder=folder, settings=load_settings(), advance=lambda _done, _of: None
    )
