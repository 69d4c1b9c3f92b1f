import re
from html.parser import HTMLParser

from shared.database import Database
from tests.workers.reporting.example import CLASSES, NAME, NASTY, RARE, make_example, make_project
from workers.reporting.history import History, read_history
from workers.reporting.html import page, report_html

_VOID = {"meta", "br", "hr", "img", "path", "use"}


class _Page(HTMLParser):
    """What a reader sees, and whether every element is closed."""

    def __init__(self, html: str) -> None:
        super().__init__()
        self.open: list[str] = []
        self.elements: set[str] = set()
        self.attributes: list[tuple[str, str | None]] = []
        self.text = ""
        self.feed(html)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.elements.add(tag)
        self.attributes += attrs
        if tag not in _VOID:
            self.open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        if tag not in _VOID:
            assert self.open.pop() == tag

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.elements.add(tag)
        self.attributes += attrs

    def handle_data(self, data: str) -> None:
        if self.open and self.open[-1] != "style":
            self.text += data.replace("\xa0", " ")


def test_a_project_without_anything_has_a_page(database: Database) -> None:
    example = make_project(database)
    seen = _Page(report_html(database, example.id, NAME, example.config))

    assert seen.open == []
    assert "The pool holds no items yet." in seen.text
    assert "No model has been measured yet." in seen.text


def test_the_page_tells_in_sentences_how_the_project_stands(database: Database) -> None:
    example = make_example(database)
    seen = _Page(report_html(database, example.id, NAME, example.config))

    assert seen.open == []
    for told in (
        "The pool holds 10 items from 2 sources; 4 of them are labeled (40 %), from 4 submissions.",
        "Model version 2, trained on 20 labeled items, reaches a macro-F1 of 0.70 (95 % interval 0.60 to 0.80), "
        "measured on 40 items drawn at random",
        f"Of the class {RARE}, the rarest that can be measured, it finds 75 % (95 % interval 50 % to 90 %); "
        f"50 % of what it calls {RARE} is.",
        "Too few audit items to say anything about delay.",
        f"1 of 2 class targets met; still short: {RARE} (1 of 5).",
        "On the annotation queue: 1 waiting, 1 leased, 3 done.",
        "The last of 3 drift windows is at level act; drift opened 1 campaign so far.",
        "2 messages could not be taken",
    ):
        assert told in seen.text


def test_the_page_shows_batches_drift_campaigns_and_dead_letters(database: Database) -> None:
    example = make_example(database)
    seen = _Page(report_html(database, example.id, NAME, example.config))

    for told in (
        "boundary 2 audit 1",
        "What the channels look for",
        "boundary: the model can hardly decide",
        "short by 1: no eligible item is left",
        "3 windows: 1 quiet, 1 note, 1 act.",
        "40 items unlike the reference, 8.0 % of the window more than expected; from chat (40).",
        "The mix of sources changed: chat from 30 % to 50 %; mail from 70 % to 50 %.",
        "40 new items of one kind where 2.5 were expected",
        "drift 2 relabel 1",
        "label: unknown class",
    ):
        assert told in " ".join(seen.text.split())


def test_texts_and_names_are_escaped(database: Database) -> None:
    example = make_example(database)
    html = report_html(database, example.id, NAME, example.config)
    seen = _Page(html)

    assert NASTY.partition("\x1b")[0] in seen.text
    assert RARE in seen.text
    assert "\x1b" not in html
    assert not seen.elements & {"script", "b", "iframe", "object"}


def test_the_page_needs_nothing_beside_itself(database: Database) -> None:
    example = make_example(database)
    seen = _Page(report_html(database, example.id, NAME, example.config))
    links = [value for name, value in seen.attributes if name in {"src", "href", "xlink:href", "action", "data"}]

    assert not seen.elements & {"script", "link", "img", "iframe"}
    assert all(link is not None and link.startswith("#") for link in links)
    assert not [name for name, _ in seen.attributes if name.startswith("on")]


def test_the_same_history_gives_the_same_page(database: Database) -> None:
    history = _history(database)

    assert page(history) == page(history)


def test_plots_show_each_class_as_it_is_named(database: Database) -> None:
    html = page(_history(database))
    drawn = re.findall(r"<text[^>]*>([^<]*)</text>", html)

    assert {"praise", "delay", RARE.replace("<", "&lt;").replace(">", "&gt;")} <= set(drawn)


def test_many_classes_and_sources_stay_readable(database: Database) -> None:
    history = _history(database)
    classes = [f"class {number}" for number in range(200)]
    sources = [f"source {number}" for number in range(40)]
    history.status["classes"] = classes
    history.status["labels"]["by_class"] = dict.fromkeys(classes, 3)
    history.status["labels"]["by_source"] = dict.fromkeys(sources, 15)
    history.status["items"]["by_source"] = dict.fromkeys(sources, 100)
    history.labels[:] = [type(history.labels[0])(source, (name,), 1) for source in sources for name in classes[:100]]
    html = page(history)

    assert len(html) < 400_000
    assert "class 199" in html
    assert "other sources" in html


def _history(database: Database) -> History:
    example = make_example(database)
    assert example.config.classes == CLASSES
    with database.read() as session:
        return read_history(session, example.id, NAME, example.config)
