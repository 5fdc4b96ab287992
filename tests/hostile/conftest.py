"""Fixtures of the hostile tests."""

from tests.hostile.database_files import old

__all__ = ["old"]
