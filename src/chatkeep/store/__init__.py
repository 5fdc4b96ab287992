"""Every SQL statement, beside the typed function that owns it; one file per table.

`get_` raises `NotFound`, `find_` may answer None, `list_` pages. Functions take a connection inside a
transaction or a snapshot. Whatever a user can reach by an id names the owner: not yours is not there.
"""
