"""Reads SQL as PostgreSQL's scanner does: one statement a text, and where its named params are.

psycopg2 sends text as it is, and PostgreSQL takes several statements in it, so a second statement has to be
found here. The rules are those of PostgreSQL's scan.l with standard_conforming_strings on, which every
connection of the executor sets.
"""

from __future__ import annotations

import re

from query_executor.contract import InvalidRequestError

_TOKEN = re.compile(
    r"""
    (?P<space>   [ \t\n\r\f\v]+ | --[^\n\r]* )
  | (?P<comment> /\* )                                                # nests, so its end is counted below
  | (?P<escape>  [eE]'(?:[^'\\]|\\.|'')*+'                            # goes on in a string on the next line
                 (?:(?:[ \t\f\v]|--[^\n\r]*+)*+[\n\r](?:[ \t\n\r\f\v]|--[^\n\r]*+[\n\r])*+'(?:[^'\\]|\\.|'')*+')*+ )
  | (?P<string>  '(?:[^']|'')*' )
  | (?P<quoted>  "(?:[^"]|"")*" )
  | (?P<dollar>  \$(?P<tag>(?:[A-Za-z_\x80-\U0010ffff][\w\x80-\U0010ffff]*)?)\$ (?:.*?) \$(?P=tag)\$ )
  | (?P<cast>    :: )
  | :(?P<param>  [A-Za-z_]\w* )
  | (?P<end>     ; )
  | (?P<open>    [eE]?' | " | \$(?:[A-Za-z_\x80-\U0010ffff][\w\x80-\U0010ffff]*)?\$ )   # a quote that never closes
  | (?P<word>    [A-Za-z_\x80-\U0010ffff][\w$\x80-\U0010ffff]* )
  | (?P<other>   . )
    """,
    re.VERBOSE | re.DOTALL,
)
_COMMENT_EDGE = re.compile(r"/\*|\*/")

# The executor's request is the transaction, so a statement cannot begin or end one.
_TRANSACTION_CONTROL = frozenset("ABORT BEGIN COMMIT END PREPARE RELEASE ROLLBACK SAVEPOINT START".split())


class ScannedStatement:
    """One statement in psycopg2's notation: `%(name)s` for a param, `%%` for a percent sign where it has any."""

    __slots__ = ("names", "text")

    def __init__(self, text: str, names: frozenset[str]) -> None:
        self.text = text
        self.names = names


def scan(sql: str) -> ScannedStatement:
    """The one statement in `sql`. Raises `InvalidRequestError` when there is none or more than one."""
    parts: list[str] = []
    names: set[str] = set()
    first_word = None
    ended, empty = False, True
    position = 0
    while position < len(sql):
        token = _TOKEN.match(sql, position)
        assert token is not None  # noqa: S101 - <other> matches every character
        kind, text, position = token.lastgroup, token.group(), token.end()
        if kind == "comment":
            end = _comment_end(sql, position)
            text, position = sql[token.start() : end], end
        elif kind == "open":
            raise InvalidRequestError(f"sql has a quote {text} that is not closed")
        elif kind == "end":
            ended, text = True, ""
        elif kind != "space":
            if ended and not empty:
                raise InvalidRequestError("sql has more than one statement: send each as one of `statements`")
            ended, empty = False, False
            if kind == "word" and first_word is None:
                first_word = text.upper()
        if kind == "param":
            names.add(token["param"])
            parts.append(f"%({token['param']})s")
        else:
            parts.append(text.replace("%", "%%"))
    if empty:
        raise InvalidRequestError("sql has no statement")
    if first_word in _TRANSACTION_CONTROL:
        raise InvalidRequestError(f"sql cannot begin with {first_word}: the request is the transaction")
    if first_word == "COPY":
        raise InvalidRequestError("sql cannot be COPY: an invocation has no stream for its data")
    text = "".join(parts)
    return ScannedStatement(text if names else text.replace("%%", "%"), frozenset(names))


def _comment_end(sql: str, position: int) -> int:
    depth = 1
    while depth:
        edge = _COMMENT_EDGE.search(sql, position)
        if edge is None:
            raise InvalidRequestError("sql has a comment /* that is not closed")
        depth += 1 if edge.group() == "/*" else -1
        position = edge.end()
    return position
