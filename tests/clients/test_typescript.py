"""The TypeScript client against the service (clients/typescript/README.md)."""

import asyncio
import json
import tarfile
from pathlib import Path
from typing import Any

import pytest

import chatkeep
from tests.api.streams import text_of
from tests.api.test_functions import DONE, PICK, TWO
from tests.clients.typescript import COMPILER, SOURCE, run_node, typescript_client
from tests.needs import ROOT
from tests.pages import blocks
from tests.script import Script, say, stop
from tests.service import Service, serving, settings

pytestmark = pytest.mark.anyio

README = (SOURCE / "README.md").read_text("utf-8")
STRICT = {"strict": True, "noEmit": True, "skipLibCheck": False, "types": [], "lib": ["ES2023", "DOM"]}
PROGRAM = """
import { Chatkeep, ApiError, fold, type Event, type Message } from "chatkeep";
const client = new Chatkeep({ token: "ck_x" });
export async function read(id: string): Promise<string[]> {
  const { run } = await client.send(id, { content: "hello", on_busy: "interrupt" });
  let last: Message | null = null;
  for await (last of client.read(run.id));
  return last?.parts.map((part) => (part.type === "text" ? part.text : part.type)) ?? [];
}
export const log = (events: Event[]): Message => fold(events);
export const isBusy = (error: unknown): boolean => error instanceof ApiError && error.problem?.code === "session_busy";
"""


async def stored(service: Service, session: str) -> list[dict[str, Any]]:
    return (await service.client.get(f"/api/sessions/{session}/messages")).json()["data"]


def test_the_package_has_what_it_needs_and_no_more(packed: Path) -> None:
    with tarfile.open(packed) as archive:
        names = set(archive.getnames())
        description = json.loads(archive.extractfile("package/package.json").read())  # type: ignore[union-attr]  # a file
        licence = archive.extractfile("package/LICENSE").read()  # type: ignore[union-attr]  # likewise
    modules = [file.stem for file in (SOURCE / "src").glob("*.ts")]
    built = {f"package/dist/{name}{end}" for name in modules for end in (".js", ".d.ts")}
    assert names == built | {f"package/{name}" for name in ("README.md", "LICENSE", "package.json")}
    assert (description["name"], description["version"]) == ("chatkeep", chatkeep.__version__)
    assert [name for name in description if "ependencies" in name] == []
    assert licence == (ROOT / "LICENSE").read_bytes()


@pytest.mark.parametrize("resolution", ["nodenext", "bundler"])
def test_its_types_pass_a_strict_check(project: Path, tmp_path: Path, resolution: str) -> None:
    (tmp_path / "node_modules").symlink_to(project / "node_modules")
    (tmp_path / "package.json").write_text('{"type": "module"}')
    module = {"module": "nodenext" if resolution == "nodenext" else "esnext", "moduleResolution": resolution}
    (tmp_path / "tsconfig.json").write_text(json.dumps({"compilerOptions": STRICT | module}))
    (tmp_path / "program.ts").write_text(PROGRAM)
    checked = run_node(COMPILER, "-p", tmp_path, cwd=tmp_path)
    assert (checked.returncode, checked.stdout) == (0, "")
    (tmp_path / "program.ts").write_text(
        PROGRAM.replace("part.text :", "part.words :").replace('"interrupt"', '"wait"')
    )
    wrong = run_node(COMPILER, "-p", tmp_path, cwd=tmp_path).stdout
    assert all(name in wrong for name in ("'words' does not exist", '"wait"')), wrong


async def test_the_lines_of_its_readme_work(project: Path, tmp_path: Path) -> None:
    (project / "readme.mjs").write_text(blocks(README, "js")[0])
    async with serving(settings(tmp_path)) as service:
        done = await asyncio.to_thread(run_node, "readme.mjs", cwd=project, CHATKEEP_URL=service.url)
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout.splitlines() == [
        "Which one?",
        'user: pick_colour "Which one?"',
        'assistant: [pick_colour][step]The function answered: {"colour":"red"}',
    ]


async def test_a_text_as_it_grows(project: Path, service: Service, script: Script) -> None:
    begin, gate = asyncio.Event(), asyncio.Event()
    script.play([begin, say("One, "), gate, say("two 😀."), stop()])
    async with typescript_client(project, service.url) as client:
        session = (await client.call("createSession", {"title": "Counting"}))["id"]
        sent = await client.call("send", session, "count")
        assert (sent["run"]["status"], sent["message"]["parts"]) == ("in_progress", [])
        begin.set()
        state = await client.begin("read", sent["run"]["id"], until="One, ")
        assert text_of(state["last"]) == "One, "
        gate.set()
        state = await client.settle()
        assert [state["last"]] == (await stored(service, session))[1:]
        assert await client.read(sent["run"]["id"]) == state["last"]  # once more, from the beginning
        page = await client.call("history", session)
    assert page["data"] == await stored(service, session)


async def test_a_repeat_with_its_key_is_one_message(project: Path, service: Service, script: Script) -> None:
    script.play([say("Once."), stop()])
    async with typescript_client(project, service.url) as client:
        session = (await client.call("createSession"))["id"]
        assert (await client.call("createSession", {"id": session}))["id"] == session
        sent = [await client.call("send", session, "hello", "key-1") for _ in range(2)]
        refused = await client.attempt("send", session, "", "key-2")
    assert sent[0]["run"]["id"] == sent[1]["run"]["id"]
    assert refused["error"]["code"] == "invalid_request"
    assert len(await stored(service, session)) == 2


async def test_functions_are_answered_by_either_client(project: Path, service: Service, script: Script) -> None:
    script.play(TWO, DONE)
    async with typescript_client(project, service.url) as one, typescript_client(project, service.url) as two:
        session = (await one.call("createSession"))["id"]
        await two.begin("watch", session, until="[]")
        run = (await one.call("send", session, {"content": "Pick!", "tools": [PICK]}))["run"]["id"]
        state = await one.begin("read", run, until="requires_action")
        assert [part["state"] for part in state["last"]["parts"]] == ["waiting", "waiting"]
        seen = (await two.until("requires_action"))["last"]
        assert seen[1] == state["last"]
        assert await two.call("failCall", run, "b", "the user looked away") is True
        assert await one.call("answerCall", run, "b", "too late") is False
        assert await one.call("answerCall", run, "a", {"colour": "red"}) is True
        answer = (await one.settle())["last"]
        await two.until("Thanks.")
        seen = (await two.without("in_progress"))["last"]
    assert [part.get("output") or part.get("error") for part in answer["parts"][:2]] == [
        {"colour": "red"},
        {"code": "tool_error", "message": "the user looked away"},
    ]
    assert seen == await stored(service, session)
    assert seen[1] == answer


async def test_another_branch_and_the_end_of_a_session(project: Path, service: Service, script: Script) -> None:
    script.play([say("A."), stop()], [say("B."), stop()])
    session = await service.session()
    first = await service.send(session, "first")
    async with typescript_client(project, service.url) as client:
        await client.begin("watch", session, until="A.")
        await service.send(session, "instead", parent_id=None)
        seen = (await client.until("B."))["last"]
        assert [text_of(each) for each in seen][:1] == ["instead"]
        await service.client.patch(f"/api/sessions/{session}", json={"head_id": first["message"]["id"]})
        seen = (await client.until("A."))["last"]
        assert [text_of(each) for each in seen] == ["first", "A."]
        await service.client.delete(f"/api/sessions/{session}")
        state = await client.settle()
        assert state.get("error") is None
        gone = await client.attempt("history", session)
    assert gone["error"]["code"] == "not_found"


async def test_a_stopped_run_keeps_its_text(project: Path, service: Service, script: Script) -> None:
    script.play([say("One, two"), asyncio.Event()])
    async with typescript_client(project, service.url) as client:
        session = (await client.call("createSession"))["id"]
        run = (await client.call("send", session, "count"))["run"]["id"]
        await client.begin("read", run, until="One, two")
        assert (await client.call("cancel", run))["status"] == "cancelled"
        answer = (await client.settle())["last"]
        assert (await client.call("cancel", run))["status"] == "cancelled"
    assert (answer["status"], text_of(answer)) == ("cancelled", "One, two")
