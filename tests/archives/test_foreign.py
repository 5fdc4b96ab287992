"""Archives of other services: their trees come, as claimed, once; and what does not come is listed."""

import json
from typing import Any

import pytest

from chatkeep import ids
from chatkeep.archives.foreign import splitting, zip_files
from tests.api.shapes import problem
from tests.archives import samples
from tests.archives.test_import import bring, export
from tests.script import Script, say, stop
from tests.service import Service, serving, settings

pytestmark = pytest.mark.anyio

ARCHIVES: dict[str, tuple[object, int, dict[tuple[str, str], int]]] = {
    "chatgpt": (
        samples.chatgpt(), 5,
        {("message", "empty"): 2, ("message", "system"): 1, ("message", "tool"): 2, ("message", "hidden"): 1,
         ("message", "unsupported"): 1, ("message", "no_parent"): 2, ("part", "unsupported"): 1,
         ("session", "not_understood"): 1},
    ),
    "claude": (samples.claude(), 3, {("message", "empty"): 1, ("part", "unsupported"): 1, ("part", "tool"): 1}),
    "open-webui": (samples.open_webui(), 3, {("message", "empty"): 1, ("part", "unsupported"): 1}),
    "librechat": (samples.librechat(), 3, {("part", "tool"): 1}),
    "openai": (
        samples.openai(), 3,
        {("message", "system"): 1, ("message", "tool"): 1, ("message", "empty"): 1, ("part", "tool"): 1,
         ("part", "unsupported"): 1},
    ),
}  # fmt: skip
"""By the service: an archive, how many messages are taken, and what is not."""


def listed(report: dict[str, Any]) -> dict[tuple[str, str], int]:
    return {(each["kind"], each["reason"]): each["count"] for each in report["not_taken"]}


async def history(service: Service) -> tuple[dict[str, Any], list[dict[str, Any]]]:
    """Return the only session, and its messages."""
    (session,) = (await service.client.get("/api/sessions")).json()["data"]
    page = (await service.client.get(f"/api/sessions/{session['id']}/messages?branches=all")).json()
    return session, page["data"]


@pytest.mark.parametrize("name", ARCHIVES)
async def test_an_archive_of_another_service_comes_once(service: Service, name: str) -> None:
    content, taken, expected = ARCHIVES[name]
    report = await bring(service, json.dumps(content).encode())
    assert report["source"] == name
    assert report["taken"] == {"session": 1, "message": taken}
    assert listed(report) == expected
    session, messages = await history(service)
    assert session["metadata"] == {"imported_from": name}
    assert len(messages) == taken
    assert all(each.get("claimed", False) is (each["role"] == "assistant") for each in messages)
    assert all(ids.key_in(each["id"]) == ids.session_key(session["id"]) for each in messages)
    archive = await export(service)
    again = await bring(service, json.dumps(content, indent=2).encode())
    assert (again["taken"], again["already"], listed(again)) == ({}, report["taken"], expected)
    assert await export(service) == archive


async def test_a_tree_of_chatgpt_comes_with_its_branches(service: Service, script: Script) -> None:
    content = samples.zipped("export/conversations.json", samples.chatgpt(), **{"file-1.png": b"x", "chat.html": b"y"})
    report = await bring(service, content)
    assert report["taken"] == {"session": 1, "message": 5}
    assert listed(report) == {**ARCHIVES["chatgpt"][2], ("file", "unsupported"): 2}
    session, messages = await history(service)
    assert session["title"] == "t" * 200
    assert session["created_at"] == "2020-09-13T12:26:40.000000Z"
    by_text = {each["parts"][0]["text"]: each for each in messages}
    assert by_text["answer \ufffd\ufffd"]["parent_id"] == by_text["hello"]["id"]
    assert by_text["look"]["parent_id"] == by_text["edited"]["parent_id"] == by_text["answer \ufffd\ufffd"]["id"]
    assert by_text["hm"]["parts"][0]["type"] == "reasoning"
    assert session["head_id"] == by_text["edited"]["id"]
    script.play([say("and on"), stop()])
    answer = await service.send(session["id"], "go on")
    assert answer["user_message"]["parent_id"] == session["head_id"]


async def test_messages_of_an_export_come_back(service: Service, script: Script) -> None:
    script.play([say("one"), stop()], [say("two"), stop()])
    for text in ("first", "second"):
        await service.send(await service.session(), text)
    report = await bring(service, await export(service, format="openai"))
    assert (report["source"], report["taken"]) == ("openai", {"session": 2, "message": 4})


async def test_a_hostile_zip_file_is_refused(database: str, script: Script) -> None:
    async with serving(settings(database, max_import_bytes=200_000), script) as service:
        empty: dict[str, Any] = {"mapping": {}, "title": "0" * 9_000_000}
        bomb = samples.zipped("conversations.json", [empty])
        assert len(bomb) < 200_000
        report = await service.client.post("/api/import", content=bomb)
        problem(report, 422, "invalid_request")
        two = [{"mapping": {"a": samples.gpt_node(None)}, "id": "a"}, empty]
        report = await bring(service, samples.zipped("conversations.json", two))
        assert report["taken"] == {"session": 1, "message": 1}
        assert listed(report) == {("line", "not_understood"): 1}
        names = ("../../conversations.json", "/etc/conversations.json", "a\\conversations.json")
        for number, name in enumerate(names[:2]):
            again = [{"mapping": {"a": samples.gpt_node(None)}, "id": f"n{number}"}]
            assert (await bring(service, samples.zipped(name, again)))["taken"] == {"session": 1, "message": 1}
        whole = samples.zipped("conversations.json", two[:1])
        for cut in (4, 30, 60, len(whole) - 30, len(whole) - 1):
            problem(await service.client.post("/api/import", content=whole[:cut]), 422, "invalid_request")
        large = whole[:-10] + (zip_files.MAX_DIRECTORY_BYTES + 1).to_bytes(4, "little") + whole[-6:]
        problem(await service.client.post("/api/import", content=large), 422, "invalid_request")


@pytest.mark.parametrize(
    ("tail", "reason"),
    [
        (b'{"mapping": ' + b"[" * 100_000, "too_long"),
        (b'{"mapping": {"a": {"mess', "cut_off"),
        (b'{"mapping": 5}]', "not_understood"),
        (b'{"title": "' + b"x" * (splitting.MAX_VALUE_BYTES + 1) + b'"}]', "too_long"),
    ],
)
async def test_a_hostile_conversation_hurts_no_other(service: Service, tail: bytes, reason: str) -> None:
    good = json.dumps({"mapping": {"a": samples.gpt_node(None)}, "id": "good"}).encode()
    report = await bring(service, b"[" + good + b", " + tail)
    assert report["taken"] == {"session": 1, "message": 1}
    assert listed(report) == {("session", reason): 1}


async def test_texts_with_brackets_split_nothing(service: Service) -> None:
    odd = '}{][ "\\\\" \\" ' * 9_000
    conversations = [{"mapping": {"a": samples.gpt_node(None, text=odd)}, "id": name} for name in ("one", "two")]
    report = await bring(service, json.dumps(conversations).encode())
    assert (report["taken"], report["not_taken"]) == ({"session": 2, "message": 2}, [])
