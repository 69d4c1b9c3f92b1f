"""What differs between two sets of options, key by key."""

import json
from collections.abc import Iterator, Mapping
from typing import Any, NamedTuple

_NOTHING = "nothing"


class Change(NamedTuple):
    """A dotted key whose value differs; None where one side has no such key."""

    key: str
    before: Any
    after: Any

    @property
    def shown(self) -> tuple[str, str]:
        """Both values as JSON, `nothing` for one that is not there."""
        before, after = (
            _NOTHING if value is None else json.dumps(value, ensure_ascii=False) for value in (self.before, self.after)
        )
        return before, after


def changes(before: Mapping[str, Any], after: Mapping[str, Any]) -> list[Change]:
    """The keys whose values differ, in alphabetical order; a section that is empty on one side is no key of its own."""
    old, new = ({key: value for key, value in flat(side) if value != {}} for side in (before, after))
    keys = sorted(old.keys() | new.keys())
    return [Change(key, old.get(key), new.get(key)) for key in keys if old.get(key) != new.get(key)]


def flat(section: Mapping[str, Any], prefix: str = "") -> Iterator[tuple[str, Any]]:
    """Dotted keys with their values; an empty section stands for itself."""
    for key, value in section.items():
        if isinstance(value, Mapping) and value:
            yield from flat(value, f"{prefix}{key}.")
        else:
            yield f"{prefix}{key}", value
