"""The SQL of the API: one statement a request. Identifiers come from declarations, values are params.

PostgreSQL writes the JSON of a row, and that text travels untouched into the response, so a numeric keeps every
digit. A row's ETag is the MD5 of that text: it needs no version column, and an UPDATE can check it by itself.

A text has no value in it. So it is composed once, and kept for the requests that have the same text.
"""

SHAPES = 256  # texts that are kept of each kind of statement; clients choose columns, filters and order
