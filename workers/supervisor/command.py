"""What `quietcorner up` runs as a child."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field

Main = Callable[[Sequence[str]], object]


@dataclass(frozen=True)
class Command:
    """A program, or a function of ours."""

    name: str
    arguments: tuple[str, ...]
    environment: Mapping[str, str] = field(default_factory=dict)
    """Added to our own environment."""
    serves_others: bool = False
    """It ends after all others have."""
    niceness: int = 0
    """By how much it stands back when processes compete for a core; what it starts does the same."""
    main: Main | None = None
    """Called with the arguments in a process forked from ours, where there is no program to run."""
