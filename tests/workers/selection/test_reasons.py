"""Reasons as sentences: each channel its own, every fact that is there and none that is not."""

import pytest

from shared.contracts import Reason
from workers.selection.reasons import CHANNELS, sentence


def reason(channel: str, **facts: object) -> Reason:
    """A reason of a round before the first model, where nothing else is said."""
    known: dict[str, object] = {
        "channel": channel,
        "score": None,
        "rank": 1,
        "cluster": None,
        "predicted": None,
        "probability": None,
        "rules": [],
        "inclusion": None,
        "model": None,
        "encoder": "test",
        "seed": 7,
    }
    return Reason.model_validate({**known, **facts})


SAID = {"predicted": "delay", "probability": 0.625, "model": 4}


@pytest.mark.parametrize(
    ("given", "told"),
    [
        (
            reason("audit", inclusion=0.0125),
            "Drawn at random for the audit sample (probability 1.2 %).",
        ),
        (
            reason("audit", inclusion=0.5, **SAID),
            "Drawn at random for the audit sample (probability 50 %); model version 4 said delay (62 %).",
        ),
        (
            reason("rule", score=1.0, cluster=3, rules=["refund"]),
            "The seeding rule refund found it (cluster 3), and its class still lacks labels.",
        ),
        (
            reason("rule", score=2.0, cluster=3, rules=["refund", "card"], **SAID),
            "The seeding rules refund and card found it (cluster 3), and its class still lacks labels; "
            "model version 4 said delay (62 %).",
        ),
        (
            reason("coverage", score=0.8, cluster=12),
            "Typical of similar texts of which little or nothing is labeled (cluster 12).",
        ),
        (reason("coverage"), "Drawn at random to fill the batch, since there was no model yet."),
        (
            reason("audit", inclusion=0.5, overlap=3),
            "Drawn at random for the audit sample (probability 50 %); 3 annotators are asked, which tells how far they "
            "agree.",
        ),
        (
            reason("boundary", score=0.984, cluster=2, rules=["card"], **SAID),
            "The model could hardly decide (doubt 0.98 of 1, cluster 2); model version 4 said delay (62 %); "
            "the seeding rule card found it too.",
        ),
        (
            reason("boundary", score=0.2, **SAID),
            "Of what was left, this is among what the model was least sure of (doubt 0.20 of 1); model version 4 "
            "said delay (62 %).",
        ),
        (
            reason("boundary", score=0.004, predicted="delay", probability=0.99, model=4),
            "The model was sure of all that was left, and this is of what it was least sure of (doubt 0.00 of 1); "
            "model version 4 said delay (99 %).",
        ),
        (reason("boundary", score=0.0), "Drawn at random, since there was no model yet."),
        (
            reason("likely", score=0.625, cluster=1, **SAID),
            "The model took it for delay, a rare class (cluster 1); model version 4 said delay (62 %).",
        ),
        (
            reason("likely", score=0.07, cluster=1, **SAID),
            "The model saw a chance of 7 % that it is of a rare class (cluster 1); model version 4 said delay (62 %).",
        ),
        (
            reason("anchor", score=0.8125, cluster=5),
            "Close to labeled items of a rare class (score 0.812, cluster 5).",
        ),
        (
            reason("drift", **SAID),
            "New, and of what a campaign is about; model version 4 said delay (62 %).",
        ),
        (reason("relabel"), "Labeled before; a campaign asks whether its label still holds."),
        (reason("novel", score=0.5), "Chosen by the channel novel (score 0.5)."),
    ],
)
def test_a_reason_is_told_in_one_sentence(given: Reason, told: str) -> None:
    assert sentence(given) == told


@pytest.mark.parametrize("channel", CHANNELS)
def test_every_channel_has_a_sentence_of_its_own_with_and_without_facts(channel: str) -> None:
    bare = sentence(reason(channel))
    full = sentence(reason(channel, score=0.5, cluster=1, rules=["a"], inclusion=0.25, **SAID))

    for told in (bare, full):
        assert told[0].isupper()
        assert told.endswith(".")
        assert "None" not in told
        assert "the channel" not in told
