"""Names of Python for what the database names: fields, classes, variables, files, relations."""

from __future__ import annotations

import builtins
import keyword
import re
import unicodedata
from collections.abc import Collection

# A field of the class would hide them from the annotations of the fields after it, and an import of the file has them.
_BUILTINS = frozenset(name for name in dir(builtins) if not name.startswith("_"))
IMPORTED = frozenset(
    """
    annotations date datetime time timedelta Decimal UUID Annotated Any Literal Meta Struct UNSET UnsetType field
    Computed Reference Resource Composite Citext Whole Money Timestamp LocalTimestamp TimeTz Interval Json Jsonb
    Hstore Bits Inet Cidr Macaddr Macaddr8 Int4Range Int8Range NumRange DateRange TsRange TstzRange Int4Multirange
    Int8Multirange NumMultirange DateMultirange TsMultirange TstzMultirange Tsvector Xml Point Line Lseg Box Path
    Polygon Circle Key ForeignKey Name Text Email Amount
    """.split()
)
_IRREGULAR = {"people": "person", "children": "child", "men": "man", "women": "woman", "data": "data"}
_RESERVED = IMPORTED | frozenset({"int", "str", "bool", "float", "bytes", "list", "dict", "frozenset"})


def identifier(name: str, taken: Collection[str] = (), *, instead: str = "column") -> str:
    """A name of Python for a name of the database: lower case, ASCII, no key word, and none of those taken."""
    plain = unicodedata.normalize("NFKD", name.replace("ß", "ss")).encode("ascii", "ignore").decode()
    words = re.sub(r"(?<=[a-z0-9])(?=[A-Z])", "_", plain)
    made = re.sub(r"[^a-z0-9_]+", "_", words.lower())
    if made != name:
        made = made.strip("_")
    if not made.strip("_"):
        made = instead
    if made[0].isdigit():
        made = f"_{made}"
    if keyword.iskeyword(made) or made in _RESERVED or made == "l":
        made = f"{made}_"
    return unique(made, taken)


def unique(name: str, taken: Collection[str]) -> str:
    """The name, with a number if it is taken."""
    made, number = name, 1
    while made in taken:
        number += 1
        made = f"{name.rstrip('_')}_{number}"
    return made


def class_name(name: str, taken: Collection[str] = ()) -> str:
    """A name of a class for a name of the database, in capitals and small letters: `OrderLine` for `order_line`.

    None of `taken`, which are in lower case.
    """
    words = identifier(name, instead="row").strip("_").split("_")
    made = "".join(word[:1].upper() + word[1:] for word in words if word)
    if not made[:1].isalpha():
        made = f"Row{made}"
    if made in IMPORTED or made in _BUILTINS:
        made = f"{made}Row"
    number, free = 1, made
    while free.lower() in taken:
        number += 1
        free = f"{made}{number}"
    return free


def variable(name: str, taken: Collection[str] = ()) -> str:
    """A name of a variable and of a file for a name of the database."""
    made = identifier(name, instead="table")
    return unique(f"{made}_" if made in _BUILTINS else made, taken)


def singular(name: str) -> str:
    """What one of them is called, as far as the common rules of English go: `order` for `orders`."""
    if (other := _IRREGULAR.get(name.rpartition("_")[2])) is not None:
        return name.removesuffix(name.rpartition("_")[2]) + other
    if re.search(r"[^aeiou]ies$", name) and len(name) > 4:
        return f"{name[:-3]}y"
    if re.search(r"(ss|sh|ch|x|zz)es$", name):
        return name[:-2]
    if name.endswith("s") and not re.search(r"(ss|us|is|news|series|species)$", name) and len(name) > 3:
        return name[:-1]
    return name


def of_foreign_key(column: str) -> str:
    """What the row is called that a column refers to: `customer` for `customer_id`."""
    return re.sub(r"(_id|_key|_code|_uuid|_fk|_no|(?<=[a-z])I[dD])$", "", column) or column
