"""Bytes and bits: bytea, bit(n) and bit varying(n)."""

from __future__ import annotations

import binascii
from typing import Annotated, Any

from crud_api.resource.columns.column import MAX_VALUE_CHARACTERS, Column, Schema, Spelled
from crud_api.settings import MAX_BODY_BYTES
from query_executor.contract import MAX_REPLY_BYTES, Value

_PATTERN = "^([A-Za-z0-9+/]{4})*([A-Za-z0-9+/]{2}==|[A-Za-z0-9+/]{3}=)?$"
_URL_PATTERN = "^[A-Za-z0-9+/_ -]*={0,2}$"


class BytesColumn(Column):
    """Bytes. JSON and URLs write them in base64 (RFC 4648, section 4)."""

    name = "bytes"
    sql_type = "bytea"
    carriers = frozenset({"bytea"})
    says = "bytes in base64"
    shown_example = "aGVsbG8="

    def from_json(self, value: Any) -> Value:
        """Return the bytes as PostgreSQL writes them."""
        self.converted(value)  # checks the limits of the declaration, which count bytes
        return self._hexadecimal(value)

    def from_text(self, text: str) -> Value:
        """Return the bytes. The client may use the URL alphabet, omit the padding and leave a + unencoded."""
        text = text.translate(_OF_URLS).rstrip("=")
        return self._hexadecimal(text + "=" * (-len(text) % 4))

    def same(self, sent: Any, key: Value) -> bool:
        """Whether both are the same bytes."""
        return isinstance(sent, str) and super().same(sent, key)

    def shown(self, column: str) -> str:
        """The SQL for base64 in one line: PostgreSQL's encode() puts it into several lines."""
        return f"translate(encode({column}, 'base64'), chr(10), '')"

    def schema(self) -> Schema:
        """A string in base64."""
        return {"type": "string", "contentEncoding": "base64", "pattern": _PATTERN, "maxLength": MAX_BODY_BYTES}

    def answered(self) -> Schema:
        """A string in base64."""
        return self.schema() | {"maxLength": MAX_REPLY_BYTES}

    def filtered(self) -> Schema:
        """A string in base64, in either alphabet."""
        return {"type": "string", "maxLength": MAX_VALUE_CHARACTERS, "pattern": _URL_PATTERN}

    def _hexadecimal(self, text: str) -> str:
        try:
            return "\\x" + binascii.a2b_base64(text, strict_mode=True).hex()
        except ValueError:
            raise self.wrong() from None


_OF_URLS = str.maketrans("-_ ", "+/+")


class BitsColumn(Spelled):
    """Bits in a string, like 1011. A column of bit(n) takes exactly n of them."""

    name = "Bits"
    sql_type = "bit varying"
    carriers = frozenset({"bit", "varbit"})
    says = "bits like 1011"
    shown_example = "1011"
    form = "[01]*"


Bits = Annotated[str, BitsColumn]
