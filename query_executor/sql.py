"""Reads SQL as PostgreSQL's scanner does: one statement a text, and where its named params are.

psycopg2 sends text as it is, and PostgreSQL takes several statements in it, so a second statement has to be
found here. The rules are those of PostgreSQL's scan.l with standard_conforming_strings on, which every
connection of the executor sets.
"""

from __future__ import annotations

import re
from collections.abc import Sequence

from query_executor.contract import InvalidRequestError

# What an identifier may begin with, and go on with: a letter, _ or a digit, and everything beyond ASCII. Written as
# what is left out: re takes milliseconds to compile a set that reaches to \U0010ffff, and a cold start has no time.
_FIRST = r"[^\x00-@\[-^`{-\x7f]"
_NEXT = r"[^\x00-/:-@\[-^`{-\x7f]"
_TOKEN = re.compile(
    rf"""
    (?P<space>   (?:[ \t\n\r\f\v]++|--[^\n\r]*+)++ )
  | (?P<comment> /\* )                                                # nests, so its end is counted below
  | (?P<escape>  [eE]'(?:[^'\\]|\\.|'')*+'                            # goes on in a string on the next line
                 (?:(?:[ \t\f\v]|--[^\n\r]*+)*+[\n\r](?:[ \t\n\r\f\v]|--[^\n\r]*+[\n\r])*+'(?:[^'\\]|\\.|'')*+')*+ )
  | (?P<string>  '(?:[^']|'')*+' )
  | (?P<quoted>  "(?:[^"]|"")*+" )
  | (?P<dollar>  \$(?P<tag>(?:{_FIRST}{_NEXT}*)?)\$ (?:.*?) \$(?P=tag)\$ )
  | (?P<cast>    :: )
  | :(?P<param>  [A-Za-z_]\w* )
  | (?P<end>     ; )
  | (?P<open>    [eE]?' | " | \$(?:{_FIRST}{_NEXT}*)?\$ )   # a quote that never closes
  | (?P<word>    {_FIRST}[^\x00-\#%-/:-@\[-^`{{-\x7f]* )
  | (?P<number>  [0-9]++ )
  | (?P<other>   [=,+<>)]++ | . )
    """,
    re.VERBOSE | re.DOTALL,
)
_JOINS = re.compile(rf"{_NEXT}|[$'\".&]")
_COMMENT_EDGE = re.compile(r"/\*|\*/")

_REFUSED = {
    "the request is the transaction": "ABORT BEGIN COMMIT END RELEASE ROLLBACK SAVEPOINT START",
    "the next request shares the session": (
        "CLOSE DEALLOCATE DECLARE DISCARD EXECUTE FETCH LISTEN LOAD MOVE PREPARE RESET UNLISTEN"
    ),
    "an invocation has no stream for its data": "COPY",
}
_TEMPORARY = re.compile(r'(?i:"?pg_temp|temp(?:orary)?$)')
# SET LOCAL transaction_read_only = off, SET LOCAL TRANSACTION READ WRITE
_LEAVES_READ_ONLY = frozenset({"TRANSACTION_READ_ONLY", '"TRANSACTION_READ_ONLY"', "WRITE"})
_QUERIES = frozenset("SELECT TABLE VALUES WITH".split())
_CHANGES = frozenset("DELETE INSERT INTO MERGE UPDATE".split())
_MATCHES = frozenset("ANY IN LIKE".split())
# A statement that begins with a query or a change and calls nothing but these leaves nothing in the session behind.
_PLAIN_CALLS = frozenset(
    """
    all and any as between by case cast conflict distinct else except exists filter from group having in intersect is
    join lateral like limit materialized not offset on or order over partition returning row select set some then union
    using values when where within
    bpchar char character decimal interval numeric time timestamp timestamptz varchar varying
    abs age array_agg array_length array_position array_remove array_to_string avg bool_and bool_or btrim cardinality
    ceil ceiling char_length coalesce concat concat_ws convert_from convert_to count date_bin date_part date_trunc
    decode dense_rank encode every exp extract first_value floor format gen_random_uuid generate_series greatest
    hashtext json_agg json_array_elements json_array_elements_text json_array_length json_build_array
    json_build_object json_each json_each_text json_object_agg json_object_keys json_populate_recordset json_typeof
    jsonb_agg jsonb_array_elements jsonb_array_elements_text jsonb_array_length jsonb_build_array jsonb_build_object
    jsonb_each jsonb_each_text jsonb_object_agg jsonb_object_keys jsonb_set jsonb_typeof lag last_value lead least
    left length ln log lower lpad ltrim max md5 min mod now ntile nullif octet_length overlay
    pg_advisory_xact_lock pg_try_advisory_xact_lock pg_typeof position power random rank regexp_match regexp_matches
    regexp_replace repeat
    replace reverse right round row_number row_to_json rpad rtrim sha256 sign split_part sqrt stddev string_agg
    string_to_array strpos substr substring sum to_char to_date to_json to_jsonb to_number to_timestamp translate trim
    trunc unnest upper variance
    """.split()
)


class ScannedStatement:
    """One statement in psycopg2's notation: `%(name)s` for a param, `%%` for a percent sign where it has any.

    `places` are the params' names, each as often as the text has it and in its order. `is_query`: it only reads rows,
    so a cursor can fetch them. `is_plain`: it leaves nothing in the session behind (a setting, a lock, a temporary
    table), as far as its text tells; what a trigger or a view does it cannot tell. `returns_rows`: it is a change that
    does. `is_setting`: it sets something for the transaction, some of which has to be set before anything else is done.
    `is_page_of_value`: it reads some of the rows that have a param's value, which may be most of a table's or few.
    """

    __slots__ = ("is_page_of_value", "is_plain", "is_query", "is_setting", "names", "places", "returns_rows", "text")

    def __init__(self, text: str, places: Sequence[str], words: _Words) -> None:
        self.text = text
        self.places = places
        self.names = frozenset(places)
        self.is_query = words.first in _QUERIES and not words.all & _CHANGES
        self.is_setting = words.first == "SET"
        self.returns_rows = "RETURNING" in words.all
        self.is_page_of_value = self.is_query and "LIMIT" in words.all and (words.equals or bool(words.all & _MATCHES))
        self.is_plain = (
            words.first in _QUERIES | _CHANGES
            and words.calls <= _PLAIN_CALLS
            and not (words.temporary or words.escaped)
        )


def scan(sql: str) -> ScannedStatement:
    """The one statement in `sql`. Raises `InvalidRequestError` when there is none, more than one, or a refused one."""
    parts: list[str] = []
    places: list[str] = []
    words = _Words()
    before = ""  # the token before, spaces and comments aside: a sign itself, of others the kind
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
            ended, text = True, " "
        elif kind != "space":
            if ended and not empty:
                raise InvalidRequestError("sql has more than one statement: send each as one of `statements`")
            ended, empty = False, False
            words.add(text, is_name=kind in {"word", "quoted"})
        if kind == "param":
            if before in {"string", "escape"}:
                # On the next line it would continue that string, and in an E'' string its backslashes be escapes.
                raise InvalidRequestError(f"sql has the param {text} right after a string")
            places.append(token["param"])
            words.equals |= before == "="
            parts.append(_apart(token["param"], sql[token.start() - 1 : token.start()], sql[position : position + 1]))
        else:
            parts.append(text.replace("%", "%%"))
        if kind not in {"space", "comment"}:
            before = text if kind == "other" else kind or ""
    if empty:
        raise InvalidRequestError("sql has no statement")
    words.refuse()
    text = "".join(parts)
    return ScannedStatement(text if places else text.replace("%%", "%"), places, words)


class _Words:
    """What a statement says outside of its strings: its words, and the names that stand before a parenthesis."""

    def __init__(self) -> None:
        self.first = self.second = ""
        self.all: set[str] = set()
        self.calls: set[str] = set()
        self.equals = False  # it compares something for being equal with a param
        self.temporary = False  # it names what is temporary
        self.escaped = False  # it has a name in Unicode escapes, which may be any
        self._name = ""  # what a parenthesis would call
        self._last = ""
        self._into = 0  # 1: a part of the name after INTO is next, 2: it was just read; columns follow, no call

    def add(self, text: str, *, is_name: bool) -> None:
        last, self._last = self._last, text
        if is_name:
            upper = text.upper()
            self.temporary |= bool(_TEMPORARY.match(text))
            self.escaped |= last == "&" and text[0] == '"'
            self.second = self.second or (upper if self.first else "")
            self.first = self.first or upper
            self.all.add(upper)
            self._into, self._name = (2, "") if self._into == 1 else (int(upper == "INTO"), text.lower())
            if last == "." and self._name:
                self._name = "." + self._name  # in a schema, so it may be anybody's
            return
        if text == "(" and self._name:
            self.calls.add(self._name)
        self._into, self._name = int(text == "." and self._into == 2), ""

    def refuse(self) -> None:
        for reason, words in _REFUSED.items():
            if self.first in words.split():
                raise InvalidRequestError(f"sql cannot begin with {self.first}: {reason}")
        if self.first == "SET" and self.second not in {"LOCAL", "CONSTRAINTS"}:
            raise InvalidRequestError("sql cannot be SET, which outlives the transaction: use SET LOCAL")
        if self.first == "SET" and (self.escaped or self.all & _LEAVES_READ_ONLY):
            raise InvalidRequestError("sql cannot set whether the transaction reads only: the request says so")


def _apart(name: str, left: str, right: str) -> str:
    # A value must stay a token of its own: e:a'' is not to become an E string, nor :a$$ the name NULL$$.
    return f"{' ' if _JOINS.match(left) else ''}%({name})s{' ' if _JOINS.match(right) else ''}"


def _comment_end(sql: str, position: int) -> int:
    depth = 1
    while depth:
        edge = _COMMENT_EDGE.search(sql, position)
        if edge is None:
            raise InvalidRequestError("sql has a comment /* that is not closed")
        depth += 1 if edge.group() == "/*" else -1
        position = edge.end()
    return position
