"""The tool context with a database, which memory and search need.

An operator's action that reads the service's data declares a parameter of this type. Operators import it as
`chatkeep.caller.DatabaseCaller`, a name that stays where this file may move.
"""

from dataclasses import dataclass

from chatkeep.db import Database
from chatkeep.tools.context import ToolContext


@dataclass(frozen=True)
class DatabaseToolContext(ToolContext):
    """The tool context with the service's database.

    An action with a parameter of this type fails where no service runs, as in `chatkeep ask`.
    """

    db: Database
