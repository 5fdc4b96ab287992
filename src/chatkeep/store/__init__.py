"""Every SQL statement, beside the typed function that owns it. One file for each table, or for one of its uses.

1. `get_` raises `NotFound`, `find_` may return None, `list_` returns pages or short lists.
2. Each function takes the transaction or snapshot that it runs in, and never begins one.
3. Where a user can name a row by its id, the owner is in the WHERE: another owner's row is as if it did not exist.
"""
