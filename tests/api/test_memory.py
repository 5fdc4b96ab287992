"""Facts: by functions in a turn and over HTTP, each as owner and as another owner."""

from collections.abc import AsyncGenerator
from pathlib import Path
from typing import Any

import pytest

from chatkeep.toolbox.context import DatabaseToolContext
from chatkeep.toolbox.memory import store_fact
from chatkeep.tools.context import ToolContext
from chatkeep.tools.declaration import ToolError, declared_tools
from chatkeep.tools.execution import ToolResult, ValidatedCall, run_call
from tests.api.shapes import NO_UUIDS, TIME, UNKNOWN, problem
from tests.script import Script, call, say, stop
from tests.service import Service, serving, settings

pytestmark = pytest.mark.anyio

FUNCTIONS = "remember, recall"
ASSISTANT = f"---\nname: default\ndescription: Remembers.\nfunctions: [{FUNCTIONS}]\n---\nYou do.\n"


@pytest.fixture
async def service(tmp_path: Path, script: Script) -> AsyncGenerator[Service]:
    """The service, with an assistant that has the memory functions."""
    (tmp_path / "default.md").write_text(ASSISTANT)
    async with serving(settings(tmp_path, assistants_dir=tmp_path), script) as service:
        yield service


async def called(service: Service, name: str, owner: str = "local", **arguments: Any) -> ToolResult:
    """Return the result of a function for an owner."""
    caller = DatabaseToolContext(owner, UNKNOWN, UNKNOWN, service.runtime.db)
    return await run_call(ValidatedCall(declared_tools()[name], declared_tools()[name].check(arguments)), caller, 5)


async def facts(service: Service, **params: Any) -> dict[str, Any]:
    return (await service.client.get("/api/facts", params=params)).json()


async def test_a_fact_stored_in_one_session_is_recalled_in_another(service: Service, script: Script) -> None:
    script.play([call("remember", '{"fact":"Ola likes red."}', 0, "r"), stop("tool_calls")], [say("Done."), stop()])
    await service.send(await service.session(), "Remember that Ola likes red.")
    script.play([call("recall", '{"about":"OLA"}', 0, "r"), stop("tool_calls")], [say("Red."), stop()])
    answer = await service.send(await service.session(), "What does Ola like?")
    output = answer["message"]["parts"][0]["output"]
    assert [each["fact"] for each in output] == ["Ola likes red."]
    page = await facts(service)
    assert page["next"] is None
    (stored_fact,) = page["data"]
    assert set(stored_fact) == {"id", "text", "created_at"}
    assert stored_fact["text"] == "Ola likes red."
    assert TIME.fullmatch(stored_fact["created_at"])


async def test_the_same_fact_is_stored_once(service: Service) -> None:
    first = (await called(service, "remember", fact="Ola likes red.")).output
    again = (await called(service, "remember", fact=" Ola likes red. ")).output
    assert (first["is_new"], again["is_new"], first["since"]) == (True, False, again["since"])
    assert len((await facts(service))["data"]) == 1


async def test_facts_come_newest_first_in_pages(service: Service) -> None:
    for number in range(5):
        await called(service, "remember", fact=f"Fact {number}.")
    first = await facts(service, limit=3)
    assert [fact["text"] for fact in first["data"]] == ["Fact 4.", "Fact 3.", "Fact 2."]
    second = await facts(service, limit=3, before=first["next"])
    assert [fact["text"] for fact in second["data"]] == ["Fact 1.", "Fact 0."]
    assert second["next"] is None
    assert [each["fact"] for each in (await called(service, "recall", about="")).output][:2] == ["Fact 4.", "Fact 3."]


async def test_facts_are_visible_to_their_owner_only(service: Service, subtests: pytest.Subtests) -> None:
    await called(service, "remember", owner="stranger", fact="A secret.")
    assert (await facts(service))["data"] == []
    assert (await called(service, "recall", about="secret")).output == []
    (theirs,) = (await called(service, "recall", owner="stranger", about="secret")).output
    assert theirs["fact"] == "A secret."
    rows = await service.runtime.db.snapshot(lambda tx: tx.all("SELECT id FROM facts"))
    for fact_id in [rows[0][0], UNKNOWN, *NO_UUIDS]:
        with subtests.test(fact_id=fact_id):
            problem(await service.client.delete(f"/api/facts/{fact_id}"), 404, "not_found")
    assert len((await called(service, "recall", owner="stranger", about="")).output) == 1


async def test_a_fact_can_be_deleted(service: Service) -> None:
    await called(service, "remember", fact="Ola likes red.")
    fact_id = (await facts(service))["data"][0]["id"]
    assert (await service.client.delete(f"/api/facts/{fact_id.upper()}")).status_code == 204
    problem(await service.client.delete(f"/api/facts/{fact_id}"), 404, "not_found")
    assert (await called(service, "recall", about="")).output == []


@pytest.mark.parametrize("params", [{"limit": 0}, {"limit": 101}, {"before": "x"}])
async def test_a_wrong_page_of_facts_is_refused(service: Service, params: dict[str, Any]) -> None:
    assert (await service.client.get("/api/facts", params=params)).status_code == 422


async def test_a_full_memory_says_so(service: Service) -> None:
    context = DatabaseToolContext("local", UNKNOWN, UNKNOWN, service.runtime.db)
    await store_fact(context, "One.", 1)
    with pytest.raises(ToolError, match="the memory is full: it holds 1 facts"):
        await store_fact(context, "Two.", 1)
    assert [fact["text"] for fact in (await facts(service))["data"]] == ["One."]


async def test_memory_functions_need_the_service() -> None:
    recall = declared_tools()["recall"]
    error = (await run_call(ValidatedCall(recall, {"about": ""}), ToolContext("me", "", ""), 5)).error
    assert error is not None
    assert "there is none here" in error.message
