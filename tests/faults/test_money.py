"""Thousands of faulty turns: what the provider counted is what the calls have, and runs have the sums of their calls.

`MONEY_TURNS` is how many turns there are (10,000 with `make money`), `FAULT_SEED` the seed; both are printed. Answers
break off, are refused, are garbage, hand over to another model, are cancelled; and the process is killed in some.
"""

import asyncio
import os
import random
import signal
from pathlib import Path

import pytest

from tests.faults.counting_upstream import KINDS, CountingUpstream, Tokens
from tests.faults.outside_queries import Query
from tests.faults.process import PATIENCE, Home, Service, running

TURNS = int(os.environ.get("MONEY_TURNS", "240"))
SEED = int(os.environ.get("FAULT_SEED") or random.randrange(10**6))
TURNS_OF_A_LIFE = 500
"""Turns after which the process is killed, at the most."""
CRASHED_OF_A_LIFE, CLIENTS, TURNS_OF_A_SESSION = 5, 8, 6

pytestmark = [pytest.mark.anyio, pytest.mark.timeout(120 + TURNS)]

MODELS = """
[providers.one]
base_url = "{url}"
[models.a]
provider = "one"
model = "first"
price = {{input = 0.25, cached_input = 0.025, output = 2.0}}
{fallback}
[models.b]
provider = "one"
model = "second"
price = {{input = 1.1, output = 3.0}}
"""

UNEQUAL = """
    SELECT r.id FROM runs r
      LEFT JOIN (SELECT session_key, run_number, SUM(input_tokens) AS i, SUM(cached_input_tokens) AS ci,
                        SUM(output_tokens) AS o, SUM(reasoning_tokens) AS re, SUM(cost) AS c,
                        COUNT(*) - COUNT(cost) AS unknown
                   FROM model_calls WHERE step > 0 GROUP BY session_key, run_number) s
        ON s.session_key = r.session_key AND s.run_number = r.number
     WHERE COALESCE(s.i, 0) <> r.input_tokens OR COALESCE(s.ci, 0) <> r.cached_input_tokens
        OR COALESCE(s.o, 0) <> r.output_tokens OR COALESCE(s.re, 0) <> r.reasoning_tokens
        OR COALESCE(s.c, 0) <> COALESCE(r.cost, 0) OR s.unknown > 0 OR r.open_call IS NOT NULL OR r.finished_at IS NULL
"""
COUNTED = """
    SELECT SUM(input_tokens), SUM(cached_input_tokens), SUM(output_tokens), SUM(reasoning_tokens)
      FROM model_calls WHERE NOT estimated
"""

SUMS = """SELECT model, SUM(input_tokens), SUM(cached_input_tokens), SUM(output_tokens), SUM(reasoning_tokens),
       SUM(COALESCE(cost, 0)) FROM {table} GROUP BY model ORDER BY model"""


class Client:
    """Sends one message after the other, each with the fault that its answer is to have."""

    def __init__(self, service: Service, upstream: CountingUpstream) -> None:
        self._http = service.client
        self._upstream = upstream
        self._session = ""
        self._turns = 0

    async def take_turn(self, text: str) -> None:
        """Let `text` be answered to its end."""
        if self._turns % TURNS_OF_A_SESSION == 0:
            self._session = (await self._http.post("/api/sessions", json={})).json()["id"]
        self._turns += 1
        if text.startswith("abort"):
            run_id = await self.begin_turn(text)
            await self._http.post(f"/api/runs/{run_id}/cancel")
            return
        model = "a" if text.startswith("falls_back") else "b"
        answer = await self._http.post(
            f"/api/sessions/{self._session}/messages",
            json={"content": text, "model": model},
            headers={"accept": "application/json"},
        )
        assert answer.status_code == 200, (text, answer.text)

    async def begin_turn(self, text: str) -> str:
        """Begin a turn whose answer stalls in the middle, wait until it does, and return its run's id."""
        self._session = (await self._http.post("/api/sessions", json={})).json()["id"]
        answer = await self._http.post(
            f"/api/sessions/{self._session}/messages",
            json={"content": text, "model": "b"},
            headers={"prefer": "respond-async"},
        )
        run = answer.json()["run"]
        async with asyncio.timeout(PATIENCE):
            while run["position"] < 1 + len("To get to the "):
                await asyncio.sleep(0.005)
                run = (await self._http.get(f"/api/runs/{run['id']}")).json()
        return run["id"]


async def live(service: Service, upstream: CountingUpstream, texts: list[str], crashes: int) -> None:
    """Answer all `texts`, begin some turns more, and kill the process in the middle of them."""

    async def work() -> None:
        client = Client(service, upstream)
        while texts:
            await client.take_turn(texts.pop())

    async with asyncio.TaskGroup() as group:
        for _ in range(CLIENTS):
            group.create_task(work())
    for number in range(crashes):
        await Client(service, upstream).begin_turn(f"crash {number}")
    service.process.kill()
    assert await service.ended() == -signal.SIGKILL


async def test_no_token_is_lost_or_counted_twice(tmp_path: Path, database: str) -> None:
    turns = TURNS if database.startswith("sqlite") else min(TURNS, 1_000)
    rng = random.Random(SEED)
    async with CountingUpstream(SEED) as upstream:
        (tmp_path / "models.toml").write_text(MODELS.format(url=upstream.url, fallback='fallback = ["b"]'))
        settings = {"CHATKEEP_MODELS": "models.toml", "CHATKEEP_MODEL": "b", "CHATKEEP_MODEL_RETRIES": "1"}
        settings["CHATKEEP_USER_OPEN_RUNS"] = "1000"  # so that runs hold something
        home = Home(tmp_path, database, settings)
        done = crashed = aborted = 0
        while done < turns:
            kinds = rng.choices((*KINDS, "abort"), k=min(TURNS_OF_A_LIFE, max(1, (turns - done) // 2)))
            async with running(home) as service:
                await live(service, upstream, [f"{kind} {done + n}" for n, kind in enumerate(kinds)], CRASHED_OF_A_LIFE)
            done += len(kinds) + CRASHED_OF_A_LIFE
            crashed += CRASHED_OF_A_LIFE
            aborted += kinds.count("abort")
        async with running(home) as service:  # recovers what the last death has left
            service.process.terminate()
            assert await service.ended() == 0
        with home.remains() as query:
            check(query, upstream, crashed, aborted)
        print(f"seed {SEED}, {home.engine}: {done} turns, {upstream.request_count} requests, {upstream.counted}")
        assert "Traceback" not in home.complaints, home.complaints


def check(query: Query, upstream: CountingUpstream, crashed: int, aborted: int) -> None:
    """Check the law, and that calls which were stopped are kept."""
    assert query(UNEQUAL) == []
    assert Tokens(*map(int, query(COUNTED)[0])) == upstream.counted
    assert query(SUMS.format(table="usage_by_day")) == query(SUMS.format(table="model_calls"))
    runs = query("SELECT COUNT(*), SUM(CASE status WHEN 'failed' THEN 1 ELSE 0 END) FROM runs")
    assert query("SELECT SUM(runs), SUM(failures) FROM usage_by_day") == runs
    assert query("SELECT COUNT(*) FROM holds WHERE is_open OR tokens > 0 OR cost > 0") == [(0,)]
    ((calls,),) = query("SELECT COUNT(*) FROM model_calls")
    assert calls == upstream.request_count
    stopped = (
        "SELECT outcome, COUNT(*), MIN(output_tokens) FROM model_calls WHERE outcome IN ('cancelled', 'interrupted')"
    )
    found = {
        outcome: (count, least > 0) for outcome, count, least in query(f"{stopped} AND estimated GROUP BY outcome")
    }
    assert found == {"cancelled": (aborted, True), "interrupted": (crashed, True)}
