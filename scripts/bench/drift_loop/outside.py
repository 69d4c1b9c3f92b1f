"""Detectors of other packages, in a Python of their own: what they need can't be installed beside this project.

Started by `packages.py` as `PYTHON -m scripts.bench.drift_loop.outside`. It reads a line of JSON with the name of a
detector and of an .npz file that holds `reference` (m, d) and `windows` (w, n, d), and answers with a line of JSON: a
score, an alarm, seconds and the rise of memory for each window. Imports nothing of this project.
"""

import json
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

Look = Callable[[Any], tuple[float, bool]]

_LEVEL, _KIB = 0.05, 1024


def main() -> None:
    """Answer until the input ends. The first line says which detectors there are, with their versions."""
    makers, versions = _makers()
    _say({"detectors": list(makers), "versions": versions})
    for line in sys.stdin:
        asked = json.loads(line)
        with np.load(asked["file"], allow_pickle=False) as arrays:
            reference, windows = arrays["reference"], arrays["windows"]
        np.random.seed(asked["seed"])  # the packages draw from the global state
        started = time.process_time()
        look = makers[asked["detector"]](reference, asked["seed"])
        fit_s = time.process_time() - started
        _say({"fit_s": fit_s, "windows": [_measured(look, window) for window in windows]})


def _measured(look: Look, window: Any) -> dict[str, Any]:
    before, started = _start_peak(), time.process_time()
    score, alarm = look(window)
    seconds = time.process_time() - started
    return {"score": score, "alarm": alarm, "s": seconds, "mib": max(0.0, (_status("VmHWM") - before) / _KIB)}


def _say(answer: dict[str, Any]) -> None:
    print(json.dumps(answer), file=sys.__stdout__, flush=True)


def _makers() -> tuple[dict[str, Callable[[Any, int], Look]], dict[str, str]]:
    found: dict[str, Callable[[Any, int], Look]] = {}
    versions = {}
    sys.stdout = sys.stderr  # the packages print
    try:
        import alibi_detect
        import torch

        torch.set_num_threads(1)
        versions["alibi-detect"] = alibi_detect.__version__
        found |= {"alibi-detect MMD": _alibi_mmd, "alibi-detect classifier": _alibi_classifier}
    except ImportError as error:
        versions["alibi-detect"] = f"not there: {error}"
    try:
        import evidently

        versions["evidently"] = evidently.__version__
        found |= {f"evidently {name}": _evidently(name) for name in ("model", "ratio", "distance", "mmd")}
    except ImportError as error:
        versions["evidently"] = f"not there: {error}"
    return found, versions


def _alibi_mmd(reference: Any, _seed: int) -> Look:
    from alibi_detect.cd import MMDDrift

    detector = MMDDrift(reference, backend="pytorch", p_val=_LEVEL, n_permutations=100, device="cpu")

    def look(window: Any) -> tuple[float, bool]:
        found = detector.predict(window)["data"]
        return float(found["distance"]), bool(found["is_drift"])

    return look


def _alibi_classifier(reference: Any, seed: int) -> Look:
    from alibi_detect.cd import ClassifierDrift
    from sklearn.linear_model import LogisticRegression

    detector = ClassifierDrift(
        reference,
        LogisticRegression(max_iter=200),
        backend="sklearn",
        p_val=_LEVEL,
        preds_type="probs",
        n_folds=5,
        seed=seed,
    )

    def look(window: Any) -> tuple[float, bool]:
        found = detector.predict(window)["data"]
        return float(found["distance"]), bool(found["is_drift"])

    return look


def _evidently(name: str) -> Callable[[Any, int], Look]:
    def make(reference: Any, _seed: int) -> Look:
        import pandas as pd
        from evidently.legacy.metrics.data_drift import embedding_drift_methods

        method = getattr(embedding_drift_methods, name)()
        before = pd.DataFrame(reference)

        def look(window: Any) -> tuple[float, bool]:
            score, alarm, _ = method(pd.DataFrame(window), before)
            return float(score), bool(alarm)

        return look

    return make


def _start_peak() -> int:
    try:
        Path("/proc/self/clear_refs").write_text("5")
    except OSError:
        return sys.maxsize
    return _status("VmRSS")


def _status(name: str) -> int:
    lines = Path("/proc/self/status").read_text().splitlines()
    return int(next(line for line in lines if line.startswith(name + ":")).split()[1])


if __name__ == "__main__":
    main()
