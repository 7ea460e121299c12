"""The parts of which PostgREST's grammar is made: names, quoted texts, paths into documents."""

from __future__ import annotations

import re

from crud_api.errors import PostgrestError
from crud_api.request.conditions import Path, Step

MAX_DEPTH = 10  # of groups of conditions, and of what is embedded in a row
MAX_STEPS = 10  # of a path into a document

# A quoted name may have any character. A plain name has letters, digits, _, $ and spaces, and a - that begins no arrow.
_NAME = re.compile(r'"((?:[^"\\]|\\.)*+)"|([\w $]++(?:-(?!>)[\w $]++)*+)', re.DOTALL)
_STEP = re.compile(
    r"""(->>?)(?:"((?:[^"\\]|\\.)*+)"
              |(-?[0-9]++)(?=->|::|[.,)]|$)
              |([^(\-:.,>)]++(?:-(?!>)[^(\-:.,>)]++)*+))""",
    re.VERBOSE | re.DOTALL,
)
_ESCAPED = re.compile(r"\\(.)", re.DOTALL)
CLOSES = re.compile(r"[ \t)]*")
COMMA = re.compile(r"[ \t]*,[ \t]*")
_SPACES = re.compile(r"[ \t]*")
_END = "end of input"
NAMED = "field name (* or [a..z0..9_$])"


class Source:
    """A text that is read from its beginning to its end. `said` is what it is in messages, which show it as `shown`."""

    __slots__ = ("at", "said", "shown", "text")

    def __init__(self, text: str, said: str, shown: str | None = None) -> None:
        self.text = text
        self.said = said
        self.shown = text if shown is None else shown
        self.at = 0

    @property
    def is_at_end(self) -> bool:
        """Whether all of the text is read."""
        return self.at >= len(self.text)

    def take(self, pattern: re.Pattern[str]) -> re.Match[str] | None:
        """Read what the pattern matches here, if it does."""
        match = pattern.match(self.text, self.at)
        if match is not None:
            self.at = match.end()
        return match

    def has(self, text: str) -> bool:
        """Read this text, if it is next."""
        if not self.text.startswith(text, self.at):
            return False
        self.at += len(text)
        return True

    def skip_spaces(self) -> None:
        """Read spaces and tabs."""
        self.take(_SPACES)

    def name(self, expected: str = NAMED) -> str:
        """Read a name. Raises `PostgrestError`."""
        match = self.take(_NAME)
        if match is None:
            raise self.wrong(expected)
        if match[1] is not None:
            return unescaped(match[1])
        return "-".join(part.strip(" ") for part in match[2].split("-"))

    def path(self) -> Path:
        """Read a path into a document, which may be empty. Raises `PostgrestError`."""
        steps = []
        while match := self.take(_STEP):
            arrow, quoted, number, key = match.groups()
            if quoted is not None:
                key = unescaped(quoted)
            step = Step(number or key.strip(), is_number=number is not None, as_text=arrow == "->>")
            steps.append(step)
            if len(steps) > MAX_STEPS:
                raise too_many(f"a path into a document has at most {MAX_STEPS} steps")
        if self.has("->"):
            self.has(">")
            if self.has("-"):
                raise self.wrong("digit")
            raise self.wrong('"-", digit or any non reserved character different from: .,>()')
        return tuple(steps)

    def end(self, expected: str = _END) -> None:
        """Raises `PostgrestError` unless all of the text is read."""
        if not self.is_at_end:
            raise self.wrong(expected)

    def wrong(self, expected: str) -> PostgrestError:
        """The error for what is next, where something else is expected."""
        quote = "'" if expected.endswith(_END) else '"'
        found = _END if self.is_at_end else f"{quote}{self.text[self.at]}{quote}"
        before = self.text[: self.at]
        line, column = before.count("\n") + 1, self.at - before.rfind("\n")
        return PostgrestError(
            f'"failed to parse {self.said} ({self.shown})" (line {line}, column {column})',
            details=f"unexpected {found} expecting {expected}",
        )


def unescaped(quoted: str) -> str:
    """What stands between quotes, where a backslash takes the next character literally."""
    return _ESCAPED.sub(r"\1", quoted) if "\\" in quoted else quoted


def too_many(limit: str) -> PostgrestError:
    """The error for a request that is larger than the API takes."""
    return PostgrestError(f"The request is too large: {limit}", details=None, hint="Ask for less in one request.")


def label_of(name: str, path: Path) -> str:
    """The name of a column or of a part of its document, if the request gives none: the last key on the way."""
    return next((step.key for step in reversed(path) if not step.is_number), name)
