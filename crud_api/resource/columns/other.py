"""Types that travel as PostgreSQL writes them: xml, tsvector and the geometric types."""

from __future__ import annotations

from typing import Annotated

from crud_api.resource.columns.column import Spelled

_LEXEME = r"('([^'\\\x00]|''|\\[^\x00])+'|[^ '\\:\s\x00]+)"
_PLACE = "[1-9][0-9]{0,4}[ABCDabcd]?"
_ANY = r"[^\x00]*"
_FIGURE = r"[-+0-9.eE,()<>{}\[\] a-zA-Z]+"


class TsvectorColumn(Spelled):
    """The words of a text, for PostgreSQL's full text search."""

    name = "Tsvector"
    sql_type = "tsvector"
    says = "the words of a text like 'cat':3 'fat':2"
    shown_example = "'cat':3 'fat':2"
    form = rf"( *{_LEXEME}(:{_PLACE}(,{_PLACE})*)?(?= |$))* *"
    may_hold_commas = True
    is_words = True


class XmlColumn(Spelled):
    """XML. PostgreSQL cannot compare it."""

    name = "Xml"
    sql_type = "xml"
    says = "XML"
    shown_example = "<a>1</a>"
    form = _ANY
    has_equality = False
    has_order = False


class _Figure(Spelled):
    # For boxes and circles, PostgreSQL's = compares the areas. It cannot compare the other figures at all.
    form = _FIGURE
    has_equality = False
    has_order = False


class PointColumn(_Figure):
    """A point."""

    name, sql_type, says, shown_example = "Point", "point", "a point like (1,2)", "(1,2)"


class LineColumn(_Figure):
    """A line that is infinite in both directions."""

    name, sql_type, says, shown_example = "Line", "line", "a line like {1,-1,0}, for 1x - 1y + 0 = 0", "{1,-1,0}"


class LsegColumn(_Figure):
    """A line segment."""

    name, sql_type, says, shown_example = "Lseg", "lseg", "a line segment like [(0,0),(1,1)]", "[(0,0),(1,1)]"


class BoxColumn(_Figure):
    """A rectangle whose sides are parallel to the axes."""

    name, sql_type, says, shown_example = "Box", "box", "a box like (1,1),(0,0)", "(1,1),(0,0)"
    delimiter = ";"


class PathColumn(_Figure):
    """A series of points."""

    name, sql_type, says, shown_example = "Path", "path", "a path like [(0,0),(1,1)]", "[(0,0),(1,1)]"


class PolygonColumn(_Figure):
    """The corners of a figure."""

    name, sql_type, says, shown_example = (
        "Polygon", "polygon", "a polygon like ((0,0),(1,1),(1,0))", "((0,0),(1,1),(1,0))",
    )  # fmt: skip


class CircleColumn(_Figure):
    """A circle."""

    name, sql_type, says, shown_example = "Circle", "circle", "a circle like <(0,0),1>", "<(0,0),1>"


Tsvector = Annotated[str, TsvectorColumn]
Xml = Annotated[str, XmlColumn]
Point = Annotated[str, PointColumn]
Line = Annotated[str, LineColumn]
Lseg = Annotated[str, LsegColumn]
Box = Annotated[str, BoxColumn]
Path = Annotated[str, PathColumn]
Polygon = Annotated[str, PolygonColumn]
Circle = Annotated[str, CircleColumn]
