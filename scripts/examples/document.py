"""An example as a page: what is asked, the commands, what they printed, and what came of the plan."""

from collections.abc import Iterator
from textwrap import fill

from scripts.examples.cases import Case
from scripts.examples.diversity import CLUSTERS
from scripts.examples.tables import (
    Runs,
    cost_of_quotas,
    diversity_table,
    doubling,
    finds_table,
    found_table,
    over_random,
    quality_table,
    quota_table,
    source_table,
)


def page(all_: Runs, *, command: str, plan_command: str, printed: str) -> str:
    """The page.

    Args:
        all_: What the runs came to.
        command: That makes this page.
        plan_command: The plan's command, as a user types it.
        printed: What that printed.
    """
    case = all_.case
    parts = [
        f"# {case.title}",
        _wrapped(case.question),
        _wrapped(
            f"This page is what `{command}` printed. The messages are made up; the same seed makes the same ones. "
            "How a plan is made is told in [plans](../plans.md)."
        ),
        "## The plan",
        "The project file:",
        f"```toml\n{case.project_file.rstrip()}\n```",
        _wrapped(
            "Items were brought in and `quietcorner up` has embedded them; nobody has labeled anything. Of the class "
            "that is looked for a guess is known:"
        ),
        f"```\n$ {plan_command}\n{_trimmed(printed)}\n```",
        *_outcome(all_),
        *_diversity(all_),
    ]
    return "\n\n".join(parts) + "\n"


def _outcome(all_: Runs) -> Iterator[str]:
    case, waves = all_.case, len(all_.case.waves)
    yield "## What came of it"
    yield _wrapped(
        "The plan was followed in replays (`workers/simulation/replay`) of the same pool, with its quotas in force and "
        f"the true labels as answers, {len(all_.runs)} times with other seeds of all choices. Figures are means over "
        "the seeds, in brackets the least and the most; of expectations, the mean 95 % interval. *Planned anew* is "
        "what the plan said that was made when the waves before were labeled. *Inside* counts the seeds with which the "
        f"finds lay in the interval. The pool holds {len(all_.rare):,} items of {case.rare} among "
        f"{len(all_.data.pool):,}."
    )
    yield f"Items of {case.rare}:"
    yield "\n".join(found_table(all_))
    yield _wrapped(f"{over_random(all_)} {doubling(all_)}" if case.to_double else over_random(all_))
    yield "After each wave, quality on other messages, which no wave could choose:"
    yield "\n".join(quality_table(all_))
    yield f"By source, all {waves} waves together:"
    yield "\n".join(source_table(all_))
    yield _wrapped(
        f"{cost_of_quotas(all_)} They are floors, not shares: where the strategy goes to a source by itself they do "
        "not bind. Once the audit sample has told where the class is scarce, a plan proposes others; with so few of "
        "its items the proposal still differs from seed to seed:"
    )
    yield "\n".join(quota_table(all_))


def _diversity(all_: Runs) -> Iterator[str]:
    yield "## Diversity"
    yield _wrapped(
        "Two measures, over all that is labeled by then. *Distance*: the mean pairwise cosine distance of the "
        f"embeddings. *Clusters*: how many of the {CLUSTERS} clusters of one k-means clustering of the whole pool are "
        "touched, the same clustering for all."
    )
    yield "\n".join(diversity_table(all_))
    yield _wrapped(
        "Of the finds, the yardsticks are the distance of all items of the class in the pool, and the clusters that as "
        "many of them, drawn at random, would touch:"
    )
    yield "\n".join(finds_table(all_))


def _wrapped(text: str) -> str:
    return fill(text, width=120, break_long_words=False, break_on_hyphens=False)


def _trimmed(printed: str) -> str:
    return "\n".join(line.rstrip() for line in printed.rstrip().splitlines())


def described(case: Case, *, items: int, seeds: int) -> str:
    """The command that makes a page of a case."""
    return f"scripts/examples/plan {case.name} --items {items} --seeds {seeds}"
