"""Tools: functions that a model may call. Operators' modules import their names from here."""

from chatkeep.tools.context import ToolContext
from chatkeep.tools.declaration import ToolError, tool
from chatkeep.tools.file import File

Caller = ToolContext
"""The former name of `ToolContext`, which operators' modules may still use."""

__all__ = ["Caller", "File", "ToolContext", "ToolError", "tool"]
