"""The real service on a real port, and a client that reads its streams byte by byte."""

import asyncio
import json
import socket
from collections.abc import AsyncGenerator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeAlias

import httpx2
import uvicorn
from fastapi import FastAPI

from chatkeep.api.app import create_api
from chatkeep.api.connections import Connections
from chatkeep.api.stream_server import StreamServer
from chatkeep.cli.serve import Server, http_of
from chatkeep.llm import Model
from chatkeep.runs.runtime import Runtime
from chatkeep.settings import Settings

Content: TypeAlias = str | Sequence[dict[str, str]]
"""The content of a message, as a client sends it: a text, or parts."""


def settings(where: Path | str, **changes: Any) -> Settings:
    """Return settings for a test, none from the environment. `where`: a database's URL, or a directory for a file."""
    url = where if isinstance(where, str) else f"sqlite:///{where}/test.db"
    values = {"database_url": url, "database_pool": 5, "shutdown_grace": 0, **changes}
    return Settings.model_construct().model_copy(update=values)


@dataclass
class Service:
    """A running service."""

    app: FastAPI
    client: httpx2.AsyncClient
    url: str

    @property
    def runtime(self) -> Runtime:
        return self.app.state.runtime

    async def session(self, **fields: Any) -> str:
        """Create a session, and return its id."""
        answer = await self.client.post("/api/sessions", json=fields)
        assert answer.status_code == 201, answer.text
        return answer.json()["id"]

    async def send(self, session_id: str, content: Content, **more: Any) -> dict[str, Any]:
        """Send a message and wait for the whole answer: run, user_message, message."""
        headers = {"accept": "application/json"}
        answer = await self.client.post(
            f"/api/sessions/{session_id}/messages", json={"content": content, **more}, headers=headers
        )
        assert answer.status_code == 200, answer.text
        return answer.json()

    async def start(self, session_id: str, content: Content, **more: Any) -> dict[str, Any]:
        """Send a message and do not wait: run, user_message, message as they are at once."""
        answer = await self.client.post(
            f"/api/sessions/{session_id}/messages",
            json={"content": content, **more},
            headers={"prefer": "respond-async"},
        )
        assert answer.status_code == 202, answer.text
        return answer.json()

    async def events(self, run_id: str, after: int | None = None) -> list[dict[str, Any]]:
        """Return a run's events after a position, read until the stream closes."""
        params = {} if after is None else {"after": after}
        async with self.client.stream("GET", f"/api/runs/{run_id}/events", params=params) as answer:
            assert answer.status_code == 200, answer.status_code
            return [event async for event in read_events(answer)]

    async def run(self, run_id: str) -> dict[str, Any]:
        """Return the current state of a run."""
        return (await self.client.get(f"/api/runs/{run_id}")).json()


@asynccontextmanager
async def serving(
    settings: Settings,
    model: Model | None = None,
    connections: Connections | None = None,
    bound: socket.socket | None = None,
) -> AsyncGenerator[Service]:
    """Run the service on a free port of loopback until the block ends; or on a socket that is bound already."""
    app = create_api(settings, model)
    http = http_of(connections or Connections(settings.max_connections))
    config = uvicorn.Config(
        StreamServer(app), port=0, http=http, log_level="warning", timeout_graceful_shutdown=2, proxy_headers=False
    )
    server = Server(config)
    task = asyncio.create_task(server.serve([bound] if bound else None))
    try:
        while not server.started:
            assert not task.done(), "the service did not start"
            await asyncio.sleep(0.005)
        url = f"http://127.0.0.1:{(bound or server.servers[0].sockets[0]).getsockname()[1]}"
        async with httpx2.AsyncClient(base_url=url, timeout=30, trust_env=False) as client:
            yield Service(app, client, url)
    finally:
        app.state.runtime.is_draining = True
        app.state.runtime.notifier.notify_all()
        server.should_exit = True
        await task


async def read_events(answer: httpx2.Response) -> AsyncGenerator[dict[str, Any]]:
    """Yield the events of a stream as they come: the fields of `data`, and `id` from the `id:` line."""
    buffer = ""
    async for text in answer.aiter_text():
        buffer += text
        while "\n\n" in buffer:
            block, _, buffer = buffer.partition("\n\n")
            lines = [line.partition(": ") for line in block.split("\n") if not line.startswith(":")]
            fields = {name: value for name, _, value in lines}
            yield {**json.loads(fields["data"]), "id": fields.get("id")}
