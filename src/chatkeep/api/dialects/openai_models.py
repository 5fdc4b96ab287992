"""Models as OpenAI's clients name them: those of the models file, and assistants as `assistant:NAME`.

A model alone is asked by the assistant `plain`, which has no words and no functions of its own.
"""

from typing import Any, NamedTuple

from chatkeep.errors import InvalidRequest
from chatkeep.runs.runtime import Runtime

PREFIX = "assistant:"
"""Begins the name of an assistant, where a client names a model."""
PLAIN = "plain"
"""The assistant that asks a model alone (`agent/builtin_assistants/plain.md`)."""


class Answerer(NamedTuple):
    """Who answers: an assistant, and the model that it asks; None: its own."""

    assistant: str
    model: str | None


def find_answerer(runtime: Runtime, name: str) -> Answerer:
    """Return who answers for the model `name`.

    Raises:
        InvalidRequest, ModelNotAllowed: there is none of that name.
    """
    if not name.startswith(PREFIX):
        runtime.check_model(name, "model: ")
        return Answerer(PLAIN, name)
    assistant = name.removeprefix(PREFIX)
    if assistant not in runtime.assistants:
        raise InvalidRequest(f"model: there is no assistant {assistant!r}")
    return Answerer(assistant, None)


def list_models(runtime: Runtime) -> list[dict[str, Any]]:
    """Return all models and assistants, each as OpenAI's `Model`. `created` is 0: that is not known."""
    models = [_model(each.name, each.provider) for each in runtime.models.all()]
    return models + [_model(f"{PREFIX}{each.name}", "chatkeep") for each in runtime.assistants.all()]


def _model(name: str, owner: str) -> dict[str, Any]:
    return {"id": name, "object": "model", "created": 0, "owned_by": owner}
