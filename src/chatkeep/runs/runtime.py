"""The runtime: what one process needs to execute runs, and the runs that it executes."""

import asyncio
from collections.abc import Mapping
from dataclasses import dataclass, field
from weakref import WeakValueDictionary

from chatkeep.agent.assistants import Assistant, AssistantLibrary
from chatkeep.db import Database
from chatkeep.db.notifier import Notifier
from chatkeep.db.open import ProcessIdentity
from chatkeep.db.write_probe import WriteProbe
from chatkeep.errors import InvalidRequest, ModelNotAllowed, ShuttingDown
from chatkeep.files.reader import FileReader
from chatkeep.llm import Model, ModelLibrary
from chatkeep.runs.end import EndedRun
from chatkeep.runs.file_bytes import FileBytes
from chatkeep.runs.journal import Journal
from chatkeep.runs.slots import Slots
from chatkeep.settings import Settings
from chatkeep.tools.declaration import Tool


@dataclass
class Runtime:
    """This process, as one that executes runs.

    - `process`: the worker's name, which no other process has or ever had, and its former names.
    - `tasks`: the executing runs by id; `slots`: the room for them.
    - `claim_locks`: by owner, of owners with limits: one claim of theirs at a time.
    - `stored_prompts`: hashes of prompt snapshots that are known to be stored for all sessions; they are few.
    - `run_poll_seconds`, `session_poll_seconds`: how often a reader looks at what another process may write.
    - `is_draining`: no new work is taken. `is_interrupting`: open runs are being ended as `interrupted`.
    """

    settings: Settings
    db: Database
    notifier: Notifier
    journal: Journal
    model: Model
    models: ModelLibrary
    assistants: AssistantLibrary
    tools: Mapping[str, Tool]
    process: ProcessIdentity
    file_bytes: FileBytes
    tasks: dict[str, asyncio.Task[None]] = field(default_factory=dict[str, asyncio.Task[None]])
    background_tasks: set[asyncio.Task[None]] = field(default_factory=set[asyncio.Task[None]])
    claim_locks: WeakValueDictionary[str, asyncio.Lock] = field(default_factory=WeakValueDictionary[str, asyncio.Lock])
    stored_prompts: set[str] = field(default_factory=set[str])
    slots: Slots = field(init=False)
    write_probe: WriteProbe = field(init=False)
    file_reader: FileReader = field(default_factory=FileReader)
    run_poll_seconds: float = 0.5
    session_poll_seconds: float = 2.0
    is_draining: bool = False
    is_interrupting: bool = False

    def __post_init__(self) -> None:
        self.slots = Slots(self.settings.max_runs)
        self.write_probe = WriteProbe(self.db)

    @property
    def name(self) -> str:
        """The worker's name, under which it holds its leases."""
        return self.process.name

    def get_assistant(self, name: str) -> Assistant:
        """Return the assistant of that name.

        Raises:
            InvalidRequest: there is none.
        """
        if name not in self.assistants:
            raise InvalidRequest(f"there is no assistant {name!r}")
        return self.assistants[name]

    def check_model(self, name: str, prefix: str = "") -> None:
        """Refuse a model that is not offered; `prefix` begins the message.

        Raises:
            ModelNotAllowed: it is not.
        """
        if refusal := self.models.find_refusal(name):
            raise ModelNotAllowed(f"{prefix}{refusal}")

    def check_open(self) -> None:
        """Refuse new work while the service drains.

        Raises:
            ShuttingDown: it does.
        """
        if self.is_draining:
            raise ShuttingDown("the service is shutting down; try again in a moment")

    def notify_session(self, session_id: str, owner: str) -> None:
        """Wake the readers of a session that has changed, and those of its owner's list."""
        self.notifier.notify(session_id)
        self.notifier.notify(sessions_topic(owner))

    def on_ended(self, ended: EndedRun) -> None:
        """Handle that a run was ended by other code than its turn: stop the turn, show the end to readers.

        The worker that executes the run may be another process.
        """
        if task := self.tasks.get(ended.run.id):
            task.cancel()
        self.journal.publish(ended.run.id, ended.entries)
        self.notifier.notify(ended.run.id, everywhere=True)
        self.notify_session(ended.run.session_id, ended.owner)


def sessions_topic(owner: str) -> str:
    """Return the topic of the list of the owner's sessions."""
    return f"sessions:{owner}"
