"""An example as a page: what is asked, the commands, what they printed, and what came of the plan."""

from collections.abc import Iterator

from scripts.examples.cases import Case
from scripts.examples.diversity import CLUSTERS
from scripts.examples.tables import (
    Runs,
    diversity_table,
    doubling,
    found_table,
    quality_table,
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
    lines = [
        f"# {case.title}",
        "",
        *case.question,
        "",
        f"This page is what `{command}` printed; the messages are made up, and the same seed makes the same ones.",
        "",
        "## The plan",
        "",
        "The project file:",
        "",
        "```toml",
        case.project_file.rstrip(),
        "```",
        "",
        "Items are brought in, `quietcorner up` embeds them, nobody has labeled anything. Of the class that is looked "
        "for only a guess is known:",
        "",
        "```",
        f"$ {plan_command}",
        printed.rstrip(),
        "```",
        "",
        *_outcome(all_),
    ]
    return "\n".join(lines) + "\n"


def _outcome(all_: Runs) -> Iterator[str]:
    case, runs = all_.case, len(all_.runs)
    waves = len(case.waves)
    yield "## What came of it"
    yield ""
    yield (
        "The plan followed in replays (`workers/simulation/replay`) of the same pool, with its quotas in force and the "
        f"true labels as answers, {runs} times with other seeds of all choices: means over the seeds, in brackets the "
        "least and the most, for expectations the mean 95 % interval. *Planned anew* is what the plan said that was "
        "made when the waves before were labeled. *Inside* counts the seeds whose find lay in the interval. The pool "
        f"holds {len(all_.rare):,} items of {case.rare} among {len(all_.data.pool):,}."
    )
    yield ""
    yield f"Items of {case.rare}:"
    yield ""
    yield from found_table(all_)
    yield ""
    yield "After each wave, quality on other messages that no wave could choose:"
    yield ""
    yield from quality_table(all_)
    yield ""
    if waves > 1:
        yield from doubling(all_)
        yield ""
    yield f"By source, all {waves} waves together:"
    yield ""
    yield from source_table(all_)
    yield ""
    yield "## Diversity"
    yield ""
    yield (
        "Two measures, over all that is labeled by then. *Distance*: the mean pairwise cosine distance of the "
        f"embeddings. *Clusters*: how many of the {CLUSTERS} clusters of one k-means clustering of the whole pool are "
        "touched, the same clustering for all. Of the finds, the yardsticks are the distance of all items of the "
        "class, and the clusters that as many of them, drawn at random, would touch."
    )
    yield ""
    yield from diversity_table(all_)


def described(case: Case, *, items: int, seeds: int) -> str:
    """The command that makes a page of a case."""
    return f"scripts/examples/plan {case.name} --items {items} --seeds {seeds}"
