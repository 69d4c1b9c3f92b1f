"""Translators for back-translation: any HTTP service that speaks the contract below, or a Python function.

The contract: `POST` to the URL with `{"texts": ["...", ...], "from": "en", "to": "de"}` as JSON in UTF-8, at most 32
texts at a time. The answer is 200 with `{"texts": ["...", ...]}`: as many, in the same order. A failed connection and
the answers 429 and 5xx are tried again after 1, 2, 4 ... seconds; any other answer is an error. Redirects aren't
followed, since they could lead the texts elsewhere, and proxies of the environment aren't used.
"""

import http.client
import json
import time
from collections.abc import Callable, Sequence
from importlib import import_module
from typing import Any
from urllib.parse import urlsplit

from shared.augmentation_options import Translate
from shared.errors import TranslatorUnavailableError

Translator = Callable[[Sequence[str], str, str], Sequence[str]]
"""Gets texts, their language and the one that is wanted; returns as many texts."""

_AT_ONCE = 32
_LARGEST_ANSWER_BYTES = 32 << 20
_BUSY = 429


def open_translator(recipe: Translate) -> Translator:
    """The translator that a recipe names.

    Raises:
        TranslatorUnavailableError: its function can't be imported.
    """
    if recipe.function is not None:
        return _function(recipe.function)
    return HttpTranslator(recipe.url or "", timeout_s=recipe.timeout_s, retries=recipe.retries)


def back_translations(texts: Sequence[str], translate: Translator, recipe: Translate) -> list[list[str]]:
    """For each text what comes back, once for each language that the recipe goes through.

    Raises:
        TranslatorUnavailableError: the translator fails, or answers something else than as many texts.
    """
    back: list[list[str]] = [[] for _ in texts]
    for language in recipe.through:
        there = _checked(translate, texts, recipe.language, language)
        for place, text in enumerate(_checked(translate, there, language, recipe.language)):
            back[place].append(text)
    return back


class HttpTranslator:
    """A translator behind a URL."""

    def __init__(self, url: str, *, timeout_s: float, retries: int, wait_s: float = 1.0) -> None:
        """Note where it is; nothing is sent yet. `wait_s` is how long the first retry waits."""
        self._url, self._timeout_s, self._retries, self._wait_s = url, timeout_s, retries, wait_s

    def __call__(self, texts: Sequence[str], source: str, target: str) -> list[str]:
        """Translate. Raises `TranslatorUnavailableError` when the service fails for good."""
        translated: list[str] = []
        for start in range(0, len(texts), _AT_ONCE):
            part = list(texts[start : start + _AT_ONCE])
            translated += self._texts(self._ask({"texts": part, "from": source, "to": target}))
        return translated

    def _ask(self, question: dict[str, Any]) -> bytes:
        reason = ""
        for attempt in range(self._retries + 1):
            if attempt:
                time.sleep(self._wait_s * 2 ** (attempt - 1))
            try:
                status, answer = self._post(json.dumps(question, ensure_ascii=False).encode())
            except (OSError, http.client.HTTPException) as error:
                reason = f"{type(error).__name__}: {error}"
                continue
            if status == http.client.OK:
                return answer
            reason = f"it answers {status}: {answer[:200].decode(errors='replace')}"
            if status != _BUSY and status < http.client.INTERNAL_SERVER_ERROR:
                break
        raise TranslatorUnavailableError(
            f"translator {self._url}: {reason}. Start it, or mend `url` in the recipe; what was made so far is kept."
        )

    def _post(self, body: bytes) -> tuple[int, bytes]:
        parts = urlsplit(self._url)
        kind = http.client.HTTPSConnection if parts.scheme == "https" else http.client.HTTPConnection
        connection = kind(parts.hostname or "", parts.port, timeout=self._timeout_s)
        try:
            path = (parts.path or "/") + (f"?{parts.query}" if parts.query else "")
            connection.request("POST", path, body, {"Content-Type": "application/json", "Accept": "application/json"})
            response = connection.getresponse()
            return response.status, response.read(_LARGEST_ANSWER_BYTES)
        finally:
            connection.close()

    def _texts(self, answer: bytes) -> list[str]:
        try:
            texts = json.loads(answer)["texts"]
        except (ValueError, KeyError, TypeError) as error:
            raise TranslatorUnavailableError(
                f'translator {self._url}: its answer is not {{"texts": [...]}} in JSON: '
                f"{answer[:200].decode(errors='replace')}"
            ) from error
        return list(texts) if isinstance(texts, list) else []


def _checked(translate: Translator, texts: Sequence[str], source: str, target: str) -> list[str]:
    found = list(translate(texts, source, target))
    if len(found) != len(texts) or not all(isinstance(text, str) for text in found):
        raise TranslatorUnavailableError(
            f"the translator was given {len(texts)} text(s) from {source} to {target} and returned {len(found)} "
            "value(s); as many strings are expected"
        )
    return found


def _function(place: str) -> Translator:
    module, _, name = place.partition(":")
    try:
        found = getattr(import_module(module), name)
    except (ImportError, AttributeError) as error:
        raise TranslatorUnavailableError(
            f"function = {place!r}: {error}. The module has to be installed beside Quiet Corner, or its folder to "
            "stand in PYTHONPATH."
        ) from error
    if not callable(found):
        raise TranslatorUnavailableError(f"function = {place!r}: this is no function")
    return found  # type: ignore[no-any-return] # what it returns is checked at each call
