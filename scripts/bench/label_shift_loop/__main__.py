"""`scripts/bench/label_shift`: class shares of windows in which a rare class has doubled, by several estimates.

A set of many classes is put together into three, of about 5, 25 and 70 %, and the rarest one is doubled in the window.
Labels are drawn at random, a model is cross-fitted on them, and each way gets its predictions of a reference and of a
window whose true shares the file knows.
"""

import argparse
import json
import sys
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path

import numpy as np
from rich.console import Console
from scipy.optimize import nnls

from scripts.bench.selection_loop.markdown import number, percent, table
from scripts.bench.selection_loop.prepared import prepare_set
from scripts.bench.selection_loop.sets import BenchSet, find_sets
from scripts.bench.selection_loop.stored import fill_cache, stored_vectors
from shared.errors import QuietCornerError
from shared.pool import Floats, Index, Mask, Pool
from shared.project import ProjectConfig
from workers.drift import label_shift
from workers.drift.label_shift import Audited
from workers.embedding.encoders import PACKAGED
from workers.training import classifier, prior_shift
from workers.training.calibration import Doubles
from workers.training.classifier import Recipe
from workers.training.crossfit import CrossFit, cross_fit
from workers.training.tuning import train_on

_ROOT = Path(__file__).parents[3]
_SETS = ("clinc150_full", "davidson_hate", "hwu64", "sms_spam")
_LABELS, _ITEMS, _TIMES = 800, 1_000, 2.0
# Of the groups that many classes are put into, the ends of all but the last.
_CLASSES, _SHARES = 3, (0.05, 0.3)
_STRENGTH = 3.0
# That shares add up to 1 weighs so much more than any of their equations.
_SUM_WEIGHT = 1e3
WAYS = ("predicted", "hard", "soft", "EM", "EM uncalibrated")

console = Console(stderr=True, highlight=False)


@dataclass(frozen=True)
class Measured:
    """One window: the estimate of each way for the rare class, and what the product's interval said.

    Attributes:
        true: share of the rare class in the window; before, in the reference.
        estimates: by way.
        covered: whether the product's interval holds the true share.
        moved: whether the product calls the change plain.
        alarmed: whether it does so for any class of a window whose shares are those of the reference.
    """

    set: str
    seed: int
    rare: str
    true: float
    before: float
    estimates: dict[str, float]
    covered: bool
    moved: bool
    alarmed: bool


def main() -> int:
    """Measure what is missing and print the tables; returns the exit code."""
    given = _arguments()
    results = given.out / "results.jsonl"
    found = [Measured(**json.loads(line)) for line in results.read_text().splitlines()] if results.exists() else []
    there = {(one.set, one.seed) for one in found}
    try:
        sets = find_sets(given.data)
    except QuietCornerError as error:
        console.print(f"error: {error}", markup=False, soft_wrap=True)
        return error.exit_code
    if unknown := [name for name in given.sets if name not in sets]:
        console.print(f"error: unknown set {unknown[0]!r}; there are: {', '.join(sets)}", markup=False, soft_wrap=True)
        return 2
    given.out.mkdir(parents=True, exist_ok=True)
    cache = (given.cache or given.out / "cache").resolve()
    encoder = fill_cache([sets[name] for name in given.sets], folder=cache, encoder=PACKAGED, advance=_tell)
    for name in given.sets:
        pool, truth = _few_classes(sets[name], cache, encoder)
        for seed in range(given.seeds):
            if (name, seed) not in there and (one := measure(name, pool, truth, seed)) is not None:
                with results.open("a") as stream:
                    stream.write(json.dumps(asdict(one)) + "\n")
                found.append(one)
        console.print(f"{name}: measured")
    print(report([one for one in found if one.set in given.sets and one.seed < given.seeds]))
    return 0


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog="scripts/bench/label_shift",
        description="Compares estimates of the class shares of unlabeled windows. A run that was interrupted goes on "
        "when it is started again.",
    )
    parser.add_argument("--data", type=Path, default=_ROOT.parent / "shared" / "data", help="folder of labeled files")
    parser.add_argument("--sets", nargs="+", metavar="SET", default=list(_SETS), help=f"which (default {_SETS})")
    parser.add_argument("--seeds", type=int, default=20, help="seeds 0 to N-1 (default 20)")
    parser.add_argument("--cache", type=Path, help="folder of the vectors (default OUT/cache)")
    parser.add_argument(
        "--out",
        type=Path,
        default=_ROOT / "build" / "bench" / "label_shift",
        help="folder of the results (default build/bench/label_shift)",
    )
    return parser.parse_args()


def _tell(name: str, done: int, of: int) -> None:
    console.print(f"embedding {name}: {done:,} of {of:,}")


def _few_classes(bench_set: BenchSet, cache: Path, encoder: str) -> tuple[Pool, Mask]:
    """A set's pool, and its labels in few classes: of many, neighbours by name are put together."""
    data = prepare_set(bench_set, seed=0, vectors=stored_vectors(cache, encoder), folder=cache / "prepared").data
    truth, names = data.truth, data.pool.classes
    if truth.shape[1] > _CLASSES:
        group = np.searchsorted(_SHARES, truth.mean(axis=0).cumsum() / truth.mean(axis=0).sum())
        truth = np.column_stack([truth[:, group == number].any(axis=1) for number in range(_CLASSES)])
        names = tuple(f"group {number + 1}" for number in range(_CLASSES))
    return replace(data.pool, classes=names, targets=np.zeros_like(truth)), truth


def measure(name: str, pool: Pool, truth: Mask, seed: int) -> Measured | None:
    """One seed's window; None where the labels drawn are too few of a class."""
    rng = np.random.default_rng(np.random.SeedSequence([seed, 7]))
    order = rng.permutation(pool.representatives)
    rows, rest = np.sort(order[:_LABELS]), order[_LABELS:]
    labeled = np.isin(np.arange(len(pool)), rows)
    pool = replace(pool, labeled=labeled, targets=truth & labeled[:, None])
    config = ProjectConfig(classes=pool.classes, seed=seed)
    found, model = cross_fit(pool, rows, config, recipe=Recipe(_STRENGTH), seed=seed), train_on(pool, rows, config)
    if found is None or model is None:
        return None
    rare = int(truth.mean(axis=0).argmin())
    before, same, window = _draw(truth, rest, rare, rng)
    audited = Audited(
        pool.targets[rows], found.probability, np.ones(len(rows)), np.zeros_like(rows), pool.families[rows]
    )
    said = [classifier.probabilities(model, pool.features, pool.rows[part]) for part in (before, same, window)]
    bare = classifier.uncalibrated(model)
    uncalibrated = classifier.probabilities(bare, pool.features, pool.rows[window])
    told = label_shift.estimate(audited, before=said[0], after=said[2], classes=pool.classes, exclusive=True, rng=rng)
    null = label_shift.estimate(audited, before=said[0], after=said[1], classes=pool.classes, exclusive=True, rng=rng)
    share = told.shares.get(pool.classes[rare])
    if share is None:
        return None
    true = float(truth[window, rare].mean())
    return Measured(
        name,
        seed,
        pool.classes[rare],
        true,
        float(truth[before, rare].mean()),
        {way: float(one[rare]) for way, one in estimates(audited, found, said[2], uncalibrated).items()},
        share.after.low <= true <= share.after.high,
        share.moved,
        any(one.moved for one in null.shares.values()),
    )


def _draw(truth: Mask, rest: Index, rare: int, rng: np.random.Generator) -> tuple[Index, Index, Index]:
    """A reference, a window like it, and one in which the rare class is as frequent again; with replacement."""
    is_rare = truth[rest, rare]
    share = float(is_rare.mean())
    weight = np.where(is_rare, _TIMES, (1 - _TIMES * share) / (1 - share))
    plain, moved = np.full(len(rest), 1 / len(rest)), weight / weight.sum()
    before, same, window = (rng.choice(rest, _ITEMS, p=chance) for chance in (plain, plain, moved))
    return before, same, window


def estimates(audited: Audited, found: CrossFit, said: Floats, uncalibrated: Floats) -> dict[str, Doubles]:
    """Shares (k,) of a window by each way."""
    columns = np.arange(said.shape[1])
    hard_audit = (found.probability.argmax(axis=1)[:, None] == columns).astype(np.float64)
    hard = (said.argmax(axis=1)[:, None] == columns).astype(np.float64)
    weights = audited.weights
    old, bare = (np.average(part, axis=0, weights=weights).astype(np.float64) for part in (audited.said, found.before))
    return {
        "predicted": hard.mean(axis=0),
        "hard": solve(label_shift.chances(audited.targets, hard_audit, weights), hard.mean(axis=0)),
        "soft": solve(label_shift.chances(audited.targets, audited.said, weights), said.mean(axis=0, dtype=np.float64)),
        "EM": prior_shift.new_shares(said.astype(np.float64), old / old.sum()),
        "EM uncalibrated": prior_shift.new_shares(uncalibrated.astype(np.float64), bare / bare.sum()),
    }


def solve(chances: Doubles, predicted: Doubles) -> Doubles:
    """Shares (k,), none negative and 1 in all, whose mixture of the columns of `chances` (k, k) is nearest to the
    predicted shares (k,): black box shift estimation (Lipton, Wang and Smola 2018)."""
    weighted = np.vstack([chances, np.full(chances.shape[1], _SUM_WEIGHT)])
    found, _ = nnls(weighted, np.append(predicted, _SUM_WEIGHT))
    shares: Doubles = found / found.sum()
    return shares


def report(found: Sequence[Measured]) -> str:
    """Relative errors of the rare class's share by way, and how the product's interval did."""
    head = ["set", "windows", "rare class, before", "after", *WAYS, "95 % interval covers", "change seen", "false"]
    return table(head, list(_lines(found)))


def _lines(found: Sequence[Measured]) -> Iterator[list[str]]:
    for name in dict.fromkeys(one.set for one in found):
        own = [one for one in found if one.set == name]
        errors = [float(np.mean([abs(one.estimates[way] / one.true - 1) for one in own])) for way in WAYS]
        yield [
            name,
            f"{len(own)}",
            percent(float(np.mean([one.before for one in own])), 1),
            percent(float(np.mean([one.true for one in own])), 1),
            *(number(error, 3) for error in errors),
            *(percent(float(np.mean([getattr(one, what) for one in own]))) for what in ("covered", "moved", "alarmed")),
        ]


if __name__ == "__main__":
    sys.exit(main())
