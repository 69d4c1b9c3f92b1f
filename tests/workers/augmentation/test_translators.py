"""Back-translation: the contract over HTTP, what is tried again, and what a translator must return."""

import json
import sys
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from typing import Any

import pytest

from shared.augmentation_options import Translate
from shared.errors import TranslatorUnavailableError
from workers.augmentation.making import Parent, open_maker
from workers.augmentation.translators import HttpTranslator, back_translations, open_translator


class Service(HTTPServer):
    """A translator that marks each text with the language; `answers` are given first."""

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.asked: list[dict[str, Any]] = []
        self.answers: list[tuple[int, bytes]] = []

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server_port}/translate?key=1"


class _Handler(BaseHTTPRequestHandler):
    server: Service

    def do_POST(self) -> None:
        assert self.path == "/translate?key=1"
        question = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        self.server.asked.append(question)
        texts = [f"{text}>{question['to']}" for text in question["texts"]]
        status, body = (
            self.server.answers.pop(0)
            if self.server.answers
            else (200, json.dumps({"texts": texts}, ensure_ascii=False).encode())
        )
        self.send_response(status)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_: object) -> None:
        """Say nothing."""


@pytest.fixture
def service() -> Iterator[Service]:
    with Service() as running:
        thread = threading.Thread(target=running.serve_forever, args=(0.01,), daemon=True)
        thread.start()
        yield running
        running.shutdown()
        thread.join()


def translator(service: Service, *, retries: int = 2) -> HttpTranslator:
    return HttpTranslator(service.url, timeout_s=5, retries=retries, wait_s=0.001)


def test_texts_go_there_and_back_through_each_language(service: Service) -> None:
    recipe = Translate(name="t", kind="translate", url=service.url, language="en", through=("de", "fr"))
    parents = [Parent(1, "i1", "Grüße 🙂", 2), Parent(2, "i2", "two", 2)]

    assert open_maker(recipe)(parents, 0) == [["Grüße 🙂>de>en", "Grüße 🙂>fr>en"], ["two>de>en", "two>fr>en"]]
    assert [(one["from"], one["to"]) for one in service.asked] == [
        ("en", "de"),
        ("de", "en"),
        ("en", "fr"),
        ("fr", "en"),
    ]


def test_many_texts_are_sent_by_32(service: Service) -> None:
    texts = [str(number) for number in range(70)]
    assert translator(service)(texts, "en", "de") == [f"{text}>de" for text in texts]
    assert [len(one["texts"]) for one in service.asked] == [32, 32, 6]


@pytest.mark.parametrize("status", [429, 500, 503])
def test_a_busy_service_is_asked_again(service: Service, status: int) -> None:
    service.answers = [(status, b"busy"), (status, b"busy")]
    assert translator(service)(["a"], "en", "de") == ["a>de"]


def test_a_service_that_stays_busy_is_given_up_with_what_it_said(service: Service) -> None:
    service.answers = [(503, b"overloaded")] * 3
    with pytest.raises(TranslatorUnavailableError, match="503: overloaded"):
        translator(service)(["a"], "en", "de")
    assert len(service.asked) == 3


@pytest.mark.parametrize("status", [301, 307, 400, 404])
def test_other_answers_are_errors_at_once_and_redirects_are_not_followed(service: Service, status: int) -> None:
    service.answers = [(status, b"no")]
    with pytest.raises(TranslatorUnavailableError, match=f"{status}: no"):
        translator(service)(["a"], "en", "de")
    assert len(service.asked) == 1


@pytest.mark.parametrize(
    "body", [b"", b"[]", b"{}", b"null", b'{"texts": 3', b'{"texts": 3}', b'{"texts": []}', b'{"texts": [1]}']
)
def test_an_answer_that_is_not_as_many_texts_is_refused(service: Service, body: bytes) -> None:
    service.answers = [(200, body)]
    recipe = Translate(name="t", kind="translate", url=service.url)
    with pytest.raises(TranslatorUnavailableError, match=r"its answer is not|as many strings are expected"):
        back_translations(["a"], translator(service), recipe)


def test_a_service_that_is_not_there_is_named() -> None:
    away = HttpTranslator("http://127.0.0.1:9/translate", timeout_s=1, retries=1, wait_s=0.001)
    with pytest.raises(TranslatorUnavailableError, match=r"127\.0\.0\.1:9.*Start it"):
        away(["a"], "en", "de")


def test_a_python_function_translates(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "our_own_translator.py").write_text(
        "def translate(texts, source, target):\n    return [f'{text} {source}-{target}' for text in texts]\n"
        "def short(texts, source, target):\n    return []\nnumber = 3\n"
    )
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.delitem(sys.modules, "our_own_translator", raising=False)

    def recipe(name: str) -> Translate:
        return Translate(name="t", kind="translate", function=f"our_own_translator:{name}")

    assert back_translations(["a"], open_translator(recipe("translate")), recipe("translate")) == [["a en-de de-en"]]
    with pytest.raises(TranslatorUnavailableError, match="as many strings are expected"):
        back_translations(["a"], open_translator(recipe("short")), recipe("short"))
    with pytest.raises(TranslatorUnavailableError, match="this is no function"):
        open_translator(recipe("number"))
    with pytest.raises(TranslatorUnavailableError, match="PYTHONPATH"):
        open_translator(recipe("nothing"))
    with pytest.raises(TranslatorUnavailableError, match="PYTHONPATH"):
        open_translator(Translate(name="t", kind="translate", function="no_such_module_here:f"))
