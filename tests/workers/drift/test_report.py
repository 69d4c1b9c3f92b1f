import json
from collections.abc import Sequence

import numpy as np
import pytest

from shared.errors import InvalidInputError
from tests.workers.drift.world import (
    DISTINCT,
    EVERYTHING,
    FAR,
    NEAR,
    TOPICS,
    Sends,
    Texts,
    draw,
    fit,
    join,
    look,
    sends_only,
)
from workers.drift.levels import opens_campaign
from workers.drift.mix import SourceShare
from workers.drift.reference import Reference, fit_reference
from workers.drift.report import WindowReport, compare


@pytest.mark.parametrize("sends", [EVERYTHING, DISTINCT], ids=["alike sources", "distinct sources"])
def test_without_drift_an_alarm_is_as_rare_as_stated(sends: Sends) -> None:
    # 100 windows beside 4 references: 0.1 alarms are expected at 0.001 a window, 2 or more have a chance of 0.005.
    alarms = 0
    for seed in range(4):
        reference = fit(draw(sends, 2_000, seed=seed), seed=seed)
        alarms += sum(
            look(reference, draw(sends, 500, seed=1_000 * (seed + 1) + window, first_id=5_000)).level != "quiet"
            for window in range(25)
        )

    assert alarms <= 1


@pytest.mark.parametrize("topic", [NEAR, FAR], ids=["near", "far"])
def test_a_new_topic_of_one_item_in_twenty_is_found_and_its_items_are_pointed_at(topic: int) -> None:
    found, precision, recall, typical = 0, [], [], []
    for seed in range(10):
        window = _with_new_topic(500, new=25, seed=seed, topic=topic)
        report = look(fit(draw(EVERYTHING, 2_000, seed=seed), seed=seed), window)
        found += report.novelty.alarm
        new = window.topics == topic
        if report.drifted.any():
            precision.append(new[report.drifted].mean())
            recall.append(report.drifted[new].mean())
            typical.append(np.isin(report.typical, window.ids[new]).all())

    assert found >= 9
    assert np.mean(precision) > 0.8
    assert np.mean(recall) > 0.8
    assert all(typical)


def test_the_share_affected_sets_the_level_of_a_new_topic() -> None:
    reference = fit(draw(EVERYTHING, 4_000, seed=0))

    reports = [look(reference, _with_new_topic(2_000, new=new, seed=1)) for new in (0, 80, 200)]

    assert [report.level for report in reports] == ["quiet", "warn", "act"]
    assert reports[1].share == pytest.approx(0.04, abs=0.01)
    assert reports[2].share == pytest.approx(0.10, abs=0.01)


def test_a_cell_that_fired_says_what_it_expected_what_it_saw_and_who_sent_it() -> None:
    window = join(
        draw(EVERYTHING, 450, seed=1, first_id=5_000), draw(sends_only(NEAR, "chat"), 50, seed=2, first_id=6_000)
    )

    report = look(fit(draw(EVERYTHING, 2_000, seed=0)), window)

    strongest = report.fired[0]
    assert strongest.novel
    assert strongest.seen > 5 > strongest.expected
    assert next(iter(strongest.sources)) == "chat"
    assert sum(strongest.sources.values()) == strongest.seen
    assert all(item >= 6_000 for item in strongest.typical)
    assert 1 <= len(strongest.typical) <= 5
    assert report.drifted_sources["chat"] > 5 * report.drifted_sources.get("mail", 0)


def test_items_of_the_new_topic_score_higher_than_the_others() -> None:
    window = _with_new_topic(500, new=50, seed=3)

    scores = look(fit(draw(EVERYTHING, 2_000, seed=0)), window).scores

    assert np.median(scores[window.topics == NEAR]) > np.quantile(scores[window.topics != NEAR], 0.95)


def test_a_known_topic_that_grows_is_found_by_its_cells() -> None:
    grown: Sends = {source: [4.0] + [1.0] * (TOPICS - 1) for source in EVERYTHING}
    window = draw(grown, 500, seed=1, first_id=5_000)

    report = look(fit(draw(EVERYTHING, 2_000, seed=0)), window)

    assert report.cells.alarm
    assert not report.novelty.alarm
    assert report.level == "act"
    assert not any(cell.novel for cell in report.fired)
    assert (window.topics[report.drifted] == 0).mean() > 0.7


def test_another_mix_of_sources_is_reported_and_opens_no_campaign() -> None:
    reference = fit(draw(DISTINCT, 2_000, seed=0))
    heavier: Sends = {**DISTINCT, "form": [weight * 4 for weight in DISTINCT["form"]]}

    reports = [look(reference, draw(heavier, 500, seed=seed, first_id=5_000)) for seed in range(1, 5)]

    assert all(report.mix.alarm for report in reports)
    assert all(report.mix.share > 0.1 for report in reports)
    assert [report.level for report in reports] == ["note"] * 4
    assert not any(report.fired or report.drifted.any() for report in reports)
    assert not opens_campaign([report.level for report in reports], windows_since_campaign=None)


def test_a_new_source_with_known_topics_is_a_matter_of_the_mix() -> None:
    window = join(
        draw(EVERYTHING, 400, seed=1, first_id=5_000), draw(sends_only(3, "phone"), 100, seed=2, first_id=6_000)
    )

    report = look(fit(draw(EVERYTHING, 2_000, seed=0)), window)

    assert report.level == "note"
    assert report.mix.share == pytest.approx(0.2, abs=0.05)
    phone = _source(report, "phone")
    assert (phone.reference, phone.window) == (0.0, 0.2)
    assert phone.z > 5


def test_a_new_source_with_a_new_topic_is_found_by_novelty() -> None:
    window = join(
        draw(EVERYTHING, 450, seed=1, first_id=5_000), draw(sends_only(NEAR, "phone"), 50, seed=2, first_id=6_000)
    )

    report = look(fit(draw(EVERYTHING, 2_000, seed=0)), window)

    assert report.novelty.alarm
    assert report.level == "act"
    assert next(iter(report.drifted_sources)) == "phone"
    assert report.fired[0].novel
    assert next(iter(report.fired[0].sources)) == "phone"


def test_a_source_that_fell_silent_is_a_matter_of_the_mix() -> None:
    rest: Sends = {"mail": DISTINCT["mail"], "chat": DISTINCT["chat"]}

    report = look(fit(draw(DISTINCT, 2_000, seed=0)), draw(rest, 500, seed=1, first_id=5_000))

    assert report.level == "note"
    assert _source(report, "form").window == 0.0
    assert _source(report, "form").z < -5


def test_one_source_is_enough() -> None:
    one: Sends = {"mail": [1.0] * TOPICS}
    reference = fit(draw(one, 2_000, seed=0))

    quiet = look(reference, draw(one, 500, seed=1, first_id=5_000))
    drifted = look(
        reference,
        join(draw(one, 450, seed=2, first_id=5_000), draw(sends_only(NEAR, "mail"), 50, seed=3, first_id=6_000)),
    )

    assert quiet.level == "quiet"
    assert quiet.mix.p == 1.0
    assert drifted.level == "act"


@pytest.mark.parametrize("count", [1, 2, 10, 49])
def test_a_small_window_is_compared_all_the_same(count: int) -> None:
    reference = fit(draw(DISTINCT, 2_000, seed=0))

    assert look(reference, draw(DISTINCT, count, seed=1, first_id=5_000)).level == "quiet"


def test_a_small_window_full_of_a_new_topic_is_found() -> None:
    reference = fit(draw(EVERYTHING, 2_000, seed=0))

    assert look(reference, draw(sends_only(NEAR, "mail", "chat"), 20, seed=1, first_id=5_000)).level == "act"


def test_items_that_are_all_the_same_as_before_are_quiet() -> None:
    reference = fit(_identical(300, topic=0, first_id=0))

    report = look(reference, _identical(100, topic=0, first_id=300))

    assert report.level == "quiet"
    assert np.isfinite(report.scores).all()


def test_items_that_are_all_the_same_and_new_are_found() -> None:
    reference = fit(draw(EVERYTHING, 2_000, seed=0))

    report = look(reference, _identical(100, topic=FAR, first_id=5_000))

    assert report.level == "act"
    assert report.drifted.sum() >= 95


def test_the_same_window_gives_the_same_findings_in_json() -> None:
    def findings() -> str:
        report = look(fit(draw(DISTINCT, 1_000, seed=0)), _with_new_topic(500, new=50, seed=1))
        return json.dumps(report.findings(), allow_nan=False)

    first = findings()

    assert first == findings()
    assert json.loads(first)["tests"].keys() == {"novelty", "clumps", "cells", "embedding", "mix"}
    assert json.loads(first)["cells"][0].keys() == {"cell", "novel", "expected", "seen", "z", "sources", "typical"}


def test_the_order_of_the_items_does_not_matter() -> None:
    reference, window = fit(draw(DISTINCT, 1_000, seed=0)), _with_new_topic(500, new=50, seed=1)
    order = np.random.default_rng(0).permutation(len(window))

    assert look(reference, _rows(window, order.tolist())).findings() == look(reference, window).findings()


def test_texts_of_another_make_are_a_note_and_name_what_changed() -> None:
    reference = _with_texts(draw(EVERYTHING, 1_000, seed=0), short=0.5)

    quiet = _look_at_texts(reference, draw(EVERYTHING, 500, seed=1, first_id=5_000), short=0.5)
    other = _look_at_texts(reference, draw(EVERYTHING, 500, seed=2, first_id=5_000), short=0.1)

    assert quiet.level == "quiet"
    assert other.level == "note"
    assert other.verdict("text: length").share == pytest.approx(0.4, abs=0.08)
    assert not other.verdict("text: digits").alarm


def test_a_flood_of_duplicates_is_a_note_and_a_few_more_are_none() -> None:
    texts = draw(EVERYTHING, 1_000, seed=0)
    reference = fit_reference(
        texts.vectors, ids=texts.ids, sources=texts.sources, rng=np.random.default_rng(0), duplicates=(100, 1_000)
    )
    window = draw(EVERYTHING, 400, seed=1, first_id=5_000)

    def look_with(duplicates: int) -> WindowReport:
        return compare(reference, vectors=window.vectors, ids=window.ids, sources=window.sources, duplicates=duplicates)

    assert look_with(60).level == "quiet"
    assert look_with(200).level == "note"
    assert look_with(200).verdict("duplicates").share == pytest.approx(200 / 600 - 0.1)


def test_a_huge_window_raises_no_alarm_on_a_change_that_is_none() -> None:
    reference = fit(draw(EVERYTHING, 4_000, seed=0))
    slightly: Sends = {source: [1.1] + [1.0] * (TOPICS - 1) for source in EVERYTHING}

    report = look(reference, draw(slightly, 10_000, seed=1, first_id=5_000))

    assert report.level == "quiet"


def test_an_empty_window_is_refused() -> None:
    texts = draw(EVERYTHING, 200, seed=0)

    with pytest.raises(InvalidInputError, match="holds no item"):
        look(fit(texts), _rows(texts, []))


def _with_new_topic(count: int, *, new: int, seed: int, topic: int = NEAR) -> Texts:
    known = draw(EVERYTHING, count - new, seed=100 + seed, first_id=5_000)
    return join(known, draw(sends_only(topic, "mail", "chat"), new, seed=200 + seed, first_id=9_000))


def _with_texts(texts: Texts, *, short: float) -> Reference:
    return fit_reference(
        texts.vectors,
        ids=texts.ids,
        sources=texts.sources,
        texts=_written(len(texts), short=short),
        rng=np.random.default_rng(0),
    )


def _look_at_texts(reference: Reference, texts: Texts, *, short: float) -> WindowReport:
    return compare(
        reference,
        vectors=texts.vectors,
        ids=texts.ids,
        sources=texts.sources,
        texts=_written(len(texts), short=short),
    )


def _written(count: int, *, short: float) -> list[str]:
    rng = np.random.default_rng(count)
    return [
        " ".join(["word"] * int(rng.integers(1, 5) if rng.random() < short else rng.integers(20, 40)))
        for _ in range(count)
    ]


def _identical(count: int, *, topic: int, first_id: int) -> Texts:
    one = draw(sends_only(topic, "mail"), 1, seed=0)
    return Texts(
        vectors=np.repeat(one.vectors, count, axis=0),
        ids=np.arange(first_id, first_id + count),
        sources=["mail"] * count,
        topics=np.repeat(one.topics, count),
    )


def _rows(texts: Texts, rows: Sequence[int]) -> Texts:
    chosen = np.array(rows, dtype=np.int64)
    return Texts(texts.vectors[chosen], texts.ids[chosen], [texts.sources[row] for row in rows], texts.topics[chosen])


def _source(report: WindowReport, name: str) -> SourceShare:
    return next(source for source in report.sources if source.source == name)
