"""Reads SQL as PostgreSQL's scanner does. It finds the named params, and refuses a second statement in a text.

psycopg2 sends a text as it is, and PostgreSQL accepts several statements in it. So a second statement has to be found
here. The rules are those of PostgreSQL's scan.l with standard_conforming_strings on, which every connection of the
executor sets.
"""

from __future__ import annotations

import re
import time
from collections.abc import Iterator, Sequence

from query_executor.contract import InvalidRequestError
from query_executor.errors import ScanTimeoutError

# An identifier begins with a letter, a _ or any character beyond ASCII. Digits may follow. The sets list the characters
# that do not belong to it: a set up to \U0010ffff would cost re some milliseconds of the cold start.
_FIRST = r"[^\x00-@\[-^`{-\x7f]"
_NEXT = r"[^\x00-/:-@\[-^`{-\x7f]"
_TOKEN = re.compile(
    rf"""
    (?P<space>   (?:[ \t\n\r\f\v]++|--[^\n\r]*+)++ )
  | (?P<comment> /\* )                                                # comments nest: see _comment_end
  | (?P<escape>  [eE]'(?:[^'\\]|\\.|'')*+'                            # continues in a string on the next line
                 (?:(?:[ \t\f\v]|--[^\n\r]*+)*+[\n\r](?:[ \t\n\r\f\v]|--[^\n\r]*+[\n\r])*+'(?:[^'\\]|\\.|'')*+')*+ )
  | (?P<string>  '(?:[^']|'')*+' )
  | (?P<quoted>  "(?:[^"]|"")*+" )
  | (?P<dollar>  \$(?P<tag>(?:{_FIRST}{_NEXT}*)?)\$ (?:.*?) \$(?P=tag)\$ )
  | (?P<cast>    :: )
  | :(?P<param>  {_FIRST}{_NEXT}*+ )
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
# ALTER of these changes settings and passwords of later sessions, including the executor's own.
_OF_LATER_SESSIONS = frozenset({"DATABASE", "GROUP", "ROLE", "SYSTEM", "USER"})
_TEMPORARY = re.compile(r'(?i:"?pg_temp|temp(?:orary)?$)')
# SET LOCAL transaction_read_only = off, SET LOCAL TRANSACTION READ WRITE
_LEAVES_READ_ONLY = frozenset({"TRANSACTION_READ_ONLY", '"TRANSACTION_READ_ONLY"', "WRITE"})
_QUERIES = frozenset("SELECT TABLE VALUES WITH".split())
_CHANGES = frozenset("DELETE INSERT INTO MERGE UPDATE".split())
_MATCHES = frozenset("ANY IN LIKE".split())
_BEFORE_LISTS = frozenset("AS RECURSIVE WITH".split())  # a name after these has a list of columns, or a type's modifier
_ENDS_LIST = frozenset(
    "CONFLICT EXCEPT FETCH FOR FROM HAVING INTERSECT LIMIT OFFSET RETURNING UNION WHERE WINDOW".split()
)
# A READ ONLY transaction allows LOCK, and before PostgreSQL 16 changes of large objects.
_LARGE_OBJECTS = frozenset(
    """
    lo_creat lo_create lo_export lo_from_bytea lo_import lo_open lo_put lo_truncate lo_truncate64 lo_unlink lowrite
    """.split()
)
_TOKENS_BETWEEN_LOOKS = 2_000  # between two looks at the clock
# A query or a change that calls only these leaves nothing behind in the session.
_PLAIN_CALLS = frozenset(
    """
    all and any as between by case cast conflict distinct else except exists filter from group having in intersect is
    join lateral like limit materialized not offset on or order over partition returning row select set some then union
    using values when where within
    bpchar char character decimal interval numeric time timestamp timestamptz varchar varying
    abs age array_agg array_length array_position array_remove array_to_string avg bool_and bool_or btrim cardinality
    ceil ceiling char_length chr coalesce concat concat_ws convert_from convert_to count
    current_setting date_bin date_part date_trunc
    decode dense_rank encode every exp extract first_value floor format gen_random_uuid generate_series greatest
    hashtext json_agg json_array_elements json_array_elements_text json_array_length json_build_array
    json_build_object json_each json_each_text json_object_agg json_object_keys json_populate_recordset
    json_strip_nulls json_typeof
    jsonb_agg jsonb_array_elements jsonb_array_elements_text jsonb_array_length jsonb_build_array jsonb_build_object
    jsonb_each jsonb_each_text jsonb_object_agg jsonb_object_keys jsonb_set jsonb_typeof lag last_value lead least
    left length ln log lower lpad ltrim max md5 min mod now ntile nullif octet_length overlay
    pg_advisory_xact_lock pg_advisory_xact_lock_shared pg_try_advisory_xact_lock pg_typeof phraseto_tsquery
    plainto_tsquery position power random rank
    regexp_match regexp_matches
    regexp_replace repeat
    replace reverse right round row_number row_security_active row_to_json rpad rtrim sha256 sign split_part sqrt
    stddev string_agg string_to_array strpos substr substring sum to_char to_date to_json to_jsonb to_number
    to_timestamp to_tsquery to_tsvector translate trim trunc unnest upper variance websearch_to_tsquery
    """.split()
)


class ScannedStatement:
    """A statement in psycopg2's notation (`sql`), and what its text tells about it.

    In `sql` a param is `%(name)s`. If it has params, a percent sign is `%%`. `places` are the names of the params in
    the order of the text, each as often as the text has it.

    is_query               it only reads rows, so a cursor can fetch them
    is_plain               it leaves nothing behind in the session (a setting, a lock, a temporary table), as far as its
                           text tells. The text does not tell what a trigger or a view does
    returns_rows           it changes rows and returns them
    is_setting             it sets something for the transaction. Some settings have to come before everything else
    is_page_of_value       it reads a part of the rows with a param's value. These may be most of the table, or few
    is_preparable          it is plain, and a string param means the same as a literal and as a parameter (prepared.py)
    locks, changes_large_objects   a READ ONLY transaction may allow it
    """

    __slots__ = (
        "changes_large_objects", "is_page_of_value", "is_plain", "is_preparable", "is_query", "is_setting", "locks",
        "names", "places", "returns_rows", "sql",
    )  # fmt: skip

    def __init__(self, sql: str, places: Sequence[str], words: _Words) -> None:
        self.sql = sql
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
        self.is_preparable = self.is_plain and not (words.has_literal or words.sorts_by_param)
        self.locks = words.first == "LOCK"
        self.changes_large_objects = any(name.strip('."') in _LARGE_OBJECTS for name in words.calls)


def scan(sql: str, deadline: float | None = None) -> ScannedStatement:
    """Read the statement in `sql`. Raises `InvalidRequestError` for no statement, several statements or a refused one.

    `deadline` is a time.monotonic(). After it, this raises `ScanTimeoutError`.
    """
    parts: list[str] = []
    places: list[str] = []
    names: dict[str, str] = {}  # keeps each name once in memory, even if the text has it often
    words = _Words()
    before = ""  # the last token that is no space and no comment: its text if it is a sign, else its kind
    ended, empty = False, True
    for kind, text, token in _tokens(sql, deadline):
        if kind == "end" and not words.in_rule:
            ended = True
            parts.append(" ")
        elif kind in {"space", "comment"}:
            parts.append(text.replace("%", "%%"))
            continue
        else:
            if ended and not empty:
                raise InvalidRequestError("sql has more than one statement: send each as one of `statements`")
            ended, empty = False, False
            words.add(text, is_name=kind in {"word", "quoted"})
            words.has_literal |= kind in {"string", "escape", "dollar"} or text == "$"
            if kind == "param":
                if before in {"string", "escape"}:
                    # A literal on the next line would continue that string, in an E'' string with backslashes as
                    # escapes.
                    raise InvalidRequestError(f"sql has the param {text} right after a string")
                name = names.setdefault(token["param"], token["param"])
                places.append(name)
                words.equals |= before == "="
                words.sorts_by_param |= words.in_list
                parts.append(_apart(name, sql[token.start() - 1 : token.start()], sql[token.end() : token.end() + 1]))
            else:
                parts.append(text.replace("%", "%%"))
        before = text if kind == "other" else kind
    if empty:
        raise InvalidRequestError("sql has no statement")
    words.refuse()
    text = "".join(parts)
    return ScannedStatement(text if places else text.replace("%%", "%"), places, words)


def _tokens(sql: str, deadline: float | None) -> Iterator[tuple[str, str, re.Match[str]]]:
    """Yield the kind, the text and the match of each token. Raises the same errors as `scan`."""
    position = number = 0
    while position < len(sql):
        number += 1
        if deadline is not None and number % _TOKENS_BETWEEN_LOOKS == 0 and time.monotonic() > deadline:
            raise ScanTimeoutError
        token = _TOKEN.match(sql, position)
        assert token is not None  # noqa: S101 - <other> matches every character
        kind, text, position = token.lastgroup or "", token.group(), token.end()
        if kind == "open":
            raise InvalidRequestError(f"sql has a quote {text} that is not closed")
        if kind == "comment":
            position = _comment_end(sql, position)
            text = sql[token.start() : position]
        yield kind, text, token


class _Words:
    """The words of a statement outside of its strings, and the names before its parentheses."""

    def __init__(self) -> None:
        self.first = self.second = ""
        self.all: set[str] = set()
        self.calls: set[str] = set()
        self.equals = False  # there is an = before a param
        self.temporary = False  # there is a name of something temporary
        self.escaped = False  # there is a name in Unicode escapes, which can be any name
        self.has_literal = False  # there is a string, or a $1 that the client wrote
        self.sorts_by_param = False  # there is a param in a list of GROUP BY, ORDER BY or DISTINCT
        self._name = ""  # the name that becomes a call if a parenthesis follows
        self._last = ""
        self._selects = False  # the last token ends a value, so .name after it calls a function
        self._into = 0  # 1: a part of the name after INTO is next. 2: it was just read, so columns follow and no call
        self._depth = 0  # the number of open parentheses
        self._lists: list[int] = []  # the depths of the open lists of GROUP BY, ORDER BY and DISTINCT

    @property
    def in_list(self) -> bool:
        """Whether the next token is in a list of GROUP BY, ORDER BY or DISTINCT."""
        return bool(self._lists)

    @property
    def in_rule(self) -> bool:
        """Whether a semicolon would stand between the commands of a rule. Only rules have semicolons in parentheses."""
        return self._depth > 0 and self.first == "CREATE" and "RULE" in self.all

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
            if last.upper() in _BEFORE_LISTS:  # AS alias (columns), CAST(... AS type(3)): no call
                self._name = ""
            if last == "." and self._name:
                self._name = "." + self._name  # in a schema, so it can be any function
                if self._selects:  # (5).f is f(5)
                    self.calls.add(self._name)
            self._selects = False
            self._enter_or_leave_list(upper, last)
            return
        if text == "(":
            self._depth += 1
            if self._name:
                self.calls.add(self._name)
        elif ")" in text:
            self._depth -= text.count(")")
            while self._lists and self._depth < self._lists[-1]:
                self._lists.pop()
        if text != ".":
            self._selects = text[-1] in ")]" or text[0] == ":"
        self._into, self._name = int(text == "." and self._into == 2), ""

    def _enter_or_leave_list(self, word: str, last: str) -> None:
        is_here = bool(self._lists) and self._lists[-1] == self._depth
        if (word == "BY" and last.upper() in {"GROUP", "ORDER"}) or word == "DISTINCT":
            if not is_here:
                self._lists.append(self._depth)
        elif is_here and word in _ENDS_LIST:
            self._lists.pop()

    def refuse(self) -> None:
        for reason, words in _REFUSED.items():
            if self.first in words.split():
                raise InvalidRequestError(f"sql cannot begin with {self.first}: {reason}")
        if self.first == "SET" and self.second not in {"LOCAL", "CONSTRAINTS"}:
            raise InvalidRequestError("sql cannot be SET, which outlives the transaction: use SET LOCAL")
        if self.first == "SET" and (self.escaped or self.all & _LEAVES_READ_ONLY):
            raise InvalidRequestError("sql cannot set whether the transaction reads only: the request says so")
        if self.first == "ALTER" and self.second in _OF_LATER_SESSIONS and "MAPPING" not in self.all:
            raise InvalidRequestError(
                f"sql cannot be ALTER {self.second}: it may lock the executor out. Run it with another client"
            )


def _apart(name: str, left: str, right: str) -> str:
    # A value must stay a separate token: e:a'' must not become an E string, and :a$$ must not become the name NULL$$.
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
