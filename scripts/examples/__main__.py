"""Play an example and print its page: `scripts/examples/plan tickets`, `scripts/examples/plan abuse`."""

import argparse
import json
import sys
import warnings
from collections import Counter
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from scripts.examples.cases import CASES, Case
from scripts.examples.document import described, page
from scripts.examples.project import Place, make_project, project_vectors, quietcorner
from scripts.examples.tables import Runs
from scripts.examples.waves import follow
from scripts.tickets import Ticket
from shared.descriptions import description_texts
from shared.project import Task
from shared.vectors import VectorTable
from workers.embedding.encoders import load_encoder
from workers.intake.rows import Columns, parse_row
from workers.simulation.dataset import Dataset, LabeledItem
from workers.simulation.embeddings import cached_vectors
from workers.simulation.preparation import prepare


def main() -> None:
    """Play the example that the arguments ask for."""
    given = _arguments()
    warnings.filterwarnings("ignore", category=UserWarning, module=r"sklearn\.")
    case = CASES[given.example]
    waves = tuple(given.waves) if given.waves else case.waves
    case = case.with_waves(waves)
    place = Place(case, given.folder.resolve() / f"{case.name}-{given.items}")
    pool, test = case.pool(given.items, given.seed), case.test(given.test, given.seed)
    _tell(f"making the project in {place.folder}; embedding takes minutes the first time")
    make_project(place, pool)
    plan = _plan_arguments(case)
    printed = quietcorner(place, *plan)
    runs = _runs(place, pool, test, seeds=given.seeds)
    sys.stdout.write(
        page(
            runs,
            command=described(case, items=given.items, seeds=given.seeds),
            plan_command=" ".join(["quietcorner", *plan]),
            printed=printed,
        )
    )


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="scripts/examples/plan", description="Play an example of a labeling plan.")
    parser.add_argument("example", choices=sorted(CASES))
    parser.add_argument("--items", type=int, default=20_000, help="messages in the pool (default 20000)")
    parser.add_argument("--test", type=int, default=4_000, help="other messages to test models on (default 4000)")
    parser.add_argument("--waves", type=int, nargs="+", help="labels of each wave (default: those of the example)")
    parser.add_argument("--seed", type=int, default=7, help="of the messages (default 7)")
    parser.add_argument("--seeds", type=int, default=10, help="replays with other seeds (default 10)")
    parser.add_argument("--folder", type=Path, default=Path("quietcorner-data/examples"), help="where it is kept")
    given = parser.parse_args()
    if given.waves and len(set(given.waves[1:])) > 1:
        parser.error("--waves: all waves after the first are of one size")
    return given


def _plan_arguments(case: Case) -> list[str]:
    waves = ",".join(map(str, case.waves))
    return [
        "plan", case.name, "--budget", str(sum(case.waves)), "--waves", waves, "--prior", f"{case.rare}={case.prior:g}"
    ]  # fmt: skip


def _runs(place: Place, pool: Sequence[Ticket], test: Sequence[Ticket], *, seeds: int) -> Runs:
    dataset = _dataset(pool, test)
    vectors, encoder = _vectors(place, dataset)
    data, runs = None, []
    for seed in range(seeds):
        config = place.case.config(seed)
        data = prepare(dataset, vectors, config)
        runs.append(follow(place.case, data, config, encoder=encoder))
        _tell(f"seed {seed}: found {json.dumps([wave.found for wave in runs[-1].waves])}")
    if data is None:
        raise SystemExit("--seeds: at least 1 is expected")
    return Runs(place.case, data, {ticket.id: ticket.kind for ticket in pool}, runs)


def _dataset(pool: Sequence[Ticket], test: Sequence[Ticket]) -> Dataset:
    derived, columns = Counter[str](), Columns()
    items = tuple(
        LabeledItem(parse_row(ticket.row(), columns=columns, derived=derived), frozenset([ticket.label]), is_test)
        for some, is_test in ((pool, False), (test, True))
        for ticket in some
    )
    return Dataset(Task.SINGLE, items, tuple(sorted({ticket.label for ticket in pool})), ())


def _vectors(place: Place, dataset: Dataset) -> tuple[VectorTable, str]:
    """The project's own vectors, and those of the test messages and of what rules describe."""
    config, settings = place.case.config(0), place.settings
    encoder = load_encoder(config.encoder, threads=settings.compute_threads)
    texts = {row.item.text_key: row.item.text for row in dataset.items if row.test} | description_texts(config.rules)
    others = cached_vectors(
        texts,
        encoder=encoder,
        folder=place.folder / "cache",
        settings=settings,
        advance=lambda done, of: _tell(f"test messages embedded: {done:,} of {of:,}"),
    )
    return _joined(project_vectors(place), others), encoder.key


def _joined(one: VectorTable, other: VectorTable) -> VectorTable:
    keys, first = np.unique(np.concatenate([one.keys, other.keys]), return_index=True)
    rows = np.concatenate([one.rows, other.rows + len(one.matrix)])[first]
    return VectorTable(keys, rows, np.concatenate([one.matrix, other.matrix]))


def _tell(line: str) -> None:
    sys.stderr.write(line + "\n")


if __name__ == "__main__":
    main()
