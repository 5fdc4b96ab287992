"""Runs every test of a provider twice: the SDK sends the first request, later ones reuse its head."""

from collections.abc import AsyncGenerator

import pytest

from tests.provider import Provider


@pytest.fixture(params=[False, True], ids=["first", "later"])
async def provider(request: pytest.FixtureRequest) -> AsyncGenerator[Provider]:
    """A provider, either new to the model or with an earlier request."""
    async with Provider(is_known=request.param) as provider:
        yield provider
