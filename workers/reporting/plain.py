"""Texts and times as a terminal shows them."""

from datetime import UTC, datetime


def one_line(text: str, *, longest: int) -> str:
    """A text on one line, cut to `longest` characters, without what a terminal would obey (control characters,
    changes of writing direction)."""
    printable = "".join(character if character.isprintable() else " " for character in text[: 10 * longest])
    line = " ".join(printable.split())
    return line if len(line) <= longest else line[: longest - 1] + "…"


def clock(time: float) -> str:
    """Seconds since 1970 as a date and time, UTC."""
    return datetime.fromtimestamp(time, UTC).strftime("%Y-%m-%d %H:%M:%S")
