"""The service itself: its models and assistants, and its health."""

from typing import Annotated

from fastapi import APIRouter, Path, Response

from chatkeep.agent.assistants import Assistant
from chatkeep.api.deps import RuntimeDep
from chatkeep.api.openapi import error_answers, json_answer
from chatkeep.api.responses import json_response
from chatkeep.api.views import (
    AssistantDetails,
    AssistantPage,
    AssistantView,
    Health,
    ModelPage,
    ModelView,
    PriceView,
    ToolView,
)
from chatkeep.errors import NotFound
from chatkeep.llm.model_library import OfferedModel
from chatkeep.runs.runtime import Runtime
from chatkeep.tools.declaration import select_tools

router = APIRouter(tags=["service"])


@router.get("/api/models", responses={200: json_answer(ModelPage), **error_answers()})
async def list_models(runtime: RuntimeDep) -> Response:
    """The models that may be asked for."""
    return json_response(ModelPage([_model_view(runtime, each) for each in runtime.models.all()], None))


@router.get("/api/assistants", responses={200: json_answer(AssistantPage), **error_answers()})
async def list_assistants(runtime: RuntimeDep) -> Response:
    """The assistants, and their functions."""
    views = [
        AssistantView(each.name, each.description, each.model, _tools(runtime, each), each.instructions)
        for each in runtime.assistants.all()
    ]
    return json_response(AssistantPage(views, None))


@router.get("/api/assistants/{name}", responses={200: json_answer(AssistantDetails), **error_answers(NotFound)})
async def get_assistant(runtime: RuntimeDep, name: Annotated[str, Path(description="An assistant's name")]) -> Response:
    """An assistant, with what a user might say first."""
    if name not in runtime.assistants:
        raise NotFound(f"no assistant {name}")
    each = runtime.assistants[name]
    return json_response(
        AssistantDetails(
            each.name, each.description, each.model, _tools(runtime, each), each.instructions, each.starters
        )
    )


def _model_view(runtime: Runtime, model: OfferedModel) -> ModelView:
    price = model.price and PriceView(**model.price.model_dump(), currency=runtime.settings.currency)
    return ModelView(model.name, model.provider, model.context_tokens, list(model.input), price)


def _tools(runtime: Runtime, assistant: Assistant) -> list[ToolView]:
    tools = select_tools(runtime.tools, assistant.functions)
    return [ToolView(tool.name, tool.description, tool.parameters, tool.kind) for tool in tools.values()]


@router.get("/healthz", responses={200: json_answer(Health)})
async def check_alive() -> Response:
    """Ok if the process answers."""
    return json_response(Health("ok", {}))


@router.get("/readyz", responses={200: json_answer(Health), 503: json_answer(Health)})
async def check_ready(runtime: RuntimeDep) -> Response:
    """Ok if requests may be sent here: the database can be read and written, and the service does not drain."""
    checks = {"database": await runtime.write_probe.check(), "draining": "yes" if runtime.is_draining else "no"}
    ready = checks == {"database": "ok", "draining": "no"}
    checks["models"] = runtime.models.problem or "ok"  # the files as they were before are still in use
    checks["assistants"] = runtime.assistants.problem or "ok"
    return json_response(Health("ok" if ready else "unavailable", checks), 200 if ready else 503)
