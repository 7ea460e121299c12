"""The types that columns are declared with: one module a family, one class a type.

A declaration names a type by its annotation: a Python type (`int`, `Decimal`, `list[str]`), or a name that a family's
module exports (`Timestamp`, `Inet`, `Jsonb`). A module is imported when a declaration needs it: a cold start does not
pay for the others.
"""
