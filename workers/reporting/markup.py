"""Pieces of HTML. What these functions take as text is escaped here and nowhere else; what they return is markup."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from html import escape as escape_html


@dataclass(frozen=True)
class Column:
    """A column of a table: numbers stand to the right, wide cells keep their width on a narrow screen."""

    heading: str
    number: bool = False
    wide: bool = False


@dataclass(frozen=True)
class Markup:
    """Markup that a cell takes as it is."""

    html: str


Cell = str | Markup


def escape(text: str) -> str:
    """Text as markup; no line break parts a number from its percent sign."""
    return escape_html(text).replace(" %", "&nbsp;%")


def section(title: str, *content: str) -> str:
    """A section with a heading."""
    return f"<section><h2>{escape(title)}</h2>{''.join(content)}</section>"


def paragraph(text: str, *, kind: str = "") -> str:
    """A paragraph of text; `kind` is a class of the style sheet."""
    return f"<p{_kind(kind)}>{escape(text)}</p>"


def bullets(texts: Iterable[str]) -> str:
    """A list of texts."""
    return f"<ul>{''.join(f'<li>{escape(text)}</li>' for text in texts)}</ul>"


def figure(svg: str, caption: str) -> str:
    """A plot with its caption."""
    return f"<figure>{svg}<figcaption>{escape(caption)}</figcaption></figure>"


def folded(summary: str, content: str) -> str:
    """Content that is shown when the reader asks for it."""
    return f"<details><summary>{escape(summary)}</summary>{content}</details>"


def chips(texts: Iterable[tuple[str, str]]) -> Markup:
    """Small labels: (text, kind)."""
    return Markup(
        "".join(f'<span class="{escape(f"chip {kind}".strip())}">{escape(text)}</span> ' for text, kind in texts)
    )


def with_below(text: str, below: str) -> Markup:
    """A cell of two lines, the second one small."""
    return Markup(f"{escape(text)}<br><small>{escape(below)}</small>" if below else escape(text))


def cards(figures: Iterable[tuple[str, str, str]]) -> str:
    """Figures that stand out: (name, figure, what is said below it)."""
    return (
        '<dl class="cards">'
        + "".join(
            f'<div><dt>{escape(name)}</dt><dd>{escape(told)}</dd><dd class="below">{escape(below)}</dd></div>'
            for name, told, below in figures
        )
        + "</dl>"
    )


def quote(text: str) -> str:
    """Somebody else's words."""
    return f"<blockquote>{escape(text)}</blockquote>"


def table(columns: Sequence[Column], rows: Iterable[Sequence[Cell]]) -> str:
    """A table that scrolls by itself where the screen is narrow."""
    head = "".join(f"<th{_align(column)}>{escape(column.heading)}</th>" for column in columns)
    body = "".join(
        f"<tr>{''.join(_cell(cell, column) for cell, column in zip(row, columns, strict=True))}</tr>" for row in rows
    )
    return f'<div class="scroll"><table><thead><tr>{head}</tr></thead><tbody>{body}</tbody></table></div>'


def _cell(cell: Cell, column: Column) -> str:
    content = cell.html if isinstance(cell, Markup) else escape(cell)
    return f"<td{_align(column)}>{content}</td>"


def _align(column: Column) -> str:
    return _kind("number" if column.number else "wide" if column.wide else "")


def _kind(kind: str) -> str:
    return f' class="{escape(kind)}"' if kind else ""
