"""`scripts/bench/encode`: texts a second by three ways that give the same vectors but for noise, in turn, on the same
texts.

- what Quiet Corner does, which is in bfloat16 where the processor has matrix units for it;
- `SentenceTransformer.encode` with its own batch size;
- the bare model in the precision that Quiet Corner has: texts sorted and cut into tokens beforehand, and only the
  transformer and the mean over its tokens timed, which is what any way around it has to pay.
"""

import argparse
import json
import statistics
import sys
import time
from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np
import torch
from rich.console import Console

from scripts.bench.ending import ended
from scripts.bench.machine import machine
from scripts.bench.selection_loop.markdown import number, table
from scripts.tickets import tickets
from shared.pool import Floats
from workers.embedding.encoders import PACKAGED, SentenceEncoder, load_encoder

OURS, THEIRS, BARE = "Quiet Corner", "SentenceTransformer.encode", "the bare model"
_BARE_BATCHES = 8, 16, 32, 64

Way = Callable[[], Floats]

console = Console(stderr=True, highlight=False)


def main() -> int:
    """Measure and print."""
    given = _arguments()
    texts = _texts(given.file, given.texts)
    encoder = load_encoder(given.encoder, threads=given.threads)
    ways: dict[str, Way] = {
        OURS: lambda: encoder.encode(texts),
        THEIRS: lambda: np.asarray(encoder.model.encode(texts, normalize_embeddings=True, show_progress_bar=False)),
        **{f"{BARE}, {size} at once": _bare(encoder, texts, size) for size in _BARE_BATCHES},
    }
    seconds: dict[str, list[float]] = {name: [] for name in ways}
    cosines: dict[str, float] = {}
    for number_ in range(given.rounds):
        console.print(f"round {number_ + 1} of {given.rounds}")
        vectors = {name: _timed(way, seconds[name]) for name, way in ways.items()}
        cosines = {name: float((found * vectors[THEIRS]).sum(axis=1).min()) for name, found in vectors.items()}
    report = _report(given, encoder, texts, seconds, cosines)
    print(json.dumps(report, indent=2) if given.as_json else _tables(report))
    return 0


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog="scripts/bench/encode",
        description="Encodes texts by three ways in turn and tells how many a second each makes of it. "
        "Example: scripts/bench/encode --texts 500 --rounds 3",
    )
    parser.add_argument("--texts", type=int, default=1_000)
    parser.add_argument("--file", type=Path, help="JSONL with `text`, instead of made-up tickets")
    parser.add_argument("--encoder", default=PACKAGED)
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--json", action="store_true", dest="as_json", help="print the figures as JSON")
    return parser.parse_args()


def _texts(file: Path | None, count: int) -> list[str]:
    if file is None:
        return [ticket.text for ticket in tickets(count, seed=0)]
    with file.open(encoding="utf-8") as lines:
        return [json.loads(line)["text"] for line, _ in zip(lines, range(count), strict=False)]


def _bare(encoder: SentenceEncoder, texts: Sequence[str], size: int) -> Way:
    tokenizer, transformer = encoder.model.tokenizer, encoder.model[0].auto_model
    order = np.argsort([len(ids) for ids in tokenizer(list(texts), truncation=True)["input_ids"]], kind="stable")
    parts = [order[start : start + size] for start in range(0, len(order), size)]
    batches = [
        tokenizer([texts[place] for place in part], padding=True, truncation=True, return_tensors="pt").to(
            transformer.device
        )
        for part in parts
    ]

    def encode() -> Floats:
        vectors = np.empty((len(texts), transformer.config.hidden_size), dtype=np.float32)
        with torch.inference_mode(), torch.autocast("cpu", torch.bfloat16, enabled=encoder.bfloat16):
            for part, batch in zip(parts, batches, strict=True):
                mask = batch["attention_mask"].unsqueeze(-1)
                mean = (transformer(**batch).last_hidden_state * mask).sum(1) / mask.sum(1)
                vectors[part] = torch.nn.functional.normalize(mean).cpu().numpy()
        return vectors

    return encode


def _timed(way: Way, seconds: list[float]) -> Floats:
    """Call it, and note the processor's seconds: those of the clock tell of whatever else the machine does."""
    began = time.process_time()
    vectors = way()
    seconds.append(time.process_time() - began)
    return vectors


def _report(
    given: argparse.Namespace,
    encoder: SentenceEncoder,
    texts: Sequence[str],
    seconds: dict[str, list[float]],
    cosines: dict[str, float],
) -> dict[str, Any]:
    source = "" if given.file is None else f" --file {given.file.name}"
    options = f"--texts {len(texts)} --rounds {given.rounds} --threads {given.threads}{source}"
    return {
        "command": f"scripts/bench/encode {options}",
        "date": datetime.now(UTC).date().isoformat(),
        "machine": f"{machine()}, torch {torch.__version__}",
        "precision": "bfloat16" if encoder.bfloat16 else "single",
        "characters_a_text": round(statistics.mean(map(len, texts))),
        "ways": {
            name: {
                "texts_per_cpu_s": len(texts) / statistics.median(all_),
                "by_theirs": [round(theirs / ours, 3) for ours, theirs in zip(all_, seconds[THEIRS], strict=True)],
                "least_cosine": cosines[name],
            }
            for name, all_ in seconds.items()
        },
    }


def _tables(report: dict[str, Any]) -> str:
    rows = []
    for name, found in report["ways"].items():
        ratios = found["by_theirs"]
        spread = f"{number(statistics.median(ratios), 2)} ({number(min(ratios), 2)} to {number(max(ratios), 2)})"
        rows.append([name, number(found["texts_per_cpu_s"], 1), spread, number(found["least_cosine"], 5)])
    head = ["way", "texts a second of the processor", f"beside {THEIRS}", "least cosine to it"]
    told = (f"{name}: {value}" for name, value in report.items() if name != "ways")
    return "\n".join(told) + "\n\n" + table(head, rows)


if __name__ == "__main__":
    sys.exit(ended(main, console))
