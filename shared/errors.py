"""Every error that Quiet Corner raises on purpose.

A message says what is wrong, where, and how to mend it. The edges (command line, streams, tasks) translate
these into exit codes, dead letters and log lines; the core never prints.
"""

import errno

NO_ROOM = frozenset({errno.ENOSPC, errno.EDQUOT})
"""What the operating system says of a disk that is full, or of a quota that is used up."""


class QuietCornerError(Exception):
    """Base of all deliberate errors; `exit_code` is what the command line returns."""

    exit_code = 1


class ConfigError(QuietCornerError):
    """A project file or a setting holds a value that is not allowed."""

    exit_code = 2


class InvalidInputError(QuietCornerError):
    """A file, row or message can't be taken as it is."""

    exit_code = 2


class UnknownProjectError(QuietCornerError):
    """The named project does not exist."""

    exit_code = 3


class DatabaseUnavailableError(QuietCornerError):
    """The database can't be reached, is locked for too long, or is of another version."""

    exit_code = 4


class RedisUnavailableError(QuietCornerError):
    """Redis can't be reached or started."""

    exit_code = 4


class EncoderUnavailableError(QuietCornerError):
    """The sentence encoder can't be loaded."""

    exit_code = 5


class TranslatorUnavailableError(QuietCornerError):
    """The translator of a recipe can't be reached or loaded, or answers something else than it should."""

    exit_code = 4


class DataFolderHeldError(QuietCornerError):
    """Another `quietcorner up` holds the data folder."""

    exit_code = 6


class LeaseLostError(QuietCornerError):
    """Another worker took over the lane: what was computed must not be written."""
