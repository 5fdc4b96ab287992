"""Every test of a provider twice: the first request of a process is the SDK's, later ones have the head it made."""

from collections.abc import AsyncGenerator

import pytest

from tests.provider import Provider


@pytest.fixture(params=[False, True], ids=["first", "later"])
async def provider(request: pytest.FixtureRequest) -> AsyncGenerator[Provider]:
    """A provider that a model asks for the first time, or not."""
    async with Provider(is_known=request.param) as provider:
        yield provider
