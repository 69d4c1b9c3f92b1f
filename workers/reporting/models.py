"""Model versions: what is stored of each, and what changed from one to another."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from sqlalchemy import select
from sqlmodel import Session, col

from shared.arrays import load_arrays
from shared.errors import InvalidInputError
from shared.pool import Pool
from shared.tables import Item, Model
from workers.reporting.changes import changes
from workers.training import model_storage
from workers.training.classifier import LinearModel
from workers.training.comparison import Comparison, compare

_EXAMPLES = 10
# Of a class: metric -> where its interval's ends stand, if it has them.
_CLASS_METRICS = ("pr_auc", "recall", "precision")


@dataclass(frozen=True)
class Version:
    """A stored model version.

    Attributes:
        number: From 1.
        trained_at: Seconds since 1970.
        encoder: Key of the encoder of its vectors.
        labels: Labeled items that it was trained on.
        model: The classifier.
        header: What its arrays say of how it came about; see `workers.training.provenance`. Versions from before that
            was kept say less.
        metrics: See `workers.training.evaluation`; None before it was measured.
    """

    number: int
    trained_at: float
    encoder: str
    labels: int
    model: LinearModel
    header: dict[str, Any]
    metrics: dict[str, Any] | None

    @property
    def lexical(self) -> bool:
        """Whether the model looks at lexical features beside the vectors."""
        return bool(self.header.get("lexical"))


def all_versions(session: Session, project_id: int) -> list[dict[str, Any]]:
    """One row a version, the newest first: version, trained_at, encoder, labels, macro_f1 (interval or None)."""
    statement = (
        select(col(Model.version), col(Model.trained_at), col(Model.encoder), col(Model.labels), col(Model.metrics))
        .where(col(Model.project_id) == project_id)
        .order_by(col(Model.version).desc())
    )
    return [
        {
            "version": version,
            "trained_at": trained_at,
            "encoder": encoder,
            "labels": labels,
            "macro_f1": (metrics or {}).get("macro_f1"),
        }
        for version, trained_at, encoder, labels, metrics in session.connection().execute(statement)
    ]


def read_version(session: Session, project_id: int, name: str, number: int | None = None) -> Version:
    """A version, the newest if no number is given.

    Raises:
        InvalidInputError: there is no model yet, or none of that number; says which there are.
    """
    statement = select(Model).where(col(Model.project_id) == project_id).order_by(col(Model.version).desc()).limit(1)
    if number is not None:
        statement = statement.where(col(Model.version) == number)
    found = session.execute(statement).scalars().first()
    if found is None:
        raise InvalidInputError(_missing(session, project_id, name, number))
    return Version(
        number=found.version,
        trained_at=found.trained_at,
        encoder=found.encoder,
        labels=found.labels,
        model=model_storage.load(found.arrays),
        header=load_arrays(found.arrays)[1],
        metrics=found.metrics,
    )


def describe_version(version: Version) -> dict[str, Any]:
    """Everything that is known of a version, JSON-ready; `classes` in the order of the project file."""
    model, header, metrics = version.model, version.header, version.metrics or {}
    return {
        "version": version.number,
        "trained_at": version.trained_at,
        "encoder": version.encoder,
        "dimension": model.weights.shape[1],
        "lexical": version.lexical,
        "labels": version.labels,
        "exclusive": model.exclusive,
        "strength": model.tuning.strength,
        "taught": model.tuning.recipe.taught,
        "tuned_on": model.tuning.labels,
        "seed": header.get("seed"),
        "data": header.get("data"),
        "folds": header.get("folds"),
        "augmented": header.get("augmented"),
        "options": header.get("options"),
        "prior_shift": header.get("prior_shift"),
        "measured_on": metrics.get("n"),
        "macro_f1": metrics.get("macro_f1"),
        "macro_pr_auc": metrics.get("macro_pr_auc"),
        "accuracy": metrics.get("accuracy"),
        "cost": metrics.get("cost"),
        "classes": [_class(version, place, name) for place, name in enumerate(model.classes)],
    }


def describe_difference(before: Version, after: Version, compared: Comparison | None) -> dict[str, Any]:
    """What changed from one version to another, JSON-ready.

    Args:
        before: One version.
        after: Another.
        compared: Their decisions about the pool; None where they can't be compared, since the vectors are of others.
    """
    old, new = before.header.get("label_counts"), after.header.get("label_counts")
    classes = tuple(dict.fromkeys((*after.model.classes, *before.model.classes)))
    return {
        "from": before.number,
        "to": after.number,
        "options": [change._asdict() for change in changes(_made_by(before), _made_by(after))],
        "same_data": _equal(before.header.get("data"), after.header.get("data")),
        "same_folds": _equal(before.header.get("folds"), after.header.get("folds")),
        "labels": {"from": before.labels, "to": after.labels},
        "labels_added": {name: new.get(name, 0) - old.get(name, 0) for name in classes} if old and new else None,
        "metrics": list(_metrics(before.metrics or {}, after.metrics or {}, classes)),
        "too_few": [name for name in classes if any(_too_few(version, name) for version in (before, after))],
        "decisions": compared
        and {
            "items": compared.items,
            "differing": compared.differing,
            "by_class": {
                name: {"lost": compared.lost[name], "gained": compared.gained[name]}
                for name in classes
                if compared.lost[name] or compared.gained[name]
            },
        },
    }


def compare_on_pool(session: Session, before: Version, after: Version, pool: Pool) -> tuple[Comparison, list[Any]]:
    """Decisions of two versions about every item of the pool, and up to 10 items on which they differ, with texts."""
    compared = compare(before.model, after.model, pool.features, pool.rows, examples=_EXAMPLES)
    ids = [int(pool.ids[found.position]) for found in compared.examples]
    texts = dict(session.connection().execute(select(col(Item.id), col(Item.text)).where(col(Item.id).in_(ids))).all())
    return compared, [
        {
            "item_id": pool.item_ids[found.position],
            "text": texts[number],
            "from": list(found.before),
            "to": list(found.after),
            "moved": round(found.moved, 6),
        }
        for number, found in zip(ids, compared.examples, strict=True)
    ]


def _missing(session: Session, project_id: int, name: str, number: int | None) -> str:
    there = sorted(row["version"] for row in all_versions(session, project_id))
    if there:
        return f"{name} has no model version {number}; its versions are {there[0]} to {there[-1]}"
    return (
        f"{name} has no model yet; the first one is trained by the round after the first labels of two classes: "
        f"`quietcorner status {name}` shows how far it is"
    )


def _class(version: Version, place: int, name: str) -> dict[str, Any]:
    model, metrics = version.model, ((version.metrics or {}).get("per_class") or {}).get(name) or {}
    tuning = model.tuning
    return {
        "name": name,
        "labels": (version.header.get("label_counts") or {}).get(name),
        "learned": bool(model.learned[place]),
        "offset": float(model.offsets[place]),
        "threshold": _threshold(model, place),
        "slope": float(tuning.calibration.slope[place]),
        "shift": float(tuning.calibration.shift[place]),
        "trust": float(tuning.trust[place]),
        **{metric: _interval(metrics, metric) for metric in _CLASS_METRICS},
        "support": metrics.get("support"),
        "too_few": _too_few(version, name),
        "goal": ((version.metrics or {}).get("goals") or {}).get(name),
    }


def _too_few(version: Version, name: str) -> bool:
    """Whether the figures of a class rest on too few audit items to be shown."""
    return name in ((version.metrics or {}).get("too_few") or ())


def _threshold(model: LinearModel, place: int) -> float | None:
    """The probability from which on a class is decided for, where that does not depend on other classes."""
    from scipy.special import expit

    return None if model.exclusive else float(expit(-float(model.offsets[place])))


def _interval(metrics: Mapping[str, Any], name: str) -> dict[str, float | None] | None:
    """A figure with its interval; both ends None where only the figure is known."""
    value = metrics.get(name)
    if value is None:
        return None
    return {"value": value, "low": metrics.get(f"{name}_low"), "high": metrics.get(f"{name}_high")}


def _made_by(version: Version) -> dict[str, Any]:
    return {
        "encoder": version.encoder,
        "classes": list(version.model.classes),
        "seed": version.header.get("seed"),
        "strength": version.model.tuning.strength,
        "taught": version.model.tuning.recipe.taught,
        "tuned_on": version.model.tuning.labels,
        "augmented": version.header.get("augmented"),
        "options": version.header.get("options") or {},
    }


def _equal(one: Any, other: Any) -> bool | None:
    """Whether two things are the same; None where one is not known."""
    return None if one is None or other is None else one == other


def _metrics(before: Mapping[str, Any], after: Mapping[str, Any], classes: tuple[str, ...]) -> Any:
    for name in ("macro_f1", "macro_pr_auc", "cost"):
        yield from _pair(name, None, before.get(name), after.get(name))
    for class_ in classes:
        old, new = ((metrics.get("per_class") or {}).get(class_) or {} for metrics in (before, after))
        for name in _CLASS_METRICS:
            yield from _pair(name, class_, _interval(old, name), _interval(new, name))


def _pair(
    name: str, class_: str | None, before: dict[str, float | None] | None, after: dict[str, float | None] | None
) -> Any:
    """One entry for a figure that both versions have."""
    if before and after:
        ends = before["low"], before["high"], after["low"], after["high"]
        overlap = None
        if None not in ends:
            overlap = ends[0] <= ends[3] and ends[2] <= ends[1]  # type: ignore[operator] # none of them is None
        yield {"metric": name, "class": class_, "from": before, "to": after, "overlap": overlap}
