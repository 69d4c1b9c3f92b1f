from typing import Any

import numpy as np
import pytest

from shared.database import open_database
from shared.descriptions import description_texts
from shared.errors import InvalidInputError
from shared.pool import Pool
from shared.repository import items as stored_items
from shared.repository import pools
from shared.repository.embedding import use_encoder
from shared.repository.projects import all_projects, create_project
from shared.settings import Settings
from shared.vectors import append_segment
from tests.workers.simulation.made_up import encode, encode_texts, make_config, make_dataset, make_rows, prepare_rows
from workers.embedding.lexicon import DIMENSIONS
from workers.intake.duplicates import merge_groups, near_duplicates
from workers.intake.rules import Rules
from workers.intake.storing import store_items
from workers.simulation.dataset import Dataset
from workers.simulation.preparation import prepare

RULES: list[dict[str, Any]] = [
    {"name": "stolen", "class": "rare", "keywords": ["fraud"]},
    {"name": "risky", "class": "rare", "hint": "risk"},
    {"name": "like it", "class": "rare", "description": "fraud fraud please"},
]


def with_relatives(count: int) -> list[dict[str, object]]:
    """Rows of which some are exact duplicates (but for case), near duplicates, or of one group."""
    rows = make_rows(count)
    for number in range(0, count - 4, 8):
        rows[number + 1]["text"] = str(rows[number]["text"]).upper()
        rows[number + 2]["text"] = f"{rows[number]['text']} {rows[number]['text']}"  # other text, same vector
        rows[number + 3]["group"] = rows[number + 4]["group"] = f"g{number}"
    return rows


def test_without_marks_about_a_quarter_is_split_off_with_rare_items_in_it() -> None:
    data, _ = prepare_rows(make_rows(200))
    assert len(data.test.item_ids) == pytest.approx(50, abs=3)
    assert len(data.pool) + len(data.test.item_ids) == 200
    assert data.test.targets.sum(axis=0).tolist() == pytest.approx([45, 5], abs=3)


def test_the_split_depends_on_the_seed_alone() -> None:
    rows = make_rows(100)
    first, again, other = (prepare_rows(rows, seed=seed)[0].test.item_ids for seed in (1, 1, 2))
    assert first == again
    assert first != other


def test_no_relative_of_a_test_item_stays_in_the_pool() -> None:
    rows = with_relatives(200)
    data, _ = prepare_rows(rows)
    in_test = [row["id"] in data.test.item_ids for row in rows]
    for number in range(0, 196, 8):
        assert len(set(in_test[number : number + 3])) == 1
        assert in_test[number + 3] == in_test[number + 4]
    assert any(in_test)
    assert data.left_out == 0
    assert not set(data.test.item_ids) & set(data.pool.item_ids)


def test_the_split_of_the_file_is_kept() -> None:
    rows = make_rows(40)
    for row in rows[:10]:
        row["split"] = "test"
    data, _ = prepare_rows(rows)
    assert data.test.item_ids == tuple(f"i{n}" for n in range(10))
    assert list(data.pool.item_ids) == [f"i{n}" for n in range(10, 40)]
    assert data.left_out == 0


def test_a_test_item_with_a_relative_in_the_pool_is_not_measured_on() -> None:
    rows = make_rows(40)
    for row in rows[:10]:
        row["split"] = "test"
    rows[0]["text"] = f"{rows[30]['text']} {rows[30]['text']}"
    rows[1]["text"] = str(rows[31]["text"]).upper()
    rows[2]["group"] = rows[32]["group"] = "one customer"
    data, _ = prepare_rows(rows)
    assert data.test.item_ids == tuple(f"i{n}" for n in range(3, 10))
    assert data.left_out == 3
    assert len(data.pool) == 30


def test_pool_items_are_no_duplicates_of_each_other_through_a_test_item_alone() -> None:
    rows = make_rows(40)
    rows[0] |= {"split": "test", "text": "alpha beta"}
    rows[1] |= {"split": "test"}
    rows[10]["text"] = "alpha beta beta"
    rows[11]["text"] = "alpha alpha beta"
    data, _ = prepare_rows(rows, near_duplicate_cosine=0.9)
    positions = [list(data.pool.item_ids).index(name) for name in ("i10", "i11")]
    cosine = np.prod(data.pool.vectors(np.array(positions)), axis=0).sum()
    assert cosine < 0.9
    assert data.test.item_ids == ("i1",)
    assert data.pool.groups[positions[0]] != data.pool.groups[positions[1]]


def test_pool_items_that_are_duplicates_of_each_other_and_of_a_test_item_are_one_group() -> None:
    rows = make_rows(40)
    rows[0]["split"] = rows[1]["split"] = "test"
    for number in (10, 11):
        rows[number]["text"] = f"{rows[0]['text']} " * number
    data, _ = prepare_rows(rows)
    positions = [list(data.pool.item_ids).index(name) for name in ("i10", "i11")]
    assert data.pool.groups[positions[0]] == data.pool.groups[positions[1]]
    assert data.test.item_ids == ("i1",)


def test_a_file_whose_rows_all_belong_together_is_refused() -> None:
    rows = [{**row, "group": "all"} for row in make_rows(20)]
    with pytest.raises(InvalidInputError, match="nothing is left for the pool"):
        prepare_rows(rows)


def test_a_test_set_of_duplicates_alone_is_refused() -> None:
    rows = make_rows(20)
    rows[0] |= {"split": "test", "text": rows[5]["text"]}
    with pytest.raises(InvalidInputError, match="nothing is left to test on: each of the 1 test rows"):
        prepare_rows(rows)


def test_the_pool_is_the_one_that_a_project_with_these_items_would_load(settings: Settings) -> None:
    rows = with_relatives(60)
    for number, row in enumerate(rows):
        row |= {"source": ("mail", "chat")[number % 2], "split": "test" if number >= 50 else "train"}
        row |= {"risk": number / 60 if number % 3 else None}
    dataset = make_dataset(rows, hints=("risk",))
    config = make_config(dataset, rules=RULES)
    simulated = prepare(dataset, encode(dataset, config), config).pool
    kept = make_dataset((row for row in rows if row["split"] == "train"), hints=("risk",))
    loaded = load_as_a_project(kept, settings, seed=config.seed)
    for field in ("item_ids", "source_names", "rule_names", "classes"):
        assert list(getattr(simulated, field)) == list(getattr(loaded, field))
    arrays = ("ids", "sources", "groups", "families", "draws", "targets", "labeled", "queued")
    for field in (*arrays, "rule_hits", "rule_scores", "rule_settled"):
        np.testing.assert_array_equal(getattr(simulated, field), getattr(loaded, field), err_msg=field)
    assert loaded.rule_hits.any(axis=0).all()
    everything = np.arange(len(loaded))
    np.testing.assert_array_equal(simulated.vectors(everything), loaded.vectors(everything))
    assert len(simulated.representatives) < len(simulated)


def test_hints_and_descriptions_hit_with_their_scores() -> None:
    rows = make_rows(80, split="train")
    for number, row in enumerate(rows):
        row["risk"] = number
    rows[0]["split"] = "test"
    data, _ = prepare_rows(rows, rules=[RULES[0], {**RULES[1], "at_least": 70}, RULES[2]])
    words, risky, near = data.pool.rule_hits.T
    scores = data.pool.rule_scores.T
    assert scores[0].tolist() == words.astype(float).tolist()
    assert scores[1].tolist() == [*[0] * 69, *range(70, 80)]
    assert np.array_equal(risky, scores[1] > 0)
    assert near.sum() == 8
    assert near[words].sum() == 7
    assert scores[2][near & words].min() > 0.5
    assert not scores[2][~near].any()


def load_as_a_project(dataset: Dataset, settings: Settings, *, seed: int) -> Pool:
    config = make_config(dataset, rules=RULES, seed=seed)
    database = open_database(settings)
    with database.write() as session:
        assert create_project(session, "p", config)
        [project_id] = [project.id for project in all_projects(session)]
    store_items(database, project_id, [row.item for row in dataset.items], rules=Rules(config.rules), seed=seed)
    stored = {
        pools.space_of(project_id): encode(dataset),
        pools.description_space_of(project_id): encode_texts(description_texts(config.rules)),
    }
    with database.write() as session:
        for space, table in stored.items():
            append_segment(session, space=space, encoder="words@1", keys=table.keys, vectors=table.matrix)
        use_encoder(session, project_id, "words@1")
        pool = pools.load_pool(session, project_id=project_id, config=config, vector_folder=settings.folder / "vectors")
        _, first = np.unique(pool.rows, return_index=True)
        pairs = near_duplicates(
            new_ids=pool.ids[first],
            new=pool.matrix[pool.rows[first]],
            known_ids=pool.ids[:0],
            known=pool.matrix[:0],
            threshold=config.near_duplicate_cosine,
        )
        groups = dict(zip(pool.ids.tolist(), pool.groups.tolist(), strict=True))
        stored_items.set_duplicate_groups(session, project_id, merge_groups(pairs, groups))
        loaded = pools.load_pool(
            session, project_id=project_id, config=config, vector_folder=settings.folder / "vectors"
        )
    database.close()
    return loaded


def test_lexical_features_are_there_for_pool_and_test_where_they_are_wanted() -> None:
    rows = make_rows(700)
    wanted, _ = prepare_rows(rows, training={"lexical": True})
    lexical = wanted.pool.lexical
    assert lexical is not None
    asked = np.concatenate([wanted.pool.rows, wanted.test.rows])
    assert wanted.pool.features[asked].shape == (len(asked), wanted.pool.matrix.shape[1] + DIMENSIONS)
    text_of = {str(row["id"]): str(row["text"]) for row in rows}
    names = [*wanted.pool.item_ids, *wanted.test.item_ids]
    told = np.array(["fraud" in text_of[name] for name in names])
    near = wanted.pool.features[asked][:, -DIMENSIONS:].astype(np.float32)
    alike = near @ near[told].mean(axis=0)
    assert alike[told].min() > alike[~told].max()
    assert prepare_rows(rows, training={"lexical": False})[0].pool.lexical is None


def test_few_texts_have_no_lexical_features() -> None:
    assert prepare_rows(make_rows(100), training={"lexical": True})[0].pool.lexical is None
