"""The SQL of the API: one statement for each request. Identifiers come from declarations, values are params.

PostgreSQL writes the JSON of a row, and the response contains that text unchanged, so a numeric keeps every digit. The
ETag of a row is the MD5 of that text. So a table needs no version column, and an UPDATE can check the ETag itself.

The text of a statement contains no values. It is made once and kept for all requests that need the same text.
"""

SHAPES = 256  # how many texts of each kind of statement are kept; clients choose the columns, the filters and the order
