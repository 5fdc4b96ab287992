"""Pictures and files through each door, by its real client; and what all doors show of one that came elsewhere."""

from collections.abc import AsyncGenerator
from typing import Any

import openai
import pytest
from openai import AsyncOpenAI

from chatkeep.runs.files import IncomingFile, receive_file
from tests.api.shapes import problem
from tests.api.tables import change_owner
from tests.api.test_file_messages import part
from tests.api.test_files import bring
from tests.dialects.agui import agui_agent, snapshot
from tests.dialects.ai_sdk import VERSIONS, ai_chat, history
from tests.dialects.files import NOTES, NOTES_URL, PNG, PNG_URL, data_url, names, pictures, said
from tests.dialects.openai_node import node_client
from tests.samples import picture
from tests.script import Script, say, stop
from tests.service import Service

pytestmark = pytest.mark.anyio

MODEL = "gpt-5-mini"
ELSEWHERE = "https://example.org/cat.png"


def image(url: str) -> Any:
    return {"type": "image_url", "image_url": {"url": url}}


def words(text: str) -> Any:
    return {"type": "text", "text": text}


def user(*content: Any) -> Any:
    return {"role": "user", "content": list(content)}


async def listed(service: Service) -> list[str]:
    """Return the names of all files that are here, the first one first."""
    answer = await service.client.get("/v1/files", params={"order": "asc"})
    return [each["filename"] for each in answer.json()["data"]]


async def once(content: bytes) -> AsyncGenerator[bytes]:
    yield content


async def session_of(service: Service, run_id: str) -> str:
    return (await service.run(run_id))["session_id"]


@pytest.mark.parametrize("version", VERSIONS)
async def test_the_ai_sdk_sends_and_shows_files(service: Service, script: Script, version: str) -> None:
    script.play([say("A red field."), stop()], [say("Still red."), stop()], [say("Red."), stop()])
    files = [
        {"type": "file", "mediaType": "image/png", "filename": "a.png", "url": PNG_URL},
        {"type": "file", "mediaType": "text/plain", "filename": "n.txt", "url": NOTES_URL},
    ]
    async with ai_chat(service, version, "chat") as chat:
        state = await chat.call("sendMessage", {"text": "What is it?", "files": files})
        assert (state["status"], state["messages"][-1]["parts"][-1]["text"]) == ("ready", "A red field.")
        await chat.send("and now?")
        await chat.call("regenerate")
    assert [pictures(prompt) for prompt in script.prompts] == [1, 1, 1]
    assert await listed(service) == ["a.png", "n.txt"]
    loaded = await history(service, "chat")
    (session_id,) = {each["metadata"]["session_id"] for each in loaded}
    assert [names(parts) for parts in await said(service, session_id)] == [
        ["a.png", "n.txt", "What is it?"],
        ["and now?"],
    ]
    shown = loaded[0]["parts"]
    assert [each["type"] for each in shown] == ["file", "file", "text"]
    assert (shown[0]["mediaType"], shown[0]["filename"]) == ("image/png", "a.png")
    assert (await service.client.get(shown[0]["url"])).content == PNG
    async with ai_chat(service, version, "chat", messages=loaded) as chat:
        state = await chat.call("regenerate", {"messageId": loaded[0]["id"]})
        assert state["status"] == "ready", state["error"]
    assert await listed(service) == ["a.png", "n.txt"]


async def test_an_edit_of_a_file_is_another_message(service: Service, script: Script) -> None:
    script.play([say("red"), stop()], [say("blue"), stop()])
    first = {"id": "u1", "role": "user", "parts": [{"type": "file", "mediaType": "image/png", "url": PNG_URL}]}
    blue = data_url(picture(color="blue"), "image/png")
    edited = {**first, "parts": [{"type": "file", "mediaType": "image/png", "url": blue}]}
    for message, trigger in ((first, "submit-message"), (edited, "regenerate-message")):
        body = {"id": "chat", "messages": [message], "trigger": trigger}
        answer = await service.client.post("/api/chat", json=body)
        assert answer.status_code == 200, answer.text
    assert await listed(service) == ["image.png", "image.png"]
    (parts,) = (each["parts"] for each in await history(service, "chat") if each["role"] == "user")
    assert (await service.client.get(parts[0]["url"])).content == picture(color="blue")


async def test_agui_sends_and_shows_files(service: Service, script: Script) -> None:
    script.play([say("red"), stop()], [say("text"), stop()], [say("again"), stop()])
    source = {"type": "data", "value": PNG_URL.partition(",")[2], "mimeType": "image/png"}
    binary = {"type": "binary", "mimeType": "text/plain", "filename": "n.txt", "data": NOTES_URL.partition(",")[2]}
    async with agui_agent(service, "thread") as agent:
        content: list[Any] = [{"type": "image", "source": source, "metadata": {"filename": "a.png"}}, words("This?")]
        state = await agent.add({"id": "u1", "role": "user", "content": content})
        assert state.get("error") is None
        state = await agent.add({"id": "u2", "role": "user", "content": [words("And this?"), binary]})
        assert state.get("error") is None
    shown = await snapshot(service, "thread")
    assert [part["type"] for part in shown[0]["content"]] == ["image", "text"]
    assert [part["type"] for part in shown[2]["content"]] == ["text", "document"]
    assert shown[2]["content"][1]["metadata"] == {"filename": "n.txt"}
    assert (await service.client.get(shown[0]["content"][0]["source"]["value"])).content == PNG
    async with agui_agent(service, "thread", messages=shown) as agent:  # its messages are valid for the client
        file = {"type": "file", "value": shown[0]["content"][0]["source"]["value"].split("/")[-2]}
        state = await agent.add({"id": "u3", "role": "user", "content": [{"type": "image", "source": file}]})
        assert (state.get("error"), state["messages"][-1]["content"]) == (None, "again")
    assert await listed(service) == ["a.png", "n.txt"]
    assert pictures(script.prompts[-1]) == 2  # that of the first message, and it once more


async def test_chat_completions_store_each_file_once(service: Service, client: AsyncOpenAI, script: Script) -> None:
    script.play([say("red"), stop()], [say("same"), stop()])
    document = {"type": "file", "file": {"file_data": NOTES_URL, "filename": "n.txt"}}
    messages = [user(words("Look."), image(PNG_URL), words("What"), words("is it?"), document)]
    first = await client.chat.completions.create(model=MODEL, messages=messages, store=True)
    answer = {"role": "assistant", "content": first.choices[0].message.content}
    more: Any = [*messages, answer, user(image(PNG_URL), words("and now?"))]
    last = await client.chat.completions.create(model=MODEL, messages=more, store=True)
    assert await listed(service) == ["image.png", "n.txt"]
    assert [pictures(prompt) for prompt in script.prompts] == [1, 2]
    session_id = await session_of(service, last.id.removeprefix("chatcmpl-"))
    shown = await said(service, session_id)
    assert [names(parts) for parts in shown] == [
        ["Look.", "image.png", "What\nis it?", "n.txt"],
        ["image.png", "and now?"],
    ]
    stored = [each async for each in client.chat.completions.messages.list(last.id)]
    parts = stored[0].content_parts or []
    assert [each.type for each in parts] == ["text", "image_url", "text", "file"]
    assert stored[0].content == "Look.\nWhat\nis it?"
    await client.chat.completions.delete(first.id)
    file_id = shown[0][1]["file_id"]
    with pytest.raises(openai.ConflictError, match="a message refers to this file"):
        await client.files.delete(f"file-{file_id}")  # the earlier message of the other session does


async def test_responses_take_and_show_files(service: Service, client: AsyncOpenAI, script: Script) -> None:
    script.play([say("red"), stop()], [say("red"), stop()], [say("text"), stop()])
    sent = await client.files.create(file=("a.png", PNG, "image/png"), purpose="vision")
    given: Any = [
        {"role": "user", "content": [
            {"type": "input_image", "file_id": sent.id, "detail": "auto"},
            {"type": "input_file", "filename": "n.txt", "file_data": NOTES_URL},
            {"type": "input_text", "text": "What are these?"},
        ]}
    ]  # fmt: skip
    response = await client.responses.create(model=MODEL, input=given)
    assert response.output_text == "red"
    items = (await client.responses.input_items.list(response.id)).data
    asked: Any = items[0]
    content: list[Any] = asked.content
    assert [each.type for each in content] == ["input_image", "input_file", "input_text"]
    assert (content[0].file_id, content[1].filename) == (sent.id, "n.txt")
    assert (await client.files.content(content[1].file_id)).content == NOTES
    back: Any = [
        items[0].to_dict(),
        *(each.to_dict() for each in response.output),
        {"role": "user", "content": "again"},
    ]
    again = await client.responses.create(model=MODEL, input=back)
    assert [pictures(prompt) for prompt in script.prompts] == [1, 1]
    talk = await client.conversations.create(items=given)
    shown: Any = (await client.conversations.items.list(talk.id)).data[0]
    assert [each.type for each in shown.content] == ["input_image", "input_file", "input_text"]
    assert await listed(service) == ["a.png", "n.txt"]
    tokens = await client.responses.input_tokens.count(model=MODEL, input=given)
    bare = await client.responses.input_tokens.count(model=MODEL, input="What are these?")
    assert tokens.input_tokens > bare.input_tokens + 1_000
    assert again.output_text == "red"


async def test_an_erased_item_lets_go_of_its_files(service: Service, client: AsyncOpenAI) -> None:
    content: Any = [{"type": "input_image", "image_url": PNG_URL, "detail": "auto"}]
    talk = await client.conversations.create(items=[{"type": "message", "role": "user", "content": content}])
    (item,) = (await client.conversations.items.list(talk.id)).data
    file = (await client.files.list()).data[0]
    with pytest.raises(openai.ConflictError):
        await client.files.delete(file.id)
    await client.conversations.items.delete(item.id or "", conversation_id=talk.id)
    assert (await client.conversations.items.list(talk.id)).data == []
    assert (await client.files.delete(file.id)).deleted


async def test_each_door_shows_a_file_from_another(service: Service, client: AsyncOpenAI, script: Script) -> None:
    script.play([say("I see."), stop()])
    file, session_id = await bring(service, PNG, "a.png"), await service.session()
    sent = await service.send(session_id, [part(file), words("What is this?")])
    url = f"/api/files/{file['id']}/content"
    assert (await history(service, session_id))[0]["parts"][0]["url"] == url
    assert (await snapshot(service, session_id))[0]["content"][0]["source"]["value"] == url
    items: Any = (await client.conversations.items.list(f"conv_{session_id}", order="asc")).data
    assert items[0].content[0].file_id == f"file-{file['id']}"
    stored = [each async for each in client.chat.completions.messages.list(f"chatcmpl-{sent['run']['id']}")]
    shown: Any = stored[0].content_parts
    assert shown[0].image_url.url == url


async def test_node_sends_files(service: Service, script: Script) -> None:
    script.play([say("red"), stop()], [say("blue"), stop()])
    async with node_client(service) as node:
        given = [{"role": "user", "content": [{"type": "input_image", "image_url": PNG_URL, "detail": "auto"}]}]
        answer = await node.call("responses.create", {"model": MODEL, "input": given})
        assert answer["value"]["output_text"] == "red"
        answer = await node.call("chat.completions.create", {"model": MODEL, "messages": [user(image(PNG_URL))]})
        assert answer["value"]["choices"][0]["message"]["content"] == "blue"
        files = await node.call("files.list")
        assert [each["filename"] for each in files["value"]] == ["image.png"]


def doors(part_of: dict[str, Any]) -> list[tuple[str, dict[str, Any]]]:
    """Return a request of each door with one file: `part_of` has `url` or `file_id`."""
    url, file_id = part_of.get("url"), part_of.get("file_id")
    ours = url or f"/api/files/{file_id}/content"
    source = {"type": "file", "value": file_id} if file_id else {"type": "url", "value": url}
    chat = {"type": "file", "file": {"file_id": file_id}} if file_id else image(ours)
    given = {"type": "input_image", "detail": "auto", **({"file_id": file_id} if file_id else {"image_url": url})}
    ui = {"id": "u", "role": "user", "parts": [{"type": "file", "mediaType": "image/png", "url": ours}]}
    item = {"role": "user", "content": [given]}
    agui = {"id": "u", "role": "user", "content": [{"type": "image", "source": source}]}
    return [
        ("/api/chat", {"id": "c", "messages": [ui], "trigger": "submit-message"}),
        ("/agui", {"threadId": "t", "runId": "r", "messages": [agui]}),
        ("/v1/chat/completions", {"model": MODEL, "messages": [user(chat), user(words("x"))]}),
        ("/v1/chat/completions", {"model": MODEL, "messages": [user(image(ours))]}),
        ("/v1/responses", {"model": MODEL, "input": [item]}),
        ("/v1/responses/input_tokens", {"model": MODEL, "input": [item]}),
        ("/v1/conversations", {"items": [{"type": "message", **item}]}),
    ]


async def refused(service: Service, path: str, body: dict[str, Any], status: int, code: str) -> str:
    """Send a request that is refused, and return the reason."""
    answer = await service.client.post(path, json=body)
    if not path.startswith("/v1/"):
        return problem(answer, status, code)["detail"]
    assert (answer.status_code, answer.json()["error"]["code"]) == (status, code), answer.text
    return answer.json()["error"]["message"]


async def test_a_stranger_s_file_is_not_found(service: Service) -> None:
    theirs = await receive_file(service.runtime, "another owner", once(PNG), IncomingFile("a.png", "image/png"))
    file_id = theirs.file.id
    for path, body in doors({"file_id": file_id}):
        await refused(service, path, body, 404, "not_found")
    for method, path in (("GET", ""), ("GET", "/content"), ("DELETE", "")):
        assert (await service.client.request(method, f"/v1/files/file-{file_id}{path}")).status_code == 404
    assert await listed(service) == []
    assert (await service.client.get("/api/sessions")).json()["data"] == []


async def test_a_file_of_another_place_is_not_fetched(service: Service) -> None:
    for url in (ELSEWHERE, "file:///etc/passwd", "/etc/passwd", "data:image/png", "blob:abc"):
        for path, body in doors({"url": url}):
            detail = await refused(service, path, body, 422, "invalid_request")
            assert "none is fetched" in detail
    assert (await service.client.get("/api/sessions")).json()["data"] == []


async def test_a_model_without_pictures_refuses_one(service: Service, script: Script) -> None:
    script.input = ("text",)
    code = "unsupported_media_type_for_model"
    for path, body in doors({"url": PNG_URL}):
        if path in ("/v1/responses/input_tokens", "/v1/conversations"):
            continue  # no model is asked
        detail = await refused(service, path, body, 422, code)
        assert "the model reads no pictures" in detail
    assert await listed(service) == []
    assert (await service.client.get("/api/sessions")).json()["data"] == []


@pytest.mark.parametrize(
    ("url", "reason"),
    [
        ("data:image/png;base64,!!!!", "not base64"),
        ("data:image/png;base64,AA=A", "not base64"),
        ("data:image/png;base64,ä", "not base64"),
        ("data:image/png;base64,", "the file is empty"),
        ("data:,", "the file is empty"),
        (data_url(b"no picture", "image/png"), "the bytes are no image/png"),
    ],
)
async def test_bytes_that_cannot_be_read_are_refused(service: Service, url: str, reason: str) -> None:
    for path, body in doors({"url": url}):
        if path != "/v1/responses/input_tokens":
            assert reason in await refused(service, path, body, 422, "invalid_request")
    assert await listed(service) == []


async def test_a_refusal_keeps_a_file_that_was_here(service: Service, client: AsyncOpenAI) -> None:
    await client.files.create(file=("mine.png", PNG, "image/png"), purpose="user_data")
    other = data_url(picture(color="blue"), "image/png")
    with pytest.raises(openai.UnprocessableEntityError):
        await client.chat.completions.create(
            model=MODEL, messages=[user(image(PNG_URL), image(other), image(ELSEWHERE))]
        )
    with pytest.raises(openai.UnprocessableEntityError, match="temperature"):
        await client.chat.completions.create(
            model=MODEL, messages=[user(image(PNG_URL), image(other)), user(words(""), words(" "))], temperature=9
        )
    assert await listed(service) == ["mine.png"]


async def test_a_repeat_with_a_file_is_the_same_run(service: Service, client: AsyncOpenAI, script: Script) -> None:
    script.play([say("red"), stop()], [say("blue"), stop()])
    key, messages = {"Idempotency-Key": "k"}, [user(image(PNG_URL), words("What?"))]
    chat = [
        await client.chat.completions.create(model=MODEL, messages=messages, store=True, extra_headers=key)
        for _ in range(2)
    ]
    given: Any = [{"role": "user", "content": [{"type": "input_image", "image_url": PNG_URL, "detail": "auto"}]}]
    made = [await client.responses.create(model=MODEL, input=given, extra_headers=key) for _ in range(2)]
    assert chat[0].id == chat[1].id
    assert made[0].id == made[1].id
    assert len(script.prompts) == 2
    with pytest.raises(openai.UnprocessableEntityError) as refused:
        await client.chat.completions.create(model=MODEL, messages=[user(words("x"))], store=True, extra_headers=key)
    assert refused.value.code == "idempotency_mismatch"


async def test_sound_is_for_models_that_hear(service: Service, client: AsyncOpenAI) -> None:
    sound: Any = {"type": "input_audio", "input_audio": {"data": "UklGRiQAAABXQVZFZm10IA==", "format": "wav"}}
    with pytest.raises(openai.UnprocessableEntityError) as error:
        await client.chat.completions.create(model=MODEL, messages=[user(sound, words("What is said?"))])
    assert error.value.code == "unsupported_media_type_for_model"
    assert await listed(service) == []


async def test_a_session_of_a_stranger_shows_no_file(service: Service) -> None:
    file, session_id = await bring(service, PNG, "a.png"), await service.session()
    await service.send(session_id, [part(file)])
    await change_owner(service, session_id)
    assert await history(service, session_id) == []
    assert await snapshot(service, session_id) == []


async def test_a_large_file_comes_in_every_door(service: Service, script: Script) -> None:
    script.play(*[[say("ok"), stop()]] * 6)
    text = "x" * 3_000_000
    for path, body in doors({"url": data_url(text.encode(), "text/plain")}):
        answer = await service.client.post(path, json=body)
        assert answer.status_code == 200, (path, answer.text)
    assert await listed(service) == ["file.txt"]
