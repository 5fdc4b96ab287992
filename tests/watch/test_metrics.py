"""`GET /metrics`: figures that are right, also over several processes, and shown to those alone who may see them."""

import asyncio
import json
import os
import re
import signal
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from pathlib import Path

import httpx2
import pytest
from prometheus_client.parser import text_string_to_metric_families

from chatkeep.settings.peers import parse_peers
from chatkeep.watch import metrics
from tests.api.shapes import problem
from tests.api.streams import PATIENCE
from tests.api.test_process import started
from tests.pages import ROOT
from tests.script import Script, call, say, stop
from tests.service import Service, serving, settings

pytestmark = pytest.mark.anyio

LOOPBACK = parse_peers("127.0.0.1, ::1")
Figures = dict[str, float]


def parse(text: str) -> Figures:
    """The samples of an exposition by name and labels: `name{a="b"}`."""
    return {
        sample.name + (json.dumps(sample.labels, sort_keys=True) if sample.labels else ""): sample.value
        for family in text_string_to_metric_families(text)
        for sample in family.samples
    }


async def read(client: httpx2.AsyncClient) -> Figures:
    answer = await client.get("/metrics")
    assert answer.status_code == 200, answer.text
    assert answer.headers["content-type"].startswith("text/plain")
    return parse(answer.text)


def grown(before: Figures, after: Figures) -> Figures:
    """By how much each sample has grown."""
    return {name: value - before.get(name, 0) for name, value in after.items()}


@asynccontextmanager
async def watched(database: str, script: Script) -> AsyncGenerator[Service]:
    async with serving(settings(database, metrics=LOOPBACK), script) as service:
        yield service


async def test_a_turn_is_counted(database: str, script: Script) -> None:
    async with watched(database, script) as service:
        before = await read(service.client)
        script.play([say("Hello"), stop(tokens=(7, 3))])
        await service.send(await service.session(), "Hi")
        growth = grown(before, await read(service.client))
    model = settings("").model
    assert growth[f'chatkeep_runs_total{{"model": "{model}", "status": "completed"}}'] == 1
    assert growth[f'chatkeep_tokens_total{{"kind": "input", "model": "{model}"}}'] == 7
    assert growth[f'chatkeep_tokens_total{{"kind": "output", "model": "{model}"}}'] == 3
    assert growth["chatkeep_run_seconds_count"] == growth["chatkeep_first_token_seconds_count"] == 1
    assert growth["chatkeep_flush_seconds_count"] >= 1
    route = '{"method": "POST", "route": "/api/sessions/{session_id}/messages", "status": "200"}'
    assert growth[f"chatkeep_http_requests_total{route}"] == 1
    assert growth["chatkeep_database_bytes"] + before["chatkeep_database_bytes"] > 10_000


async def test_what_is_open_is_a_gauge_that_falls(database: str, script: Script) -> None:
    async with watched(database, script) as service:
        before = await read(service.client)
        gate = asyncio.Event()
        script.play([say("Hel"), gate, say("lo"), stop()])
        started_run = await service.start(await service.session(), "Hi")
        stream = asyncio.create_task(service.events(started_run["run"]["id"]))
        async with asyncio.timeout(PATIENCE):
            while (growth := grown(before, await read(service.client)))["chatkeep_streams_open"] != 1:
                await asyncio.sleep(0.01)
        assert growth["chatkeep_runs_open"] == 1
        gate.set()
        await stream
        async with asyncio.timeout(PATIENCE):
            while (growth := grown(before, await read(service.client)))["chatkeep_streams_open"] != 0:
                await asyncio.sleep(0.01)
        assert growth["chatkeep_runs_open"] == 0


async def test_a_function_is_timed_by_name_and_state(database: str, script: Script) -> None:
    async with watched(database, script) as service:
        before = await read(service.client)
        arguments = {"event_date": "2026-01-02", "period": 3, "unit": "days", "jurisdiction": "DE"}
        arguments["direction"] = "after"
        script.play([call("court_deadline", arguments), stop("tool_calls")], [say("That day."), stop()])
        await service.send(await service.session(assistant="counsel"), "search")
        growth = grown(before, await read(service.client))
    assert growth['chatkeep_tool_seconds_count{"name": "court_deadline", "state": "succeeded"}'] == 1


@pytest.mark.parametrize("header", ["forwarded", "x-forwarded-for", "via"])
async def test_what_a_proxy_passes_on_gets_no_metrics(tmp_path: Path, header: str) -> None:
    async with serving(settings(tmp_path, metrics=LOOPBACK)) as service:
        problem(await service.client.get("/metrics", headers={header: "1.2.3.4"}), 404, "not_found")
        problem(await service.client.get("/metrics", headers={"host": "evil.example"}), 400, "bad_host")


async def test_without_the_setting_there_are_none(service: Service) -> None:
    shown, missing = [problem(await service.client.get(f"/{name}"), 404, "not_found") for name in ("metrics", "metric")]
    assert shown["detail"] == missing["detail"]


def test_further_names_of_models_share_a_label() -> None:
    for number in range(metrics.MAX_MODELS + 5):
        metrics.count_run("failed", f"model-{number}", {}, "2026-01-01T00:00:00.000000Z", None)
    labels = re.findall(r'chatkeep_runs_total\{model="([^"]*)",status="failed"\}', metrics.exposition().decode())
    assert len(set(labels)) <= metrics.MAX_MODELS + 1
    assert metrics.OTHER in labels


async def test_several_processes_show_the_sum(tmp_path: Path) -> None:
    """Also after one of them was killed: what it counted stays, what it had open goes."""
    more = {"CHATKEEP_METRICS": "unix", "CHATKEEP_LEASE": "0.5", "TMPDIR": str(tmp_path)}
    process = await started(tmp_path, 0, "--workers", "2", "--host", f"unix:{tmp_path}/s", **more)
    try:
        async with asyncio.timeout(PATIENCE):
            requests = 0
            while len(pids := _files(tmp_path, "counter")) < 2:  # both processes have answered
                requests += await _is_alive(tmp_path / "s")
            os.kill(killed := pids.pop(), signal.SIGKILL)
            while killed in _files(tmp_path, "gauge_livesum"):
                await asyncio.sleep(0.05)
            while not await _is_alive(tmp_path / "s"):  # the other may have begun to start only
                pass
            async with _client(tmp_path / "s") as client:
                figures = await read(client)
        healthy = 'chatkeep_http_requests_total{"method": "GET", "route": "/healthz", "status": "200"}'
        assert figures[healthy] >= max(1, requests - 1)  # all but one that was killed while it counted
        assert killed in _files(tmp_path, "counter")
    finally:
        process.terminate()
        await process.communicate()
    assert _files(tmp_path, "counter") == set()


def _client(socket: Path) -> httpx2.AsyncClient:
    transport = httpx2.AsyncHTTPTransport(uds=str(socket))
    return httpx2.AsyncClient(transport=transport, base_url="http://localhost", trust_env=False, timeout=PATIENCE)


async def _is_alive(socket: Path) -> bool:
    """Ask one of the processes, on a connection of its own."""
    async with _client(socket) as client:
        try:
            return (await client.get("/healthz")).status_code == 200
        except httpx2.HTTPError:  # none listens yet
            await asyncio.sleep(0.05)
            return False


def _files(folder: Path, kind: str) -> set[int]:
    """The processes that have a file of metrics of that kind."""
    return {int(path.stem.rpartition("_")[2]) for path in folder.glob(f"chatkeep-metrics-*/{kind}_*.db")}


NAMES = {
    f"{each.name}_total" if each.type == "counter" else each.name
    for each in text_string_to_metric_families(metrics.exposition().decode())
    if each.name.startswith("chatkeep_")
}


@pytest.mark.parametrize("name", sorted(NAMES))
def test_every_metric_is_documented(name: str) -> None:
    page = (ROOT / "docs/operate.md").read_text("utf-8")
    assert len(re.findall(rf"^\| `{name}(?:\{{[a-z,]+\}})?` \|", page, re.MULTILINE)) == 1


@pytest.mark.parametrize("file", ["grafana.json", "alerts.yml"])
def test_dashboard_and_alerts_name_metrics_that_are_there(file: str) -> None:
    used = set(re.findall(r"\bchatkeep_\w+", (ROOT / "deploy" / file).read_text("utf-8")))
    assert {re.sub(r"_(bucket|sum|count)$", "", name) for name in used} - NAMES == set()
    assert len(used) > 3
