"""Loads what settings name: the database, the assistants, the tools. Also for commands that need no runtime."""

import logging
from collections.abc import Mapping

from chatkeep import mcp
from chatkeep.agent.assistants import AssistantLibrary
from chatkeep.db import Database
from chatkeep.db.backup import SafetyCopy
from chatkeep.db.migrate import load_migrations, migrate
from chatkeep.db.open import connect
from chatkeep.errors import CannotStart, StorageFailed, ValueRefused
from chatkeep.llm.model_library import ModelLibrary
from chatkeep.settings import Settings
from chatkeep.toolbox.loading import load
from chatkeep.tools.declaration import Tool
from chatkeep.watch.progress import OnProgress, log_progress

_log = logging.getLogger("chatkeep")


async def open_database(settings: Settings, on_progress: OnProgress | None = None) -> Database:
    """Open the database of `settings` and bring it to this version's schema. A SQLite file is copied before.

    Rows that a migration moves are reported in pages, to the log if there is no `on_progress`.

    Raises:
        CannotStart: it cannot be opened or copied, is newer than this version, or another program's.
    """
    db = await connect(settings)
    path = settings.database_path()
    copy = SafetyCopy(path) if path is not None else None
    try:
        report = on_progress or log_progress(_log, "pages of rows that the new schema moves")
        await migrate(db, load_migrations(db.engine), copy, report)
    except (StorageFailed, ValueRefused, CannotStart) as failure:
        await db.close()
        if copy is not None:
            copy.discard()
        if not isinstance(failure, CannotStart):
            raise CannotStart(f"cannot use the database {db.name}: {failure}") from failure
        raise
    if copy is not None:
        copy.announce()
    return db


def load_assistants(settings: Settings, tools: Mapping[str, Tool], models: ModelLibrary) -> AssistantLibrary:
    """Load the assistants that come with chatkeep, and the operator's. They may name `tools` and `models`.

    Raises:
        CannotStart: a file is wrong, or the default assistant is not among them.
    """
    library = find_assistants(settings, tools, models)
    if settings.assistant not in library:
        raise CannotStart(f"CHATKEEP_ASSISTANT: there is no assistant {settings.assistant!r}")
    return library


def find_assistants(settings: Settings, tools: Mapping[str, Tool], models: ModelLibrary) -> AssistantLibrary:
    """As `load_assistants`, but the default assistant may be missing."""
    servers = [server.name for server in settings.mcp_servers]
    return AssistantLibrary(settings.assistants_dir, tools, servers, models)


def load_tools(settings: Settings) -> dict[str, Tool]:
    """Load the tools that come with chatkeep, and those of the modules in CHATKEEP_TOOLS.

    Raises:
        CannotStart: a module cannot be imported, or MCP servers cannot be used beside them.
    """
    tools = load(settings.tools)
    mcp.check_servers(settings.mcp_servers, tools)
    return tools
