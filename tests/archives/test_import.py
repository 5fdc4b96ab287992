"""Imports of our own archives over HTTP: whole, once, and nothing half."""

import asyncio
import io
import json
from collections.abc import AsyncGenerator, Generator
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given
from hypothesis import settings as hypothesis_settings

from chatkeep import ids
from chatkeep.archives.exports import export_all, export_session
from chatkeep.archives.imports import import_archive
from chatkeep.archives.incoming_session import IncomingSession, Sender
from chatkeep.archives.lines import MessageLine, SessionLine
from chatkeep.archives.reading_lines import read_lines
from chatkeep.db import Transaction
from chatkeep.runs.indexing import index_backlog
from chatkeep.runs.startup import open_runtime
from chatkeep.store import importing
from chatkeep.store import messages as store_messages
from tests.api.shapes import problem
from tests.api.streams import streaming
from tests.api.tables import change_owner, contents
from tests.archives.chats import add_chats, lines_of
from tests.archives.generated import archives
from tests.filled_database import add_session
from tests.script import Script, say, stop
from tests.service import Service, serving, settings
from tests.values import TIME, uid

pytestmark = pytest.mark.anyio


async def export(service: Service, **params: str) -> bytes:
    answer = await service.client.get("/api/export", params=params)
    assert answer.status_code == 200, answer.text
    return answer.content


async def bring(service: Service, archive: bytes) -> dict[str, Any]:
    headers = {"content-type": "application/octet-stream"}
    answer = await service.client.post("/api/import", content=archive, headers=headers)
    assert answer.status_code == 200, answer.text
    return answer.json()


def encode(lines: list[dict[str, Any]]) -> bytes:
    return b"".join(json.dumps(line, ensure_ascii=False, separators=(",", ":")).encode() + b"\n" for line in lines)


@pytest.fixture
async def other(tmp_path: Path, script: Script) -> AsyncGenerator[Service]:
    """Another service, which has a database of its own."""
    async with serving(settings(f"sqlite:///{tmp_path}/other.db"), script) as other:
        yield other


async def test_an_archive_comes_back_as_it_was(service: Service, script: Script, other: Service) -> None:
    await add_chats(other, script)
    archive = await export(other)
    report = await bring(service, archive)
    assert report["not_taken"] == []
    assert report["complete"]
    assert report["taken"] == {"session": 3, "message": 10, "run": 5, "file": 2}
    assert await export(service) == archive
    again = await bring(service, archive)
    assert (again["taken"], again["not_taken"]) == ({}, [])
    assert again["already"] == report["taken"]
    assert await export(service) == archive


async def test_an_open_answer_comes_back_as_interrupted(service: Service, script: Script, other: Service) -> None:
    gate = asyncio.Event()
    script.play([say("To get"), gate, stop()])
    started = await service.start(await service.session(), "why?")
    async with streaming(service, f"/api/runs/{started['run']['id']}/events") as stream:
        await stream.read_units(1 + len("To get"))
        archive = await export(service)
        gate.set()
        await stream.rest()
    report = await bring(other, archive)
    assert report["taken"] == {"session": 1, "message": 2, "run": 1}
    message = (await other.client.get(f"/api/messages/{started['message']['id']}")).json()
    assert message == started["message"] | {"parts": [{"type": "text", "text": "To get"}], "status": "interrupted"}
    assert (await other.run(started["run"]["id"]))["finished_at"] is not None


async def test_an_imported_chat_is_found(service: Service, script: Script, other: Service) -> None:
    script.play([say("a needle in a haystack"), stop()])
    sent = await other.send(await other.session(title="Of hay"), "where?")
    await bring(service, await export(other))
    await index_backlog(service.runtime)
    for words in ("needle", "hay", "where"):
        page = (await service.client.get("/api/search", params={"q": words})).json()
        assert [each["session_id"] for each in page["data"]] == [sent["run"]["session_id"]], words


async def test_an_imported_chat_goes_on(service: Service, script: Script, other: Service) -> None:
    script.play([say("half"), stop("length")])
    first = await other.send(await other.session(), "one")
    await bring(service, await export(other))
    session_id = first["run"]["session_id"]
    script.play([say(" and whole"), stop()], [say("again"), stop()], [say("two"), stop()])
    for body in ({"continue": first["message"]["id"]}, {"message_id": first["user_message"]["id"]}):
        answer = await service.client.post(
            f"/api/sessions/{session_id}/runs", json=body, headers={"accept": "application/json"}
        )
        assert answer.status_code == 200, answer.text
    assert (await service.send(session_id, "two"))["run"]["number"] == 4
    run = f"/api/runs/{first['run']['id']}"
    problem(await service.client.get(f"{run}/prompt"), 404, "not_found")
    assert (await service.client.get(f"{run}/events")).status_code == 410
    assert len((await service.client.get(f"/api/sessions/{session_id}/messages?branches=all")).json()["data"]) == 6


@given(made=archives())
@hypothesis_settings(max_examples=60, suppress_health_check=[HealthCheck.function_scoped_fixture])  # one for all
def test_an_archive_that_was_imported_is_the_same(made: tuple[str, bytes], law: "Law") -> None:
    session_id, archive = made
    assert law.check(session_id, archive) == archive


class Law:
    """A service in a thread of its own, for examples that hypothesis generates."""

    def __init__(self, url: str) -> None:
        self._runner = asyncio.Runner()
        self._context = open_runtime(settings(url), Script())
        self._runtime = self._runner.run(self._context.__aenter__())

    def check(self, session_id: str, archive: bytes) -> bytes:
        return self._runner.run(self._check(session_id, archive))

    async def _check(self, session_id: str, archive: bytes) -> bytes:
        report = await import_archive(self._runtime, "local", io.BytesIO(archive))
        assert report.not_taken == []
        assert sum(report.taken.values()) == len(archive.splitlines()) - 3
        again = await import_archive(self._runtime, "local", io.BytesIO(archive))
        assert (again.taken, again.already, again.not_taken) == ({}, report.taken, [])
        exported = await export_session(self._runtime, "local", session_id, "jsonl")
        return b"".join([piece async for piece in exported.pieces])

    def close(self) -> None:
        self._runner.run(self._context.__aexit__(None, None, None))
        self._runner.close()


@pytest.fixture
def law(database: str) -> Generator[Law]:
    law = Law(database)
    yield law
    law.close()


async def test_another_user_gets_a_copy_of_their_own(service: Service, script: Script) -> None:
    names = await add_chats(service, script)
    archive = await export(service)
    mine = await contents(service)
    for taken in ({"session": 3, "message": 10, "run": 5, "file": 2}, {}):
        report = await import_archive(service.runtime, "other", io.BytesIO(archive))
        assert (report.taken, report.not_taken) == (taken, [])
    assert await export(service) == archive
    after = await contents(service)
    assert all(set(rows) <= set(after[table]) for table, rows in mine.items())
    theirs = lines_of(b"".join([piece async for piece in export_all(service.runtime, "other", "jsonl").pieces]))
    copied = [each for each in theirs if each["type"] == "message"]
    assert len(copied) == 10
    assert not {each["id"] for each in copied} & {each["id"] for each in lines_of(archive) if "id" in each}
    assert {each["session_id"] for each in copied} == {
        ids.derive("other", names["branches"]),
        ids.derive("other", names["files"]),
    }


async def test_no_id_of_another_session_can_be_taken(service: Service, script: Script) -> None:
    victim = await service.send(await service.session(), "mine")
    await change_owner(service, victim["run"]["session_id"])
    session_id = ids.new()
    lines: list[dict[str, Any]] = [
        {"type": "chatkeep.export", "version": 1},
        {"type": "session", "id": session_id, "title": None, "assistant": "default", "model": None, "metadata": {},
         "params": {}, "instructions": None, "head_id": None, "created_at": TIME, "updated_at": TIME},
        {"type": "message", **victim["user_message"], "session_id": session_id},
        {"type": "session.end", "id": session_id, "messages": 1, "runs": 0},
    ]  # fmt: skip
    assert (await bring(service, encode(lines)))["taken"] == {"session": 1, "message": 1}
    (stolen,) = (await service.client.get(f"/api/sessions/{session_id}/messages")).json()["data"]
    assert stolen["id"] == ids.derive_in(session_id, victim["user_message"]["id"])

    async def read(tx: Transaction) -> Any:
        return await store_messages.get_message(tx, "another owner", victim["user_message"]["id"])

    assert (await service.runtime.db.snapshot(read)).session_id == victim["run"]["session_id"]


async def test_what_breaks_off_leaves_nothing_half(service: Service, script: Script, other: Service) -> None:
    await add_chats(other, script)
    archive = await export(other)
    lines = archive.splitlines(keepends=True)
    for end in range(1, len(lines)):
        report = await bring(service, b"".join(lines[:end]) + lines[end][: len(lines[end]) // 2])
        assert not report["complete"]
        page = (await service.client.get("/api/sessions")).json()["data"]
        whole = [json.loads(line) for line in lines[:end] if line.startswith(b'{"type":"session.end"')]
        assert {(each["id"], each["message_count"] > 0) for each in page} == {
            (each["id"], each["messages"] > 0) for each in whole
        }
    assert (await bring(service, archive))["not_taken"] == []
    assert await export(service) == archive


async def test_an_import_that_was_cut_off_is_taken_over(service: Service, other: Service) -> None:
    await other.runtime.db.transaction(lambda tx: add_session(tx, uid("s"), 80))
    archive = await export(other)
    left = Sender("local", importing.staging_owner("local", ids.new()))
    first, *rest = list(read_lines(io.BytesIO(archive)))[1:]
    assert isinstance(first, SessionLine)
    session = IncomingSession(service.runtime, left, first, {})
    await session.open()
    for line in rest[:120]:
        assert isinstance(line, MessageLine)
        await session.add_message(line)
    assert (await service.client.get("/api/sessions")).json()["data"] == []
    problem(await service.client.get(f"/api/sessions/{uid('s')}"), 404, "not_found")
    report = await bring(service, archive)
    assert (report["taken"], report["not_taken"]) == ({"session": 1, "message": 160, "run": 80}, [])
    assert await export(service) == archive
    await session.close()  # the older one learns that it has lost
    assert session.tally.omitted == {("session", "busy"): 1, ("message", "busy"): 120}
    assert await export(service) == archive


async def test_all_that_comes_is_taken_or_listed(service: Service) -> None:
    session_id, other_id = ids.new(), ids.new()
    message = {"parent_id": None, "role": "user", "parts": [{"type": "text", "text": "x"}], "run_id": None,
               "status": "completed", "created_at": TIME, "session_id": session_id}  # fmt: skip
    session: dict[str, Any] = {"title": None, "assistant": "default", "model": None, "metadata": {}, "params": {},
               "instructions": None, "head_id": None, "created_at": TIME, "updated_at": TIME}  # fmt: skip
    one, two, loop = (ids.new_in(session_id) for _ in range(3))
    run: dict[str, Any] = {"user_message_id": one, "message_id": two, "status": "completed", "model": "m",
           "finish_reason": None, "error": None, "usage": {}, "attempt": 1, "position": 1, "created_at": TIME,
           "started_at": None, "first_token_at": None, "finished_at": TIME, "session_id": session_id,
           "number": 1}  # fmt: skip
    deep: Any = []
    for _ in range(200):
        deep = [deep]
    calls = [{"type": "tool_call", "call_id": "c", "name": "f", "kind": None, "output": deep}]
    lines: list[dict[str, Any]] = [
        {"type": "chatkeep.export", "version": 1},
        {"type": "message", "id": ids.new(), "seq": 1, **message},  # no session
        {"type": "file.bytes", "file_id": "x", "content": "AAAA"},  # no file
        {"type": "fact", "id": ids.new(), "text": "a fact", "created_at": TIME},
        {"type": "fact", "id": "no id", "text": "another", "created_at": TIME},
        {"type": "file", "id": ids.new(), "name": "x", "media_type": "text/plain", "bytes": 3},
        {"type": "unknown"},
        {"type": "session", "id": session_id, **session},
        {"type": "message", "id": one, "seq": 1, **message},
        {"type": "message", "id": two, "seq": 1, **message, "role": "assistant", "parent_id": one, "run_id": "r"},
        {"type": "message", "id": one, "seq": 3, **message},  # twice
        {"type": "message", "id": loop, "seq": 4, **message, "parent_id": loop},  # its own parent
        {"type": "message", "id": ids.new(), "seq": 4, **message, "parent_id": ids.new()},
        {"type": "message", "id": "odd id", "seq": -1, **message, "parent_id": two},
        {"type": "message", "id": ids.new(), "seq": 4, **message, "created_at": "yesterday"},
        {"type": "message", "id": ids.new(), "seq": 4, **message, "role": "system"},
        {"type": "message", "id": ids.new(), "seq": 4, **message, "role": "assistant", "parts": calls},
        {"type": "message", "id": ids.new(), "seq": 4, **message, "parts": [{"type": "step"}]},
        {"type": "run", "id": ids.new_in(session_id), **run},
        {"type": "run", "id": ids.new_in(session_id), **run},  # the answer has one
        {"type": "run", "id": ids.new_in(session_id), **run, "message_id": ids.new()},
        {"type": "run", "id": ids.new_in(session_id), **run, "position": -1},
        {"type": "session.end", "id": session_id, "messages": 9, "runs": 3},
        {"type": "run", "id": ids.new_in(session_id), **run},  # no session
        {"type": "session", "id": other_id, **session, "title": "x" * 201},
        {"type": "session", "id": other_id, **session},
        {"type": "message", "id": ids.new(), "seq": 1, **message},  # cut off
    ]
    report = await bring(service, encode(lines) + b"\xff\xfe no JSON\n" + b'{"type":"end"')
    assert report["taken"] == {"fact": 1, "session": 1, "message": 3, "run": 1}
    listed = {(each["kind"], each["reason"]): each["count"] for each in report["not_taken"]}
    assert listed == {
        ("fact", "not_understood"): 1,
        ("file", "refused"): 1,
        ("line", "no_file"): 1,
        ("line", "not_understood"): 3,
        ("message", "cut_off"): 1,
        ("message", "duplicate"): 1,
        ("message", "no_parent"): 2,
        ("message", "no_session"): 1,
        ("message", "not_understood"): 4,
        ("run", "duplicate"): 1,
        ("run", "no_message"): 1,
        ("run", "no_session"): 1,
        ("run", "not_understood"): 1,
        ("session", "cut_off"): 1,
        ("session", "not_understood"): 1,
    }
    frame = 2  # the first line, and the end of the session
    assert sum(report["taken"].values()) + sum(listed.values()) == len(lines) + 2 - frame
    assert not report["complete"]
    (own,) = (await service.client.get("/api/sessions")).json()["data"]
    assert (own["id"], own["message_count"]) == (session_id, 3)


async def test_an_archive_has_a_largest_size(database: str, script: Script) -> None:
    async with serving(settings(database, max_import_bytes=1_000), script) as service:
        archive = b'{"type":"chatkeep.export","version":1}\n' + b" " * 70_000

        async def pieces() -> AsyncGenerator[bytes]:
            yield archive

        for body in (archive, pieces()):
            problem(await service.client.post("/api/import", content=body), 413, "body_too_large")


@pytest.mark.parametrize(
    "body", [b"", b"x", b"{}", b"[]", b'{"type":"chatkeep.export","version":2}', b"PK\x03\x04", b"\x00" * 9_999]
)
async def test_what_is_no_archive_is_refused(service: Service, body: bytes) -> None:
    problem(await service.client.post("/api/import", content=body), 422, "invalid_request")
