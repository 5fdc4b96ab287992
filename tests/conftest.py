"""What many tests need: an event loop, a service, a provider."""

from collections.abc import AsyncGenerator
from pathlib import Path

import pytest
from hypothesis import HealthCheck
from hypothesis import settings as hypothesis_settings

from tests.provider import Provider
from tests.script import Script
from tests.service import Service, serving, settings

# Machines are noisy: how long an example takes, or is made, says nothing about the code.
hypothesis_settings.register_profile("noisy", deadline=None, suppress_health_check=[HealthCheck.too_slow])
hypothesis_settings.load_profile("noisy")


@pytest.fixture
def anyio_backend() -> tuple[str, dict[str, bool]]:
    """The event loop that the service runs on."""
    return "asyncio", {"use_uvloop": True}


@pytest.fixture
def script() -> Script:
    """The model of `service`; give it scenes to play."""
    return Script()


@pytest.fixture
async def service(tmp_path: Path, script: Script) -> AsyncGenerator[Service]:
    """The service, answered by `script`."""
    async with serving(settings(tmp_path), script) as service:
        yield service


@pytest.fixture
async def provider() -> AsyncGenerator[Provider]:
    """A provider on loopback; give it answers."""
    async with Provider() as provider:
        yield provider
