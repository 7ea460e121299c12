"""`python -m infra adopt`: reads a database's catalogue and writes a declaration for each table.

catalogue -> plan (types, checks, views, relations, names) -> a new file (write), or the changes of a file (merge).
"""
