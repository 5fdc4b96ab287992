"""The data of the last release, through an upgrade: read, resumed, answered, examined, copied; on both engines."""

import asyncio
from collections.abc import AsyncGenerator
from contextlib import ExitStack
from pathlib import Path
from typing import Any, cast

import pytest

from chatkeep.cli.copy import copy
from chatkeep.cli.doctor import examine
from chatkeep.db.migrate import AFTER_MOVE
from chatkeep.db.open import connect
from chatkeep.settings import Settings
from chatkeep.watch.progress import ignore_progress
from tests.api.streams import PATIENCE, split_units, text_of
from tests.databases import new_database
from tests.old_database import migrate_to
from tests.postgres import Server
from tests.release import FOREVER, KEY, add_release, read_release
from tests.service import Service, serving, settings

pytestmark = pytest.mark.anyio

RELEASE = read_release()
LEASE = 0.9
MOVED = AFTER_MOVE - 1
"""The migration at which an upgrade may be cut off: the new tables are there, and empty."""


@pytest.fixture(params=["sqlite", "postgres"])
async def data(request: pytest.FixtureRequest, tmp_path: Path, postgres: Server) -> AsyncGenerator[Settings]:
    """A database of the release. Its logs are older than a service would keep them."""
    with ExitStack() as stack:
        where: Path | str = tmp_path
        if request.param == "postgres":
            where = stack.enter_context(new_database(postgres, empty=True))
        used = settings(where, events_retention=float(FOREVER), titles="off", lease=LEASE)
        db = await connect(used)
        await add_release(db, RELEASE)
        await db.close()
        yield used


def is_part(old: Any, new: Any) -> bool:
    """Return True if all that was shown is shown still: fields may have been added."""
    if isinstance(old, dict):
        of_old, of_new = cast("dict[str, Any]", old), cast("dict[str, Any]", new)
        return all(name in of_new and is_part(value, of_new[name]) for name, value in of_old.items())
    if isinstance(old, list):
        olds, news = cast("list[Any]", old), cast("list[Any]", new)
        return len(olds) == len(news) and all(map(is_part, olds, news))
    return bool(old == new)


async def interrupted(service: Service) -> dict[str, Any]:
    """Return the answer that the kill has cut, once its run is ended."""
    async with asyncio.timeout(PATIENCE):
        while True:
            last = (await service.client.get(f"/api/sessions/{RELEASE.cut}/messages")).json()["data"][-1]
            if last["status"] != "in_progress":
                return last
            await asyncio.sleep(0.05)


async def read_seen(service: Service, run_id: str) -> str:
    """Return the text of a run's events."""
    return "".join(each["text"] for each in await service.events(run_id) if each["type"] == "text.delta")


async def test_all_that_was_shown_is_shown_still(data: Settings) -> None:
    async with serving(data) as service:
        for path, old in RELEASE.shown.items():
            new = (await service.client.get(path)).json()
            assert is_part(old, new), (path, old, new)
        used = next(iter(RELEASE.shown))
        for message in RELEASE.shown[f"{used}/messages?branches=all"]["data"]:
            if run_id := message["run_id"]:
                events = await service.events(run_id)
                assert split_units(await service.events(run_id, 5)) == split_units(events)[5:]
                assert is_part(message, events[-1]["message"])


async def test_a_chat_goes_on(data: Settings) -> None:
    path = next(iter(RELEASE.shown))
    async with serving(data) as service:
        messages = f"{path}/messages"
        before = len((await service.client.get(messages)).json()["data"])
        body = {"content": "count to 5"}
        again = await service.client.post(
            messages, json=body, headers=KEY
        )  # the release had this key, and has answered
        assert (again.status_code, again.json()["run"]["number"]) == (200, 1), again.text
        assert len((await service.client.get(messages)).json()["data"]) == before
        answer = await service.send(path.rpartition("/")[2], "count to 3")
        assert (answer["run"]["status"], text_of(answer["message"])) == ("completed", "1 2 3 ")


async def test_open_runs_end_as_they_should(data: Settings) -> None:
    async with serving(data) as service:
        cut = await interrupted(service)
        assert cut["status"] == "interrupted"
        assert text_of(cut).startswith("1 2 3 4 5 6 7 8 9 10 11 12 ")
        assert await read_seen(service, cut["run_id"]) == text_of(cut)
        assert (await service.send(RELEASE.cut, "count to 3"))["run"]["status"] == "completed"
        waiting = (await service.client.get(f"/api/sessions/{RELEASE.waiting}/messages")).json()["data"][-1]
        (open_call,) = [part for part in waiting["parts"] if part["type"] == "tool_call"]
        answer = await service.client.post(
            f"/api/runs/{waiting['run_id']}/tool-outputs",
            json={"outputs": [{"call_id": open_call["call_id"], "output": "red"}]},
            headers={"accept": "application/json"},
        )
        assert answer.json()["run"]["status"] == "completed", answer.text


@pytest.mark.parametrize("version", [MOVED, None])
async def test_the_doctor_finds_nothing(data: Settings, version: int | None) -> None:
    if version is not None:
        db = await connect(data)
        await migrate_to(db, version)
        await db.close()
    async with serving(data) as service:
        await interrupted(service)
    findings = [each async for each in examine(data, ignore_progress, fix=False)]
    assert {each.state for each in findings} == {"ok"}, findings


async def test_it_can_be_copied(data: Settings, tmp_path: Path, postgres: Server) -> None:
    async with serving(data) as service:
        await interrupted(service)
    with new_database(postgres, empty=True) as url:
        is_postgres = data.database_url.startswith("postgres")
        target = data.model_copy(update={"database_url": f"sqlite:///{tmp_path}/other.db" if is_postgres else url})
        copied = await copy(data, target, resume=False)
    assert copied["runs"].rows == len(RELEASE.rows["runs"])
    assert copied["events"].rows >= len(RELEASE.events)
