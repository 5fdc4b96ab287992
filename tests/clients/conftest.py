"""The packed TypeScript client, and a project that uses it."""

from collections.abc import AsyncGenerator
from pathlib import Path

import pytest

from tests.clients.typescript import install, pack
from tests.script import Script
from tests.service import Service, serving, settings


@pytest.fixture(scope="session")
def packed(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The client's package as a file, as `npm pack` makes it."""
    return pack(tmp_path_factory.mktemp("packed"))


@pytest.fixture(scope="session")
def project(packed: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder whose programs can import the client."""
    folder = tmp_path_factory.mktemp("project")
    install(packed, folder)
    return folder


@pytest.fixture
async def service(tmp_path: Path, script: Script) -> AsyncGenerator[Service]:
    """The service, answered by `script`. A client cannot tell the engines apart: one is enough."""
    async with serving(settings(tmp_path), script) as service:
        yield service
