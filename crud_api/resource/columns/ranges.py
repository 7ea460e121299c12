"""Ranges and multiranges, as PostgreSQL writes them: `[1,3)`, `{[1,3),[7,9)}`, `empty`."""

from __future__ import annotations

import re
from typing import Annotated

from crud_api.resource.columns.column import Spelled
from query_executor.contract import Value

_RANGE = r"empty|[\[(][^\x00]*,[^\x00]*[\])]"
_MULTIRANGE = r"\{[^\x00]*\}"
# A client may leave the + of an offset unencoded in a URL. Then it arrives as a space.
_SPACE_FOR_PLUS = r"(:[0-9]{2}(?:\.[0-9]+)?) ([0-9]{2}(?:[^0-9-]|$))"


class _Range(Spelled):
    form = _RANGE
    may_hold_commas = True

    def from_text(self, text: str) -> Value:
        return super().from_text(re.sub(_SPACE_FOR_PLUS, r"\1+\2", text))


class _Multirange(_Range):
    form = _MULTIRANGE


class Int4RangeColumn(_Range):
    """A range of whole numbers."""

    name, sql_type, says, shown_example = "Int4Range", "int4range", "a range of whole numbers like [1,3)", "[1,3)"


class Int8RangeColumn(_Range):
    """A range of large whole numbers."""

    name, sql_type, says, shown_example = "Int8Range", "int8range", "a range of whole numbers like [1,3)", "[1,3)"


class NumRangeColumn(_Range):
    """A range of numbers."""

    name, sql_type, says, shown_example = "NumRange", "numrange", "a range of numbers like [0.5,2.5)", "[0.5,2.5)"


class DateRangeColumn(_Range):
    """A range of days."""

    name, sql_type, says = "DateRange", "daterange", "a range of dates like [2026-01-01,2026-02-01)"
    shown_example = "[2026-01-01,2026-02-01)"


class TsRangeColumn(_Range):
    """A range of times without zone."""

    name, sql_type = "TsRange", "tsrange"
    says = 'a range of times like ["2026-01-01 09:00:00","2026-01-01 10:00:00")'
    shown_example = '["2026-01-01 09:00:00","2026-01-01 10:00:00")'


class TstzRangeColumn(_Range):
    """A range of times with a zone."""

    name, sql_type = "TstzRange", "tstzrange"
    says = 'a range of times like ["2026-01-01 09:00:00+00","2026-01-01 10:00:00+00")'
    shown_example = '["2026-01-01 09:00:00+00","2026-01-01 10:00:00+00")'


class Int4MultirangeColumn(_Multirange):
    """Ranges of whole numbers."""

    name, sql_type, says = "Int4Multirange", "int4multirange", "ranges of whole numbers like {[1,3),[7,9)}"
    shown_example = "{[1,3),[7,9)}"


class Int8MultirangeColumn(_Multirange):
    """Ranges of large whole numbers."""

    name, sql_type, says = "Int8Multirange", "int8multirange", "ranges of whole numbers like {[1,3),[7,9)}"
    shown_example = "{[1,3),[7,9)}"


class NumMultirangeColumn(_Multirange):
    """Ranges of numbers."""

    name, sql_type, says = "NumMultirange", "nummultirange", "ranges of numbers like {[0.5,2.5)}"
    shown_example = "{[0.5,2.5)}"


class DateMultirangeColumn(_Multirange):
    """Ranges of days."""

    name, sql_type, says = "DateMultirange", "datemultirange", "ranges of dates like {[2026-01-01,2026-02-01)}"
    shown_example = "{[2026-01-01,2026-02-01)}"


class TsMultirangeColumn(_Multirange):
    """Ranges of times without zone."""

    name, sql_type = "TsMultirange", "tsmultirange"
    says = 'ranges of times like {["2026-01-01 09:00:00","2026-01-01 10:00:00")}'
    shown_example = '{["2026-01-01 09:00:00","2026-01-01 10:00:00")}'


class TstzMultirangeColumn(_Multirange):
    """Ranges of times with a zone."""

    name, sql_type = "TstzMultirange", "tstzmultirange"
    says = 'ranges of times like {["2026-01-01 09:00:00+00","2026-01-01 10:00:00+00")}'
    shown_example = '{["2026-01-01 09:00:00+00","2026-01-01 10:00:00+00")}'


Int4Range = Annotated[str, Int4RangeColumn]
Int8Range = Annotated[str, Int8RangeColumn]
NumRange = Annotated[str, NumRangeColumn]
DateRange = Annotated[str, DateRangeColumn]
TsRange = Annotated[str, TsRangeColumn]
TstzRange = Annotated[str, TstzRangeColumn]
Int4Multirange = Annotated[str, Int4MultirangeColumn]
Int8Multirange = Annotated[str, Int8MultirangeColumn]
NumMultirange = Annotated[str, NumMultirangeColumn]
DateMultirange = Annotated[str, DateMultirangeColumn]
TsMultirange = Annotated[str, TsMultirangeColumn]
TstzMultirange = Annotated[str, TstzMultirangeColumn]
