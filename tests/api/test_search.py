"""Search: by a function in a turn and over HTTP, each as owner and as another owner."""

from collections.abc import AsyncGenerator
from pathlib import Path
from typing import Any

import pytest

from chatkeep.runs.indexing import settle_words
from tests.api.shapes import NO_UUIDS, UNKNOWN, problem
from tests.script import Script, call, say, stop
from tests.service import Service, serving, settings

pytestmark = pytest.mark.anyio

FUNCTIONS = "remember, search_history, tell_joke"
ASSISTANT = f"---\nname: default\ndescription: Remembers.\nfunctions: [{FUNCTIONS}]\n---\nYou do.\n"


@pytest.fixture
async def service(database: str, tmp_path: Path, script: Script) -> AsyncGenerator[Service]:
    """The service, with an assistant that has the memory functions."""
    (tmp_path / "default.md").write_text(ASSISTANT)
    async with serving(settings(database, assistants_dir=tmp_path), script) as service:
        yield service


async def test_search_finds_words_in_every_session(service: Service, script: Script) -> None:
    script.play([say("To get to the Other Side."), stop()])
    other_session = await service.session(title="Chickens")
    first = await service.send(other_session, "Why did the CHICKEN cross the road?")
    script.play(
        [call("search_history", '{"words":"chicken road"}', 0, "s"), stop("tool_calls")], [say("There."), stop()]
    )
    answer = await service.send(await service.session(), "What about the chicken on the road?")
    (found,) = answer["message"]["parts"][0]["output"]
    assert found == {
        "session": "Chickens",
        "message_id": first["user_message"]["id"],
        "who": "user",
        "said": "Why did the CHICKEN cross the road?",
        "when": first["user_message"]["created_at"],
    }
    results = (await service.client.get("/api/search", params={"q": "other SIDE"})).json()
    assert results == {
        "data": [
            {
                "session_id": other_session,
                "session_title": "Chickens",
                "message_id": first["message"]["id"],
                "role": "assistant",
                "snippet": "To get to the Other Side.",
                "pieces": [
                    {"text": "To get to the ", "match": False},
                    {"text": "Other", "match": True},
                    {"text": " ", "match": False},
                    {"text": "Side", "match": True},
                    {"text": ".", "match": False},
                ],
                "created_at": first["message"]["created_at"],
            }
        ],
        "sessions": [],
        "next": None,
    }


async def test_search_shows_excerpts_of_long_messages(service: Service, script: Script) -> None:
    script.play([say("no"), stop()], [say("no"), stop()])
    session_id = await service.session()
    for _ in range(2):
        await service.send(session_id, f"{'before ' * 100}needle{' after' * 100}")
    results = (await service.client.get("/api/search", params={"q": "needle", "limit": 1})).json()["data"]
    assert len(results) == 1
    assert results[0]["snippet"].startswith("…")
    assert "needle" in results[0]["snippet"]
    assert len(results[0]["snippet"]) < 300
    assert (await service.client.get("/api/search", params={"q": "needle missing"})).json()["data"] == []


async def searched(service: Service, words: str, **params: Any) -> dict[str, Any]:
    answer = await service.client.get("/api/search", params={"q": words, **params})
    assert answer.status_code == 200, answer.text
    return answer.json()


async def test_a_search_finds_sessions_by_their_title(service: Service, script: Script) -> None:
    found_id = await service.session(title="A very long Title")
    await service.session(title="Another title")
    page = await searched(service, "long title")
    assert (page["data"], page["next"]) == ([], None)
    assert [each["id"] for each in page["sessions"]] == [found_id]


async def test_a_search_finds_what_stands_on_cards(service: Service, script: Script) -> None:
    script.play([call("remember", {"fact": "hidden needle"}), stop("tool_calls")], [say("Kept."), stop()])
    await service.send(await service.session(title="An action"), "1")
    script.play([call("tell_joke", {"text": "A joke about a needle."}), stop("tool_calls")])
    await service.send(await service.session(title="A card"), "2")
    page = await searched(service, "needle")
    found = [(each["session_title"], each["snippet"]) for each in page["data"]]
    assert found[0] == ("A card", "A joke about a needle.")
    assert found[1][0] == "An action"
    assert found[1][1].startswith("Kept. hidden needle")


async def test_results_per_session_leave_room_for_others(service: Service, script: Script) -> None:
    for title in ("Third", "Second", "First"):
        session_id = await service.session(title=title)
        for _ in range(4):
            script.play([say("no"), stop()])
            await service.send(session_id, "A needle.")
    page = await searched(service, "needle", limit=5, per_session=2)
    assert [each["session_title"] for each in page["data"]] == ["First"] * 2 + ["Second"] * 2
    rest = await searched(service, "needle", limit=5, per_session=2, before=page["next"])
    assert [each["session_title"] for each in rest["data"]] == ["Third"] * 2
    assert rest["next"] is None
    for name in ("session_id", "session"):
        one = await searched(service, "needle", **{name: page["data"][0]["session_id"]})
        assert [each["session_title"] for each in one["data"]] == ["First"] * 4


async def test_a_search_in_no_session_is_refused(service: Service) -> None:
    for session_id in (UNKNOWN, *NO_UUIDS):
        params = {"q": "needle", "session_id": session_id}
        problem(await service.client.get("/api/search", params=params), 404, "not_found")
    params = {"q": "needle", "before": "nonsense"}
    problem(await service.client.get("/api/search", params=params), 422, "invalid_request")


async def test_a_search_finds_nothing_of_strangers(service: Service, script: Script) -> None:
    script.play([say("A needle."), stop()])
    session_id = await service.session()
    await service.send(session_id, "Hi")
    await service.runtime.db.transaction(lambda tx: tx.run("UPDATE sessions SET owner = $1", "stranger"))
    assert (await service.client.get("/api/search", params={"q": "needle"})).json()["data"] == []


@pytest.mark.parametrize("params", [{}, {"q": ""}, {"q": "x", "limit": 0}, {"q": "x" * 201}])
async def test_a_search_for_nothing_is_refused(service: Service, params: dict[str, Any]) -> None:
    assert (await service.client.get("/api/search", params=params)).status_code == 422


@pytest.mark.parametrize(
    "words", ["C++", "don't", "'\";--", "\\", "*", '"', "a:b", "NEAR(a b)", "🐔", "é", "(", "-", "¤o"]
)
async def test_any_words_are_a_search(service: Service, script: Script, words: str) -> None:
    script.play([say("no"), stop()])
    await service.send(await service.session(), f"About {words} here.")
    page = await searched(service, words)
    assert [each["role"] for each in page["data"]] == (["user"] if any(map(str.isalnum, words)) else [])


async def test_a_role_and_filters_in_the_words(service: Service, script: Script) -> None:
    script.play([say("A needle."), stop()])
    await service.send(await service.session(), "Where is the needle?")
    for query, roles in {
        "needle": ["assistant", "user"],
        "needle from:user": ["user"],
        "need -where": ["assistant"],
        '"the needle"': ["user"],
        "needle before:2020": [],
        "needle after:2020 assistant:default": ["assistant", "user"],
        "needle assistant:other": [],
        "from:assistant": ["assistant"],
    }.items():
        assert [each["role"] for each in (await searched(service, query))["data"]] == roles, query
    assert [each["role"] for each in (await searched(service, "needle", role="user"))["data"]] == ["user"]
    problem(
        await service.client.get("/api/search", params={"q": "x", "role": "system"}), 422, "invalid_request", "errors"
    )


async def test_what_is_gone_is_not_found(service: Service, script: Script) -> None:
    script.play([say("An answer with a needle."), stop()])
    session_id = await service.session(title="Needle in the title")
    await service.send(session_id, "First needle")
    assert len((await searched(service, "needle"))["data"]) == 2
    assert len((await searched(service, "needle"))["sessions"]) == 1
    await service.client.patch(f"/api/sessions/{session_id}", json={"title": "Another"})
    assert (await searched(service, "needle"))["sessions"] == []
    assert len((await searched(service, "another"))["sessions"]) == 1
    assert (await service.client.delete(f"/api/sessions/{session_id}")).status_code == 204
    page = await searched(service, "needle")
    assert (page["data"], page["sessions"]) == ([], [])


async def test_words_settle_and_are_found_as_before(service: Service, script: Script) -> None:
    script.play([say("A needle."), stop()])
    await service.send(await service.session(title="Of a needle"), "Where is the needle?")
    before = await searched(service, "needle")
    await settle_words(service.runtime)
    assert await searched(service, "needle") == before
    assert len(before["data"]) == 2
    assert len(before["sessions"]) == 1
