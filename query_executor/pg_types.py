"""PostgreSQL's built-in types with their object identifiers (pg_type.dat), grouped by the JSON that they become."""

from __future__ import annotations

# name -> (oid of the type, oid of its array). The executor looks up other types in the server's catalogue.
NUMBERS = {"int2": (21, 1005), "int4": (23, 1007), "int8": (20, 1016), "oid": (26, 1028)}
FLOATS = {"float4": (700, 1021), "float8": (701, 1022)}
BOOLEANS = {"bool": (16, 1000)}
TEXTS = {
    "text": (25, 1009),
    "varchar": (1043, 1015),
    "bpchar": (1042, 1014),
    "char": (18, 1002),
    "name": (19, 1003),
    "numeric": (1700, 1231),
    "bytea": (17, 1001),
    "uuid": (2950, 2951),
    "date": (1082, 1182),
    "time": (1083, 1183),
    "timetz": (1266, 1270),
    "timestamp": (1114, 1115),
    "timestamptz": (1184, 1185),
    "interval": (1186, 1187),
    "json": (114, 199),
    "jsonb": (3802, 3807),
    "inet": (869, 1041),
    "cidr": (650, 651),
    "money": (790, 791),
    "xml": (142, 143),
    "void": (2278, 0),
    "unknown": (705, 0),
    "record": (2249, 2287),
    "regclass": (2205, 2210),
    "int4range": (3904, 3905),
    "int8range": (3926, 3927),
    "numrange": (3906, 3907),
    "daterange": (3912, 3913),
    "tsrange": (3908, 3909),
    "tstzrange": (3910, 3911),
    "int4multirange": (4451, 6150),
    "int8multirange": (4536, 6157),
    "nummultirange": (4532, 6151),
    "datemultirange": (4535, 6155),
    "tsmultirange": (4533, 6152),
    "tstzmultirange": (4534, 6153),
    "bit": (1560, 1561),
    "varbit": (1562, 1563),
    "macaddr": (829, 1040),
    "macaddr8": (774, 775),
    "point": (600, 1017),
    "line": (628, 629),
    "lseg": (601, 1018),
    "box": (603, 1020),
    "path": (602, 1019),
    "polygon": (604, 1027),
    "circle": (718, 719),
    "tsvector": (3614, 3643),
    "tsquery": (3615, 3645),
    "jsonpath": (4072, 4073),
    "regtype": (2206, 2211),
    "pg_lsn": (3220, 3221),
    "xid": (28, 1011),
    "xid8": (5069, 271),
    "tid": (27, 1010),
    "int2vector": (22, 1006),
    "oidvector": (30, 1013),
}
# The delimiter between an array's elements, if it is not a comma (pg_type.typdelim).
DELIMITERS = {"box[]": ";"}

NAMES: dict[int, str] = {
    oid: name + suffix
    for group in (NUMBERS, FLOATS, BOOLEANS, TEXTS)
    for name, oids in group.items()
    for oid, suffix in zip(oids, ("", "[]"), strict=True)
    if oid
}

# The types that a param can name, and their arrays. All are valid in a cast. `char` and `bit` are missing, because a
# cast gives them the length 1.
CASTS = frozenset(
    name for name in NAMES.values() if name.removesuffix("[]") not in {"void", "unknown", "record", "char", "bit"}
)
