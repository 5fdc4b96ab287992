"""A chat that is begun in one client, cut by kill -9 at any point, and gone on with in another.

Each kill cuts one chat of each door; after the restart the same or another door goes on with it. As many kills as there
are doors make each pair once; half of them are on each engine. `DOOR_KILLS` is the number of kills, `DOOR_SEED` the
seed; both are printed. `make doors` does many more of them.
"""

import asyncio
import os
import random
import signal
import uuid
from pathlib import Path

import pytest

from tests.dialects.doors import DOORS, Door, Ours, Said
from tests.faults.process import Armed, Home, Service, running

KILLS = int(os.environ.get("DOOR_KILLS", len(DOORS)))
SEED = int(os.environ.get("DOOR_SEED") or random.randrange(10**6))
POINTS = {"claim stored": 5, "claim committed": 5, "flush fenced": 20, "events written": 20, "flush committed": 20}
"""The points at which the service dies, and the most passings of each before it does."""
MANY_KILLS = 50
"""With fewer, all may hit before an answer has begun."""

pytestmark = [pytest.mark.anyio, pytest.mark.timeout(60 + 60 * KILLS)]


async def test_a_cut_chat_goes_on_in_every_client(database: str, tmp_path: Path) -> None:
    print(f"DOOR_KILLS={KILLS} DOOR_SEED={SEED}")
    home = Home(tmp_path, database, {})
    cut = 0
    for number in range(database.startswith("postgres"), KILLS, 2):
        rng = random.Random(f"{SEED}/{number}")
        firsts = [door(str(uuid.UUID(int=rng.getrandbits(128), version=4)), rng) for door in DOORS]
        seen = await killed_while_they_send(home, rng, firsts, number)
        async with running(home) as service:
            for index, first in enumerate(firsts):
                second = DOORS[(index + number) % len(DOORS)](first.chat_id, rng)
                cut += await goes_on(service, first, seen[index], second)
    assert cut > 0 or KILLS < MANY_KILLS
    assert "Traceback" not in home.complaints, home.complaints


async def killed_while_they_send(home: Home, rng: random.Random, doors: list[Door], number: int) -> list[str]:
    """Send a message through each door, kill the service meanwhile, and return what each client has seen."""
    point = rng.choice(list(POINTS))
    mine = Armed(point, rng.randint(1, POINTS[point]), home.directory / f"armed {number}")
    async with running(home, mine) as service:
        async with asyncio.TaskGroup() as group:
            answers = [group.create_task(door.send_until_killed(service, "count to 200")) for door in doors]
            for door in rng.sample(doors, rng.randint(0, len(doors))):
                while await Ours(door.chat_id, rng).load(service) == []:
                    await asyncio.sleep(0.02)  # until it is begun
            mine.trigger.touch()
        if service.process.returncode is None:  # all of them were faster
            service.process.kill()
        assert await service.ended() == -signal.SIGKILL
    return [answer.result() for answer in answers]


async def goes_on(service: Service, first: Door, seen: str, second: Door) -> bool:
    """Read the chat in `second`, go on in it, and compare it in all doors. Return True if the answer was cut."""
    where = f"{first.name} → {second.name}, after {seen!r}"
    ours = Ours(first.chat_id, first.rng)
    before = await ours.read(service)
    assert [each.role for each in before] in ([], ["user"], ["user", "assistant"]), where
    assert not seen or len(before) == 2, where
    assert not seen or before[-1].text.startswith(seen), where
    assert await second.read(service) == before, where
    answer = await second.send(service, "count to 3")
    expected = [*before, Said("user", "count to 3"), Said("assistant", answer)]
    number = 200 if len(before) == 1 else 3  # to the model, two messages without an answer in between are one
    assert answer.split() == [str(each) for each in range(1, number + 1)], where
    for door in (Ours(second.chat_id, second.rng), second):
        assert await door.read(service) == expected, (where, door.name)
    is_same = second.chat_id == first.chat_id  # not in Chat Completions, where each request makes a session
    for door in (ours, first):
        assert await door.read(service) == (expected if is_same else before), (where, door.name)
    return len(before) == 2 and not before[1].text.endswith(" 200 ")
