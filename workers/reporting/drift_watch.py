"""How the drift watch stands: reference, alarms, windows; as plain values, and as lines for a person."""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from sqlmodel import Session

from shared.drift_tables import DriftAlarm, DriftReference, DriftReport
from shared.project import ProjectConfig
from shared.repository.alarms import all_alarms
from shared.repository.drift import find_reference, latest_reports
from workers.reporting import fresh_labels
from workers.reporting.plain import clock, one_line
from workers.reporting.sentences import counted, share, window_findings

_WINDOWS_SHOWN, _ENDED_SHOWN = 10, 5
_BAR = 40
_WHY_SHOWN = 300
_GATHERED = "  with the windows before it"

Facts = Mapping[str, Any]


def read_watch(session: Session, project_id: int, name: str, config: ProjectConfig) -> dict[str, Any]:
    """How the watch stands, JSON-ready.

    `reference` is the one in force, None before the first. `alarms` holds all that are live and the last that are over,
    the newest first; `windows` the last ten, the oldest first. `labels` is as `workers.reporting.fresh_labels.summary`
    gives it. Times are seconds since 1970.
    """
    reference = find_reference(session, project_id)
    alarms = all_alarms(session, project_id)
    live = [alarm for alarm in alarms if alarm.closed_at is None]
    ended = [alarm for alarm in alarms if alarm.closed_at is not None][-_ENDED_SHOWN:]
    windows = latest_reports(session, project_id, count=_WINDOWS_SHOWN)
    return {
        "project": name,
        "mode": config.drift.mode,
        "false_alarms_per_1000_windows": config.drift.false_alarms_per_1000_windows,
        "window": {"items": config.drift.window_items, "hours": config.drift.window_hours},
        "reference": reference and reference_facts(reference),
        "alarms": [alarm_facts(alarm) for alarm in [*live[::-1], *ended[::-1]]],
        "windows": [window_facts(report) for report in windows],
        "labels": fresh_labels.summary(session, project_id),
    }


def reference_facts(reference: DriftReference) -> dict[str, Any]:
    """A version of the reference."""
    return {
        "version": reference.version,
        "encoder": reference.encoder,
        "why": reference.why,
        "fitted_at": reference.fitted_at,
    }


def alarm_facts(alarm: DriftAlarm) -> dict[str, Any]:
    """An alarm."""
    return {
        "id": alarm.id,
        "channel": alarm.channel,
        "scope": alarm.scope,
        "level": alarm.level,
        "share": alarm.share,
        "why": alarm.why,
        "opened_at": alarm.opened_at,
        "over_at": alarm.closed_at,
        "over_since": alarm.end_reason,
        "acknowledged_at": alarm.acknowledged_at,
        "acknowledged_why": alarm.acknowledged_why,
        **alarm.details,
    }


def window_facts(report: DriftReport) -> dict[str, Any]:
    """A window with its findings."""
    return {
        "window": report.window,
        "reference": report.reference,
        "items": report.items,
        "level": report.level,
        "since": report.since,
        "until": None if report.since is None else report.until,
        "made_at": report.made_at,
        "findings": report.findings,
    }


def lines(facts: Facts) -> Iterator[str]:
    """`read_watch` in words."""
    name, reference = facts["project"], facts["reference"]
    if facts["mode"] == "off":
        yield f"{name}: the watch is off; set mode in [drift] of the project file."
    if reference is None:
        yield f"{name}: no reference yet; it is fitted once the first texts are all embedded and enough of them."
        return
    budget = facts["false_alarms_per_1000_windows"]
    yield (
        f"{name}: beside reference {reference['version']} of {clock(reference['fitted_at'])} UTC ({reference['why']}); "
        f"at most {budget:g} false alarm{'' if budget == 1 else 's'} in 1,000 windows."
    )
    yield from _alarm_lines(facts["alarms"], name)
    if facts["windows"]:
        yield "windows, and the share of each that drift affects:"
        yield from bars([_bar(one) for one in facts["windows"]])
    else:
        yield "no window of new items has been looked at yet."
    yield from fresh_labels.lines(facts["labels"])


def window_lines(name: str, facts: Facts, texts: Mapping[int, str]) -> Iterator[str]:
    """One window in words; `texts` of its most typical items, by row number."""
    findings = facts["findings"]
    when = "" if facts["since"] is None else f", {clock(facts['since'])} to {clock(facts['until'])} UTC"
    yield f"{name}, window {facts['window']} ({counted(facts['items'], 'item')}{when}): {facts['level']}"
    yield from window_findings(findings)
    if facts["since"] is not None:
        yield from _odd_items(findings)
    yield "what was compared with the reference:"
    width = max((len(test) for test in findings.get("tests", {})), default=0)
    for test, found in findings.get("tests", {}).items():
        said = f"alarm, {share(found['share'])} affected" if found["alarm"] else "nothing beyond chance"
        yield f"  {test:<{width}}  p {found['p']:<8.2g}  {said}"
    for cell in findings.get("cells", []):
        yield f"  cell {cell['cell']}: {cell['seen']} items where {cell['expected']:.1f} were expected; like these:"
        yield from (f"    {one_line(texts.get(item, ''), longest=160)}" for item in cell["typical"][:3])
    predicted = findings.get("predicted")
    if predicted:
        counts = ", ".join(f"{label} {count:,}" for label, count in predicted["counts"].items())
        yield f"decided by model version {predicted['model']}: {one_line(counts, longest=_WHY_SHOWN)}"


def bars(windows: Sequence[tuple[int, str, float, bool]]) -> Iterator[str]:
    """A bar for each window: (number, level, affected share, whether the level is of the windows before it as well)."""
    longest = max(0.1, *(affected for _, _, affected, _ in windows))
    width = max(len(str(number)) for number, *_ in windows)
    for number, level, affected, gathered in windows:
        bar = "█" * round(_BAR * affected / longest) or "·"
        yield f"  {number:>{width}}  {level:<5}  {share(affected):>6}  {bar}" + _GATHERED * gathered


def _bar(window: Facts) -> tuple[int, str, float, bool]:
    findings = window["findings"]
    return window["window"], window["level"], findings.get("share", 0.0), bool(findings.get("gathered"))


def _alarm_lines(alarms: Sequence[Facts], name: str) -> Iterator[str]:
    live = [alarm for alarm in alarms if alarm["over_at"] is None]
    yield "no alarm is live." if not live else f"{counted(len(live), 'live alarm')}:"
    for alarm in live:
        seen = "" if alarm["acknowledged_at"] is None else ", acknowledged"
        yield f"  {alarm['id']}  {alarm['level']}{seen}  {clock(alarm['opened_at'])}  {_why(alarm)}"
    if any(alarm["acknowledged_at"] is None for alarm in live):
        yield f"  seen and settled? `quietcorner drift acknowledge {name} ID`"
    ended = [alarm for alarm in alarms if alarm["over_at"] is not None]
    if ended:
        yield "the last that are over:"
        yield from (f"  {alarm['id']}  {_why(alarm)}; {alarm['over_since']}" for alarm in ended)


def _why(alarm: Facts) -> str:
    return one_line(f"{alarm['channel']}: {alarm['why']}", longest=_WHY_SHOWN)


def _odd_items(findings: Facts) -> Iterator[str]:
    if findings.get("late"):
        yield f"{counted(findings['late'], 'item')} came late, of an earlier window's time."
    if findings.get("undated"):
        yield f"{counted(findings['undated'], 'item')} had no timestamp and counted when they arrived."
