"""OpenAI's own SDK for Python as a client of the service."""

from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from typing import Any, cast

from openai import AsyncOpenAI

from tests.service import Service


@asynccontextmanager
async def openai_client(service: Service, **options: Any) -> AsyncGenerator[AsyncOpenAI]:
    """Return a client of `service`, which repeats nothing by itself."""
    values: dict[str, Any] = {"api_key": "any", "max_retries": 0, **options}
    async with AsyncOpenAI(base_url=f"{service.url}/v1", **values) as client:
        yield client


def openai_error(body: Any) -> dict[str, Any]:
    """Return the members of an error in OpenAI's form, after checking that they are there."""
    assert set(body) == {"error"}, body
    error = cast("dict[str, Any]", body["error"])
    assert set(error) >= {"message", "type", "param", "code"}, body
    assert error["message"]
    return error
