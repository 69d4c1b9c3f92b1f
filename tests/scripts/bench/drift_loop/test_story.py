"""A story brings a new kind of a rare class late, and costs the same labels with the watch and without it."""

from pathlib import Path

import numpy as np
import pytest

from scripts.bench.drift_loop.stories import Told, append_told, read_told, story_table
from scripts.bench.drift_loop.story import AKIN, UNLIKE, Ending, Story, make_story, tell
from tests.scripts.bench.drift_loop.piles import pile


def story(kinship: str) -> Story:
    corpus = pile(domains=4, intents=6, items=120, seed=3)
    return make_story(corpus, kinship=kinship, seed=1, reference=600, window=200)


@pytest.mark.parametrize("kinship", [AKIN, UNLIKE])
def test_the_new_kind_comes_after_a_quiet_window_and_belongs_to_the_rare_class(kinship: str) -> None:
    told = story(kinship)
    assert not told.is_new[:800].any()
    assert told.is_new[800:].sum() == 4 * 5
    assert (told.is_rare & told.is_new).sum() == told.is_new.sum()
    assert told.is_rare[:600].sum() == 12


def test_both_ways_ask_for_as_many_labels() -> None:
    endings = [tell(story(UNLIKE), watched=watched, batch=12, seed=1) for watched in (True, False)]
    assert endings[0].labels == endings[1].labels == 4 * 12
    assert endings[1].campaigns == 0
    assert all(0.0 <= ending.found <= 1.0 for ending in endings)


def test_endings_are_kept_and_set_beside_each_other(tmp_path: Path) -> None:
    path = tmp_path / "out" / "stories.jsonl"
    for watched, found, waited in ((True, 0.6, 300), (False, 0.1, None)):
        ending = Ending(found=found, labels=200, waited=waited, campaigns=int(watched))
        append_told(path, Told.of(ending, AKIN, seed=5, watched=watched, batch=50, machine="none"))
    told = list(read_told(path).values())
    assert np.isclose(sum(one.found for one in told), 0.7)
    printed = story_table(told)
    assert f"| {AKIN}, watch on | 1 | 200 | 60.0 % | 6.0 | 300 | 0 | 1.0 |" in printed
    assert f"| {AKIN}, watch off | 1 | 200 | 10.0 % | - | - | 1 | 0.0 |" in printed
