"""The project file: what one labeling project wants, validated before anything runs."""

import tomllib
from enum import StrEnum
from pathlib import Path
from typing import Annotated, Any, Self

import re2
from pydantic import Field, ValidationError, field_validator, model_validator

from shared.augmentation_options import Augmentation
from shared.drift_options import Drift
from shared.errors import ConfigError
from shared.section import Cost, Count, Name, PositiveCost, Section, Share
from shared.training_options import Goal, Training

_HINT_AT_LEAST = 0.5


class Task(StrEnum):
    """What an annotator answers about one item."""

    SINGLE = "single"
    MULTI = "multi"
    NER = "ner"


class Cap(Section):
    """A hard maximum: items in one batch, and items chosen in the project's whole life."""

    batch: Count | None = None
    total: Count | None = None

    @model_validator(mode="before")
    @classmethod
    def _plain_number_is_per_batch(cls, value: Any) -> Any:
        return {"batch": value} if isinstance(value, int) and not isinstance(value, bool) else value


class Caps(Section):
    """Hard maxima by predicted class and by source."""

    classes: dict[Name, Cap] = Field(default_factory=dict)
    sources: dict[Name, Cap] = Field(default_factory=dict)


class Quotas(Section):
    """Wanted shares of a batch by source; what is left over is free for all sources."""

    sources: dict[Name, Share] = Field(default_factory=dict)

    @field_validator("sources")
    @classmethod
    def _at_most_one_batch(cls, shares: dict[str, float]) -> dict[str, float]:
        if sum(shares.values()) > 1.0 + 1e-9:
            raise ValueError(f"the shares add up to {sum(shares.values()):.3g}; they may add up to 1 at most")
        return shares


class Rule(Section):
    """A seeding rule: a text that it hits is a likely item of `class`. It has exactly one of four kinds.

    Attributes:
        name: Which rule it is; distinct in a project.
        label: The class, `class` in the project file.
        keywords: Hits texts that hold one of these words or phrases.
        pattern: Hits texts in which this regular expression matches.
        description: Hits the texts that are nearest to this one by embedding.
        hint: Column of the ingested files with a score from elsewhere; hits where it is `at_least` so much.
        at_least: Belongs to `hint`; 0.5 where nothing else is said, None for the other kinds.
    """

    name: Name
    label: Name = Field(alias="class")
    keywords: tuple[Name, ...] = ()
    pattern: str | None = None
    description: Annotated[str, Field(max_length=10_000)] | None = None
    hint: Name | None = None
    at_least: Annotated[float, Field(allow_inf_nan=False)] | None = None

    @model_validator(mode="before")
    @classmethod
    def _a_hint_has_a_threshold(cls, value: Any) -> Any:
        if isinstance(value, dict) and value.get("hint") is not None and value.get("at_least") is None:
            return {**value, "at_least": _HINT_AT_LEAST}
        return value

    @field_validator("pattern")
    @classmethod
    def _pattern_compiles(cls, pattern: str | None) -> str | None:
        if pattern is not None:
            quiet = re2.Options()
            quiet.log_errors = False  # the message below says it
            try:
                re2.compile(pattern, quiet)
            except re2.error as error:
                why = error.args[0].decode() if isinstance(error.args[0], bytes) else error
                raise ValueError(f"not a regular expression that RE2 accepts: {why}") from error
        return pattern

    @field_validator("description")
    @classmethod
    def _description_says_something(cls, description: str | None) -> str | None:
        if description is not None and not description.strip():
            raise ValueError("blank; say in a sentence or two what texts of the class are like")
        return description

    @model_validator(mode="after")
    def _one_kind(self) -> Self:
        given = (bool(self.keywords), self.pattern is not None, self.description is not None, self.hint is not None)
        if sum(given) != 1:
            raise ValueError(
                "give exactly one of keywords = [...], pattern = '...', description = '...' and hint = 'column'"
            )
        if self.at_least is not None and self.hint is None:
            raise ValueError("at_least belongs to a rule with hint = 'column'")
        return self


class Selection(Section):
    """How large a batch is and what it holds.

    Attributes:
        batch_size: Items wanted.
        audit_share: The part of them that is drawn at random.
        overlap: Annotators who answer an overlap item.
        overlap_share: The part of a batch that is overlap items; the others get one answer.
        rare_floor: The part of a batch that should be likely of a rare class, where the pool has such items.
    """

    batch_size: Annotated[int, Field(ge=1, le=100_000)] = 50
    audit_share: Share = 0.1
    overlap: Annotated[int, Field(ge=1, le=20)] = 1
    overlap_share: Share = 1.0
    # Searchers missed 30 % of targets where 1 % of what they saw were some, 16 % at a tenth, 7 % at half (Wolfe,
    # Horowitz and Kenner, "Rare items often missed in visual searches", 2005): a tenth mends most of it and leaves nine
    # tenths to what teaches.
    rare_floor: Share = 0.1


class BatchTrigger(Section):
    """When a round starts. Any condition that is set and holds is enough."""

    queue_below: Share = 0.5
    new_labels: Annotated[int, Field(ge=1)] | None = None
    after_s: Annotated[float, Field(gt=0, allow_inf_nan=False)] | None = None


class Queue(Section):
    """The annotation queue: how long an annotator may hold an assignment without renewing it."""

    lease_s: Annotated[float, Field(ge=1, le=7 * 86_400)] = 600.0


class ProjectConfig(Section):
    """One labeling project, as its project file states it."""

    task: Task = Task.SINGLE
    classes: Annotated[tuple[Name, ...], Field(min_length=1, max_length=1_000)]
    former_classes: dict[Name, Name] = Field(default_factory=dict)
    seed: Annotated[int, Field(ge=0, lt=2**31)] = 0
    encoder: Name = "all-MiniLM-L6-v2"
    near_duplicate_cosine: Annotated[float, Field(gt=0.5, le=1.0)] = 0.95
    selection: Selection = Selection()
    batch_trigger: BatchTrigger = BatchTrigger()
    targets: dict[Name, Count] = Field(default_factory=dict)
    costs: dict[Name, PositiveCost] = Field(default_factory=dict)
    error_costs: dict[Name, dict[Name, Cost]] = Field(default_factory=dict)
    goals: dict[Name, Goal] = Field(default_factory=dict)
    training: Training = Training()
    augmentation: Augmentation = Augmentation()
    caps: Caps = Caps()
    quotas: Quotas = Quotas()
    rules: tuple[Rule, ...] = ()
    queue: Queue = Queue()
    drift: Drift = Drift()

    @field_validator("classes")
    @classmethod
    def _classes_are_distinct(cls, classes: tuple[str, ...]) -> tuple[str, ...]:
        repeated = sorted({name for name in classes if classes.count(name) > 1})
        if repeated:
            raise ValueError(f"named more than once: {', '.join(repeated)}")
        return classes

    @model_validator(mode="after")
    def _only_known_classes(self) -> Self:
        for place, names in (
            ("targets", list(self.targets)),
            ("costs", list(self.costs)),
            ("error_costs", [*self.error_costs, *(name for row in self.error_costs.values() for name in row)]),
            ("goals", list(self.goals)),
            ("caps.classes", list(self.caps.classes)),
            ("rules", [rule.label for rule in self.rules]),
            ("former_classes", list(self.former_classes.values())),
            ("augmentation.recipes", [name for recipe in self.augmentation.recipes for name in recipe.classes]),
        ):
            unknown = sorted(set(names) - set(self.classes))
            if unknown:
                raise ValueError(f"{place} names {unknown[0]!r}, which is not in classes: {', '.join(self.classes)}")
        again = sorted(self.former_classes.keys() & set(self.classes))
        if again:
            raise ValueError(f"former_classes names {again[0]!r}, which is in classes: an answer could mean either")
        names = [rule.name for rule in self.rules]
        if len(set(names)) < len(names):
            raise ValueError("two rules have the same name")
        return self

    @model_validator(mode="after")
    def _error_costs_are_of_errors(self) -> Self:
        if self.error_costs and self.task is not Task.SINGLE:
            raise ValueError(
                f'error_costs needs task = "single". With task = "{self.task}" an error on a class is a miss, which '
                "costs what costs says of it, or a false alarm, which costs 1."
            )
        right = sorted(name for name, row in self.error_costs.items() if row.get(name))
        if right:
            raise ValueError(f"error_costs gives {right[0]!r} a cost where it is right; a right decision costs nothing")
        return self


def parse_project(text: str, *, origin: str) -> ProjectConfig:
    """Read a project from TOML.

    Args:
        text: The TOML document.
        origin: Where it came from, for the error message.

    Raises:
        ConfigError: names each key that is wrong, its value and what is allowed.
    """
    try:
        return ProjectConfig.model_validate(tomllib.loads(text))
    except ValidationError as error:
        raise ConfigError(f"{origin}:\n{explain(error)}") from error
    except RecursionError as error:
        raise ConfigError(f"{origin}: not valid TOML: nested too deeply") from error
    except ValueError as error:  # a number of too many digits is not a TOMLDecodeError
        raise ConfigError(f"{origin}: not valid TOML: {error}") from error


def read_project(path: Path) -> ProjectConfig:
    """Read a project file. Raises `ConfigError` when it is missing or wrong."""
    try:
        text = path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise ConfigError(f"{path}: can't be read: {error}. `quietcorner project init` writes an example.") from error
    return parse_project(text, origin=str(path))


def explain(error: ValidationError) -> str:
    """One line a fault: the key, the value given and what is allowed."""
    return "\n".join(
        f"  {_key(fault['loc'])} = {_short(fault['input'])}: {fault['msg'].removeprefix('Value error, ')}"
        for fault in error.errors(include_url=False)
    )


def _key(location: tuple[int | str, ...]) -> str:
    return ".".join(str(part) for part in location) or "(the whole file)"


def _short(value: object) -> str:
    shown = repr(value)
    return shown if len(shown) <= 80 else shown[:77] + "..."
