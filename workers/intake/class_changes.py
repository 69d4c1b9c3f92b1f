"""Changes of a project's configuration: what may change, and what the classes of before are called now. Pure."""

from collections import Counter
from collections.abc import Mapping, Sequence
from shlex import quote

from shared.errors import ConfigError
from shared.project import ProjectConfig

_FIXED = {
    "task": "the answers that there are have the shape of the old task",
    "encoder": "the vectors that there are come from the old encoder, and thresholds, near duplicates and the drift "
    "watch rest on them",
    "seed": "each item keeps for good the random number that it was given with the old seed",
}


def parse_moves(renames: Sequence[str], merges: Sequence[str]) -> dict[str, str]:
    """Read `old=new` and `a,b=c` into old class -> new class.

    Raises:
        ConfigError: names the argument that is wrong, or a class that would go to two places.
    """
    moves: dict[str, str] = {}
    for option, given in (*(("--rename", one) for one in renames), *(("--merge", one) for one in merges)):
        old, _, new = given.partition("=")
        names = old.split(",") if option == "--merge" else [old]
        if not new or not all(names) or (option == "--merge" and len(names) < 2):
            form = "OLD=NEW" if option == "--rename" else "A,B=C, two classes or more,"
            raise ConfigError(f"{option} {given!r}: {form} is expected")
        for name in names:
            if moves.setdefault(name, new) != new:
                raise ConfigError(f"{option} {given!r}: {name!r} was said to become {moves[name]!r}")
    return {name: new for name, new in moves.items() if name != new}


def updated_config(
    stored: ProjectConfig,
    wanted: ProjectConfig,
    moves: Mapping[str, str],
    *,
    renamed: Sequence[str] = (),
    embedded: bool = True,
) -> ProjectConfig:
    """The configuration that the project gets: the new file, with the former names of classes carried along.

    Where the file states former names itself, a class may be called by one that it does not state.

    Args:
        stored: As it is.
        wanted: The new project file.
        moves: Old class -> new class.
        renamed: Those of them that are one class under another name, and are to join no other.
        embedded: Whether any text has a vector; until then an encoder that nobody can load may be mended.

    Raises:
        ConfigError: something that can't change would, or the moves don't fit the classes.
    """
    is_now, is_wanted = (config.model_dump(mode="json", include=set(_FIXED)) for config in (stored, wanted))
    for key, why in _FIXED.items():
        if is_now[key] != is_wanted[key] and (embedded or key != "encoder"):
            raise ConfigError(
                f"{key} = {is_wanted[key]!r}: the project has {is_now[key]!r} and it can't change, "
                f"since {why}. Make another project with `quietcorner project create`, bring in the items again, and "
                "bring in the labels with `quietcorner export` and `quietcorner submit`."
            )
    _check_moves(stored, wanted, moves, renamed)
    former = {old: moves.get(now, now) for old, now in stored.former_classes.items()}
    former |= moves
    former |= wanted.former_classes
    if "former_classes" in wanted.model_fields_set:
        former = {old: now for old, now in former.items() if old not in wanted.classes}
    former = {old: now for old, now in former.items() if old != now}
    ambiguous = sorted(former.keys() & set(wanted.classes))
    if ambiguous:
        raise ConfigError(
            f"class {ambiguous[0]!r}: answers of that name count for {former[ambiguous[0]]!r} since it was renamed, so "
            "a new class needs another name. To take that back, state [former_classes] in the project file without it"
        )
    kept = {old: now for old, now in former.items() if now in wanted.classes}
    return wanted.model_copy(update={"former_classes": kept})


def check_answers(answered: Mapping[str, int], wanted: ProjectConfig) -> None:
    """Refuse to drop a class that somebody answered.

    Args:
        answered: Class -> submissions that name it, by its name after the change.
        wanted: The configuration after the change.

    Raises:
        ConfigError: names the classes, how many submissions say so, and what to do.
    """
    gone = Counter({name: count for name, count in answered.items() if name not in wanted.classes})
    if gone:
        told = ", ".join(f"{name!r} ({count:,} submissions)" for name, count in gone.most_common(10))
        name = gone.most_common(1)[0][0]
        raise ConfigError(
            f"classes: {told} would be dropped with answers in them. Say what they are now: "
            f"--rename {quote(f'{name}=NEW')}, or --merge {quote(f'{name},OTHER=OTHER')}."
        )


def _check_moves(
    stored: ProjectConfig, wanted: ProjectConfig, moves: Mapping[str, str], renamed: Sequence[str]
) -> None:
    for old, new in moves.items():
        if old not in stored.classes:
            raise ConfigError(f"class {old!r}: the project has no such class; it has: {', '.join(stored.classes)}")
        if new not in wanted.classes:
            raise ConfigError(f"class {new!r}: it has to stand in classes of the new project file, and does not")
        if old in wanted.classes:
            raise ConfigError(f"class {old!r}: it is to become {new!r}, so take it out of classes of the project file")
        if old in renamed and (new in stored.classes or sum(each == new for each in moves.values()) > 1):
            raise ConfigError(
                f"class {old!r}: {new!r} is another class already; to join them: --merge {old},{new}={new}"
            )
