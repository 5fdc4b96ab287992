"""For whom a function runs, where there is a database: what memory and search need."""

from dataclasses import dataclass

from chatkeep.db import Database
from chatkeep.tools.context import ToolContext


@dataclass(frozen=True)
class DatabaseToolContext(ToolContext):
    """The caller within the service. An action with a parameter of this type cannot run without one (`ask`)."""

    db: Database
