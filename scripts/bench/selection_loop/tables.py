"""The tables of the report."""

from collections.abc import Callable, Sequence

import numpy as np

from scripts.bench.selection_loop.comparison import PRODUCT, UNCERTAINTY, WITHOUT, Comparison, Standing
from scripts.bench.selection_loop.markdown import NOTHING, gap, mean_of, number, percent, table
from scripts.bench.selection_loop.measures import MEASURES

_QUALITY = ("macro_f1_area", "rare_pr_auc_area", "rare_f1_area")
_FINDING = ("found_half", "found_full", "labels_to_80", "labels_to_90", "labels_to_full")
_OF_CHANNELS = ("macro_f1_area", "rare_pr_auc_area", "found_full")


def overview(comparison: Comparison) -> str:
    """One row a strategy: differences to the product over all sets, runs below random, cap violations, cost."""
    measures = (*_QUALITY, "found_half", "found_full")
    head = [
        "strategy",
        *(MEASURES[measure].title for measure in measures),
        "runs below random",
        "beyond doubt",
        "over a cap",
        "s a selection",
        "MiB",
    ]
    rows = []
    for strategy in comparison.strategies:
        cells = [_over_sets(comparison, measure, strategy) for measure in measures]
        records = comparison.records_of(strategy, comparison.sets)
        rows.append(
            [
                strategy,
                *cells,
                percent(comparison.below_random(strategy, comparison.sets), 1),
                percent(comparison.below_random(strategy, comparison.sets, beyond_doubt=True), 1),
                str(sum(record.over_caps for record in records)),
                *_cost(comparison, strategy, comparison.sets),
            ]
        )
    return table(head, rows)


def first_places(comparison: Comparison) -> str:
    """One row a set: who is first, and how the product stands."""
    head = ["set", *(MEASURES[measure].title for measure in _QUALITY)]
    rows = [
        [name, *(_in_words(comparison.standing(measure, name), MEASURES[measure].digits) for measure in _QUALITY)]
        for name in comparison.sets
    ]
    return table(head, rows)


def one_set(comparison: Comparison, name: str) -> list[str]:
    """What was replayed, then quality, finding and cost on one set."""
    record = next((found[0] for s in comparison.strategies if (found := comparison.records_of(s, [name]))), None)
    full = [value for (of, _), value in comparison.full.items() if of == name]
    about = [
        f"{record.eligible:,} items that may be labeled" if record else "",
        f"{record.rare_items:,} of them rare" if record and record.rare_items else "no rare class",
        f"macro-F1 with all labels {np.mean(full):.3f}" if full else "",
        f"{max(len(comparison.records.get((name, s), {})) for s in comparison.strategies)} seeds",
    ]
    costs = table(
        ["strategy", "s a selection", "MiB", "runs below random", "beyond doubt", "over a cap", "places left empty"],
        [
            [
                strategy,
                *_cost(comparison, strategy, [name]),
                percent(comparison.below_random(strategy, [name])),
                percent(comparison.below_random(strategy, [name], beyond_doubt=True)),
                str(sum(record.over_caps for record in comparison.records_of(strategy, [name]))),
                str(sum(record.missing for record in comparison.records_of(strategy, [name]))),
            ]
            for strategy in comparison.strategies
            if comparison.records_of(strategy, [name])
        ],
    )
    quality, finding = (_set_table(comparison, name, measures) for measures in (_QUALITY, _FINDING))
    return [", ".join(part for part in about if part) + ".", quality, finding, costs]


def bars(comparison: Comparison) -> str:
    """What the comparison says on the bars that a strategy is to clear."""
    lines = [_first_bar(comparison, measure) for measure in ("macro_f1_area", "rare_pr_auc_area")]
    lines += [_finding_bar(comparison, measure) for measure in ("found_half", "found_full")]
    lines.append(_speed_bar(comparison))
    below = comparison.below_random(PRODUCT, comparison.sets)
    surely = comparison.below_random(PRODUCT, comparison.sets, beyond_doubt=True)
    lines.append(
        f"Runs of `{PRODUCT}` below random: {percent(below, 1)} (bar: 2 %); beyond doubt: {percent(surely, 1)}."
    )
    over = sum(record.over_caps for record in comparison.records_of(PRODUCT, comparison.sets))
    lines.append(f"Items of `{PRODUCT}` over a cap: {over} (bar: 0).")
    return "\n".join(f"- {line}" for line in lines if line)


def channels_left_out(comparison: Comparison) -> str:
    """What the product loses without a channel: one block a measure, one row a set, one column a channel."""
    parts = []
    for measure in _OF_CHANNELS:
        digits = MEASURES[measure].digits
        rows = [
            [name, *(gap(comparison.difference(measure, [name], without), digits) for without in comparison.without)]
            for name in comparison.sets
        ]
        rows.append(
            [
                "all sets",
                *(
                    gap(comparison.difference(measure, comparison.sets, without), digits)
                    for without in comparison.without
                ),
            ]
        )
        channels = [without.removeprefix(WITHOUT) for without in comparison.without]
        parts.append(table([f"{MEASURES[measure].title}, without", *channels], rows))
    parts += [_earned(comparison, without) for without in comparison.without]
    return "\n\n".join(parts)


def _set_table(comparison: Comparison, name: str, measures: Sequence[str]) -> str:
    rows = []
    for strategy in comparison.strategies:
        cells = []
        for measure in measures:
            digits = MEASURES[measure].digits
            text = mean_of(comparison.summary(measure, name, strategy), digits)
            if strategy != PRODUCT and text != NOTHING:
                text += f" ({gap(comparison.difference(measure, [name], strategy), digits)})"
            cells.append(text)
        if any(cell != NOTHING for cell in cells):
            rows.append([strategy, *cells])
    return table(["strategy", *(MEASURES[measure].title for measure in measures)], rows)


def _over_sets(comparison: Comparison, measure: str, strategy: str) -> str:
    digits = MEASURES[measure].digits
    summaries = [comparison.summary(measure, name, strategy) for name in comparison.sets]
    means = [summary.mean for summary in summaries if summary is not None]
    if not means:
        return NOTHING
    text = number(float(np.mean(means)), digits)
    if strategy == PRODUCT:
        return text
    return f"{text} ({gap(comparison.difference(measure, comparison.sets, strategy), digits)})"


def _cost(comparison: Comparison, strategy: str, names: Sequence[str]) -> list[str]:
    """Mean seconds of a selection that had a model, and the most memory that one took."""
    records = comparison.records_of(strategy, names)
    seconds = [second for record in records for second in record.select_s[1:]]
    memory = [record.select_mib for record in records if record.select_mib is not None]
    return [number(float(np.mean(seconds)), 2) if seconds else NOTHING, number(max(memory, default=None), 0)]


def _in_words(standing: Standing | None, digits: int) -> str:
    if standing is None:
        return NOTHING
    others = len(standing.tied)
    if standing.leader == PRODUCT:
        return f"**{PRODUCT}**" + (f", {others} tied" if others else "")
    if standing.is_kept:
        return f"{standing.leader}, **{PRODUCT} tied** ({gap(standing.gap, digits)})"
    return f"{standing.leader}, {PRODUCT} behind ({gap(standing.gap, digits)})"


def _first_bar(comparison: Comparison, measure: str) -> str:
    standings = {name: comparison.standing(measure, name) for name in comparison.sets}
    known = {name: standing for name, standing in standings.items() if standing is not None}
    behind = [name for name, standing in known.items() if not standing.is_kept]
    text = f"First or tied for first by {MEASURES[measure].title}: {len(known) - len(behind)} of {len(known)} sets"
    return text + (f"; behind on {', '.join(behind)}." if behind else ".")


def _finding_bar(comparison: Comparison, measure: str) -> str:
    """Rare items found against those of the best uncertainty baseline of each set."""
    ratios: dict[str, float] = {}
    for name in comparison.sets:
        ours, best = comparison.summary(measure, name, PRODUCT), _best_uncertainty(comparison, measure, name, max)
        if ours and best:
            ratios[name] = ours.mean / best
    if not ratios:
        return ""
    fewer = [f"{name} ({ratio:.2f})" for name, ratio in ratios.items() if ratio < 1]
    text = f"{MEASURES[measure].title.capitalize()}: {np.mean(list(ratios.values())):.2f} times what the best of "
    text += f"{', '.join(UNCERTAINTY)} finds, averaged over {len(ratios)} sets (bar: 1.5)"
    return text + (f"; fewer on {', '.join(fewer)}." if fewer else ", and on no set fewer.")


def _speed_bar(comparison: Comparison) -> str:
    """Labels to 90 % of the rare items against the best uncertainty baseline of each set."""
    parts = []
    for name in comparison.sets:
        ours = comparison.summary("labels_to_90", name, PRODUCT)
        best = _best_uncertainty(comparison, "labels_to_90", name, min)
        if ours and best:
            parts.append(f"{name} {'≥ ' if ours.at_least else ''}{ours.mean / best:.2f}")
    if not parts:
        return ""
    return (
        f"Labels to 90 % of the rare items, as a share of what the best of {', '.join(UNCERTAINTY)} takes (bar where "
        f"rare items are separable: 0.5): {', '.join(parts)}."
    )


def _best_uncertainty(
    comparison: Comparison, measure: str, name: str, best: Callable[[Sequence[float]], float]
) -> float | None:
    summaries = [comparison.summary(measure, name, strategy) for strategy in UNCERTAINTY]
    means = [summary.mean for summary in summaries if summary is not None]
    return best(means) if means else None


def _earned(comparison: Comparison, without: str) -> str:
    """On which sets the product is worse without the channel, beyond doubt, and where it is better."""
    worse, better = [], []
    for name in comparison.sets:
        gaps = [comparison.difference(measure, [name], without) for measure in _OF_CHANNELS]
        worse += [name] if any(found is not None and found.high < 0 for found in gaps) else []
        better += [name] if any(found is not None and found.low > 0 for found in gaps) else []
    channel = without.removeprefix(WITHOUT)
    return (
        f"- `{channel}`: without it something is worse on {', '.join(worse) or 'no set'}; "
        f"something is better on {', '.join(better) or 'no set'}."
    )
