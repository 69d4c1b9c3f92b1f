"""Streams hold what their case says, and a null stream holds every item once."""

import numpy as np
import pytest

from scripts.bench.drift_loop.cases import EVENT, FAR, MADE_UP, MIX, NEAR, NULL, RARE, Case, make_stream
from scripts.bench.drift_loop.streams import WINDOW, Drawer, Items, Stream
from tests.scripts.bench.drift_loop.piles import pile

SET = "crisislex_t26"  # whose sources count


@pytest.fixture(scope="module")
def items() -> Items:
    return pile(domains=6, intents=8, items=150)


def texts(of: Items) -> list[str]:
    found: list[str] = of.texts.tolist()
    return found


def test_a_null_stream_shows_no_item_twice(items: Items) -> None:
    stream = make_stream(Case(SET, NULL), items, seed=1)
    shown = [text for part in (stream.reference, stream.taught, *stream.windows) for text in texts(part)]
    assert len(shown) == len(set(shown))
    assert stream.before == len(stream.windows) > 0
    assert {len(window) for window in stream.windows} == {WINDOW}


@pytest.mark.parametrize(("change", "column"), [(FAR, "sources"), (EVENT, "sources"), (NEAR, "labels")])
def test_after_the_change_every_window_holds_so_much_of_what_was_never_there(
    items: Items, change: str, column: str
) -> None:
    stream = make_stream(Case(SET, change, 0.05), items, seed=1)
    domain_of = dict(zip(texts(items), getattr(items, column).tolist(), strict=True))
    known = {domain_of[text] for text in texts(stream.reference)}
    for number, window in enumerate(stream.windows):
        assert len(set(texts(window))) == WINDOW
        new = [text for text in texts(window) if domain_of[text] not in known]
        assert len(new) == (0 if number < stream.before else 50)
    assert set(stream.reference.sources) == {"one"}


def test_the_rare_class_is_doubled() -> None:
    items = pile(domains=1, intents=60, items=150)
    rare = np.isin(items.labels, ["intent 0", "intent 1", "intent 2"])
    labels = np.where(rare, "rare", "common")
    stream = make_stream(Case(SET, RARE), Items(items.vectors, items.sources, labels, items.texts), seed=1)
    before = np.mean([(window.labels == "rare").mean() for window in stream.windows[: stream.before]])
    after = np.mean([(window.labels == "rare").mean() for window in stream.windows[stream.before :]])
    assert after == pytest.approx(2 * before, rel=0.25)


def test_a_mix_moves_between_sources_that_are_known(items: Items) -> None:
    stream = make_stream(Case(SET, MIX), items, seed=1)
    assert set(stream.windows[-1].sources) <= set(stream.reference.sources)
    shares = _shares(stream)
    assert np.abs(shares[1] - shares[0]).sum() / 2 > 0.05


def _shares(stream: Stream) -> list[np.ndarray[tuple[int], np.dtype[np.float64]]]:
    names = np.unique(stream.reference.sources)
    return [
        np.array([(part.sources == name).mean() for name in names]) for part in (stream.reference, stream.windows[-1])
    ]


def test_a_seed_gives_the_same_stream_again_and_another_seed_another() -> None:
    first, again, other = (make_stream(Case(MADE_UP, NEAR, 0.02), None, seed=seed) for seed in (1, 1, 2))
    assert np.array_equal(first.windows[-1].vectors, again.windows[-1].vectors)
    assert not np.array_equal(first.windows[-1].vectors, other.windows[-1].vectors)


def test_a_drawer_gives_each_item_once_until_too_few_are_left(items: Items) -> None:
    drawer = Drawer(items.take(np.arange(10)), np.random.default_rng(0))
    first = texts(drawer.draw(4)) + texts(drawer.draw(4))
    assert len(set(first)) == 8
    assert len(set(texts(drawer.draw(4)))) == 4
    with pytest.raises(ValueError, match="11 items are wanted of a pile of 10"):
        drawer.draw(11)
