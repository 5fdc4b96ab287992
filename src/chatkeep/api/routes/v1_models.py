"""OpenAI's Models: models of the models file, and assistants."""

from typing import Annotated

from fastapi import APIRouter, Path, Response

from chatkeep.api.deps import RuntimeDep
from chatkeep.api.dialects import openai_models
from chatkeep.api.openapi import OBJECT, openai_error_answers
from chatkeep.api.responses import object_response
from chatkeep.errors import NotFound

router = APIRouter(prefix="/v1/models", tags=["OpenAI"])


@router.get("", responses={200: {"description": "A list of `Model`s", "content": OBJECT}, **openai_error_answers()})
async def list_models(runtime: RuntimeDep) -> Response:
    """The models, and the assistants as `assistant:NAME`."""
    return object_response({"object": "list", "data": openai_models.list_models(runtime)})


@router.get(
    "/{model:path}", responses={200: {"description": "A `Model`", "content": OBJECT}, **openai_error_answers(NotFound)}
)
async def get_model(
    runtime: RuntimeDep, model: Annotated[str, Path(description="A model's name, or `assistant:NAME`")]
) -> Response:
    """A model, or an assistant."""
    for each in openai_models.list_models(runtime):
        if each["id"] == model:
            return object_response(each)
    raise NotFound(f"no model {model}")
