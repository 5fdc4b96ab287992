"""Dialects: the forms in which clients of other services ask and listen (`docs/dialects.md`).

A dialect keeps no state. Its requests become the same claims as those of our own API, its streams are made of the
same committed events, and what it lists is read from the same tables.
"""
