"""OpenAI's own SDK for Python as a client of the service, and what its tests say to it."""

from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from typing import Any, cast

from openai import AsyncOpenAI

from tests.dialects.ai_sdk import Running

DEFAULT = "assistant:default"
PICK: Any = {
    "type": "function",
    "name": "pick",
    "description": "Let the user pick a colour.",
    "parameters": {"type": "object", "properties": {"n": {"type": "integer"}}, "required": ["n"]},
    "strict": False,
}
"""A function of the client, in the form of Responses."""


@asynccontextmanager
async def openai_client(service: Running, **options: Any) -> AsyncGenerator[AsyncOpenAI]:
    """Return a client of `service`, which repeats nothing by itself."""
    values: dict[str, Any] = {"api_key": "any", "max_retries": 0, **options}
    async with AsyncOpenAI(base_url=f"{str(service.client.base_url).rstrip('/')}/v1", **values) as client:
        yield client


def output(call_id: str, text: str) -> Any:
    """Return the output of a call, in the form of Responses."""
    return {"type": "function_call_output", "call_id": call_id, "output": text}


def openai_error(body: Any) -> dict[str, Any]:
    """Return the members of an error in OpenAI's form, after checking that they are there."""
    assert set(body) == {"error"}, body
    error = cast("dict[str, Any]", body["error"])
    assert set(error) >= {"message", "type", "param", "code"}, body
    assert error["message"]
    return error
