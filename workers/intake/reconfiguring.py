"""Reconfiguring: a project gets another configuration, with its labels and rule hits, in one transaction."""

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from sqlmodel import Session

from shared import lanes
from shared.database import Database
from shared.descriptions import description_texts
from shared.errors import QuietCornerError
from shared.project import ProjectConfig, Rule
from shared.repository import items, projects, rule_hits, submissions
from shared.repository.drift import find_reference
from shared.repository.history import What, record
from shared.repository.pools import encoder_in_use
from shared.tables import Project
from workers.intake.class_changes import check_answers, updated_config
from workers.intake.rules import Rules

# Texts looked at together.
_AT_ONCE = 5_000


@dataclass(frozen=True)
class Reconfigured:
    """What a change came to.

    Attributes:
        before: The configuration that was.
        after: The one that is.
        labels: Labels that are other ones now.
        hits: By rule that was looked at anew, how many items it hit before and hits now.
        notes: What the change does not reach, in sentences.
    """

    before: ProjectConfig
    after: ProjectConfig
    labels: int
    hits: dict[str, tuple[int, int]]
    notes: tuple[str, ...]


def reconfigure(
    database: Database,
    project_id: int,
    wanted: ProjectConfig,
    moves: Mapping[str, str],
    *,
    renamed: Sequence[str] = (),
    dry_run: bool = False,
    who: str,
) -> Reconfigured:
    """Give a project another configuration.

    Labels of renamed and merged classes are resolved anew from the submissions, which stay as they came; rules that
    changed are looked up in the texts that there are. Rounds and evaluations in progress are given up, since they go by
    what was; the next ones go by what is.

    Args:
        database: The database in force.
        project_id: The project's row number.
        wanted: The new project file.
        moves: Old class -> new class.
        renamed: Those of them that were renamed, and are to join no other class.
        dry_run: Do it all and take it back.
        who: Who asks for it, for the history.

    Raises:
        ConfigError: something that can't change would; nothing is changed then.
        QuietCornerError: the project was changed by somebody else meanwhile.
    """
    with database.read() as session:
        before = projects.stored_config(session, project_id)
        embedded = encoder_in_use(session, project_id) is not None
        after = updated_config(before, wanted, moves, renamed=renamed, embedded=embedded)
        if after == before:
            return Reconfigured(before, after, 0, {}, ())
        # Most texts are searched before the write lock is taken; those that come meanwhile under it. So are answers.
        search = _Search(Rules([rule for rule in _changed(before, after) if rule.hint is None]))
        search.go_on(session, project_id)
        moved, renewal = before.former_classes != after.former_classes, submissions.Renewal(after.former_classes)
        if moved:
            renewal.go_on(session, project_id)
    with database.write() as session:
        items.hold(session, project_id)  # first, as embedding does, which then takes the project's row too
        stored = projects.hold_config(session, project_id)
        if stored != before or embedded != (encoder_in_use(session, project_id) is not None):
            raise QuietCornerError(
                "the project was changed by somebody else at the same time; look at it and try again"
            )
        check_answers(submissions.answered_classes(session, project_id, after.former_classes), after)
        projects.store_config(session, project_id, after)
        _record(session, project_id, before, after, who=who)
        search.go_on(session, project_id)
        hits, notes = _renew_hits(session, project_id, before, after, search)
        notes += _unreached(session, project_id, before, after)
        if moved:
            renewal.go_on(session, project_id)
        labels = renewal.store(session, project_id)
        _wake(session, project_id, before, after)
        if dry_run:
            session.rollback()
    return Reconfigured(before, after, labels, hits, tuple(notes))


def _record(session: Session, project_id: int, before: ProjectConfig, after: ProjectConfig, *, who: str) -> None:
    """Write the sections that differ into the history, as they were and as they are."""
    old, new = (config.model_dump(mode="json", by_alias=True) for config in (before, after))
    changed = {key: {"before": old[key], "after": new[key]} for key in new if old[key] != new[key]}
    name = session.get_one(Project, project_id).name
    record(session, What.PROJECT_UPDATED, project=name, who=who, changed=changed)


class _Search:
    """Looks for rules in the texts of a project, and can go on later with those that came since."""

    def __init__(self, rules: Rules) -> None:
        self._rules, self._through = rules, 0
        self.found: dict[str, dict[int, float]] = defaultdict(dict)

    def go_on(self, session: Session, project_id: int) -> None:
        """Search the texts after the last one that was searched."""
        while self._rules.names and (
            texts := rule_hits.texts_after(session, project_id, after=self._through, count=_AT_ONCE)
        ):
            for item, text in texts:
                for rule in self._rules.hits(text):
                    self.found[rule][item] = 1.0
            self._through = texts[-1][0]


def _changed(before: ProjectConfig, after: ProjectConfig) -> list[Rule]:
    """Rules with hits on record that are new or hit other things than before, whatever class they point to."""
    old = {_meaning(rule) for rule in before.rules}
    return [rule for rule in after.rules if rule.description is None and _meaning(rule) not in old]


def _meaning(rule: Rule) -> str:
    """Name and condition of a rule: equal ones hit the same items."""
    return rule.model_dump_json(exclude={"label"})


def _renew_hits(
    session: Session, project_id: int, before: ProjectConfig, after: ProjectConfig, search: _Search
) -> tuple[dict[str, tuple[int, int]], list[str]]:
    """Replace the hits of rules that changed or are gone; how many there are, and what could not be looked up."""
    counts, renewed, notes = rule_hits.count_hits(session, project_id), dict[str, dict[int, float]](), list[str]()
    for rule in _changed(before, after):
        if rule.hint is None:
            renewed[rule.name] = search.found[rule.name]
            continue
        renewed[rule.name], told = _hinted(session, project_id, rule, before.rules)
        notes += told
    kept = {rule.name for rule in after.rules if rule.description is None} - renewed.keys()
    rule_hits.remove_hits(session, project_id, counts.keys() - kept)
    for name, scores in renewed.items():
        rule_hits.add_hits(session, project_id, name, scores)
    gone = {name: (count, 0) for name, count in counts.items() if name not in kept and name not in renewed}
    return gone | {name: (counts.get(name, 0), len(scores)) for name, scores in renewed.items()}, notes


def _hinted(session: Session, project_id: int, rule: Rule, old: Iterable[Rule]) -> tuple[dict[int, float], list[str]]:
    """What a rule with a hint hits, as far as an earlier rule on the same column kept the values."""
    least = rule.at_least or 0.0
    sources = sorted(
        (other.at_least or 0.0, other.name) for other in old if other.hint is not None and other.hint == rule.hint
    )
    scores: dict[int, float] = {}
    for _, name in sources:
        scores |= {
            item: score for item, score in rule_hits.hit_scores(session, project_id, name).items() if score >= least
        }
    if sources and sources[0][0] <= least:
        return scores, []
    kept = f"only values of {sources[0][0]:g} and more were kept" if sources else "no values of it were kept"
    return scores, [
        f"rule {rule.name!r} reads the column {rule.hint!r}, of which {kept} when the items came: below that it hits "
        "items that come from now on"
    ]


def _unreached(session: Session, project_id: int, before: ProjectConfig, after: ProjectConfig) -> list[str]:
    notes = []
    if before.near_duplicate_cosine != after.near_duplicate_cosine:
        notes.append("near_duplicate_cosine holds for texts that come from now on: groups that there are stay")
    if before.drift.reference_items != after.drift.reference_items and find_reference(session, project_id):
        notes.append("drift.reference_items is without effect: the reference was fitted already")
    return notes


def _wake(session: Session, project_id: int, before: ProjectConfig, after: ProjectConfig) -> None:
    """Give up what goes by the old configuration, and ask for what the new one calls for."""
    for room in (lanes.ROUND, lanes.EVALUATE):
        lanes.interrupt(session, project_id, room)
    lanes.request(session, project_id, lanes.ROUND)
    described = description_texts(before.rules) != description_texts(after.rules)
    if before.encoder != after.encoder:
        lanes.interrupt(session, project_id, lanes.EMBED)
        lanes.release_quarantine(session, project_id)  # where one that nobody can load was tried
        described = True
    if described or before.training.lexical != after.training.lexical:
        lanes.request(session, project_id, lanes.EMBED)
