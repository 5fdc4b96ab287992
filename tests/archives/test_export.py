"""Exports over HTTP: everything that was said, in four forms, and nothing of it as code."""

import base64
import re

import pytest

from chatkeep.api.routes.archives import POLICY
from chatkeep.archives import html
from tests.api.shapes import MESSAGE, RUN, problem
from tests.api.tables import change_owner
from tests.archives.chats import HOSTILE, LARGE, add_chats, lines_of
from tests.filled_database import add_session
from tests.samples import picture
from tests.script import Script
from tests.service import Service
from tests.values import uid

pytestmark = pytest.mark.anyio
FORMATS = ["jsonl", "markdown", "openai", "html"]


async def export(service: Service, path: str = "/api/export", **params: str) -> bytes:
    answer = await service.client.get(path, params=params)
    assert answer.status_code == 200, answer.text
    assert answer.headers["content-disposition"].startswith('attachment; filename="')
    assert answer.headers["content-security-policy"] == POLICY
    assert answer.headers["x-content-type-options"] == "nosniff"
    return answer.content


async def test_an_archive_has_everything_once(service: Service, script: Script) -> None:
    ids = await add_chats(service, script)
    lines = lines_of(await export(service))
    assert lines[0] == {"type": "chatkeep.export", "version": 1}
    assert lines[-1] == {"type": "end", "sessions": 3, "files": 2, "facts": 0}
    assert [each["id"] for each in lines if each["type"] == "session"] == [ids["branches"], ids["files"], ids["empty"]]
    for session_id in (ids["branches"], ids["files"]):
        page = (await service.client.get(f"/api/sessions/{session_id}/messages?branches=all")).json()
        messages = [each for each in lines if each["type"] == "message" and each["session_id"] == session_id]
        assert [each | {"type": "message"} for each in page["data"]] == messages
        assert all(set(each) >= MESSAGE for each in messages)
        runs = [each for each in lines if each["type"] == "run" and each["session_id"] == session_id]
        assert [each["message_id"] for each in runs] == [each["id"] for each in messages if each["run_id"]]
        assert all(set(each) == RUN | {"type"} for each in runs)
    kinds = [each["type"] for each in lines]
    assert kinds.index("file") < kinds.index("message", kinds.index("session.end"))
    content = b"".join(base64.b64decode(each["content"]) for each in lines if each.get("file_id") == ids["large"])
    assert content == LARGE


async def test_an_export_of_one_session_has_only_that(service: Service, script: Script) -> None:
    ids = await add_chats(service, script)
    everything = await export(service)
    for name in ("branches", "files", "empty"):
        lines = lines_of(await export(service, f"/api/sessions/{ids[name]}/export"))
        assert [each["id"] for each in lines if each["type"] == "session"] == [ids[name]]
        assert [each for each in lines if each["type"] == "message"] == [
            each for each in lines_of(everything) if each.get("session_id") == ids[name] and each["type"] == "message"
        ]


@pytest.mark.parametrize("form", FORMATS)
async def test_a_temporary_session_is_in_no_export(service: Service, script: Script, form: str) -> None:
    ids = await add_chats(service, script)
    everything = await export(service, format=form)
    assert b"hidden" not in everything
    assert b"secret" not in everything
    problem(await service.client.get(f"/api/sessions/{ids['hidden']}/export?format={form}"), 404, "not_found")


@pytest.mark.parametrize("form", FORMATS)
async def test_another_owner_s_session_is_in_no_export(service: Service, script: Script, form: str) -> None:
    ids = await add_chats(service, script)
    await change_owner(service, ids["branches"])
    problem(await service.client.get(f"/api/sessions/{ids['branches']}/export?format={form}"), 404, "not_found")
    assert b"edited" not in await export(service, format=form)


@pytest.mark.parametrize("form", FORMATS)
async def test_a_name_of_an_export_is_safe(service: Service, form: str) -> None:
    for title in ("a/../b\\c", '"x"\r\n', "../../etc/passwd", "ü" * 190, "\u202egnp.exe", "."):
        session_id = await service.session(title=title)
        answer = await service.client.get(f"/api/sessions/{session_id}/export?format={form}")
        match = re.match(r'attachment; filename="([^"]*)"', answer.headers["content-disposition"])
        assert match is not None
        assert not re.search(r'[/\\"\r\n]|^\.\.?$', match[1])
        assert len(answer.headers["content-disposition"]) < 1_000


async def test_a_wrong_format_is_refused(service: Service) -> None:
    problem(await service.client.get("/api/export?format=pdf"), 422, "invalid_request", "errors")


async def test_a_document_runs_nothing(service: Service, script: Script) -> None:
    await add_chats(service, script)
    text = (await export(service, format="html")).decode()
    assert text.startswith("<!DOCTYPE html>")
    assert html.POLICY.replace("'", "&#x27;") in text
    tags = set(re.findall(r"</?([a-z0-9]+)", text))
    assert tags <= {"html", "head", "meta", "title", "style", "body", "h1", "h2", "article", "time", "p", "pre", "img"}
    assert text.count("</article>") == text.count("<article")
    assert not re.search(r"<[^>]*\son\w+=", text)
    assert f'src="data:image/png;base64,{base64.b64encode(picture()).decode()}"' in text
    assert "second, edited" in text
    assert text.count("second") == 1  # the active branch alone


async def test_markdown_and_messages_have_the_branch(service: Service, script: Script) -> None:
    ids = await add_chats(service, script)
    path = f"/api/sessions/{ids['branches']}/export"
    markdown = (await export(service, path, format="markdown")).decode()
    assert markdown.count("## You") == markdown.count("## Assistant") == 2
    assert HOSTILE in markdown
    (line,) = lines_of(await export(service, path, format="openai"))
    assert line["title"] == HOSTILE
    assert line["messages"] == [
        {"role": "user", "content": HOSTILE},
        {"role": "assistant", "content": HOSTILE},
        {"role": "user", "content": "second, edited"},
        {"role": "assistant", "content": HOSTILE},
    ]


async def test_a_long_session_is_whole_in_every_form(service: Service, subtests: pytest.Subtests) -> None:
    await service.runtime.db.transaction(lambda tx: add_session(tx, uid("long"), 260))
    path, said = f"/api/sessions/{uid('long')}/export", b"Why do sagas have no author? " * 20
    for form in FORMATS:
        with subtests.test(form):
            assert (await export(service, path, format=form)).count(said) == 520
    lines = lines_of(await export(service, path))
    assert lines[-2] == {"type": "session.end", "id": uid("long"), "messages": 520, "runs": 260}
    assert [each["number"] for each in lines if each["type"] == "run"] == list(range(1, 261))


async def test_everything_is_many_pages(service: Service) -> None:
    for number in range(230):
        await service.runtime.db.transaction(lambda tx, number=number: add_session(tx, uid(f"s{number}"), 1))
    ids = [each["id"] for each in lines_of(await export(service)) if each["type"] == "session"]
    assert sorted(ids) == sorted(uid(f"s{number}") for number in range(230))
