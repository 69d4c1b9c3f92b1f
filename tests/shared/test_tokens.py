"""Tokens: what is kept of them opens nothing, and what is no token is never taken for one."""

import string

from hypothesis import given
from hypothesis import strategies as st

from shared.tokens import digest, matches, new_secret, parse, written

_SECRETS = st.text(string.ascii_letters + string.digits + "-_", min_size=43, max_size=43)


@given(number=st.integers(0, 10**18 - 1), secret=_SECRETS)
def test_what_is_written_is_read_again(number: int, secret: str) -> None:
    assert parse(written(number, secret)) == (number, secret)


@given(st.text())
def test_any_other_text_is_no_token_and_no_error(text: str) -> None:
    assert parse(text) is None


def test_a_token_with_more_around_it_is_none() -> None:
    token = written(1, new_secret())
    assert parse(token) is not None
    assert [parse(token + "\n"), parse(" " + token), parse(token + "x"), parse(token[:-1])] == [None] * 4


def test_only_the_secret_itself_matches_its_digest() -> None:
    secret = new_secret()
    assert matches(secret, digest(secret))
    assert not matches(new_secret(), digest(secret))
    assert not matches(digest(secret), digest(secret))


def test_a_secret_has_256_bits_and_none_comes_twice() -> None:
    secrets = {new_secret() for _ in range(100)}
    assert len(secrets) == 100
    assert {len(secret) for secret in secrets} == {43}
