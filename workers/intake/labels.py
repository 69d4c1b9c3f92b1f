"""The label of a row: in a column of its own, or spread over several that each say yes or no."""

from collections.abc import Sequence

from shared.errors import InvalidInputError
from workers.intake.rows import Row, shown

# A blank is neither: nobody may have been asked.
_YES, _NO = {"1", "1.0", "true", "yes"}, {"0", "0.0", "false", "no"}


def label_of(row: Row, columns: Sequence[str]) -> object:
    """What stands in the one column; of several, the names of those that say yes, as a list.

    Raises:
        InvalidInputError: one of several columns is missing, or says neither yes nor no.
    """
    if len(columns) == 1:
        return row.get(columns[0])
    return [column for column in columns if _says_yes(row, column)]


def _says_yes(row: Row, column: str) -> bool:
    if column not in row:
        raise InvalidInputError(f"{column} is missing: 1 or 0 is expected in each column of the label")
    said = str(row[column]).strip().lower()
    if said not in _YES | _NO:
        raise InvalidInputError(f"{column} = {shown(row[column])}: 1 or 0 is expected, or true or false, or yes or no")
    return said in _YES
