"""`scripts/bench/augmentation`: rare-class PR-AUC and macro-F1 with few labels, with and without augmentation."""

import json
from collections import defaultdict
from collections.abc import Callable, Mapping
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Annotated

import numpy as np
import typer

from scripts.bench.augmentation_loop.trials import Encode, Outcome, Trial, conditions, labeled_at_random, rare_of
from scripts.bench.selection_loop.intervals import paired_difference
from scripts.bench.selection_loop.prepared import prepare_set
from scripts.bench.selection_loop.sets import BenchSet, Made, Vary, few_intents, find_sets
from shared.augmentation_options import AnyRecipe, Replace, WordNet
from shared.errors import ConfigError, InvalidInputError
from shared.settings import Settings, load_settings
from shared.vectors import VectorTable
from workers.embedding.encoders import PACKAGED, load_encoder
from workers.simulation.dataset import Dataset
from workers.simulation.embeddings import cached_vectors

_HERE = Path(__file__).parent
_ROOT = Path(__file__).parents[3]
_OUT = _ROOT / "build" / "bench" / "augmentation"
_SETS = ("sms_spam", "sms_spam-1pct", "davidson_hate-8000", "hwu64-30-rare5")
_BUDGETS = (100, 300, 1_000)
_MEASURES = ("rare_pr_auc", "macro_f1")

Found = defaultdict[tuple[str, int, str], dict[int, Outcome]]
"""Set, budget and condition -> outcome by seed."""

app = typer.Typer(add_completion=False)


@app.command()
def bench(
    data: Annotated[Path, typer.Option(help="folder with labeled files")] = _ROOT.parent / "shared" / "data",
    out: Annotated[Path, typer.Option(help="keeps vectors and outcomes between runs")] = _OUT,
    sets: Annotated[list[str] | None, typer.Option(help="some of the sets; all if left out")] = None,
    seeds: Annotated[int, typer.Option(help="runs of each set")] = 10,
) -> None:
    """Compare no augmentation, oversampling, a small general lexicon, and WordNet where nltk and its data are there.

    What is done is kept in results.jsonl of the folder: the same command goes on after a stop, and prints the tables.

    Example: scripts/bench/augmentation --seeds 10
    """
    results = out / "results.jsonl"
    encode = partial(_encoded, cache=out, settings=load_settings())
    recipes, found = _recipes(), _read(results)
    for name, bench_set in _chosen(data, sets).items():
        for seed in range(seeds):
            _run(found, name, seed, _missing(found, name, seed, recipes, encode), bench_set, out, encode)
            _write(results, found)
            typer.echo(f"{name}, seed {seed} done", err=True)
    _print(found)


def _missing(
    found: Found, name: str, seed: int, recipes: Mapping[str, AnyRecipe], encode: Encode
) -> dict[str, Callable[[Trial], Outcome]]:
    return {
        condition: run
        for condition, run in conditions(recipes, encode).items()
        if not all(seed in found[name, budget, condition] for budget in _BUDGETS)
    }


def _run(
    found: Found,
    name: str,
    seed: int,
    missing: Mapping[str, Callable[[Trial], Outcome]],
    bench_set: BenchSet,
    out: Path,
    encode: Encode,
) -> None:
    for trial, budget in _trials(bench_set, seed, out, encode) if missing else ():
        for condition, run in missing.items():
            found[name, budget, condition][seed] = run(trial)


def _chosen(data: Path, wanted: list[str] | None) -> Mapping[str, BenchSet]:
    known = find_sets(data)
    for name, (of, vary) in _VARIATIONS.items():
        if of in known:
            known[name] = BenchSet(name, known[of].file, vary)
    missing = [name for name in wanted or () if name not in known]
    if missing:
        raise InvalidInputError(f"there is no set {missing[0]!r} in {data}; there are: {', '.join(known)}")
    return {name: known[name] for name in wanted or [name for name in _SETS if name in known]}


def _thinned(dataset: Dataset, _: np.random.Generator) -> Made:
    """The same 8,000 items for each seed, so that they are encoded once and in a minute."""
    kept = np.sort(np.random.default_rng(0).permutation(len(dataset.items))[:8_000])
    return Made(replace(dataset, items=tuple(dataset.items[place] for place in kept.tolist())))


_VARIATIONS: dict[str, tuple[str, Vary]] = {
    "davidson_hate-8000": ("davidson_hate", _thinned),
    "hwu64-30-rare5": ("hwu64", few_intents),
}


def _recipes() -> dict[str, AnyRecipe]:
    recipes: dict[str, AnyRecipe] = {
        "lexicon": Replace(name="lexicon", kind="replace", lexicon=str(_HERE / "lexicon.toml"))
    }
    from workers.augmentation.wordnet import wordnet_lexicon

    try:
        wordnet_lexicon()
    except ConfigError as error:
        typer.echo(f"without WordNet: {error}", err=True)
    else:
        recipes["wordnet"] = WordNet(name="wordnet", kind="wordnet")
    return recipes


def _trials(bench_set: BenchSet, seed: int, cache: Path, encode: Encode) -> "list[tuple[Trial, int]]":
    items = bench_set.make(seed).dataset.items
    vectors = encode({row.item.text_key: row.item.text for row in items})
    prepared = prepare_set(bench_set, seed=seed, vectors=vectors, folder=cache / "prepared")
    texts, known = {row.item.item_id: row.item.text for row in items}, frozenset(row.item.normal_key for row in items)
    pool = prepared.data.pool
    rare = rare_of(prepared, pool)
    truth = prepared.data.truth
    labeled = {budget: labeled_at_random(pool, truth, rare, budget=budget, seed=seed) for budget in _BUDGETS}
    return [(Trial(prepared, texts, known, rare, with_labels, seed), budget) for budget, with_labels in labeled.items()]


def _encoded(texts: Mapping[int, str], *, cache: Path, settings: Settings) -> VectorTable:
    encoder = load_encoder(PACKAGED, threads=settings.compute_threads)
    return cached_vectors(texts, encoder=encoder, folder=cache, settings=settings, advance=lambda *_: None)


def _read(results: Path) -> Found:
    found: Found = defaultdict(dict)
    for line in results.read_text(encoding="utf-8").splitlines() if results.exists() else ():
        row = json.loads(line)
        key, seed = (row.pop("set"), row.pop("budget"), row.pop("condition")), row.pop("seed")
        found[key][seed] = Outcome(**row)
    return found


def _write(results: Path, found: Found) -> None:
    lines = [
        json.dumps({"set": name, "budget": budget, "condition": condition, "seed": seed, **vars(outcome)})
        for (name, budget, condition), by_seed in found.items()
        for seed, outcome in by_seed.items()
    ]
    unfinished = results.with_suffix(".new")
    unfinished.write_text("\n".join(lines) + "\n", encoding="utf-8")
    unfinished.replace(results)


def _print(found: Found) -> None:
    """A table in Markdown: plain figures, and the others' paired differences to them."""
    names = list(dict.fromkeys(name for name, _, _ in found))
    others = [condition for condition in dict.fromkeys(key[2] for key in found) if condition != "plain"]
    for measure in _MEASURES:
        print(f"\n| {measure} | labels | plain | " + " | ".join(others) + " |")
        print("| --- " * (3 + len(others)) + "|")
        for budget in _BUDGETS:
            for shown in [*([name] for name in names), names]:
                title = shown[0] if shown is not names else "all sets"
                cells = [_plain(found, shown, budget, measure)]
                cells += [_difference(found, shown, budget, condition, measure) for condition in others]
                print(f"| {title} | {budget:,} | " + " | ".join(cells) + " |")


def _plain(found: Found, names: list[str], budget: int, measure: str) -> str:
    means = [np.mean([getattr(one, measure) for one in found[name, budget, "plain"].values()]) for name in names]
    return f"{np.mean(means):.3f}"


def _difference(found: Found, names: list[str], budget: int, condition: str, measure: str) -> str:
    groups = [
        [
            getattr(outcome, measure) - getattr(found[name, budget, "plain"][seed], measure)
            for seed, outcome in found[name, budget, condition].items()
        ]
        for name in names
    ]
    difference = paired_difference(groups)
    texts = np.mean([one.texts for name in names for one in found[name, budget, condition].values()])
    made = f"; {texts:,.0f} texts" if texts else ""
    return "" if difference is None else f"{difference.mean:+.3f} [{difference.low:+.3f}, {difference.high:+.3f}]{made}"


if __name__ == "__main__":
    app()
