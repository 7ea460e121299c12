"""UUIDs."""

from __future__ import annotations

from typing import Any
from uuid import UUID

import msgspec

from crud_api.resource.columns.column import Column, Schema, limited
from query_executor.contract import Value


class UuidColumn(Column):
    """A UUID in any of its notations. A row shows it in lower case with hyphens."""

    name = "UUID"
    sql_type = "uuid"
    carriers = frozenset({"uuid"})
    says = "a UUID"
    shown_example = "6f4a5f6e-2c45-4b3c-9d8a-3f2b1f0e9d7c"

    def from_json(self, value: Any) -> Value:
        """Return the UUID. Raises `ValueError` if the string is not a UUID."""
        return str(self.converted(value))

    def from_text(self, text: str) -> Value:
        """Return the UUID. Raises `ValueError` if the text is not a UUID."""
        try:
            return str(msgspec.convert(text, UUID))
        except msgspec.ValidationError:
            raise self.wrong() from None

    def schema(self) -> Schema:
        """A string with the format `uuid`."""
        return {"type": "string", "format": "uuid"}

    def answered(self) -> Schema:
        """A string with the format `uuid`."""
        return limited(self.schema())

    def filtered(self) -> Schema:
        """A string with the format `uuid`."""
        return self.schema() | {"maxLength": 64}
