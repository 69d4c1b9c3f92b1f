import numpy as np

from tests.workers.drift.world import TOPICS, draw, fit, join
from workers.drift.matching import match
from workers.drift.reference import Reference


def _reference() -> Reference:
    big = {"mail": [1.0] * TOPICS, "chat": [1.0] * TOPICS}
    thin = {f"desk-{number}": [1.0] * TOPICS for number in range(20)}
    return fit(join(draw(big, 600, seed=0), draw(thin, 200, seed=1, first_id=600)))


def test_a_large_source_is_compared_with_itself_and_thin_ones_together() -> None:
    reference = _reference()

    matching = match(reference, ["mail", "chat", "desk-3", "desk-4", "mail"])

    mail, chat, thin = matching.strata[[0, 1, 2]].tolist()
    assert len({mail, chat, thin}) == matching.known == 3
    assert matching.strata.tolist() == [mail, chat, thin, thin, mail]
    beside_mail = matching.b_strata == mail
    assert {reference.source_names[code] for code in reference.b_sources[beside_mail]} == {"mail"}


def test_a_new_source_is_compared_with_all_of_half_b() -> None:
    reference = _reference()

    matching = match(reference, ["mail", "phone"])

    assert matching.strata[1] == matching.known
    counts = matching.counts(reference.b_cells, np.array([0, 0]), k=len(reference.centres))
    assert counts.reference_size[-1] == counts.reference[-1].sum() == len(reference.b_ids)


def test_each_item_of_half_b_is_counted_once_beside_known_sources() -> None:
    reference = _reference()
    matching = match(reference, ["mail"])

    counts = matching.counts(reference.b_cells, np.array([0]), k=len(reference.centres))

    known = counts.part(slice(0, matching.known))
    assert known.reference.sum() == known.reference_size.sum() == len(reference.b_ids)
    assert known.window.sum() == 1


def test_sources_too_thin_even_together_are_compared_with_all_of_half_b() -> None:
    few = draw({"desk": [1.0] * TOPICS}, 10, seed=2, first_id=600)
    reference = fit(join(draw({"mail": [1.0] * TOPICS}, 600, seed=3), few))

    matching = match(reference, ["mail", "desk"])

    assert matching.strata.tolist() == [0, 1]
    assert matching.known == 1
    counts = matching.counts(reference.b_cells, np.array([0, 0]), k=len(reference.centres))
    assert counts.reference_size.tolist() == [
        len(reference.b_ids) - (matching.b_strata < 0).sum(),
        len(reference.b_ids),
    ]
