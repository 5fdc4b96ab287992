"""kill -9 while the TypeScript client reads, sends and answers: it goes on by itself when the service is back."""

import socket
from pathlib import Path

import pytest

from tests.api.streams import text_of
from tests.clients.typescript import typescript_client
from tests.faults.process import Home, running

pytestmark = pytest.mark.anyio

ASK_USER = {"name": "ask_user"}


@pytest.fixture
def home(tmp_path: Path) -> Home:
    """A service that comes back on the same port."""
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    return Home(tmp_path, f"sqlite:///{tmp_path}/test.db", {}, port=port)


async def test_reading_goes_on_after_a_kill(project: Path, home: Home) -> None:
    async with typescript_client(project, f"http://127.0.0.1:{home.port}") as client:
        async with running(home) as service:
            session = (await client.call("createSession"))["id"]
            run = (await client.call("send", session, "count to 200"))["run"]["id"]
            seen = text_of((await client.begin("read", run, until="30 "))["last"])
            service.process.kill()
            await service.ended()
        async with running(home):
            state = await client.settle()
            assert state.get("error") is None
            assert state["losses"] != []
            assert text_of(state["last"]).startswith(seen)
            assert state["last"]["status"] == "interrupted"
            page = await client.call("history", session)
            assert page["data"][1] == state["last"]


async def test_a_message_sent_meanwhile_arrives_once(project: Path, home: Home) -> None:
    async with typescript_client(project, f"http://127.0.0.1:{home.port}") as client:
        async with running(home):
            session = (await client.call("createSession"))["id"]
        await client.begin_call("send", session, "hello")
        async with running(home):
            run = (await client.result())["run"]["id"]
            answer = await client.read(run)
            page = await client.call("history", session)
    assert [each["role"] for each in page["data"]] == ["user", "assistant"]
    assert page["data"][1] == answer


async def test_a_call_waits_through_a_kill(project: Path, home: Home) -> None:
    async with typescript_client(project, f"http://127.0.0.1:{home.port}") as client:
        async with running(home) as service:
            session = (await client.call("createSession"))["id"]
            asked = {"content": "ask_user", "tools": [ASK_USER]}
            run = (await client.call("send", session, asked))["run"]["id"]
            state = await client.begin("read", run, until="requires_action")
            service.process.kill()
            await service.ended()
        call_id = state["last"]["parts"][0]["call_id"]
        async with running(home):
            assert await client.call("answerCall", run, call_id, {"answer": "blue"}) is True
            state = await client.settle()
            page = await client.call("history", session)
    assert state["last"]["status"] == "completed"
    assert "blue" in text_of(state["last"])
    assert page["data"][1] == state["last"]
