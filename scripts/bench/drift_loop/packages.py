"""Other packages' detectors, asked in a process of their own: see `outside.py`."""

import json
import subprocess
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np

from scripts.bench.drift_loop.streams import Stream
from shared.errors import InvalidInputError

_ROOT = Path(__file__).parents[3]
DETECTORS = (
    "alibi-detect classifier",
    "evidently model",
    "evidently ratio",
    "evidently distance",
    "evidently mmd",
    "alibi-detect MMD",
)
DEAR = ("alibi-detect MMD",)
"""Takes many seconds a window, with the statistic that `peers.exact_mmd` has too: only when it is named."""
REQUIREMENTS = Path(__file__).with_name("peers.txt")


class Outside:
    """A process that holds the packages; ends with its `with` block.

    Attributes:
        detectors: Names of those that are installed there.
        versions: Of the packages, or why one is not there.
    """

    def __init__(self, python: Path) -> None:
        """Start it.

        Raises:
            InvalidInputError: it does not start.
        """
        self._python = python
        self._folder = TemporaryDirectory(prefix="quietcorner-drift-")
        try:
            self._process = subprocess.Popen(
                [str(python), "-m", "scripts.bench.drift_loop.outside"],
                cwd=_ROOT,
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=subprocess.DEVNULL,
                text=True,
            )
        except OSError as error:
            raise InvalidInputError(f"{python}: {error}. {_advice()}") from error
        hello = self._answer()
        self.detectors: list[str] = hello["detectors"]
        self.versions: dict[str, str] = hello["versions"]

    def __enter__(self) -> "Outside":
        """Itself."""
        return self

    def __exit__(self, *_: object) -> None:
        """End the process."""
        self._process.terminate()
        self._process.wait()
        self._folder.cleanup()

    def show(self, detector: str, stream: Stream, *, seed: int) -> dict[str, Any]:
        """What a detector says of each window of a stream: `fit_s`, and by window `score`, `alarm`, `s` and `mib`."""
        file = Path(self._folder.name) / "stream.npz"
        windows = np.stack([window.vectors for window in stream.windows]).astype(np.float32)
        np.savez(file, reference=stream.reference.vectors.astype(np.float32), windows=windows)
        if self._process.stdin is None:
            raise RuntimeError("the process of the packages has no input")
        self._process.stdin.write(json.dumps({"detector": detector, "file": str(file), "seed": seed}) + "\n")
        self._process.stdin.flush()
        return self._answer()

    def _answer(self) -> dict[str, Any]:
        line = self._process.stdout.readline() if self._process.stdout else ""
        if not line:
            raise InvalidInputError(f"{self._python}: the packages' process ended. {_advice()}")
        answer: dict[str, Any] = json.loads(line)
        return answer


def _advice() -> str:
    return f"Make it so: python -m venv FOLDER && FOLDER/bin/pip install -r {REQUIREMENTS} (see docs/drift.md)"
