"""`DatabaseCaller`: the name by which operators' modules import `DatabaseToolContext`."""

from chatkeep.toolbox.context import DatabaseToolContext

DatabaseCaller = DatabaseToolContext

__all__ = ["DatabaseCaller"]
