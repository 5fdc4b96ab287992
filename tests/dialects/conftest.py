"""Fixtures of the tests of dialects."""

from collections.abc import AsyncGenerator

import pytest
from openai import AsyncOpenAI

from tests.dialects.openai import openai_client
from tests.service import Service


@pytest.fixture
async def client(service: Service) -> AsyncGenerator[AsyncOpenAI]:
    """OpenAI's client of the service."""
    async with openai_client(service) as client:
        yield client
