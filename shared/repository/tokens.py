"""Queries on the tokens of the HTTP API."""

from collections.abc import Sequence

from sqlmodel import Session, col, select

from shared.access_tables import Token
from shared.database import now
from shared.errors import InvalidInputError
from shared.repository.history import What, record
from shared.tables import Project
from shared.tokens import Scope, digest, new_secret, written


def create_token(
    session: Session, *, name: str, scopes: Sequence[Scope], project_id: int | None, lasts_s: float | None, who: str
) -> tuple[Token, str]:
    """Make a token, in the caller's transaction.

    Args:
        session: A writing transaction.
        name: Whom it is for, in words.
        scopes: What it may be used for.
        project_id: The only project that it opens; None for all.
        lasts_s: Seconds until it expires; None for never.
        who: Who makes it, for the history.

    Returns:
        Its row, and the token as its holder writes it, which nobody can tell again.
    """
    secret, time = new_secret(), now(session)
    token = Token(
        name=name,
        digest=digest(secret),
        scopes=sorted(set(scopes)),
        project_id=project_id,
        created_at=time,
        expires_at=None if lasts_s is None else time + lasts_s,
    )
    session.add(token)
    session.flush()
    details = {"token": token.id, "name": name, "scopes": token.scopes, "expires_at": token.expires_at}
    record(session, What.TOKEN_CREATED, project=_project_name(session, token), who=who, **details)
    return token, written(token.id, secret)


def revoke_token(session: Session, number: int, *, who: str) -> Token:
    """Make a token useless from now on; one that is revoked already stays as it is.

    Raises:
        InvalidInputError: there is no such token.
    """
    token = session.get(Token, number)
    if token is None:
        raise InvalidInputError(f"there is no token {number}; `quietcorner token list` shows them")
    if token.revoked_at is None:
        token.revoked_at = now(session)
        session.add(token)
        project = _project_name(session, token)
        record(session, What.TOKEN_REVOKED, project=project, who=who, token=number, name=token.name)
    return token


def all_tokens(session: Session) -> list[tuple[Token, str | None]]:
    """Every token with the name of its project, the oldest first."""
    statement = select(Token, Project.name).outerjoin(Project, col(Project.id) == col(Token.project_id))
    return [(token, name) for token, name in session.exec(statement.order_by(col(Token.id)))]


def live_tokens(session: Session) -> list[Token]:
    """Tokens that are neither revoked nor expired."""
    statement = select(Token).where(
        col(Token.revoked_at).is_(None), col(Token.expires_at).is_(None) | (col(Token.expires_at) > now(session))
    )
    return list(session.exec(statement))


def _project_name(session: Session, token: Token) -> str | None:
    return None if token.project_id is None else session.get_one(Project, token.project_id).name
