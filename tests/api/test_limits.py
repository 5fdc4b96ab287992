"""Limits of users: none is passed, whatever is sent at once, and nothing stays reserved."""

import asyncio
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import httpx2
import pytest

from chatkeep import clock
from chatkeep.chat.limits import NO_LIMITS, Limits, Used
from chatkeep.chat.people import LOCAL_USER
from chatkeep.db import Transaction
from chatkeep.runs.quota import read_used
from chatkeep.store import limits as store_limits
from tests.api.shapes import problem
from tests.faults.process import PATIENCE, Home, running
from tests.models import write_models
from tests.provider import Provider, streams, text_chunks
from tests.script import Script, say, stop
from tests.service import Service, serving, settings

pytestmark = pytest.mark.anyio

AT_ONCE = 1_000
"""How many messages are sent at once."""
HALF_COST = 500_000_000
LIMITED = {"CHATKEEP_USER_MESSAGES_HOUR": "20", "CHATKEEP_USER_OPEN_RUNS": "15"}


async def limit(service: Service, **limits: int) -> None:
    """Give `local` these limits."""
    await service.runtime.db.transaction(lambda tx: store_limits.set_own(tx, LOCAL_USER, Limits(**limits)))


async def used(service: Service) -> Used:
    """Return what `local` has used."""
    return await service.runtime.db.snapshot(lambda tx: read_used(tx, LOCAL_USER, Limits(open_runs=1)))


async def count(service: Service, sql: str) -> int:
    async def read(tx: Transaction) -> int:
        row = await tx.one(sql)  # type: ignore[arg-type]  # a constant of this file
        return row[0] if row else 0

    return await service.runtime.db.snapshot(read)


async def post(service: Service, session_id: str, **more: Any) -> httpx2.Response:
    """Send a message; the answer comes at once."""
    headers = {"prefer": "respond-async", **more.pop("headers", {})}
    body = {"content": "Hello", **more}
    return await service.client.post(f"/api/sessions/{session_id}/messages", json=body, headers=headers)


def refusal(answer: httpx2.Response) -> str:
    """Return which limit a refused request would pass."""
    return problem(answer, 429, "quota_exceeded", "limit", "resets_at")["limit"]


@pytest.mark.timeout(300)
@pytest.mark.parametrize("limits", [{"open_runs": 5}, {"messages_hour": 7}], ids=["runs", "messages"])
async def test_a_thousand_at_once_pass_no_limit(service: Service, script: Script, limits: dict[str, int]) -> None:
    gate = asyncio.Event()
    script.play(*[[gate, say("Yes."), stop()]] * 10)
    await limit(service, **limits)
    sessions = await asyncio.gather(*(service.session() for _ in range(50)))
    async with httpx2.AsyncClient(base_url=service.url, timeout=200, trust_env=False) as client:
        many = Service(service.app, client, service.url)
        answers = await asyncio.gather(*(post(many, sessions[each % 50]) for each in range(AT_ONCE)))
    statuses = [answer.status_code for answer in answers]
    (most,) = limits.values()
    assert statuses.count(202) == await count(service, "SELECT COUNT(*) FROM runs") == most
    assert set(statuses) <= {202, 429, 409}
    assert (await used(service)).open_runs == most
    gate.set()
    for answer in answers:
        if answer.status_code == 202:
            await service.events(answer.json()["run"]["id"])
    after = await used(service)
    assert (after.open_runs, after.messages_hour) == (0, most if "messages_hour" in limits else after.messages_hour)
    assert await count(service, "SELECT COUNT(*) FROM holds WHERE is_open = TRUE OR tokens > 0") == 0


async def test_two_processes_share_the_limits(database: str, tmp_path: Path) -> None:
    home = Home(tmp_path, database, {**LIMITED, "CHATKEEP_LEASE": "1"})
    async with running(home) as one, running(home) as other:
        made = await asyncio.gather(*(one.client.post("/api/sessions", json={}) for _ in range(100)))
        paths = [f"/api/sessions/{each.json()['id']}/messages" for each in made]
        headers = {"prefer": "respond-async"}
        answers = await asyncio.gather(
            *(
                (one, other)[number % 2].client.post(path, json={"content": "count to 50"}, headers=headers)
                for number, path in enumerate(paths)
            )
        )
        assert [answer.status_code for answer in answers].count(202) == 15
        assert {refusal(answer) for answer in answers if answer.status_code != 202} == {"open_runs"}
        one.process.kill()
        other.process.kill()
        await asyncio.gather(one.ended(), other.ended())
    async with running(home) as again:  # PostgreSQL: the runs of one of the two are ended when their leases expire
        with home.inspect() as query:
            async with asyncio.timeout(PATIENCE):
                while query("SELECT COUNT(*) FROM runs WHERE finished_at IS NULL") != [(0,)]:
                    await asyncio.sleep(0.05)
            assert query("SELECT COUNT(*) FROM holds WHERE is_open OR tokens > 0") == [(0,)]
            assert query("SELECT SUM(runs) FROM usage_by_day") == [(15,)]
        answers = [await again.client.post(path, json={"content": "hi"}, headers=headers) for path in paths[:10]]
        assert [answer.status_code for answer in answers].count(202) == 5
        assert {refusal(answer) for answer in answers if answer.status_code != 202} == {"messages_hour"}


async def test_the_refusal_says_which_and_until_when(service: Service) -> None:
    await limit(service, messages_hour=1)
    session_id = await service.session()
    await service.send(session_id, "Hello")
    refused = await post(service, session_id)
    assert refusal(refused) == "messages_hour"
    seconds = int(refused.headers["retry-after"])
    assert 3500 < seconds <= 3600
    resets_at = clock.parse(refused.json()["resets_at"])
    assert abs(resets_at - datetime.now(UTC) - timedelta(seconds=seconds)) < timedelta(seconds=30)
    assert (await service.client.get(f"/api/sessions/{session_id}")).json()["message_count"] == 2


async def test_another_answer_is_a_message_too(service: Service) -> None:
    await limit(service, messages_hour=1)
    session_id = await service.session()
    sent = await service.send(session_id, "Hello")
    body = {"message_id": sent["user_message"]["id"]}
    assert refusal(await service.client.post(f"/api/sessions/{session_id}/runs", json=body)) == "messages_hour"
    assert refusal(await post(service, session_id, parent_id=None)) == "messages_hour"


async def test_a_repeat_is_not_limited(service: Service) -> None:
    await limit(service, messages_hour=1)
    session_id = await service.session()
    key = {"headers": {"idempotency-key": "k"}}
    answers = await asyncio.gather(*(post(service, session_id, **key) for _ in range(5)))
    answers.append(await post(service, session_id, **key))
    assert {answer.status_code for answer in answers} == {202}
    assert len({answer.json()["run"]["id"] for answer in answers}) == 1
    other_key = {"headers": {"idempotency-key": "l"}}
    assert refusal(await post(service, session_id, on_busy="interrupt", **other_key)) == "messages_hour"


async def test_an_interrupted_run_makes_room_for_the_next(service: Service, script: Script) -> None:
    gate = asyncio.Event()
    script.play([say("Half"), gate, stop()], [say("Whole"), stop()])
    await limit(service, open_runs=1)
    session_id, other = await service.session(), await service.session()
    first = (await post(service, session_id)).json()["run"]
    assert refusal(await post(service, other)) == "open_runs"
    assert (await post(service, other)).json()["resets_at"] is None
    second = await service.send(session_id, "Again", on_busy="interrupt")
    assert second["run"]["status"] == "completed"
    assert (await service.run(first["id"]))["status"] == "cancelled"
    gate.set()


async def test_tokens_of_today_are_limited(service: Service, script: Script) -> None:
    script.play([say("Yes."), stop(tokens=(90, 20))])
    await limit(service, tokens_day=100_000)
    session_id = await service.session()
    await service.send(session_id, "Hello")
    assert (await used(service)).tokens_day == 110
    await limit(service, tokens_day=110)
    refused = await post(service, session_id)
    assert refusal(refused) == "tokens_day"
    assert refused.json()["resets_at"].endswith("T00:00:00.000000Z")


async def test_an_open_run_holds_its_prompt(service: Service, script: Script) -> None:
    gate = asyncio.Event()
    script.play([gate, say("Yes."), stop(tokens=(90, 20))])
    await limit(service, tokens_day=100_000)
    run = (await post(service, await service.session(), content="word " * 1_000)).json()["run"]
    assert 1_250 < (await used(service)).tokens_day < 4_000
    await limit(service, tokens_day=1_300)
    assert refusal(await post(service, await service.session())) == "tokens_day"
    gate.set()
    await service.events(run["id"])
    assert (await used(service)).tokens_day == 110  # what it has really used


async def test_the_cost_of_today_is_limited(tmp_path: Path, provider: Provider) -> None:
    provider.answers = [streams(*text_chunks("Yes.", usage=(1_000, 150_000)))] * 3
    model = 'provider = "one"\nmodel = "upstream"\nprice = {input = 1.0, output = 3.0}\n'
    path = write_models(tmp_path, {"paid": model}, one=f'base_url = "{provider.url}"')
    async with serving(settings(tmp_path, models=path, model="paid", user_cost_day=0.5)) as service:
        session_id = await service.session()
        await service.send(session_id, "Hello")
        refused_at = None
        for number in range(3):
            if (answer := await post(service, session_id)).status_code == 429:
                refused_at = (number, answer.json()["limit"])
                break
            await service.events(answer.json()["run"]["id"])
        assert refused_at == (1, "cost_day")  # 0.451 each: the second one was under way as the limit was passed
        assert (await used(service)).cost_day == 902_000_000
        assert service.runtime.settings.user_limits.cost_day == HALF_COST


async def test_a_deleted_session_keeps_its_usage(service: Service, script: Script) -> None:
    script.play([say("Yes."), stop(tokens=(90, 20))])
    session_id = await service.session()
    await service.send(session_id, "Hello")
    assert (await service.client.delete(f"/api/sessions/{session_id}")).status_code == 204
    assert (await used(service)).tokens_day == 110


async def test_without_limits_nothing_is_held(service: Service) -> None:
    await service.send(await service.session(), "Hello")
    assert (
        await count(service, "SELECT COUNT(*) FROM holds") == await count(service, "SELECT COUNT(*) FROM limits") == 0
    )
    shown = await service.runtime.db.snapshot(lambda tx: read_used(tx, LOCAL_USER, NO_LIMITS))
    assert (shown.open_runs, shown.messages_hour) == (None, None)
