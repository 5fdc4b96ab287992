"""The service to compare with: a chat service as it is written in an afternoon, from the usual parts.

FastAPI, sse-starlette, the SDK's typed stream, aiosqlite: one INSERT for the user's message, and one for the whole
answer at its end. Nothing in it is slow on purpose. An INSERT is as durable as ours (WAL, FULL).
"""

import json
import os
import socket
import uuid
from collections.abc import AsyncGenerator, AsyncIterator
from contextlib import asynccontextmanager

import aiosqlite
import uvicorn
from fastapi import FastAPI, Request
from openai import AsyncOpenAI
from openai.types.chat import ChatCompletionMessageParam
from pydantic import BaseModel
from sse_starlette import EventSourceResponse

SCHEMA = """
PRAGMA journal_mode = WAL;
PRAGMA synchronous = FULL;
CREATE TABLE IF NOT EXISTS messages (
    id TEXT PRIMARY KEY,
    conversation_id TEXT NOT NULL,
    role TEXT NOT NULL,
    content TEXT NOT NULL,
    created_at TEXT NOT NULL DEFAULT CURRENT_TIMESTAMP
);
CREATE INDEX IF NOT EXISTS messages_by_conversation ON messages (conversation_id, created_at);
"""


class Said(BaseModel):
    """The user's message."""

    conversation_id: str
    content: str


@asynccontextmanager
async def lifespan(app: FastAPI) -> AsyncGenerator[None]:
    """Open one connection to the database and one client of the provider, for as long as the service runs."""
    async with aiosqlite.connect(os.environ["NAIVE_DATABASE"]) as db, AsyncOpenAI(max_retries=0) as client:
        await db.executescript(SCHEMA)
        app.state.db, app.state.client = db, client
        yield


app = FastAPI(lifespan=lifespan)


@app.post("/chat")
async def chat(request: Request, said: Said) -> EventSourceResponse:
    """Store the user's message, ask the model, stream its answer, store it."""
    db: aiosqlite.Connection = request.app.state.db
    await add_message(db, said.conversation_id, "user", said.content)
    history = await list_messages(db, said.conversation_id)
    return EventSourceResponse(answer(db, request.app.state.client, said.conversation_id, history))


async def answer(
    db: aiosqlite.Connection, client: AsyncOpenAI, conversation_id: str, history: list[ChatCompletionMessageParam]
) -> AsyncIterator[dict[str, str]]:
    """Yield the model's answer as events."""
    parts: list[str] = []
    stream = await client.chat.completions.create(model="bench", messages=history, stream=True)
    async for chunk in stream:
        if chunk.choices and (text := chunk.choices[0].delta.content):
            parts.append(text)
            yield {"event": "token", "data": json.dumps({"content": text})}
    message_id = await add_message(db, conversation_id, "assistant", "".join(parts))
    yield {"event": "done", "data": json.dumps({"id": message_id})}


async def add_message(db: aiosqlite.Connection, conversation_id: str, role: str, content: str) -> str:
    """Store a message and return its id."""
    message_id = str(uuid.uuid4())
    await db.execute(
        "INSERT INTO messages (id, conversation_id, role, content) VALUES (?, ?, ?, ?)",
        (message_id, conversation_id, role, content),
    )
    await db.commit()
    return message_id


async def list_messages(db: aiosqlite.Connection, conversation_id: str) -> list[ChatCompletionMessageParam]:
    """Return the messages of the conversation in the form of the provider's API."""
    rows = await db.execute_fetchall(
        "SELECT role, content FROM messages WHERE conversation_id = ? ORDER BY created_at, rowid", (conversation_id,)
    )
    return [{"role": role, "content": content} for role, content in rows]


def main() -> None:
    """Serve on a free port and print its URL."""
    listening = socket.create_server(("127.0.0.1", 0), backlog=1024)
    print(f"ready: http://127.0.0.1:{listening.getsockname()[1]}", flush=True)
    uvicorn.Server(uvicorn.Config(app, log_level="warning", access_log=False)).run([listening])


if __name__ == "__main__":
    main()
