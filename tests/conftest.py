"""Fixtures of many tests: an event loop, a database of each engine, a service, a provider."""

import os
from collections.abc import AsyncGenerator, Iterator
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck
from hypothesis import settings as hypothesis_settings

from tests.databases import new_database
from tests.postgres import Keeper, Server, missing
from tests.provider import Provider
from tests.s3 import Store, file_settings, serving_s3
from tests.script import Script
from tests.service import Service, serving, settings

# Machines are noisy: how long an example takes, or is made, says nothing about the code.
hypothesis_settings.register_profile("noisy", deadline=None, suppress_health_check=[HealthCheck.too_slow])
hypothesis_settings.register_profile("fuzz", hypothesis_settings.get_profile("noisy"), max_examples=25_000)
hypothesis_settings.load_profile("noisy")


@pytest.fixture
def anyio_backend() -> tuple[str, dict[str, bool]]:
    """The event loop that the service runs on."""
    return "asyncio", {"use_uvloop": True}


@pytest.fixture(scope="session")
def postgres(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """The PostgreSQL server of this test session, shared by all workers of pytest-xdist."""
    if why := missing():
        assert os.environ.get("CI") != "true", why
        pytest.skip(why)
    base = tmp_path_factory.getbasetemp()
    keeper = Keeper((base.parent if "PYTEST_XDIST_WORKER" in os.environ else base) / "postgres")
    yield keeper.server
    keeper.close()


@pytest.fixture(params=["sqlite", "postgres"])
def database(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[str]:
    """The URL of a database of its own for this test: once of each engine."""
    if request.param == "sqlite":
        yield f"sqlite:///{tmp_path}/test.db"
    else:
        with new_database(request.getfixturevalue("postgres")) as url:
            yield url


@pytest.fixture(scope="session")
def s3(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Store]:
    """The S3-compatible store of this process."""
    with serving_s3(tmp_path_factory.mktemp("s3")) as store:
        yield store


@pytest.fixture
def file_place() -> dict[str, Any]:
    """The settings that say where the bytes of files lie: by default in the database."""
    return {}


@pytest.fixture(params=["database", "bucket"])
def each_place(request: pytest.FixtureRequest) -> dict[str, Any]:
    """The same for tests that run once with each place. A module takes it by a fixture `file_place` of its own."""
    if request.param == "database":
        return {}
    store: Store = request.getfixturevalue("s3")
    return file_settings(store.new_url())


@pytest.fixture
def script() -> Script:
    """The model of `service`; give it scenes to play."""
    return Script()


@pytest.fixture
async def service(database: str, script: Script, file_place: dict[str, Any]) -> AsyncGenerator[Service]:
    """The service, answered by `script`."""
    async with serving(settings(database, **file_place), script) as service:
        yield service


@pytest.fixture
async def provider() -> AsyncGenerator[Provider]:
    """A provider on loopback; give it answers."""
    async with Provider() as provider:
        yield provider
