"""Finds changes of the API's description that break a client. It compares the description with an earlier one.

A client sends what a request's schema allows, so that may not become narrower. It reads what an answer's schema
promises, so that may not become wider, and nothing may be missing. A new major version may break clients, and while it
is 0 a new minor version may (Semantic Versioning).
"""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from infra import PROJECT

Json = Mapping[str, Any]

DESCRIPTION = "docs/openapi.json"
_ABSENT: Any = object()
_AT_LEAST = ("minimum", "minLength", "minItems", "minProperties")
_AT_MOST = ("maximum", "maxLength", "maxItems", "maxProperties")
_EXACT = ("pattern", "format", "const", "multipleOf", "uniqueItems", "additionalProperties")


def breaking_changes(before: Json, after: Json) -> list[str]:
    """A sentence for each. None where the new version may break clients."""
    if _may_break(before["info"]["version"], after["info"]["version"]):
        return []
    return list(_Comparison(before, after).paths())


def _may_break(before: str, after: str) -> bool:
    old, new = ([int(part) for part in version.split(".")] for version in (before, after))
    significant = 2 if old[0] == 0 else 1
    return new[:significant] > old[:significant]


class _Comparison:
    """Compares two documents, and follows their references."""

    def __init__(self, before: Json, after: Json) -> None:
        self._before, self._after = before, after

    def paths(self) -> Iterator[str]:
        for path, item in self._before["paths"].items():
            for method, old in item.items():
                if method == "parameters":
                    continue
                new = self._after["paths"].get(path, {}).get(method)
                where = f"{method.upper()} {path}"
                if new is None:
                    yield f"{where} is gone"
                    continue
                if old["operationId"] != new["operationId"]:
                    yield f"{where} is no longer called {old['operationId']}"
                if old.get("security", self._before.get("security")) != new.get(
                    "security", self._after.get("security")
                ):
                    yield f"{where} asks for other credentials"
                yield from self._parameters(where, item, old, self._after["paths"][path], new)
                yield from self._body(where, old.get("requestBody"), new.get("requestBody"))
                yield from self._answers(where, old["responses"], new["responses"])

    def _parameters(self, where: str, old_item: Json, old: Json, new_item: Json, new: Json) -> Iterator[str]:
        olds = self._named(self._before, [*old_item.get("parameters", []), *old.get("parameters", [])])
        news = self._named(self._after, [*new_item.get("parameters", []), *new.get("parameters", [])])
        for key, parameter in olds.items():
            if key not in news:
                yield f"{where}: the {key[1]} parameter {key[0]} is gone"
            else:
                yield from self._request(f"{where}: {key[0]}", parameter["schema"], news[key]["schema"])
        for key, parameter in news.items():
            if parameter.get("required") and not olds.get(key, {}).get("required"):
                yield f"{where}: the {key[1]} parameter {key[0]} is required now"

    def _body(self, where: str, old: Json | None, new: Json | None) -> Iterator[str]:
        if new is not None and new.get("required") and not (old or {}).get("required"):
            yield f"{where}: a body is required now"
        for kind, media in (old or {}).get("content", {}).items():
            if kind not in (new or {}).get("content", {}):
                yield f"{where}: a body of {kind} is no longer taken"
            elif new is not None:
                yield from self._request(f"{where}: body", media["schema"], new["content"][kind]["schema"])

    def _answers(self, where: str, olds: Json, news: Json) -> Iterator[str]:
        for status, answer in olds.items():
            if status not in news:
                if status < "400":
                    yield f"{where}: the answer {status} is gone"
                continue
            old, new = self._resolved(self._before, answer), self._resolved(self._after, news[status])
            for header in old.get("headers", {}):
                if header not in new.get("headers", {}):
                    yield f"{where}: the answer {status} has no {header} any more"
            for kind, media in old.get("content", {}).items():
                if kind not in new.get("content", {}):
                    yield f"{where}: the answer {status} is no longer {kind}"
                else:
                    yield from self._answer(f"{where}: {status}", media["schema"], new["content"][kind]["schema"])

    def _request(self, where: str, old: Json, new: Json) -> Iterator[str]:
        old, new = self._resolved(self._before, old), self._resolved(self._after, new)
        yield from _lost(where, "may no longer be", _types(old), _types(new))
        yield from _lost(where, "may no longer be", _values(old), _values(new))
        for limits, sign in ((_AT_LEAST, 1), (_AT_MOST, -1)):
            for limit in limits:
                if limit in new and (limit not in old or sign * new[limit] > sign * old[limit]):
                    yield f"{where}: {limit} is {new[limit]} now"
        for word in _EXACT:
            if word in new and new[word] != old.get(word, _ABSENT):
                yield f"{where}: {word} is {new[word]} now"
        for name in new.get("required", []):
            if name not in old.get("required", []):
                yield f"{where}: {name} is required now"
        yield from self._parts(where, old, new, request=True)

    def _answer(self, where: str, old: Json, new: Json) -> Iterator[str]:
        old, new = self._resolved(self._before, old), self._resolved(self._after, new)
        yield from _lost(where, "may now be", _types(new), _types(old))
        yield from _lost(where, "may now be", _values(new), _values(old))
        for name in old.get("required", []):
            if name not in new.get("required", []):
                yield f"{where}: {name} may be absent now"
        yield from self._parts(where, old, new, request=False)

    def _parts(self, where: str, old: Json, new: Json, *, request: bool) -> Iterator[str]:
        compare = self._request if request else self._answer
        for name, schema in old.get("properties", {}).items():
            if name not in new.get("properties", {}):
                yield f"{where}: {name} is gone"
            else:
                yield from compare(f"{where}/{name}", schema, new["properties"][name])
        if "items" in old and "items" in new:
            yield from compare(f"{where}/*", old["items"], new["items"])
        for word in ("oneOf", "anyOf", "allOf"):
            olds, news = old.get(word, []), new.get(word, [])
            fewer, more = len(news) < len(olds), len(news) > len(olds)
            if fewer if request != (word == "allOf") else more:
                yield f"{where}: {word} has {len(news)} alternatives now, not {len(olds)}"
            for before, after in zip(olds, news, strict=False):
                yield from compare(where, before, after)

    def _named(self, document: Json, parameters: list[Json]) -> dict[tuple[str, str], Json]:
        resolved = [self._resolved(document, parameter) for parameter in parameters]
        return {(parameter["name"], parameter["in"]): parameter for parameter in resolved}

    @staticmethod
    def _resolved(document: Json, value: Json) -> Json:
        while "$ref" in value:
            found: Any = document
            for part in value["$ref"].removeprefix("#/").split("/"):
                found = found[part]
            value = found
        return value


def _types(schema: Json) -> set[Any]:
    types = schema.get("type", [])
    return {types} if isinstance(types, str) else set(types)


def _values(schema: Json) -> set[Any]:
    return set(schema.get("enum", []))


def _lost(where: str, what: str, before: set[Any], after: set[Any]) -> Iterator[str]:
    if after:  # without such a keyword everything is allowed
        yield from (f"{where} {what} {value}" for value in sorted(before - after, key=str))


def check(root: Path) -> int:
    """Compare the file with its committed predecessor. Return the exit status."""
    before = _committed_before(root)
    if before is None:
        print(f"{DESCRIPTION}: there is nothing before it to compare with")
        return 0
    found = breaking_changes(json.loads(before), json.loads((root / DESCRIPTION).read_text()))
    for sentence in found:
        print(sentence, file=sys.stderr)
    if found:
        print(f"{len(found)} changes break clients. Undo them, or raise API_VERSION.", file=sys.stderr)
    return 1 if found else 0


def _committed_before(root: Path) -> str | None:
    """The description where this branch left main, or else a commit ago; None where there was none."""

    def git(*arguments: str) -> str | None:
        done = subprocess.run(["git", *arguments], cwd=root, capture_output=True, text=True, check=False)  # noqa: S607
        return done.stdout.strip() if done.returncode == 0 else None

    head = git("rev-parse", "HEAD")
    bases = (git("merge-base", "HEAD", main) for main in ("origin/main", "main"))
    base = next((base for base in bases if base and base != head), None) or git("rev-parse", "HEAD~")
    return git("show", f"{base}:{DESCRIPTION}") if base else None


if __name__ == "__main__":
    sys.exit(check(PROJECT))
