"""Chat Completions and `kill -9`: what a client has seen is kept, whatever door is asked for it afterwards."""

import random
import signal
from contextlib import suppress
from pathlib import Path
from typing import Any

import httpx2
import openai
import pytest

from tests.dialects.ai_sdk import history
from tests.dialects.doors import Ours, Said, text_of
from tests.dialects.openai import openai_client
from tests.faults.process import Armed, Home, Service, running

KILLS = 2
POINTS = {"claim committed": 1, "flush fenced": 20, "events written": 20, "flush committed": 20}

pytestmark = [pytest.mark.anyio, pytest.mark.timeout(60 + 60 * KILLS)]


async def read_until_killed(service: Service, key: str) -> tuple[str, str]:
    """Ask for a long answer, and return the completion's id and text as far as they came."""
    completion_id = seen = ""
    request: dict[str, Any] = {"model": "m", "messages": [{"role": "user", "content": "count to 200"}]}
    headers = {"Idempotency-Key": key}
    async with openai_client(service) as client:
        create: Any = client.chat.completions.create
        with suppress(openai.APIConnectionError, httpx2.TransportError):  # the service was killed
            async for chunk in await create(**request, stream=True, store=True, extra_headers=headers):
                completion_id = chunk.id
                seen += chunk.choices[0].delta.content or ""
    return completion_id, seen


async def test_a_cut_completion_is_kept(database: str, tmp_path: Path) -> None:
    home = Home(tmp_path, database, {})
    for number in range(KILLS):
        rng = random.Random(number)
        point = rng.choice(list(POINTS))
        mine = Armed(point, rng.randint(1, POINTS[point]), home.directory / f"armed {number}")
        mine.trigger.touch()
        async with running(home, mine) as service:
            completion_id, seen = await read_until_killed(service, f"k{number}")
            assert await service.ended() == -signal.SIGKILL
        async with running(home) as service:
            await check_kept(service, completion_id, seen, rng)
    assert "Traceback" not in home.complaints, home.complaints


async def check_kept(service: Service, completion_id: str, seen: str, rng: random.Random) -> None:
    (session, *_) = (await service.client.get("/api/sessions")).json()["data"]
    ours = Ours(session["id"], rng)
    before = await ours.load(service)
    assert before[0] == Said("user", "count to 200")
    assert before[1].text.startswith(seen)
    assert [text_of(each["parts"]) for each in await history(service, session["id"])] == [each.text for each in before]
    if completion_id:
        async with openai_client(service) as client:
            kept = await client.chat.completions.retrieve(completion_id)
        assert (kept.choices[0].message.content or "") == before[1].text
    assert (await ours.send(service, "count to 3")).split()[-1] in ("3", "200")
