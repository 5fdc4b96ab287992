"""A service with the fake provider aimock, over each of the ways in which it can be asked."""

from collections.abc import AsyncGenerator, Iterator
from pathlib import Path

import pytest

from tests.aimock.provider import Aimock, run_aimock
from tests.aimock.service import PROVIDERS, serving_with
from tests.service import Service


@pytest.fixture(scope="session")
def aimock_process(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Aimock]:
    """The fake provider of all tests."""
    with run_aimock(tmp_path_factory.mktemp("aimock")) as aimock:
        yield aimock


@pytest.fixture
def aimock(aimock_process: Aimock) -> Aimock:
    """The fake provider, without fixtures."""
    aimock_process.reset()
    return aimock_process


@pytest.fixture(params=PROVIDERS)
def model(request: pytest.FixtureRequest) -> str:
    """A model of the service, by the way in which its provider is asked."""
    return request.param


@pytest.fixture
async def service(aimock: Aimock, tmp_path: Path, model: str) -> AsyncGenerator[Service]:
    """A service that asks `model`, without retries."""
    async with serving_with(aimock, tmp_path, model) as service:
        yield service
