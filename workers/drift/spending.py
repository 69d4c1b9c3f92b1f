"""What may be risked on false alarms: so much a year, whenever and however often one looks. Pure."""

YEAR_S = 365.25 * 86_400
# Of what is there, spent on one look: the first looks count most, and something is left for each later one.
_AT_ONCE = 0.25


def full(yearly: float) -> float:
    """What there is to spend before the first look."""
    return yearly / 2


def spend(left: float, *, elapsed_s: float, yearly: float) -> tuple[float, float]:
    """What one look may risk, and what is left afterwards.

    Half of the yearly budget is there at most, and half comes in over a year, so that the looks of no year risk more
    than all of it, be it one look or one a minute (alpha spending after Lan and DeMets, "Discrete sequential boundaries
    for clinical trials", Biometrika 1983, that never ends).

    Args:
        left: As `full` or an earlier call returned it.
        elapsed_s: Seconds since the last look.
        yearly: False alarms a year that are accepted.
    """
    there = save(left, elapsed_s=elapsed_s, yearly=yearly)
    risked = there * _AT_ONCE
    return risked, there - risked


def save(left: float, *, elapsed_s: float, yearly: float) -> float:
    """What is left after a look that risks nothing: what came in is there for the next one. See `spend`."""
    return min(full(yearly), left + full(yearly) * max(0.0, elapsed_s) / YEAR_S)
