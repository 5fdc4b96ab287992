"""A rival that stores: openai-chatkit's server with a SQLite store, the model through the SDK's typed stream."""

import os
import socket
from collections.abc import AsyncIterator
from datetime import UTC, datetime
from typing import Any

import aiosqlite
import uvicorn
import uvloop
from chatkit.server import ChatKitServer, StreamingResult
from chatkit.store import NotFoundError, Store
from chatkit.types import (
    AssistantMessageContent,
    AssistantMessageContentPartTextDelta,
    AssistantMessageItem,
    Page,
    ThreadItem,
    ThreadItemAddedEvent,
    ThreadItemDoneEvent,
    ThreadItemUpdatedEvent,
    ThreadMetadata,
    ThreadStreamEvent,
    UserMessageItem,
)
from fastapi import FastAPI, Request, Response
from fastapi.responses import StreamingResponse
from openai import AsyncOpenAI
from pydantic import TypeAdapter

SCHEMA = """
PRAGMA journal_mode = WAL;
PRAGMA synchronous = FULL;
CREATE TABLE IF NOT EXISTS threads (id TEXT PRIMARY KEY, thread TEXT NOT NULL);
CREATE TABLE IF NOT EXISTS items (
    number INTEGER PRIMARY KEY, id TEXT NOT NULL UNIQUE, thread_id TEXT NOT NULL, item TEXT NOT NULL
);
CREATE INDEX IF NOT EXISTS items_by_thread ON items (thread_id, number);
"""
_item = TypeAdapter[ThreadItem](ThreadItem)


class SqliteStore(Store[None]):
    """ChatKit's store in SQLite: as much of it as a streamed turn needs."""

    async def open(self, path: str) -> None:
        self._db = await aiosqlite.connect(path)
        await self._db.executescript(SCHEMA)

    async def load_thread(self, thread_id: str, context: None) -> ThreadMetadata:
        rows = await self._rows("SELECT thread FROM threads WHERE id = ?", thread_id)
        if not rows:
            raise NotFoundError(thread_id)
        return ThreadMetadata.model_validate_json(rows[0][0])

    async def save_thread(self, thread: ThreadMetadata, context: None) -> None:
        await self._write("INSERT OR REPLACE INTO threads VALUES (?, ?)", thread.id, thread.model_dump_json())

    async def load_thread_items(self, thread_id: str, after: Any, limit: int, order: str, context: None) -> Any:
        direction = "DESC" if order == "desc" else "ASC"
        rows = await self._rows(
            f"SELECT item FROM items WHERE thread_id = ? ORDER BY number {direction} LIMIT ?", thread_id, limit
        )
        return Page(data=[_item.validate_json(row[0]) for row in rows])

    async def add_thread_item(self, thread_id: str, item: Any, context: None) -> None:
        await self._write(
            "INSERT INTO items (id, thread_id, item) VALUES (?, ?, ?)", item.id, thread_id, item.model_dump_json()
        )

    async def save_item(self, thread_id: str, item: Any, context: None) -> None:
        await self._write("UPDATE items SET item = ? WHERE id = ?", item.model_dump_json(), item.id)

    async def load_item(self, thread_id: str, item_id: str, context: None) -> Any:
        return _item.validate_json((await self._rows("SELECT item FROM items WHERE id = ?", item_id))[0][0])

    async def load_threads(self, limit: int, after: Any, order: str, context: None) -> Any:
        return Page(data=[])

    async def delete_thread(self, thread_id: str, context: None) -> None:
        await self._write("DELETE FROM threads WHERE id = ?", thread_id)

    async def delete_thread_item(self, thread_id: str, item_id: str, context: None) -> None:
        await self._write("DELETE FROM items WHERE id = ?", item_id)

    async def save_attachment(self, attachment: Any, context: None) -> None:
        raise NotImplementedError

    async def load_attachment(self, attachment_id: str, context: None) -> Any:
        raise NotFoundError(attachment_id)

    async def delete_attachment(self, attachment_id: str, context: None) -> None:
        raise NotImplementedError

    async def _rows(self, sql: str, *values: Any) -> Any:
        return await self._db.execute_fetchall(sql, values)

    async def _write(self, sql: str, *values: Any) -> None:
        await self._db.execute(sql, values)
        await self._db.commit()


class Server(ChatKitServer[None]):
    """Answers with the model's words, delta by delta."""

    client = AsyncOpenAI(max_retries=0)

    async def respond(
        self, thread: ThreadMetadata, input_user_message: UserMessageItem | None, context: None
    ) -> AsyncIterator[ThreadStreamEvent]:
        page = await self.store.load_thread_items(thread.id, None, 50, "desc", context)
        history: Any = [
            {"role": "user", "content": "".join(part.text for part in item.content)}
            for item in reversed(page.data)
            if isinstance(item, UserMessageItem)
        ]
        item_id = self.store.generate_item_id("message", thread, context)

        def item(text: str) -> AssistantMessageItem:
            content = [AssistantMessageContent(text=text)]
            return AssistantMessageItem(id=item_id, thread_id=thread.id, created_at=datetime.now(UTC), content=content)

        parts: list[str] = []
        yield ThreadItemAddedEvent(item=item(""))
        stream = await self.client.chat.completions.create(model="bench", messages=history, stream=True)
        async for chunk in stream:
            if chunk.choices and (text := chunk.choices[0].delta.content):
                parts.append(text)
                update = AssistantMessageContentPartTextDelta(content_index=0, delta=text)
                yield ThreadItemUpdatedEvent(item_id=item_id, update=update)
        yield ThreadItemDoneEvent(item=item("".join(parts)))


store = SqliteStore()
server = Server(store)
app = FastAPI()


@app.post("/chatkit")
async def answer(request: Request) -> Response:
    result = await server.process(await request.body(), None)
    if isinstance(result, StreamingResult):
        return StreamingResponse(result, media_type="text/event-stream")
    return Response(result.json, media_type="application/json")


def main() -> None:
    """Serve on a free port, which is printed."""
    listening = socket.create_server(("127.0.0.1", 0), backlog=4096)
    uvicorn_server = uvicorn.Server(uvicorn.Config(app, log_level="warning", access_log=False, backlog=4096))

    async def serve() -> None:
        await store.open(os.environ["CHATKIT_DATABASE"])
        print(f"ready: http://127.0.0.1:{listening.getsockname()[1]}", flush=True)
        await uvicorn_server.serve([listening])

    uvloop.run(serve())


if __name__ == "__main__":
    main()
