"""kill -9 while the AI SDK's client reads: what it has seen is there after the restart, once, and the chat goes on."""

from pathlib import Path

import pytest

from tests.api.streams import text_of
from tests.dialects.ai_sdk import VERSIONS, ai_chat, history
from tests.faults.process import Home, running

pytestmark = [pytest.mark.anyio, pytest.mark.parametrize("version", VERSIONS)]


@pytest.mark.parametrize("seen", ["2 ", "30 "])
async def test_a_killed_service_has_what_was_seen(database: str, tmp_path: Path, version: str, seen: str) -> None:
    home = Home(tmp_path, database, {})
    async with running(home) as service, ai_chat(service, version, "c") as chat:
        await chat.begin("sendMessage", {"text": "count to 60"}, until=seen)
        service.process.kill()
        await service.ended()
        cut = await chat.settle()
    assert cut["status"] == "error"  # a torn connection
    async with running(home) as service:
        loaded = await history(service, "c")
        assert [each["id"] for each in loaded] == [each["id"] for each in cut["messages"]]
        stored, read = text_of(loaded[1]), text_of(cut["messages"][1])
        assert seen in read
        assert stored.startswith(read)
        assert loaded[1]["metadata"]["status"] == "interrupted"
        async with ai_chat(service, version, "c", messages=loaded) as chat:
            assert (await chat.call("resumeStream"))["messages"] == loaded
            state = await chat.call("regenerate")
        assert text_of(state["messages"][1]).split()[-1].strip(".") == "60"
        assert (await history(service, "c"))[1]["parts"] == state["messages"][1]["parts"]
