"""Reading the history: whole, in pages, all branches, and with an open run (docs/http-api.md)."""

import asyncio
import threading
from typing import Any

import pytest

from chatkeep import ids
from chatkeep.db import Database, Transaction
from chatkeep.db.sqlite import MAX_READERS
from chatkeep.runs.claim import PreparedTurn, claim_turn
from chatkeep.runs.prepare import prepare_turn
from chatkeep.runs.request import NewMessage
from tests.api.shapes import MESSAGE, NO_UUIDS, UNKNOWN, problem
from tests.api.streams import PATIENCE, streaming, text_of, until
from tests.databases import only_sqlite
from tests.script import Script, say, stop
from tests.service import Service

pytestmark = pytest.mark.anyio


async def history(service: Service, session_id: str, **params: Any) -> dict[str, Any]:
    answer = await service.client.get(f"/api/sessions/{session_id}/messages", params=params)
    assert answer.status_code == 200, answer.text
    page = answer.json()
    assert set(page) == {"data", "next", "position"}
    assert all(set(message) == MESSAGE for message in page["data"])
    return page


async def turns(service: Service, session_id: str, count: int) -> list[dict[str, Any]]:
    """Return the messages of so many turns, oldest first."""
    answers = [await service.send(session_id, f"question {number}") for number in range(count)]
    return [answer[role] for answer in answers for role in ("user_message", "message")]


async def test_a_new_session_has_no_history(service: Service) -> None:
    session_id = await service.session()
    assert await history(service, session_id) == {"data": [], "next": None, "position": "0.0"}
    assert await history(service, session_id, branches="all", limit=1) == {"data": [], "next": None, "position": "0.0"}


async def test_the_history_is_the_whole_branch_oldest_first(service: Service, script: Script) -> None:
    session_id = await service.session()
    messages = await turns(service, session_id, 30)
    page = await history(service, session_id)
    assert page["data"] == messages
    assert page["next"] is None
    assert [message["seq"] for message in messages] == list(range(1, 61))
    last = await service.run(messages[-1]["run_id"])
    assert page["position"] == f"30.{last['position']}"
    for message in messages[-2:]:
        answer = await service.client.get(f"/api/messages/{message['id'].upper()}")
        assert (answer.status_code, answer.json()) == (200, message)


async def test_pages_go_back_to_the_beginning(service: Service, script: Script, subtests: pytest.Subtests) -> None:
    for branches in ["active", "all"]:
        for limit in [1, 2, 3, 7, 8, 9]:
            with subtests.test(branches=branches, limit=limit):
                session_id = await service.session()
                messages = await turns(service, session_id, 4)
                seen: list[dict[str, Any]] = []
                page = await history(service, session_id, limit=limit, branches=branches)
                while True:
                    assert len(page["data"]) == min(limit, 8 - len(seen))
                    seen = page["data"] + seen
                    if page["next"] is None:
                        break
                    assert page["next"] == page["data"][0]["id"]
                    page = await history(service, session_id, limit=limit, before=page["next"], branches=branches)
                assert seen == messages


async def test_a_page_ends_just_before_any_message(service: Service, script: Script) -> None:
    session_id = await service.session()
    messages = await turns(service, session_id, 3)
    for n, message in enumerate(messages):
        assert (await history(service, session_id, before=message["id"].upper()))["data"] == messages[:n]
        page = await history(service, session_id, before=message["id"], limit=2)
        assert page["data"] == messages[:n][-2:]
        assert page["next"] == (messages[n - 2]["id"] if n > 2 else None)


async def test_branches_all_lists_every_message_by_seq(service: Service, script: Script) -> None:
    session_id = await service.session()
    first = await service.send(session_id, "1")
    second = await service.send(session_id, "2")
    edited = await service.send(session_id, "2, edited", parent_id=first["message"]["id"])
    everything = [answer[role] for answer in (first, second, edited) for role in ("user_message", "message")]
    assert (await history(service, session_id, branches="all"))["data"] == everything
    active = (await history(service, session_id))["data"]
    assert active == [everything[n] for n in (0, 1, 4, 5)]
    assert (await history(service, session_id, branches="active"))["data"] == active
    page = await history(service, session_id, branches="all", before=edited["user_message"]["id"], limit=2)
    assert page["data"] == everything[2:4]
    assert page["next"] == everything[2]["id"]


async def test_the_history_shows_the_text_so_far_of_an_open_answer(service: Service, script: Script) -> None:
    gate = asyncio.Event()
    script.play([say("To get 🐔"), gate, say(" across."), stop()])
    session_id = await service.session()
    started = await service.start(session_id, "why?")
    async with streaming(service, f"/api/runs/{started['run']['id']}/events") as stream:
        await stream.read_units(1 + len("To get 🐔"))
        page = await history(service, session_id)
        assert page["data"][0] == started["user_message"]
        assert page["data"][1] == started["message"] | {"parts": [{"type": "text", "text": "To get 🐔"}]}
        assert page["position"] == f"1.{1 + len('To get 🐔')}"
        message = (await service.client.get(f"/api/messages/{started['message']['id']}")).json()
        assert message == page["data"][1]
        gate.set()
        finished = (await stream.rest())[-1]
    page = await history(service, session_id)
    assert page["data"][1] == finished["message"]
    assert text_of(page["data"][1]) == "To get 🐔 across."
    assert page["position"] == f"1.{finished['position']}"


async def test_an_impossible_page_is_refused(service: Service, script: Script, subtests: pytest.Subtests) -> None:
    wrong = [{"limit": "0"}, {"limit": "1001"}, {"limit": "x"}, {"branches": "some"}, {"branches": ""}]
    for params in [*wrong, *({"before": before} for before in ("", UNKNOWN, *NO_UUIDS))]:
        with subtests.test(params=params):
            session_id = await service.session()
            await service.send(session_id, "1")
            answer = await service.client.get(f"/api/sessions/{session_id}/messages", params=params)
            assert answer.status_code == 422, answer.text
            assert answer.json()["code"] == "invalid_request"


async def test_a_page_of_a_thousand_is_allowed(service: Service) -> None:
    assert (await history(service, await service.session(), limit=1000))["data"] == []


async def test_a_page_does_not_end_before_a_message_of_another_session(service: Service, script: Script) -> None:
    session_id, other = await service.session(), await service.session()
    foreign = (await service.send(other, "1"))["message"]["id"]
    for branches in ("active", "all"):
        params = {"before": foreign, "branches": branches}
        answer = await service.client.get(f"/api/sessions/{session_id}/messages", params=params)
        problem(answer, 422, "invalid_request")


async def test_missing_messages_and_sessions_are_not_found(service: Service, subtests: pytest.Subtests) -> None:
    for each in [UNKNOWN, *NO_UUIDS]:
        with subtests.test(each=each):
            problem(await service.client.get(f"/api/messages/{each}"), 404, "not_found")
            problem(await service.client.get(f"/api/sessions/{each}/messages"), 404, "not_found")


class HeldReaders:
    """Holds all readers of a database inside a read, so that a write can happen between any two reads."""

    def __init__(self, db: Database) -> None:
        self._db = db
        self._hold = threading.Event()
        self._reads: set[asyncio.Task[None]] = set()

    async def step(self) -> None:
        """Finish the reads submitted so far, and hold those submitted from now on."""
        hold, held = threading.Event(), list[None]()

        async def wait(tx: Transaction) -> None:
            held.append(await tx.run("SELECT 1"))
            hold.wait(PATIENCE)

        self._reads |= {asyncio.create_task(self._db.snapshot(wait)) for _ in range(MAX_READERS)}
        self._hold.set()
        self._hold = hold
        await until(lambda: len(held) == MAX_READERS)

    async def release(self) -> None:
        """Hold no further reads."""
        self._hold.set()
        await asyncio.gather(*self._reads)


@only_sqlite  # what this rests on, a snapshot that does not change, is tested of both in tests/db
async def test_messages_and_position_come_from_one_snapshot(service: Service, script: Script) -> None:
    session_id = await service.session()
    await service.send(session_id, "first")
    request = NewMessage(content="again", on_busy="interrupt")
    turn = await prepare_turn(service.runtime, "local", session_id, request, None, ids.new_in(session_id))
    assert isinstance(turn, PreparedTurn)
    readers = HeldReaders(service.runtime.db)
    await readers.step()
    reading = asyncio.create_task(history(service, session_id))
    async with asyncio.timeout(PATIENCE):
        while not reading.done():  # a new turn between any two reads that the request may make
            again = turn._replace(run_id=ids.new_in(session_id))
            await service.runtime.db.transaction(lambda tx, again=again: claim_turn(tx, again))
            await readers.step()
    await readers.release()
    page = reading.result()
    run = await service.run(page["data"][-1]["run_id"])
    assert page["position"].partition(".")[0] == str(run["number"])
