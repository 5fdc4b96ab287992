"""What a process needs to carry runs, and the runs it carries."""

import asyncio
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from chatkeep import clock
from chatkeep.agent.assistants import Assistant, AssistantLibrary
from chatkeep.chat.events import Entry
from chatkeep.db import Database
from chatkeep.db.notifier import Notifier
from chatkeep.errors import InvalidRequest, ShuttingDown, TooManyRuns
from chatkeep.llm import Model
from chatkeep.runs.journal import Journal
from chatkeep.settings import Settings
from chatkeep.store.leases import Lease
from chatkeep.tools.declaration import Tool


@dataclass
class Runtime:
    """This process, as one that carries runs; `name` is its own, and no other's that ever was."""

    settings: Settings
    db: Database
    notifier: Notifier
    journal: Journal
    model: Model
    assistants: AssistantLibrary
    tools: Mapping[str, Tool]
    name: str
    tasks: dict[str, asyncio.Task[None]] = field(default_factory=dict[str, asyncio.Task[None]])
    background_tasks: set[asyncio.Task[None]] = field(default_factory=set[asyncio.Task[None]])
    reserved: set[str] = field(default_factory=set[str])  # ids of runs that are about to be among `tasks`
    prompts: set[str] = field(default_factory=set[str])  # hashes of those known to be stored, for all sessions: few
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

    def lease(self, now: str) -> Lease:
        """What this process takes with a run; `now`: the database's time."""
        return Lease(self.name, clock.add_seconds(now, self.settings.lease))

    def check_open(self) -> None:
        """Refuse new work while the service drains.

        Raises:
            ShuttingDown: it does.
        """
        if self.draining:
            raise ShuttingDown("the service is shutting down; try again in a moment")

    def reserve_slot(self, run_id: str, closing: int = 0) -> None:
        """Keep a place for a run until it is among `tasks`; `closing`: how many of those are about to end.

        Whoever asks takes it out of `reserved` again, whatever became of it.

        Raises:
            TooManyRuns: as many are open as there may be.
        """
        if len(self.tasks) + len(self.reserved - {run_id}) - closing >= self.settings.max_runs:
            raise TooManyRuns(f"{self.settings.max_runs} runs are open already")
        self.reserved.add(run_id)

    def on_ended(self, session_id: str, run_id: str, closing: Sequence[Entry]) -> None:
        """A run was closed by somebody else than its turn: stop the turn, let its readers see the end."""
        if task := self.tasks.get(run_id):
            task.cancel()
        self.journal.deliver(run_id, closing)
        self.notifier.notify(run_id, everywhere=True)  # its owner may be another process
        self.notifier.notify(session_id)
