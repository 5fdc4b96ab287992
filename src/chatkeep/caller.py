"""The import path that operators' modules use: `from chatkeep.caller import DatabaseCaller`."""

from chatkeep.toolbox.context import DatabaseToolContext

DatabaseCaller = DatabaseToolContext

__all__ = ["DatabaseCaller"]
