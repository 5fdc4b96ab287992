"""Files that functions return: stored once, shown beside the call, named to the model, kept with the session."""

import asyncio
import json
from collections.abc import AsyncGenerator
from pathlib import Path
from typing import Any

import pytest

from chatkeep.runs.erase import erase_part
from chatkeep.runs.file_sweeping import sweep_files
from chatkeep.runs.function_files import saving_files
from chatkeep.store import runs as store_runs
from chatkeep.tools import File, ToolError
from tests.api.shapes import problem
from tests.api.test_files import count_rows
from tests.deletions import until_gone
from tests.script import Script, call, say, stop
from tests.service import Service, serving, settings

pytestmark = pytest.mark.anyio

ASSISTANT = "---\nname: default\ndescription: For tests.\nfunctions: [draw, fetch]\n---\nYou are a test.\n"


@pytest.fixture
async def service(database: str, tmp_path: Path, script: Script) -> AsyncGenerator[Service]:
    """Return a service whose assistant has functions that return files. Unused files are kept for 2 seconds."""
    (tmp_path / "assistants").mkdir()
    (tmp_path / "assistants" / "default.md").write_text(ASSISTANT)
    changed = {"tools": ("tests.functions",), "assistants_dir": tmp_path / "assistants"}
    async with serving(settings(database, **changed, files_grace=2, max_file_bytes=100_000), script) as service:
        yield service


def drawing(*names: str, content: str = "drawn") -> list[Any]:
    return [call("draw", json.dumps({"names": names, "content": content}), 0, "c"), stop("tool_calls")]


async def draw(service: Service, script: Script, *scene: Any, session_id: str = "") -> dict[str, Any]:
    """Return the part of the call."""
    script.play(list(scene), [say("Done."), stop()])
    sent = await service.send(session_id or await service.session(), "Draw!")
    assert sent["run"]["status"] == "completed"
    return sent["message"]["parts"][0]


async def test_files_stand_beside_the_call(service: Service, script: Script) -> None:
    part = await draw(service, script, *drawing("a.txt", "../b.txt"))
    first, second = part["files"]
    assert first == {"type": "file", "file_id": first["file_id"], "name": "a.txt", "media_type": "text/plain",
                     "bytes": 11, "width": None, "height": None, "pages": None}  # fmt: skip
    assert second["name"] == "b.txt"
    described = [{key: file[key] for key in ("file_id", "name", "media_type", "bytes")} for file in (first, second)]
    assert part["output"] == {"count": 2, "files": {"all": described}}
    assert (await service.client.get(f"/api/files/{second['file_id']}/content")).text == "drawn ../b.txt"
    assert "a.txt" in script.prompts[1].messages[-1]["content"]
    page = (await service.client.get(f"/api/sessions/{await newest(service)}/messages")).json()
    assert page["data"][1]["parts"][0] == part


async def newest(service: Service) -> str:
    return (await service.client.get("/api/sessions")).json()["data"][0]["id"]


async def test_the_log_and_a_continued_answer_keep_the_files(service: Service, script: Script) -> None:
    session_id = await service.session()
    script.play(drawing("a.txt"), [say("It"), stop("length")], [say(" is drawn."), stop()])
    sent = await service.send(session_id, "Draw!")
    events = await service.events(sent["run"]["id"])
    assert events[-1]["message"]["parts"] == sent["message"]["parts"]
    body, headers = {"continue": sent["message"]["id"]}, {"accept": "application/json"}
    more = await service.client.post(f"/api/sessions/{session_id}/runs", json=body, headers=headers)
    assert more.json()["message"]["parts"][0] == sent["message"]["parts"][0]
    assert (await count_rows(service))["message_files"] == 2
    for message_id, left in ((sent["message"]["id"], 1), (more.json()["message"]["id"], 0)):
        await erase_part(service.runtime, "local", session_id, message_id, 0)
        assert (await count_rows(service))["message_files"] == left


async def test_a_repetition_stores_once(service: Service, script: Script) -> None:
    session_id = await service.session()
    parts = [await draw(service, script, *drawing("a.txt", "a.txt"), session_id=session_id) for _ in range(2)]
    assert len({file["file_id"] for part in parts for file in part["files"]}) == 1
    assert [len(part["files"]) for part in parts] == [1, 1]
    await sweep_files(service.runtime)
    assert await count_rows(service) == {"files": 1, "pieces": 1, "message_files": 2}


@pytest.mark.parametrize(
    ("scene", "message"),
    [
        (drawing(*map(str, range(17))), "the function returned more than 16 files"),
        (drawing("a.txt", content="x" * 100_000), "the file 'a.txt' cannot be kept: a file may have 100000 bytes"),
        ([call("fetch", '{"path": "/dev/null"}'), stop("tool_calls")], "cannot be kept: the file is empty"),
        ([call("fetch", '{"path": "/no/such"}'), stop("tool_calls")], "the function failed (FileNotFoundError)"),
    ],
)
async def test_a_file_that_cannot_be_kept_fails_the_call(
    service: Service, script: Script, scene: list[Any], message: str
) -> None:
    part = await draw(service, script, *scene)
    assert (part["state"], part["output"], "files" in part) == ("failed", None, False)
    assert part["error"]["code"] == "tool_error"
    assert message in part["error"]["message"]
    await sweep_files(service.runtime)
    assert (await count_rows(service))["message_files"] == 0


async def test_it_lives_as_long_as_the_session(service: Service, script: Script) -> None:
    session_id = await service.session()
    part = await draw(service, script, *drawing("a.txt"), session_id=session_id)
    file_id = part["files"][0]["file_id"]
    problem(await service.client.delete(f"/api/files/{file_id}"), 409, "file_in_use")
    await service.client.delete(f"/api/sessions/{session_id}")
    await until_gone(service.runtime.db)
    async with asyncio.timeout(30):
        while any((await count_rows(service)).values()):
            await sweep_files(service.runtime)


async def test_an_archive_has_files_of_functions(service: Service, script: Script) -> None:
    session_id = await service.session()
    part = await draw(service, script, *drawing("a.txt"), session_id=session_id)
    path = f"/api/files/{part['files'][0]['file_id']}"
    archive = (await service.client.get("/api/export")).content
    for form in ("markdown", "html"):
        assert "a.txt" in (await service.client.get("/api/export", params={"format": form})).text
    await service.client.delete(f"/api/sessions/{session_id}")
    await until_gone(service.runtime.db)
    async with asyncio.timeout(30):
        while any((await count_rows(service)).values()):
            await sweep_files(service.runtime)
    headers = {"content-type": "application/octet-stream"}
    report = (await service.client.post("/api/import", content=archive, headers=headers)).json()
    assert (report["taken"]["file"], report["not_taken"]) == (1, [])
    assert (await service.client.get(f"{path}/content")).text == "drawn a.txt"
    problem(await service.client.delete(path), 409, "file_in_use")
    page = (await service.client.get(f"/api/sessions/{session_id}/messages")).json()
    assert page["data"][1]["parts"][0] == part
    assert (await service.client.get("/api/export")).content == archive


async def test_a_deleted_session_gets_no_reference(service: Service) -> None:
    """The process dies, or the session is deleted, after a file was stored: a repetition, or the sweep, follows."""
    session_id = await service.session()
    sent = await service.send(session_id, "Hello")
    run = await service.runtime.db.snapshot(lambda tx: store_runs.get_run(tx, "local", sent["run"]["id"]))
    save = saving_files(service.runtime, "local", run)
    parts = [await save(File(b"the same", name)) for name in ("a.txt", "b.txt")]
    assert parts[0].file_id == parts[1].file_id
    assert [part.name for part in parts] == ["a.txt", "b.txt"]
    await sweep_files(service.runtime)
    assert await count_rows(service) == {"files": 1, "pieces": 1, "message_files": 1}
    await service.client.delete(f"/api/sessions/{session_id}")
    with pytest.raises(ToolError, match="the session is gone"):
        await save(File(b"another", "c.txt"))
