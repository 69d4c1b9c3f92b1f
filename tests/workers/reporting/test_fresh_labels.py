"""What fresh labels say, in words."""

import json
from typing import Any

from workers.reporting.fresh_labels import fresh_labels_section, lines, share_sentences


def share(before: float, after: float, low: float, high: float, *, moved: bool) -> dict[str, Any]:
    change = after - before
    return {
        "before": {"value": before, "low": before / 2, "high": before * 2},
        "after": {"value": after, "low": low, "high": high},
        "change": {"value": change, "low": change - 0.01, "high": change + 0.01},
        "moved": moved,
    }


SHIFT = {
    "shares": {
        "other": share(0.9, 0.88, 0.86, 0.9, moved=False),
        "fraud": share(0.021, 0.038, 0.031, 0.046, moved=True),
        "praise": share(0.07, 0.02, 0.01, 0.03, moved=True),
    },
    "suppressed": {"threat": "it has 3 audit labels, and 20 are needed"},
    "condition": 3.0,
}


def found(**parts: Any) -> dict[str, Any]:
    now = {"value": 0.61, "low": 0.48, "high": 0.73}
    finding = {"kind": "recall", "class": "<b>fraud</b>", "reference": 0.84, "limit": 0.7, "items": 100}
    last = {
        "number": 7,
        "model": 12,
        "level": "act",
        "made_at": 1.79e9,
        "answers": 640,
        "fresh": 240,
        "window": 9,
        "performance": [{**finding, "now": now, "evidence": 1.5, "alarm": True}],
        "shares": share_sentences(SHIFT),
        "correction": {"pays": True, "before": 0.4, "after": 0.3, "items": 240},
        **parts,
    }
    alarm = {"alarm": 3, "channel": "performance", "scope": "recall:fraud", "level": "act", "why": "recall fell"}
    return {"levels": ["act"], "last": last, "alarms": [{**alarm, "opened_at": 1.79e9, "acknowledged": True}]}


def test_shares_that_moved_come_first_with_their_interval() -> None:
    assert share_sentences(SHIFT) == [
        "praise fell from 7.0 % to 2.0 % (1.0 to 3.0)",
        "fraud rose from 2.1 % to 3.8 % (3.1 to 4.6)",
        "other may be unchanged",
        "the share of threat can't be told: it has 3 audit labels, and 20 are needed",
    ]
    assert share_sentences(None) == []


def test_the_terminal_shows_figures_and_shares() -> None:
    told = "\n".join(lines(found()))
    assert "labels: report 7 on model version 12, level act; 640 answered audit items, 240 since" in told
    assert "0.61 (0.48 to 0.73) on 100 fresh answers, 0.84 at the reference, limit 0.70" in told
    assert "window 9: fraud rose from 2.1 % to 3.8 % (3.1 to 4.6)" in told
    assert "probabilities are corrected for the new class shares: log loss 0.300 instead of 0.400" in told


def test_before_the_first_report_the_terminal_says_what_is_needed_and_the_page_nothing() -> None:
    nothing: dict[str, Any] = {"levels": [], "last": None, "alarms": []}
    assert lines(nothing) == ["labels: no report yet; 100 answered audit items and a measured model are needed"]
    assert fresh_labels_section(nothing) == fresh_labels_section(None) == ""


def test_the_page_escapes_names() -> None:
    page = fresh_labels_section(found())
    assert "recall fell (acknowledged)" in page
    assert "&lt;b&gt;fraud" in page
    assert "<b>fraud" not in page
    assert json.dumps(found())
