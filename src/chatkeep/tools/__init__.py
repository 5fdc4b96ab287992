"""Functions that a model may call. What operators' modules import stands here."""

from chatkeep.tools.context import Caller
from chatkeep.tools.declaration import ToolError, tool

__all__ = ["Caller", "ToolError", "tool"]
