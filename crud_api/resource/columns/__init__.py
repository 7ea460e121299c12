"""The types that columns are declared with: one module for each family, one class for each type.

A declaration names a type by its annotation: a Python type (`int`, `Decimal`, `list[str]`), or a name that the module
of a family exports (`Timestamp`, `Inet`, `Jsonb`). A module is imported when a declaration needs it, so a cold start
does not pay for the others.
"""
