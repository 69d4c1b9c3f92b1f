"""Selection tasks: the round."""

import math
import time
from collections.abc import Mapping, Sequence
from contextlib import ExitStack
from dataclasses import asdict, dataclass, replace
from functools import partial
from typing import Any

import numpy as np
import structlog
from sqlmodel import Session

from shared import lanes
from shared.arrays import load_arrays
from shared.campaigns import Running
from shared.database import now
from shared.events import Event, emit
from shared.lanes import Claim
from shared.pool import Index, Pool
from shared.project import ProjectConfig
from shared.repository import campaigns, embedding, items, pools, rounds
from shared.repository.audit import load_scorers, store_bands, store_scorers
from shared.repository.lexical import KEY as LEXICON
from shared.repository.lexical import lexical_space_of
from shared.repository.projects import stored_config
from shared.repository.rounds import LastRound
from shared.tables import Batch
from shared.vectors import first_vectors, name_of_first
from workers import right_of_way
from workers.app import app
from workers.context import Context, context
from workers.hints import call_helpers
from workers.selection import scoring
from workers.selection.campaigns import Served, most_places, serve
from workers.selection.nearness import Nearness
from workers.selection.round import RELABEL, Choice, RoundPlan, Score, Selected, round_seed, select
from workers.selection.stability import COMPARED
from workers.selection.triggers import Filling, Situation, due, may_rest, too_early
from workers.sharing import Board, Helper, take_seat
from workers.training import bands, classifier, model_storage, prior_shift
from workers.training.classifier import LinearModel
from workers.training.provenance import provenance
from workers.training.splits import assign_folds
from workers.training.tuning import train

_log = structlog.get_logger(__name__)

_STEPS = "load_s", "train_s", "select_s", "store_s"


@app.task(name="selection.run_round")
def run_round(*, project_id: int) -> None:
    """Train, score and select, if the project's trigger says that a round is due.

    What the sweep finds waiting comes here, and is claimed: so it counts if it kills its worker each time.
    """
    conduct_round(context(), project_id, asked=False)


@app.task(name="selection.consider_round")
def consider_round(*, project_id: int) -> None:
    """`run_round`, for events: while answers come fast they call for one many times a second, and mostly in vain."""
    held = context()
    if _is_due(held, project_id):
        conduct_round(held, project_id, asked=False)


def _is_due(held: Context, project_id: int) -> bool:
    """Whether the trigger calls for a round; where it doesn't, that answers the requests, without a claim."""
    with held.database.read() as session:
        requested = lanes.asked_for(session, project_id, lanes.ROUND)
        if requested is None:
            return False
        # After the requests, of which one may ask for a round by what the project's file says now.
        config = stored_config(session, project_id)
        if due(config, _read(held, session, project_id, asked=False).situation):
            return True
    with held.database.write() as session:
        lanes.answer(session, project_id, lanes.ROUND, requested=requested)
    return False


def conduct_round(held: Context, project_id: int, *, asked: bool) -> bool:
    """Run a round under the project's lane.

    Args:
        held: The process's connections.
        project_id: The project.
        asked: Whether a person asked for a batch, whatever the trigger says.

    Returns:
        Whether a batch was stored.
    """
    with held.lane(project_id, lanes.ROUND) as claimed, ExitStack() as ahead:
        if claimed is None:
            return False
        _, config = held.project(project_id)
        marks = [time.perf_counter()]
        with held.database.read() as session:
            known = _read(held, session, project_id, asked=asked)
            why = due(config, known.situation)
            early = bool(why) and _is_too_early(session, project_id, config, known.situation)
            pool, seen = None, known.seen
            if why and not early:
                ahead.enter_context(right_of_way.first(held.settings.folder))
                pool = held.pool(session, project_id, config)
            if pool:
                seen = held.submissions.recount(session, project_id)
                encoder = pools.encoder_in_use(session, project_id)
                stored = rounds.newest_models(session, project_id, encoder=encoder or "", count=COMPARED)
                scorers = [bands.load(blob) for blob in load_scorers(session, project_id, encoder=encoder or "")]
        if not pool or (not len(pool.eligible) and may_rest(config, known.situation)):
            _rest(held, claimed, ask_again=bool(why) and (early or known.situation.new_labels > 0))
            return False
        served = serve(known.running, pool, most=most_places(config.selection.batch_size, config.drift.campaign_share))
        earlier = [model_storage.load(blob) for blob in stored]
        plan = replace(_plan(config, known.last, served, encoder or ""), scorers=scorers, earlier=earlier)
        recorded, pool = pool.folds, replace(pool, folds=assign_folds(pool, seed=config.seed))
        marks.append(time.perf_counter())
        model = train(pool, config, previous=earlier[-1] if earlier else None)
        model, carried = prior_shift.carried(model, load_arrays(stored[-1])[1] if stored else {})
        marks.append(time.perf_counter())
        nearness = held.pools.beside(project_id).setdefault("nearness", Nearness())
        score = _scoring(held, claimed, pool, plan.encoder)
        selected = select(pool, model, config, plan, nearness=nearness, score=score)
        marks.append(time.perf_counter())
        took = np.diff(marks).tolist()
        folds = _changed(pool, recorded)
        header = {**provenance(pool, config, encoder=plan.encoder), **carried}
        chosen = _store(
            held, claimed, config, plan, model, selected, served, header=header, folds=folds, seen=seen, times=took[1:]
        )
        took.append(time.perf_counter() - marks[-1])
        durations = {name: round(time_s, 3) for name, time_s in zip(_STEPS, took, strict=True)}
        _log.info("round.done", round=plan.number, why=why, chosen=chosen, **durations)
        return True


@app.task(name="selection.score_part")
def score_part(
    *, project_id: int, token: int, encoder: str, count: int, vectors: str, words: tuple[int, str] | None = None
) -> None:
    """Help the worker that runs a project's round: score the next part of its pool that is open, if one is.

    Args:
        project_id: The project.
        token: Of the holder of its lane.
        encoder: Key of the encoder whose vectors the round uses.
        count: How many of these its pool has.
        vectors: Their name, see `shared.vectors.name_of_first`.
        words: How many lexical features its pool has, and their name; None where it has none.
    """
    held = context()
    seat = {"project_id": project_id, "token": token, "encoder": encoder}
    seat |= {"count": count, "vectors": vectors, "words": words}
    parts = {(pools.space_of(project_id), encoder): (count, vectors)}
    if words is not None:
        parts[lexical_space_of(project_id), LEXICON] = (words[0], words[1])
    with held.database.read() as session:
        holding = lanes.claim_of_another(session, project_id=project_id, room=lanes.ROUND, token=token)
    if holding is None:
        return
    take_seat(
        Board.of(held.settings, holding),
        prepare=lambda: _scorer(held, parts),
        pass_on=lambda: call_helpers(score_part.name, 1, seat),
    )


def _scorer(held: Context, parts: Mapping[tuple[str, str], tuple[int, str]]) -> Helper | None:
    """What scores a part as the holder does; None without what the holder has.

    Args:
        held: This worker's connections.
        parts: By space and encoder, how many vectors of it the holder has, and their name: those of the texts, and
            perhaps their lexical features.
    """
    found = []
    with held.database.read() as session:
        for (space, encoder), (count, name) in parts.items():
            there = first_vectors(session, space=space, encoder=encoder, folder=held.vector_folder, count=count)
            if there is None or there[1] != name:
                _log.warning("part.of_other_vectors", space=space, encoder=encoder, vectors=count)
                return None
            found.append(there[0])
    return lambda asked: scoring.answer(asked, *found)


def _scoring(held: Context, claimed: Claim, pool: Pool, encoder: str) -> Score:
    """What scores the pool: this worker alone, or beside it those that are free where the pool is large."""
    if len(pool) < held.settings.shared_items:
        return classifier.probabilities
    project_id, count, words = claimed.project_id, len(pool.matrix), None
    with held.database.read() as session:
        name = name_of_first(session, space=pools.space_of(project_id), encoder=encoder, count=count)
        if pool.lexical is not None:
            of_words, space = len(pool.lexical.matrix), lexical_space_of(project_id)
            words = of_words, name_of_first(session, space=space, encoder=LEXICON, count=of_words)
    seat = {"project_id": project_id, "token": claimed.token, "encoder": encoder}
    seat |= {"count": count, "vectors": name, "words": words}
    return partial(scoring.shared, held.settings, claimed, lambda seats: call_helpers(score_part.name, seats, seat))


def _plan(config: ProjectConfig, last: LastRound, served: Served, encoder: str) -> RoundPlan:
    known = last.audit or {}
    return RoundPlan(
        number=last.number + 1,
        places=config.selection.batch_size + served.places,
        encoder=encoder,
        model=last.model + 1,
        audit={**known, **{name: max(value, known.get(name, 0.0)) for name, value in served.audit.items()}},
        drift=served.items["drift"],
        relabel=served.items["relabel"],
        drawn=served.items["audit"],
    )


@dataclass(frozen=True)
class _Known:
    """What tells whether a round is due: the last one, the open campaigns, and how many submissions there are."""

    last: LastRound
    running: Sequence[Running]
    seen: int
    situation: Situation


def _read(held: Context, session: Session, project_id: int, *, asked: bool) -> _Known:
    last, running = rounds.last_round(session, project_id), campaigns.running(session, project_id)
    seen = held.submissions.count(session, project_id)
    situation = Situation(
        waiting=rounds.count_open(session, project_id),
        new_labels=seen - last.submissions_seen,
        since_last_s=math.inf if last.selected_at is None else now(session) - last.selected_at,
        campaign=any(one.new for one in running),
        asked=asked,
    )
    return _Known(last, running, seen, situation)


def _is_too_early(session: Session, project_id: int, config: ProjectConfig, situation: Situation) -> bool:
    """Whether a round had better wait for embedding; what there is is counted only while that goes on."""
    if not lanes.has_work(session, project_id, lanes.EMBED):
        return False
    embedded, all_items = embedding.embedded_share(session, project_id)
    return too_early(config, situation, Filling(all_items, embedded, rounds.count_chosen(session, project_id)))


def _rest(held: Context, claimed: Claim, *, ask_again: bool) -> None:
    """No round now: the requests seen so far are answered, or stand for one more, which the sweep brings back."""
    with held.database.write() as session:
        lanes.complete(session, claimed)
        if ask_again:
            lanes.request(session, claimed.project_id, lanes.ROUND)


def _changed(pool: Pool, recorded: Index) -> dict[int, int]:
    """Row number -> fold of the items whose fold was decided just now."""
    changed = np.flatnonzero(pool.folds != recorded)
    return dict(zip(pool.ids[changed].tolist(), pool.folds[changed].tolist(), strict=True))


def _store_bands(session: Session, project_id: int, plan: RoundPlan, selected: Selected) -> None:
    """Write what divides the pool into bands, if that is new, and the bands that are."""
    banded = selected.banded
    if banded is None or not banded.changed.any():
        return
    if banded.fresh:
        scorers = [(banded.fresh.phase, bands.dump(banded.fresh))]
        store_scorers(session, project_id, encoder=plan.encoder, scorers=scorers)
    ids, codes = banded.pool.ids[banded.changed], banded.pool.bands[banded.changed]
    store_bands(session, project_id, ids=ids, codes=codes, instead=banded.fresh is not None)


def _still_wanted(session: Session, choices: Sequence[Choice]) -> tuple[list[Choice], list[str]]:
    """The choices less those that were labeled while the round computed, as by a file; and what to tell of these."""
    labeled = rounds.labeled_among(session, [choice.id for choice in choices if choice.reason.channel != RELABEL])
    kept = [choice for choice in choices if choice.id not in labeled]
    return kept, [f"{len(labeled)} item(s) were labeled while the batch was chosen"] if labeled else []


def _store(
    held: Context,
    claimed: Claim,
    config: ProjectConfig,
    plan: RoundPlan,
    model: LinearModel | None,
    selected: Selected,
    served: Served,
    *,
    header: dict[str, Any],
    folds: Mapping[int, int],
    seen: int,
    times: Sequence[float],
) -> int:
    """Write folds, model, batch, assignments and events in one fenced transaction; how many items were queued."""
    project_id, labels = claimed.project_id, header["labels"]
    with held.database.write() as session:
        if folds:
            items.hold(session, project_id)  # before this round's own lane: embedding takes them in this order
        lanes.complete(session, claimed)
        choices, overtaken = _still_wanted(session, selected.choices)
        rounds.store_folds(session, project_id, folds)
        _store_bands(session, project_id, plan, selected)
        stored = model and rounds.store_model(
            session,
            project_id=project_id,
            version=plan.model,
            encoder=plan.encoder,
            labels=labels,
            arrays=model_storage.dump(model, header=header),
        )
        batch = Batch(
            project_id=project_id,
            round=plan.number,
            model=stored.id if stored else None,
            seed=round_seed(config.seed, plan.number),
            submissions_seen=seen,
            wanted=plan.places,
            chosen=len(choices),
            shortfalls=[*selected.shortfalls, *overtaken],
            audit=selected.audit,
            division=selected.division,
            done=list(selected.done),
            stopping={name: asdict(found) for name, found in selected.stopping.items()},
            train_s=times[0],
            select_s=times[1],
            selected_at=now(session),
        )
        session.add(batch)
        session.flush()
        rounds.store_assignments(session, batch, [(c.id, c.reason) for c in choices])
        chosen = {choice.id for choice in choices}
        campaigns.link_batch(session, [one for one, asked in served.campaigns.items() if asked & chosen], batch.id)
        lanes.request(session, project_id, lanes.CAMPAIGN)
        lanes.request(session, project_id, lanes.DISPATCH)
        emit(session, Event.BATCH_SELECTED, project_id=project_id, round=plan.number, chosen=batch.chosen)
        if stored:
            lanes.request(session, project_id, lanes.EVALUATE)
            emit(session, Event.MODEL_TRAINED, project_id=project_id, version=plan.model, labels=labels)
    return len(choices)
