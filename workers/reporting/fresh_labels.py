"""What the watch over labels says: the model on fresh labels, class shares of what came in, whose labels moved."""

from collections.abc import Iterator, Mapping
from typing import Any

from sqlmodel import Session

from shared.alarm_channels import LABELS, PERFORMANCE
from shared.repository.alarms import live_alarms
from shared.repository.fresh_labels import last_look, latest_levels
from workers.reporting.markup import Cell, Column, bullets, paragraph, section, table
from workers.reporting.plain import clock, one_line
from workers.reporting.sentences import counted, listed, share

CHANNELS = (PERFORMANCE, LABELS)
_NAME_SHOWN = 40
_FIGURES = {
    "error": "wrong decisions",
    "calibration": "calibration error",
    "recall": "recall",
    "precision": "precision",
}
_CLASSES_SHOWN, _ROWS_SHOWN = 10, 20

Summary = Mapping[str, Any]


def summary(session: Session, project_id: int) -> dict[str, Any]:
    """How the watch over labels stands, JSON-ready.

    `levels` are those of the newest reports, the oldest first. `last` is the newest report, None before the first: its
    `number`, the `model` version, `level`, `made_at`, and the findings as `workers.drift.label_watch.Look.findings`
    gives them, with the sentences on class shares as `shares`. `alarms` are those that are not over.
    """
    last = last_look(session, project_id)
    return {
        "levels": latest_levels(session, project_id, count=_ROWS_SHOWN),
        "last": last
        and {
            "number": last.number,
            "model": last.model,
            "level": last.level,
            "made_at": last.made_at,
            **last.findings,
            "shares": share_sentences(last.findings.get("shift")),
        },
        "alarms": [
            {
                "alarm": alarm.id,
                "channel": alarm.channel,
                "scope": alarm.scope,
                "level": alarm.level,
                "why": alarm.why,
                "opened_at": alarm.opened_at,
                "acknowledged": alarm.acknowledged_at is not None,
            }
            for alarm in live_alarms(session, project_id, channels=CHANNELS)
        ],
    }


def lines(found: Summary) -> list[str]:
    """What a terminal shows of `summary` beside the alarms, which are listed with those of the windows."""
    return list(_lines(found))


def share_sentences(shift: Mapping[str, Any] | None) -> list[str]:
    """One sentence for each class whose share moved, then which may be unchanged and which can't be told."""
    if shift is None:
        return []
    shares: dict[str, Any] = shift["shares"]
    moved = sorted(
        (name for name in shares if shares[name]["moved"]), key=lambda name: -abs(shares[name]["change"]["value"])
    )
    told = [_moved(name, shares[name]) for name in moved]
    if unchanged := [_short(name) for name in shares if not shares[name]["moved"]]:
        told.append(f"{listed(unchanged)} may be unchanged")
    if shift["suppressed"]:
        told += _suppressed(shift["suppressed"])
    return told


def fresh_labels_section(found: Summary | None) -> str:
    """The part of the report page; empty before the first report."""
    last = found and found["last"]
    if not found or not last:
        return ""
    columns = [Column("figure"), Column("class"), Column("at the reference", number=True), Column("limit", number=True)]
    columns += [Column("now (95 %)", number=True), Column("answers", number=True), Column("")]
    rows: list[list[Cell]] = [list(_row(one)) for one in last["performance"][:_ROWS_SHOWN]]
    told = [*_alarms(found), *(f"Window {last['window']}: {line}." for line in last["shares"])]
    soft = (
        f"Report {last['number']} on model version {last['model']}, {clock(last['made_at'])} UTC: "
        f"{counted(last['answers'], 'answered audit item')}, {last['fresh']:,} of them since the levels were set. An "
        "alarm needs evidence that a figure is worse than its limit; in four years chance alone may raise one."
    )
    return section("Fresh labels", bullets(told) if told else "", table(columns, rows), paragraph(soft, kind="soft"))


def _lines(found: Summary) -> Iterator[str]:
    last = found["last"]
    if last is None:
        yield "labels: no report yet; 100 answered audit items and a measured model are needed"
        return
    yield (
        f"labels: report {last['number']} on model version {last['model']}, level {last['level']}; "
        f"{counted(last['answers'], 'answered audit item')}, {last['fresh']:,} since the levels were set"
    )
    for one in last["performance"]:
        if one["alarm"] or one["class"] is None:
            yield f"  {' '.join(part for part in _row(one)[:2] if part)}: {_was_and_is(one)}"
    for line in last["shares"]:
        yield f"  window {last['window']}: {line}"
    yield from (f"  {line}" for line in _correction(last["correction"]))


def _alarms(found: Summary) -> list[str]:
    return [
        f"Alarm {alarm['alarm']} since {clock(alarm['opened_at'])} UTC: {alarm['why']}"
        + (" (acknowledged)" if alarm["acknowledged"] else "")
        for alarm in found["alarms"]
    ]


def _was_and_is(one: Mapping[str, Any]) -> str:
    if one["now"] is None:
        return f"{one['reference']:.2f} at the reference, no fresh answer yet"
    now = one["now"]
    return (
        f"{now['value']:.2f} ({now['low']:.2f} to {now['high']:.2f}) on {counted(one['items'], 'fresh answer')}, "
        f"{one['reference']:.2f} at the reference, limit {one['limit']:.2f}"
    )


def _row(one: Mapping[str, Any]) -> list[str]:
    now = one["now"]
    return [
        _FIGURES[one["kind"]],
        _short(one["class"] or ""),
        f"{one['reference']:.2f}",
        f"{one['limit']:.2f}",
        "" if now is None else f"{now['value']:.2f} ({now['low']:.2f} to {now['high']:.2f})",
        f"{one['items']:,}",
        "alarm" if one["alarm"] else "",
    ]


def _moved(name: str, found: Mapping[str, Any]) -> str:
    before, after = found["before"], found["after"]
    way = "rose" if after["value"] > before["value"] else "fell"
    ends = f"({_bare(after['low'])} to {_bare(after['high'])})"
    return f"{_short(name)} {way} from {share(before['value'])} to {share(after['value'])} {ends}"


def _suppressed(why: Mapping[str, str]) -> Iterator[str]:
    by_reason: dict[str, list[str]] = {}
    for name, reason in why.items():
        by_reason.setdefault(reason, []).append(_short(name))
    for reason, names in list(by_reason.items())[:_CLASSES_SHOWN]:
        yield f"the share of {listed(names)} can't be told: {reason}"


def _correction(found: Mapping[str, Any] | None) -> Iterator[str]:
    if found and found["pays"]:
        yield (
            f"probabilities are corrected for the new class shares: log loss {found['after']:.3f} instead of "
            f"{found['before']:.3f} on {counted(found['items'], 'fresh answer')}"
        )


def _bare(value: float) -> str:
    """A share in percent without the sign."""
    return share(value).removesuffix(" %")


def _short(name: str) -> str:
    return one_line(name, longest=_NAME_SHOWN)
