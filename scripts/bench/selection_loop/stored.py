"""Vectors from the simulation's cache: filled once, then only read."""

import json
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from functools import lru_cache, partial
from pathlib import Path

from rich.console import Console

from scripts.bench.bars import bars
from scripts.bench.selection_loop.sets import BenchSet, read_thinned
from shared.pool import Floats
from shared.settings import load_settings
from shared.vectors import VectorTable
from workers.embedding.encoders import load_encoder
from workers.simulation.embeddings import cached_vectors

Advance = Callable[[str, int, int], None]
"""Told of which file how many of how many missing texts are encoded."""


def fill_cache(sets: Iterable[BenchSet], *, folder: Path, encoder: str, advance: Advance) -> str:
    """Encode the texts of the sets that the cache lacks; returns the key of the encoder.

    Which files are in the cache is noted in it, so that an encoder is loaded and files are read only for new ones.
    """
    noted = folder / "files.json"
    keys: dict[str, str] = json.loads(noted.read_text()) if noted.exists() else {}
    files = {_name_state(bench_set.file, encoder): bench_set.file for bench_set in sets}
    if missing := {state: file for state, file in files.items() if state not in keys}:
        settings = load_settings()
        loaded = load_encoder(encoder, threads=settings.compute_threads)
        for state, file in missing.items():
            texts = {row.item.text_key: row.item.text for row in read_thinned(file).items}
            told = partial(advance, file.name)
            cached_vectors(texts, encoder=loaded, folder=folder, settings=settings, advance=told)
            keys[state] = loaded.key
            noted.write_text(json.dumps(keys, indent=1))
    return keys[next(iter(files))]


def fill_beside_bar(sets: Iterable[BenchSet], *, folder: Path, encoder: str, console: Console) -> str:
    """The same, with a progress bar."""
    with bars(console) as progress:
        bar = progress.add_task("embedding", total=None)

        def advance(name: str, done: int, of: int) -> None:
            progress.update(bar, description=f"embedding {name}", completed=done, total=of)

        return fill_cache(sets, folder=folder, encoder=encoder, advance=advance)


def _name_state(file: Path, encoder: str) -> str:
    """What a file and its encoder are known by."""
    state = file.stat()
    return f"{encoder} {file.resolve()} {state.st_size} {state.st_mtime_ns}"


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
