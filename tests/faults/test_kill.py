"""kill -9 at any point: after every restart, all that was acknowledged or seen is there, and sessions go on.

`FAULT_KILLS` is the number of kills (40 on SQLite, 15 on PostgreSQL), `FAULT_SEED` the seed; both are printed.
"""

import asyncio
import os
import random
import signal
import uuid
from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from tests.faults.armed import LOAD_POINTS, START_POINTS
from tests.faults.checks import Checks, Remains
from tests.faults.client_records import SessionRecord
from tests.faults.process import PATIENCE, Armed, Home, Service, killed_at_start, running
from tests.faults.random_clients import RandomClient
from tests.faults.upstream import Upstream

KILLS = {name: int(os.environ.get("FAULT_KILLS", many)) for name, many in (("sqlite", 40), ("postgres", 15))}
SEED = int(os.environ.get("FAULT_SEED") or random.randrange(10**6))
CLIENTS = 5
ROUNDS_OF_A_CHAT = 4
"""Kills after which a session gets no more messages; its checked runs are still compared."""
COUNTS = {"claim": 4, "flush": 12, "events": 16, "close": 4, "file": 20}
"""The most passings of a point before its mine kills the process."""

pytestmark = [pytest.mark.anyio, pytest.mark.timeout(60 + 12 * max(KILLS.values()))]


@dataclass
class Campaign:
    """One database, killed again and again."""

    home: Home
    checks: Checks
    chats: list[SessionRecord] = field(default_factory=list[SessionRecord])
    last: Remains = field(default_factory=Remains)
    remains: Remains = field(default_factory=Remains)
    """The remains of the last death, and of all since the last check of everything."""
    goal: int = 0
    kills: int = 0
    points: Counter[str] = field(default_factory=Counter[str])

    async def runs(self) -> None:
        """Do all kills, and the last start after them."""
        rng = random.Random(SEED)
        loads, starts = (
            plan_kills(points(each, self.home.engine), rng, self.goal) for each in (LOAD_POINTS, START_POINTS)
        )
        for point in points(("file torn", "file unsynced"), self.home.engine):  # the first starts: the file is made
            await self.at_start(self.kills, rng, point)
        while self.kills < self.goal:
            number = self.kills
            each = random.Random(f"{SEED}/{number}")
            if number % 3 == 0 and self.last.cut:  # there is something to recover
                await self.at_start(number, each, starts.pop(0))
            else:
                await self.under_load(number, each, loads.pop(0))
        await self.check_answer()

    async def under_load(self, number: int, rng: random.Random, point: str | None) -> None:
        """Start, check everything, put load on it, and kill it at `point`; without one, from outside, at any time."""
        trigger = self.home.directory / f"armed {number}"
        mine = Armed(point, rng.randint(1, COUNTS[point.partition(" ")[0]]), trigger) if point else None
        async with running(self.home, mine) as service:
            await self._check(service)
            clients = self._make_clients(service, rng, number)
            has_started = asyncio.Event()
            async with asyncio.TaskGroup() as group:
                group.create_task(clients[0].hold_endless_answer(has_started))
                group.create_task(clients[1].follow_session())
                for client in clients[1:]:
                    group.create_task(client.act_until_gone())
                if mine is not None:
                    trigger.touch()
                else:
                    await self._kill(service, rng, has_started)
                assert await service.ended() == -signal.SIGKILL, (mine, self.home.complaints)
        self.chats = [chat for client in clients for chat in client.chats]
        self._died(point or "any time")

    async def at_start(self, number: int, rng: random.Random, point: str | None) -> None:
        """Kill it during its start: before the ready line, in the recovery, or right after."""
        trigger = self.home.directory / f"armed {number}"
        trigger.touch()
        count = {"file": 3}.get(point.partition(" ")[0], 1) if point else 0
        mine = Armed(point, rng.randint(1, count), trigger) if point else None
        await killed_at_start(self.home, mine, rng.uniform(0.05, 1.5))
        self._died(f"start: {point or 'any time'}")

    async def check_answer(self) -> None:
        """Start it once more, check everything, and stop it with SIGTERM."""
        async with running(self.home) as service:
            await self._check(service, all_again=True)
            service.process.terminate()
            assert await service.ended() == 0
        assert "Traceback" not in self.home.complaints, self.home.complaints

    async def _check(self, service: Service, *, all_again: bool = False) -> None:
        await self.checks.check_all(service, self.chats, self.remains, all_again=all_again)
        self.remains = Remains()

    async def _kill(self, service: Service, rng: random.Random, has_started: asyncio.Event) -> None:
        if rng.random() < 0.7:
            async with asyncio.timeout(PATIENCE):
                await has_started.wait()
        await asyncio.sleep(rng.uniform(0, 0.8))  # the random moment itself
        service.process.kill()

    def _make_clients(self, service: Service, rng: random.Random, number: int) -> list[RandomClient]:
        old = [chat for chat in self.chats if not chat.is_deleted]
        if number % ROUNDS_OF_A_CHAT == 0:
            old = []
        new = [SessionRecord(str(uuid.UUID(int=rng.getrandbits(128), version=4))) for _ in range(CLIENTS)]
        chats = [*old, *new][:CLIENTS]
        rng.shuffle(chats)
        return [
            RandomClient(service, chat, random.Random(rng.random()), f"{number}:{each}")
            for each, chat in enumerate(chats)
        ]

    def _died(self, point: str) -> None:
        self.last = Remains.of(self.home)
        self.remains = self.remains.then(self.last)
        self.kills += 1
        self.points[point] += 1


def points(found: tuple[str, ...], engine: str) -> tuple[str, ...]:
    """Return the points that exist with this engine. PostgreSQL's files are not written by the service."""
    return tuple(point for point in found if engine == "sqlite" or not point.startswith("file "))


def plan_kills(points: tuple[str, ...], rng: random.Random, kills: int) -> list[str | None]:
    """Plan the point of each kill: every point in turn, in random order; None is a random moment."""
    plan: list[str | None] = []
    while len(plan) < kills:
        plan += rng.sample([*points, *[None] * (len(points) // 2)], len(points) + len(points) // 2)
    return plan


async def test_a_kill_at_any_step_breaks_no_promise(tmp_path: Path, database: str) -> None:
    async with Upstream(SEED) as upstream:
        settings = {"OPENAI_BASE_URL": upstream.url, "OPENAI_API_KEY": "x", "CHATKEEP_MODEL_RETRIES": "0"}
        home = Home(tmp_path, database, settings)
        campaign = Campaign(home, Checks(home, random.Random(SEED)), goal=KILLS[home.engine])
        print(f"\nFAULT_KILLS={campaign.goal} FAULT_SEED={SEED}, {home.engine}")
        await campaign.runs()
    tally = campaign.checks.tally
    assert tally["runs interrupted"] > 0
    assert tally["events seen"] > 0
    assert campaign.goal < 40 or set(points(LOAD_POINTS, home.engine)) <= set(campaign.points)
    counted = ", ".join(f"{count} {what}" for what, count in sorted(tally.items()))
    print(f"{campaign.kills} kills survived (seed {SEED}): {counted}")
    print("killed at: " + ", ".join(f"{point} {count}" for point, count in sorted(campaign.points.items())))
