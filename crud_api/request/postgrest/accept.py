"""The header `Accept`: in which form the rows are answered."""

from __future__ import annotations

from collections.abc import Iterator

from msgspec import Struct

from crud_api.errors import PostgrestError
from crud_api.request.reading import Form


class Media(Struct, frozen=True):
    """The form of an answer. `is_single`: it is one row, and not an array of rows."""

    content_type: str
    form: Form
    is_single: bool = False


JSON = Media("application/json; charset=utf-8", "json")
_CSV = Media("text/csv; charset=utf-8", "csv")
_OBJECT = "application/vnd.pgrst.object+json"
_ARRAY = "application/vnd.pgrst.array+json"
_STRIPPED = "nulls=stripped"
_ANSWERS = {
    ("*/*", ""): JSON,
    ("application/json", ""): JSON,
    ("text/csv", ""): _CSV,
    (_OBJECT, ""): Media(f"{_OBJECT}; charset=utf-8", "json", is_single=True),
    (_OBJECT, _STRIPPED): Media(f"{_OBJECT};{_STRIPPED}; charset=utf-8", "stripped", is_single=True),
    (_ARRAY, ""): JSON,
    (_ARRAY, _STRIPPED): Media(f"{_ARRAY};{_STRIPPED}; charset=utf-8", "stripped"),
}


def accepted(header: str | None) -> Media:
    """The form that the client prefers among those that it accepts. Raises `PostgrestError` if there is none."""
    if not header:
        return JSON
    if (plain := _ANSWERS.get((header, ""))) is not None:
        return plain
    ranges = sorted(_ranges(header), key=lambda each: -each[0])
    for _, name, parameters in ranges:
        stripped = _STRIPPED if _STRIPPED in parameters else ""
        answer = _ANSWERS.get((name, stripped)) or _ANSWERS.get((name, ""))
        if answer is not None:
            return answer
    names = ", ".join(name for _, name, _ in ranges)
    raise PostgrestError(f"None of these media types are available: {names}", 406, "PGRST107")


def _ranges(header: str) -> Iterator[tuple[float, str, set[str]]]:
    for part in header.split(","):
        name, *parameters = (each.strip().lower() for each in part.split(";"))
        quality = 1.0
        for parameter in parameters:
            if parameter.startswith("q="):
                try:
                    quality = float(parameter[2:])
                except ValueError:
                    quality = 0.0
        if name.startswith("application/vnd.pgrst.") and not name.endswith("+json"):
            name += "+json"
        if name and quality > 0:
            yield quality, name, set(parameters)
