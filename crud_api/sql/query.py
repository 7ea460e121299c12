"""A query: the statements of one request, and what their results mean. Both are written in the same place."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Generic, TypeVar

from msgspec import Struct

from query_executor.contract import Param, Statement

T = TypeVar("T")


class Query(Struct, Generic[T], frozen=True):
    """Statements that run as one transaction. Each returns one row or none, and a SET returns none.

    `read` makes a T of the columns of these rows: first the columns of the first statement, then of the second. It is
    not called if a statement returns no row. If there is a `commit_if`, it names the column of the last statement that
    says whether the changes are kept. The answer may be `max_age_s` old, as the tables that it reads declare.

    The statements of `ending` run after the others. Their results are not read, but the last may have `commit_if`.
    """

    statements: Sequence[Statement]
    read: Callable[..., T]
    commit_if: str | None = None
    max_age_s: int = 0
    ending: Sequence[Statement] = ()


def probe(sql: str, params: Mapping[str, Param] | None = None) -> Query[None]:
    """Make a query that only shows whether it fails."""
    return Query([Statement(sql, params or {})], _nothing)


def together(probes: Iterable[Query[None]]) -> Query[None]:
    """Make one query of several probes. The number of the statement that fails is the number of the probe."""
    return Query([statement for query in probes for statement in query.statements], _nothing)


def _nothing(*_columns: object) -> None:
    pass
