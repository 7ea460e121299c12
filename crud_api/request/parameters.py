"""A query's parameters, one by one: every wrong one is named, at once."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence

from crud_api.errors import InvalidParameterError
from crud_api.request.operators import OPERATORS
from crud_api.settings import MAX_QUERY_BYTES

Parameters = Mapping[str, Sequence[str]]
_LISTS = tuple(f"[{operator.name}]" for operator in OPERATORS.values() if operator.takes == "values")


def read(parameters: Parameters, take: Callable[[str, str], None]) -> None:
    """Hand each parameter to `take`, which says by a `ValueError` what is wrong. Raises `InvalidParameterError`."""
    sizes = {name: size_of(name, values) for name, values in parameters.items()}
    # The cursor is not counted with the rest, because the API makes it. So every query that is allowed has a next page.
    size = max(sum(sizes.values()) - sizes.get("cursor", 0), sizes.get("cursor", 0))
    if size > MAX_QUERY_BYTES:
        raise InvalidParameterError(f"The query has {size} bytes. The limit is {MAX_QUERY_BYTES}.")
    errors: dict[str, str] = {}
    for name, values in parameters.items():
        try:
            if len(values) != 1 and not _is_list(name):
                raise ValueError("must not be repeated")
            take(name, ",".join(values))
        except ValueError as error:
            errors[name] = str(error)
    if errors:
        raise wrong(errors)


def size_of(name: str, values: Sequence[str]) -> int:
    """The bytes of a parameter in a query, decoded."""
    return sum(len(f"{name}={value}&".encode(errors="replace")) for value in values)


def _is_list(name: str) -> bool:
    """Whether it lists names or values. Most clients repeat such a parameter, and others send commas."""
    return name in {"fields", "expand", "sort"} or name.endswith(_LISTS)


def wrong(errors: Mapping[str, str]) -> InvalidParameterError:
    """The error that names each of these parameters and what is wrong with it."""
    return InvalidParameterError(
        "Each error names its parameter.",
        errors=[{"detail": f"{name} {detail}", "parameter": name} for name, detail in errors.items()],
    )


def too_large(names: Iterable[str]) -> InvalidParameterError:
    """The error for an answer that is too large for Lambda because of these parameters."""
    return wrong(dict.fromkeys(names, "makes the answer too large: ask for less"))


def names(text: str, known: Mapping[str, object], kind: str) -> list[str]:
    """The names in a list separated by commas. Raises `ValueError` for an unknown name and for a name twice."""
    listed = text.split(",")
    if any(name not in known for name in listed):
        raise ValueError(f"must list {kind} of this resource, separated by commas: {', '.join(known) or 'it has none'}")
    if len(set(listed)) < len(listed):
        raise ValueError("lists a name more than once")
    return listed
