"""Labels: what an annotator may answer, one shape a task."""

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from typing import TypeAlias

from pydantic import BaseModel, ConfigDict, Field, TypeAdapter, ValidationError

from shared.errors import InvalidInputError
from shared.project import ProjectConfig, Task


class Span(BaseModel):
    """A named entity: characters `start` to `end` (exclusive) of the text are of class `label`."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    start: int = Field(ge=0)
    end: int = Field(gt=0)
    label: str


LabelJson: TypeAlias = str | list[str] | list[dict[str, int | str]]
"""A label in the canonical form in which it is stored and sent: for `single` a class, for `multi` a sorted list of
classes, for `ner` a sorted list of spans; the lists may be empty."""

_SPANS = TypeAdapter(list[Span])


def parse_label(value: object, *, config: ProjectConfig, text: str | None = None) -> LabelJson:
    """Check a label against its project and bring it into canonical form; a former name of a class stays as it came.

    Args:
        value: What the annotator sent.
        config: The project that the item belongs to.
        text: The item's text; given, the spans of a `ner` label must lie inside it.

    Raises:
        InvalidInputError: the shape is wrong or a class is unknown; the message says which and what is allowed.
    """
    match config.task:
        case Task.SINGLE:
            return _known(value, config)
        case Task.MULTI:
            if not isinstance(value, list):
                raise InvalidInputError(f"label = {value!r}: a list of classes is expected")
            return sorted({_known(name, config) for name in value})
        case Task.NER:
            return _parse_spans(value, config=config, text=text)


def in_force(label: LabelJson, former: Mapping[str, str]) -> LabelJson:
    """A canonical label with the classes of today, in canonical form.

    Args:
        label: Canonical, with the classes that there were when it came.
        former: Name that a class had before -> its name today.
    """
    if isinstance(label, str):
        return former.get(label, label)
    if not former or not label:
        return label
    if isinstance(label[0], str):
        return sorted({former.get(str(name), str(name)) for name in label})
    spans = [Span.model_validate(span) for span in label]
    return _ordered(span.model_copy(update={"label": former.get(span.label, span.label)}) for span in spans)


def classes_of(label: LabelJson) -> list[str]:
    """The classes that a canonical label holds; for `ner` the entity classes present in the text."""
    if isinstance(label, str):
        return [label]
    return sorted({str(part["label"]) if isinstance(part, dict) else part for part in label})


def resolve(answers: Sequence[LabelJson]) -> tuple[LabelJson, float]:
    """The label that stands after several answers, and the share of answers that agree with it.

    The most frequent answer wins; among equals the latest.

    Args:
        answers: One canonical label an annotator, the oldest first; not empty.
    """
    counts = Counter(repr(answer) for answer in answers)
    best = max(counts.values())
    winner = next(answer for answer in reversed(answers) if counts[repr(answer)] == best)
    return winner, best / len(answers)


def _known(name: object, config: ProjectConfig) -> str:
    if not isinstance(name, str):
        raise InvalidInputError(f"label = {name!r}: a class name is expected")
    if name not in config.classes and name not in config.former_classes:
        allowed = ", ".join(config.classes[:20]) + (", ..." if len(config.classes) > 20 else "")
        raise InvalidInputError(f"unknown class {name!r}; the project has: {allowed}")
    return name


def _parse_spans(value: object, *, config: ProjectConfig, text: str | None) -> list[dict[str, int | str]]:
    try:
        spans = _SPANS.validate_python(value)
    except ValidationError as error:
        raise InvalidInputError(
            f"label = {value!r}: a list of spans {{start, end, label}} is expected: {error.errors()[0]['msg']}"
        ) from error
    for span in spans:
        _known(span.label, config)
        if span.end <= span.start or (text is not None and span.end > len(text)):
            raise InvalidInputError(f"span {span.start} to {span.end} does not lie inside the text")
    return _ordered(spans)


def _ordered(spans: Iterable[Span]) -> list[dict[str, int | str]]:
    ordered = sorted(set(spans), key=lambda span: (span.start, span.end, span.label))
    return [span.model_dump() for span in ordered]
