"""Tokens of the HTTP API: how they are made, written and compared. Pure, but for the randomness of a new one.

A token is `qc_NUMBER_SECRET`: the number finds its row, the secret proves it. The secret is 256 random bits, and the
row keeps its SHA-256. A slow hash (bcrypt, argon2) is for passwords, which people choose and others guess: nobody
guesses 256 bits, however fast each try is, and a fast hash lets every request be checked. NIST SP 800-63B, section
5.1.2.2, asks a slow one of look-up secrets below 112 bits only.
"""

import hashlib
import hmac
import re
import secrets
from enum import StrEnum

_PREFIX = "qc_"
_BYTES = 32
_FORM = re.compile(r"qc_([0-9]{1,18})_([A-Za-z0-9_-]{43})")


class Scope(StrEnum):
    """What a token may be used for."""

    ANNOTATE = "annotate"
    """Take tasks, renew and give back leases, send answers."""
    SUBMIT = "submit"
    """Send items and answers."""
    READ = "read"
    """Read status, batches, report and metrics."""
    ADMIN = "admin"
    """All of these."""


def new_secret() -> str:
    """256 random bits as 43 letters, digits, `-` and `_`."""
    return secrets.token_urlsafe(_BYTES)


def digest(secret: str) -> str:
    """What is kept of a secret."""
    return hashlib.sha256(secret.encode()).hexdigest()


def written(number: int, secret: str) -> str:
    """The token as its holder sees it, once."""
    return f"{_PREFIX}{number}_{secret}"


def parse(token: str) -> tuple[int, str] | None:
    """Number and secret; None for what is no token."""
    found = _FORM.fullmatch(token)
    return None if found is None else (int(found[1]), found[2])


def matches(secret: str, kept: str) -> bool:
    """Whether a secret is the one of which `kept` is the digest; takes the same time wherever they differ."""
    return hmac.compare_digest(digest(secret), kept)
