"""What a process needs to carry runs, and the runs it carries."""

import asyncio
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from chatkeep.assistants import Assistant
from chatkeep.config import Settings
from chatkeep.db import Database
from chatkeep.db.doorbell import Doorbell
from chatkeep.errors import InvalidRequest
from chatkeep.events import Entry
from chatkeep.journal import Journal
from chatkeep.llm import Model
from chatkeep.tools import Tool


@dataclass
class Worker:
    """This process, as one that carries runs."""

    settings: Settings
    db: Database
    doorbell: Doorbell
    journal: Journal
    model: Model
    assistants: Mapping[str, Assistant]
    tools: Mapping[str, Tool]
    tasks: dict[str, asyncio.Task[None]] = field(default_factory=dict[str, asyncio.Task[None]])
    draining: bool = False
    interrupting: bool = False

    def assistant(self, name: str) -> Assistant:
        """The assistant of that name.

        Raises:
            InvalidRequest: there is none.
        """
        if name not in self.assistants:
            raise InvalidRequest(f"there is no assistant {name!r}")
        return self.assistants[name]

    def released(self, session_id: str, run_id: str, closing: Sequence[Entry]) -> None:
        """A run was closed by somebody else than its turn: stop the turn, let its readers see the end."""
        if task := self.tasks.get(run_id):
            task.cancel()
        self.journal.deliver(run_id, closing)
        self.doorbell.ring(session_id)
