"""The import path that operators' modules use: `from chatkeep.caller import DatabaseCaller`."""

from chatkeep.toolbox.context import DatabaseCaller

__all__ = ["DatabaseCaller"]
