"""`among`: whether a column holds one of several values, however many, in a statement whose words never change.

`column IN (?, ?, ?)` has as many words as values: SQLAlchemy puts it together anew each time, the database reads and
plans it anew, and takes only so many. Here the values travel as one parameter.
"""

import json
from collections.abc import Collection
from typing import Any

from sqlalchemy import ARRAY, BigInteger, BindParameter, ColumnElement, Dialect, String, Text, TypeDecorator
from sqlalchemy.ext.compiler import compiles
from sqlalchemy.sql.compiler import SQLCompiler
from sqlalchemy.sql.functions import FunctionElement
from sqlalchemy.types import TypeEngine


def among(column: Any, values: Collection[str] | Collection[int] | BindParameter[Any]) -> ColumnElement[bool]:
    """Whether `column` holds one of the values, which are all strings or all whole numbers of up to 64 bits."""
    if isinstance(values, BindParameter):
        return _Among(column, values)
    kind = String if isinstance(next(iter(values), 0), str) else BigInteger
    return _Among(column, BindParameter(None, values, type_=_Several(kind), unique=True))


def several(name: str, kind: type[str] | type[int]) -> BindParameter[Any]:
    """Values that are given as parameter `name` when the statement runs."""
    return BindParameter(name, type_=_Several(String if kind is str else BigInteger))


class _Several(TypeDecorator[Collection[Any]]):
    """Several values of one type: an array where the database has them, JSON on SQLite."""

    impl = Text
    cache_ok = True

    def __init__(self, kind: type[TypeEngine[Any]]) -> None:
        super().__init__()
        self.kind = kind

    def load_dialect_impl(self, dialect: Dialect) -> TypeEngine[Any]:
        return dialect.type_descriptor(Text() if dialect.name == "sqlite" else ARRAY(self.kind))

    def process_bind_param(self, value: Collection[Any] | None, dialect: Dialect) -> Any:
        values = list(value or ())
        return json.dumps(values) if dialect.name == "sqlite" else values


class _Among(FunctionElement[bool]):
    name = "among"
    inherit_cache = True


@compiles(_Among, "sqlite")
def _of_json(element: Any, compiler: SQLCompiler, **options: Any) -> str:
    column, values = (compiler.process(part, **options) for part in element.clauses)
    return f"{column} IN (SELECT value FROM json_each({values}))"  # nosec B608 # noqa: S608 - both are the compiler's


@compiles(_Among, "postgresql")
def _of_array(element: Any, compiler: SQLCompiler, **options: Any) -> str:
    column, values = (compiler.process(part, **options) for part in element.clauses)
    return f"{column} = ANY ({values})"
