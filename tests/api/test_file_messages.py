"""Files in messages: shown in the history, given to the model, kept while a message refers to them."""

import asyncio
import base64
import io
from typing import Any

import pytest
from PIL import Image

from chatkeep.chat.people import COMMAND_LINE, LOCAL_USER
from chatkeep.db import Transaction
from chatkeep.errors import ModelRejected
from chatkeep.files.jobs import MAX_TEXT_BYTES
from chatkeep.llm import Prompt
from chatkeep.runs import people
from chatkeep.runs.content import MAX_CONTENT_BYTES, MAX_FILES
from chatkeep.runs.file_sweeping import sweep_files
from chatkeep.store.file_chunks import CHUNK_BYTES
from tests.api.shapes import UNKNOWN, invalid, problem
from tests.api.tables import nothing_stored
from tests.api.test_files import BYTES, FILES, bring, count_rows
from tests.deletions import until_gone
from tests.samples import encrypted_pdf, pdf, picture, turned_photo
from tests.script import Script, say, stop
from tests.service import Service, serving, settings

pytestmark = pytest.mark.anyio


def part(file: dict[str, Any], **more: str) -> dict[str, str]:
    return {"type": "file", "file_id": file["id"], **more}


def text(text: str) -> dict[str, str]:
    return {"type": "text", "text": text}


def content_of(prompt: Prompt) -> Any:
    return prompt.messages[-1]["content"]


async def test_a_message_shows_its_files(service: Service) -> None:
    photo, notes = await bring(service, picture(), "a.png"), await bring(service, b"some notes", "n.txt")
    session_id = await service.session()
    sent = await service.send(session_id, [part(photo), text("What is this?"), part(notes, name="../mine.md")])
    shown = [
        {"type": "file", "file_id": photo["id"], "name": "a.png", "media_type": "image/png",
         "bytes": photo["bytes"], "width": 40, "height": 30, "pages": None},
        {"type": "text", "text": "What is this?"},
        {"type": "file", "file_id": notes["id"], "name": "mine.md", "media_type": "text/plain",
         "bytes": 10, "width": None, "height": None, "pages": None},
    ]  # fmt: skip
    assert sent["user_message"]["parts"] == shown
    page = (await service.client.get(f"/api/sessions/{session_id}/messages")).json()
    assert page["data"][0]["parts"] == shown
    events = await service.events(sent["run"]["id"])
    assert events[0]["user_message"]["parts"] == shown
    session = (await service.client.get(f"/api/sessions/{session_id}")).json()
    assert session["title"] == "What is this?"


async def test_a_message_may_have_files_alone(service: Service, script: Script) -> None:
    file = await bring(service, b"hello", "hello.txt")
    for content in ([part(file)], [text("  "), part(file)]):
        session_id = await service.session()
        sent = await service.send(session_id, content)
        assert [each["type"] for each in sent["user_message"]["parts"]] == ["file"]
        assert (await service.client.get(f"/api/sessions/{session_id}")).json()["title"] == "hello.txt"
    assert content_of(script.prompts[0]) == "[File: hello.txt, text/plain, 5 bytes]\n```\nhello\n```"


@pytest.mark.parametrize(
    "content",
    [
        [],
        [text("")],
        [text(" \n")],
        [text("x" * (MAX_CONTENT_BYTES + 1))],
        [text("x" * 200_000), text("x" * 200_000)],
        [{"type": "text"}],
        [{"type": "file"}],
        [{"type": "file", "file_id": "no-id"}],
        [{"type": "image", "url": "https://example.org/x.png"}],
        [{"type": "text", "text": "x", "more": 1}],
        ["text"],
        {"type": "text", "text": "x"},
        7,
        None,
        [{"type": "file", "file_id": UNKNOWN}] * (MAX_FILES + 1),
    ],
)
async def test_a_wrong_content_is_refused(service: Service, content: Any) -> None:
    session_id = await service.session()
    async with nothing_stored(service):
        invalid(await service.client.post(f"/api/sessions/{session_id}/messages", json={"content": content}))


async def test_a_file_that_is_not_there_is_not_found(service: Service) -> None:
    file = await bring(service, BYTES)
    await service.client.delete(f"/api/files/{file['id']}")
    session_id = await service.session()
    async with nothing_stored(service):
        for file_id in (UNKNOWN, file["id"]):
            body = {"content": [text("x"), {"type": "file", "file_id": file_id}]}
            problem(await service.client.post(f"/api/sessions/{session_id}/messages", json=body), 404, "not_found")


async def test_the_model_sees_a_picture_as_it_was_taken(service: Service, script: Script) -> None:
    photo = await bring(service, turned_photo((3200, 1600)), "photo.jpg")
    await service.send(await service.session(), [text("What is this?"), part(photo)])
    head, shown, question = content_of(script.prompts[0])
    assert head == text("[File: photo.jpg, image/jpeg, 1600 x 3200 pixels]")
    assert question == text("What is this?")
    kind, _, data = shown["image_url"]["url"].partition(";base64,")
    image = Image.open(io.BytesIO(base64.b64decode(data)))
    assert (kind, image.size, len(image.getexif())) == ("data:image/jpeg", (784, 1568), 0)


async def test_the_model_reads_documents_page_by_page(service: Service, script: Script) -> None:
    file = await bring(service, pdf(["First", "", "Third"]), "d.pdf")
    await service.send(await service.session(), [part(file)])
    head, label, shown = content_of(script.prompts[0])
    expected = "[File: d.pdf, application/pdf, 3 pages]\n```\n[Page 1]\nFirst\n\n[Page 3]\nThird\n```"
    assert (head, label) == (text(expected), text("[Page 2]"))
    assert shown["image_url"]["url"].startswith("data:image/jpeg;base64,")


async def test_a_text_cannot_end_its_fence(service: Service, script: Script) -> None:
    file = await bring(service, b"a\n```\nb\n`````\nc", "f.md")
    await service.send(await service.session(), [part(file)])
    assert content_of(script.prompts[0]).endswith("]\n``````\na\n```\nb\n`````\nc\n``````")


@pytest.mark.parametrize("size", [CHUNK_BYTES - 1, CHUNK_BYTES, CHUNK_BYTES + 1])
async def test_a_text_may_end_with_a_chunk(service: Service, script: Script, size: int) -> None:
    script.play([say("Read."), stop()])
    file = await bring(service, b"a" * size, "a.txt")
    sent = await service.send(await service.session(), [part(file)])
    assert sent["run"]["status"] == "completed"
    assert f"{size:,} bytes" in content_of(script.prompts[0])


async def test_the_model_finds_a_title_for_files_alone(database: str, script: Script) -> None:
    script.play([say("A greeting."), stop()], [say("Greetings"), stop()])
    async with serving(settings(database, titles="model"), script) as service:
        session_id = await service.session()
        await service.send(session_id, [part(await bring(service, b"hello", "hello.txt"))])
        async with asyncio.timeout(20):
            while (await service.client.get(f"/api/sessions/{session_id}")).json()["title"] != "Greetings":
                await asyncio.sleep(0.02)  # until the model has found it


async def test_a_long_text_is_cut_and_says_so(service: Service, script: Script) -> None:
    wide = await bring(service, ("\ufeff" + "ж" * (MAX_TEXT_BYTES)).encode("utf-16-le"), "long.txt")
    await service.send(await service.session(), [part(wide)])
    head, _, rest = content_of(script.prompts[0]).partition("\n")
    assert head.startswith("[File: long.txt, text/plain, 524,")
    assert head.endswith(" bytes. Only its first 131,072 characters are shown.]")
    assert rest == "```\n" + "ж" * (MAX_TEXT_BYTES // 2) + "\n```"


@pytest.mark.parametrize(
    ("content", "name", "why"),
    [
        (BYTES, "a.bin", "a file of the type application/octet-stream cannot be read"),
        (b"PK\x03\x04" + bytes(99), "a.docx", "cannot be read"),
        (encrypted_pdf(), "a.pdf", "the PDF is encrypted"),
        (pdf(["x"])[:90], "a.pdf", "the PDF is damaged"),
        (picture()[:70], "a.png", "cannot be read"),
    ],
)
async def test_what_no_model_can_read_is_refused(service: Service, content: bytes, name: str, why: str) -> None:
    file = await bring(service, content, name)
    session_id = await service.session()
    body = {"content": [text("x"), part(file)]}
    async with nothing_stored(service):
        answer = await service.client.post(f"/api/sessions/{session_id}/messages", json=body)
        document = problem(answer, 422, "unsupported_media_type_for_model")
    assert name in document["detail"]
    assert why in document["detail"]


async def test_a_model_of_text_alone_gets_no_pictures(service: Service, script: Script) -> None:
    photo, scan = await bring(service, picture(), "p.png"), await bring(service, pdf([""]), "scan.pdf")
    mixed = await bring(service, pdf(["words", ""]), "mixed.pdf")
    session_id = await service.session()
    await service.send(session_id, [part(photo)])
    script.input = ("text",)
    for file in (photo, scan):
        body = {"content": [part(file)]}
        answer = await service.client.post(f"/api/sessions/{session_id}/messages", json=body)
        assert "reads no pictures" in problem(answer, 422, "unsupported_media_type_for_model")["detail"]
    await service.send(session_id, [part(mixed)])
    earlier, _, last = (message["content"] for message in script.prompts[-1].messages[-3:])
    unread = "Its pictures are not shown: this model reads none."
    assert earlier == f"[File: p.png, image/png, 40 x 30 pixels. {unread}]"
    assert last == f"[File: mixed.pdf, application/pdf, 2 pages. {unread}]\n```\n[Page 1]\nwords\n```"


async def test_old_files_are_named_where_they_do_not_fit(database: str, script: Script) -> None:
    async with serving(settings(database, context_tokens=8_000), script) as service:
        session_id = await service.session()
        for number in (1, 2, 3):
            file = await bring(service, f"{number} ".encode() * 6_000, f"{number}.txt")
            await service.send(session_id, [text(f"question {number}"), part(file)])
        contents = [message["content"] for message in script.prompts[-1].messages if message["role"] == "user"]
        assert contents[0] == "[File: 1.txt, text/plain, 12,000 bytes. Its content is not shown.]\n\nquestion 1"
        assert contents[1].startswith("[File: 2.txt, text/plain, 12,000 bytes]\n```\n2 2 ")
        assert contents[2].startswith("[File: 3.txt, text/plain, 12,000 bytes]\n```\n3 3 ")


async def test_a_picture_counts_as_tokens_and_not_as_bytes(service: Service, script: Script) -> None:
    noise = Image.effect_noise((1500, 1500), 100)
    out = io.BytesIO()
    noise.save(out, "PNG")
    photo = await bring(service, out.getvalue(), "noise.png")
    script.play([say("a"), stop()])
    sent = await service.send(await service.session(), [part(photo)])
    assert 1_500 < sent["run"]["usage"]["input_tokens"] < 5_000


async def test_answering_again_and_branches_keep_the_files(service: Service, script: Script) -> None:
    file = await bring(service, b"hello", "hello.txt")
    session_id = await service.session()
    first = await service.send(session_id, [part(file), text("one")])
    again = await service.client.post(
        f"/api/sessions/{session_id}/runs",
        json={"message_id": first["user_message"]["id"]},
        headers={"accept": "application/json"},
    )
    assert again.status_code == 200
    assert content_of(script.prompts[1]) == content_of(script.prompts[0])
    edited = await service.send(session_id, [part(file), text("two")], parent_id=None)
    assert edited["user_message"]["parts"][0] == first["user_message"]["parts"][0]
    assert (await count_rows(service))["message_files"] == 2


async def test_the_same_key_and_content_is_the_same_run(service: Service) -> None:
    file = await bring(service, b"hello")
    path, key = f"/api/sessions/{await service.session()}/messages", {"idempotency-key": "k", "prefer": "respond-async"}
    runs = [
        (await service.client.post(path, json={"content": [part(file)]}, headers=key)).json()["run"]["id"]
        for _ in range(2)
    ]
    assert runs[0] == runs[1]
    other = await service.client.post(path, json={"content": [part(file, name="b")]}, headers=key)
    problem(other, 422, "idempotency_mismatch", "run_id")


async def test_a_file_lives_as_long_as_a_message_refers_to_it(database: str, script: Script) -> None:
    async with serving(settings(database, files_grace=2), script) as service:
        session_ids = [await service.session() for _ in range(2)]
        file = await bring(service, b"text", "a.txt")
        for session_id in session_ids:
            await service.send(session_id, [part(file), text("x"), part(file)])
        problem(await service.client.delete(f"/api/files/{file['id']}"), 409, "file_in_use")
        for session_id in session_ids:
            await sweep_files(service.runtime)
            assert (await service.client.get(f"/api/files/{file['id']}/content")).content == b"text"
            assert (await service.client.delete(f"/api/sessions/{session_id}")).status_code == 204
            await until_gone(service.runtime.db)
        async with asyncio.timeout(30):
            while any((await count_rows(service)).values()):
                await sweep_files(service.runtime)


async def test_everything_of_a_user_includes_their_files(service: Service) -> None:
    file = await bring(service, b"text")
    await bring(service, BYTES)
    await service.send(await service.session(), [part(file)])
    receipt = (await service.client.delete("/api/me")).json()
    assert receipt["files"] == 2
    problem(await service.client.get(f"/api/files/{file['id']}"), 404, "not_found")
    await until_gone(service.runtime.db)
    await sweep_files(service.runtime)
    assert await count_rows(service) == dict.fromkeys(FILES, 0)


async def test_joined_users_keep_all_their_files(service: Service) -> None:
    same = await bring(service, BYTES)
    own = await bring(service, b"only mine")
    session_id = await service.session()
    await service.send(session_id, [part(own)])

    async def add_user(tx: Transaction) -> None:
        await tx.run(
            "INSERT INTO users (id, issuer, subject, role, created_at, seen_at) VALUES ('b', 'i', 'b', 'user', $1, $1)",
            await tx.now(),
        )
        await tx.run(
            """INSERT INTO files (owner, id, sha256, bytes, media_type, name, created_at, unused_since)
               SELECT 'b', CAST($1 AS TEXT), sha256, bytes, media_type, name, created_at, unused_since
                 FROM files WHERE sha256 IS NOT NULL AND name = 'a.bin' AND bytes > 100"""
            if service.runtime.db.engine == "sqlite"
            else """INSERT INTO files (owner, id, sha256, bytes, media_type, name, created_at, unused_since)
               SELECT 'b', CAST($1 AS UUID), sha256, bytes, media_type, name, created_at, unused_since
                 FROM files WHERE sha256 IS NOT NULL AND name = 'a.bin' AND bytes > 100""",
            UNKNOWN,
        )

    await service.runtime.db.transaction(add_user)
    await people.join_users(service.runtime.db, LOCAL_USER, "b", actor=COMMAND_LINE)
    rows = await service.runtime.db.snapshot(lambda tx: tx.all("SELECT owner, id, sha256 FROM files"))
    assert {owner for owner, _, _ in rows} == {"b"}
    assert {file_id for _, file_id, _ in rows} == {same["id"], own["id"], UNKNOWN}
    assert sum(sha256 is None for _, _, sha256 in rows) == 1
    references = await service.runtime.db.snapshot(lambda tx: tx.all("SELECT owner, file_id FROM message_files"))
    assert references == [("b", own["id"])]
    chunks = await service.runtime.db.snapshot(lambda tx: tx.all("SELECT owner FROM file_chunks"))
    assert set(chunks) == {("b",)}


async def test_refused_pictures_do_not_lock_a_session(service: Service, script: Script) -> None:
    """A provider that takes no pictures after all fails the message that has one, and no later one."""
    photo = await bring(service, picture(), "p.png")
    session_id = await service.session()
    script.play([ModelRejected("no pictures")], [ModelRejected("no pictures")], [say("fine"), stop()])
    refused = await service.send(session_id, [part(photo)])
    assert refused["run"]["error"]["code"] == "model_rejected"
    later = await service.send(session_id, "and now?")
    assert later["run"]["status"] == "completed"
    contents = [message["content"] for message in script.prompts[-1].messages if message["role"] == "user"]
    assert contents == ["[File: p.png, image/png, 40 x 30 pixels. Its content is not shown.]\n\nand now?"]


async def test_an_error_speaks_of_the_form_that_was_sent(service: Service) -> None:
    path = f"/api/sessions/{await service.session()}/messages"
    for content, where in ((" ", ["text"]), (7, ["text"]), ([{"type": "file"}], ["parts", 0, "file", "file_id"])):
        (error,) = invalid(await service.client.post(path, json={"content": content}))
        assert error["loc"] == ["body", "content", *where]
