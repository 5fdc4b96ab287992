"""The log of the real command: lines, ids and the access log, as text and as JSON."""

import json
import logging
import re
import signal
import sys
from pathlib import Path
from typing import Any

import httpx2
import pytest

from chatkeep.settings.peers import parse_peers
from chatkeep.watch.log_lines import JsonLines, TextLines
from tests.api.shapes import UNKNOWN, UUID7, problem
from tests.api.test_process import running
from tests.service import Service, serving, settings

pytestmark = pytest.mark.anyio

LINE = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z [A-Z]+ [a-z.]+\[\d+\]: .+")


def record(text: str, error: bool = False) -> logging.LogRecord:
    """A record of a hostile text, perhaps with a traceback."""
    try:
        raise ValueError(text)
    except ValueError:
        return logging.LogRecord("chatkeep", logging.ERROR, "", 0, "%s", (text,), sys.exc_info() if error else None)


def test_no_text_makes_a_line_or_moves_the_cursor() -> None:
    line = TextLines().format(record("a\nb\x1b[2J\rc\x9b", error=True))
    assert LINE.fullmatch(line.splitlines()[0])
    assert all(each.startswith("    ") for each in line.splitlines()[1:])
    assert not re.search("[\x1b\r\x9b]", line)


def test_json_is_one_line_with_the_traceback_in_it() -> None:
    line = JsonLines().format(record("a\nb\ud800", error=True))
    assert "\n" not in line
    fields = json.loads(line)
    assert (fields["level"], fields["message"]) == ("error", "a\nb\ufffd")
    assert "Traceback" in fields["error"]


async def access_lines(directory: Path, form: str) -> tuple[str, str, httpx2.Response]:
    """The log of a service that answered one turn and one refusal; the session's id; the refusal."""
    url = f"sqlite:///{directory}/log.db"
    async with running(directory, url, CHATKEEP_ACCESS_LOG="yes", CHATKEEP_LOG=form) as service:
        session = (await service.client.post("/api/sessions", json={})).json()["id"]
        body, headers = {"content": "secret words"}, {"accept": "application/json"}
        await service.client.post(f"/api/sessions/{session}/messages?secret=1", json=body, headers=headers)
        refused = await service.client.get(f"/api/runs/{UNKNOWN}")
        status, stderr = await service.stopped(signal.SIGTERM)
    assert status == 0
    return stderr, session, refused


async def test_the_access_log_has_routes_and_no_words(tmp_path: Path) -> None:
    text, session, refused = await access_lines(tmp_path, "text")
    lines = text.splitlines()
    assert all(LINE.fullmatch(line) for line in lines), text
    assert re.search(r" POST /api/sessions/\{session_id\}/messages 200 [\d.]+ ms \d+ bytes request=\S+$", lines[1])
    assert lines[2].endswith(f" request={refused.headers['x-request-id']}")
    assert "secret" not in text
    assert session not in text


async def test_the_access_log_as_json_has_fields(tmp_path: Path) -> None:
    text, _, refused = await access_lines(tmp_path, "json")
    entry: dict[str, Any] = json.loads(text.splitlines()[2])
    assert entry["request_id"] == refused.json()["request_id"] == refused.headers["x-request-id"]
    assert (entry["method"], entry["route"], entry["status"]) == ("GET", "/api/runs/{run_id}", 404)
    assert entry["bytes"] == len(refused.content)
    assert entry["ms"] > 0


async def test_each_request_has_an_id_of_ours(service: Service) -> None:
    answer = await service.client.get(f"/api/runs/{UNKNOWN}", headers={"x-request-id": "theirs"})
    request_id = answer.headers["x-request-id"]
    assert UUID7.fullmatch(request_id)
    assert problem(answer, 404, "not_found")["request_id"] == request_id
    assert (await service.client.get("/healthz")).headers["x-request-id"] != request_id


@pytest.mark.parametrize(("given", "is_used"), [("theirs-1", True), ("two words", False), ("x" * 129, False)])
async def test_a_trusted_proxy_gives_the_id(tmp_path: Path, given: str, is_used: bool) -> None:
    async with serving(settings(tmp_path, trusted_proxies=parse_peers("127.0.0.0/8"))) as service:
        answer = await service.client.get("/healthz", headers={"x-request-id": given})
    assert (answer.headers["x-request-id"] == given) is is_used


async def test_a_run_names_itself_and_its_request(tmp_path: Path) -> None:
    tools = "def act() -> str:\n    'Do it.'\n    raise RuntimeError('broken')\n"
    (tmp_path / "breaks.py").write_text("from chatkeep.tools import tool\n\n@tool\n" + tools)
    (tmp_path / "acts.md").write_text("---\nname: acts\ndescription: Acts.\nfunctions: [act]\n---\nAct.\n")
    url, more = f"sqlite:///{tmp_path}/log.db", {"CHATKEEP_ASSISTANTS_DIR": ".", "CHATKEEP_ASSISTANT": "acts"}
    async with running(tmp_path, url, CHATKEEP_TOOLS="breaks", CHATKEEP_LOG="json", **more) as service:
        session = (await service.client.post("/api/sessions", json={})).json()["id"]
        sent = await service.client.post(
            f"/api/sessions/{session}/messages", json={"content": "call act"}, headers={"accept": "application/json"}
        )
        _, stderr = await service.stopped(signal.SIGTERM)
    (entry,) = map(json.loads, stderr.splitlines())
    assert entry["request_id"] == sent.headers["x-request-id"]
    assert entry["run_id"] == sent.json()["run"]["id"]
    assert (entry["message"], entry["level"]) == ("function act failed", "error")
    assert "RuntimeError: broken" in entry["error"]
