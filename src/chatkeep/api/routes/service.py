"""What is neither a session nor a run: the assistants, and the service's health."""

from typing import Annotated

from fastapi import APIRouter, Path, Response

from chatkeep.agent.assistants import Assistant
from chatkeep.api.deps import WorkerDep
from chatkeep.api.responses import json_of
from chatkeep.api.views import AssistantDetails, AssistantPage, AssistantView, Health, ToolView, answer, refusals
from chatkeep.db import Connection
from chatkeep.errors import NotFound, StorageFailed
from chatkeep.runs.runtime import Worker
from chatkeep.tools.declaration import chosen

router = APIRouter(tags=["service"])


@router.get("/api/assistants", responses={200: answer(AssistantPage)})
async def list_assistants(worker: WorkerDep) -> Response:
    """Who can be talked to, and with which functions."""
    views = [
        AssistantView(each.name, each.description, each.model, _tools(worker, each)) for each in worker.assistants.all()
    ]
    return json_of(AssistantPage(views, None))


@router.get("/api/assistants/{name}", responses={200: answer(AssistantDetails), **refusals(NotFound)})
async def get_assistant(worker: WorkerDep, name: Annotated[str, Path(description="An assistant's name")]) -> Response:
    """An assistant, with what a user might say first."""
    if name not in worker.assistants:
        raise NotFound(f"no assistant {name}")
    each = worker.assistants[name]
    return json_of(AssistantDetails(each.name, each.description, each.model, _tools(worker, each), each.starters))


def _tools(worker: Worker, assistant: Assistant) -> list[ToolView]:
    tools = chosen(worker.tools, assistant.functions)
    return [ToolView(tool.name, tool.description, tool.parameters, tool.kind) for tool in tools.values()]


@router.get("/healthz", responses={200: answer(Health)})
async def check_alive() -> Response:
    """Whether the process answers."""
    return json_of(Health("ok", {}))


@router.get("/readyz", responses={200: answer(Health), 503: answer(Health)})
async def check_ready(worker: WorkerDep) -> Response:
    """Whether it is wise to send requests here."""

    async def ping(tx: Connection) -> None:
        await tx.one("SELECT COUNT(*) FROM schema_migrations")

    checks = {"database": "ok", "draining": "yes" if worker.draining else "no"}
    try:
        await worker.db.snapshot(ping)
    except StorageFailed as failure:
        checks["database"] = str(failure)
    ready = checks == {"database": "ok", "draining": "no"}
    checks["assistants"] = worker.assistants.problem or "ok"  # the files as they were before are still in use
    return json_of(Health("ok" if ready else "unavailable", checks), 200 if ready else 503)
