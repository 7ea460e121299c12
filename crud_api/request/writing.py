"""What a write asks for: rows to be stored, changed or deleted, what has to hold for it, and what its answer shows."""

from __future__ import annotations

from msgspec import Struct

from crud_api.request.conditions import Condition
from crud_api.request.inserts import Conflict, TableInsert
from crud_api.request.reading import Form, Read
from crud_api.request.versions import NO_CONDITIONS, Conditions


class Insertion(Struct, frozen=True, kw_only=True):
    """Rows to be stored. A row exists if it has the same `target`, the columns of a unique index.

    `is_json`: the values are JSON of the client, and not params. Only rows that meet the conditions are stored.
    """

    rows: TableInsert
    is_json: bool
    target: tuple[str, ...] = ()
    conflict: Conflict = ""
    conditions: tuple[Condition, ...] = ()


class Change(Struct, frozen=True, kw_only=True):
    """New values for the rows that meet the conditions: those of the only row, and the defaults of more columns.

    If versions are named, there must be one such row, and it must have one of them.
    """

    rows: TableInsert
    is_json: bool
    defaults: tuple[str, ...] = ()
    conditions: tuple[Condition, ...] = ()
    versions: Conditions = NO_CONDITIONS

    @property
    def is_empty(self) -> bool:
        """Whether it changes nothing."""
        return not (self.rows.rows and self.rows.rows[0].values) and not self.defaults


class Removal(Struct, frozen=True, kw_only=True):
    """The rows that meet the conditions are deleted. Versions are those of a `Change`."""

    conditions: tuple[Condition, ...] = ()
    versions: Conditions = NO_CONDITIONS


class Shown(Struct, frozen=True, kw_only=True):
    """What the answer shows of the rows that were written: members, in a form, or nothing (the form `none`).

    `has_key` and `has_version` are about the only row.
    """

    read: Read
    form: Form
    has_key: bool = False
    has_version: bool = False


class Terms(Struct, frozen=True, kw_only=True):
    """What has to hold, or a change is undone: one row is shown, one is written, at most so many are written."""

    shows_one: bool = False
    writes_one: bool = False
    most: int | None = None
