"""The connection to an MCP server that is a process of ours: a message a line, over its standard input and output.

In place of the SDK's own, which has no limit on a line, and logs a traceback for each line that is no message.

Source: Model Context Protocol, "Transports", "stdio".
"""

import json
import subprocess
import sys
from collections.abc import AsyncGenerator, Sequence
from contextlib import asynccontextmanager, suppress
from typing import Any

import anyio
from anyio.abc import ByteReceiveStream, ByteSendStream, ObjectReceiveStream, ObjectSendStream, Process
from anyio.streams.buffered import BufferedByteReceiveStream
from mcp.client.stdio import get_default_environment
from mcp.os.posix.utilities import terminate_posix_process_tree
from mcp.shared.message import SessionMessage
from mcp.types import JSONRPCMessage, jsonrpc_message_adapter

MAX_MESSAGE_BYTES = 8_388_608
"""The size of the largest message of a server, in bytes. An output is cut long before."""
EXIT_SECONDS = 2.0
"""How long a server may take to end after its input has, and again after it was asked by a signal."""

Streams = tuple[ObjectReceiveStream[SessionMessage | Exception], ObjectSendStream[SessionMessage]]
"""The messages that come from a server, and those that go to it."""


@asynccontextmanager
async def over_stdio(command: Sequence[str]) -> AsyncGenerator[Streams]:
    """Start `command`, and give the block its messages. When the block ends, the process and its children have ended.

    A line that is no message comes as an error that shows its beginning.

    Raises:
        OSError: it cannot be started.
        ConnectionError: it sent a message that is too long, or takes none; in an exception group.
    """
    # Only PATH, HOME and the like are passed to the process. The rest of our environment may be secret.
    errors = sys.__stderr__ or subprocess.DEVNULL
    env = get_default_environment()
    process: Process | None = None
    with anyio.CancelScope(shield=True):  # cancelled in the middle, it would leave the process behind
        process = await anyio.open_process([*command], env=env, stderr=errors, start_new_session=True)
    assert process is not None, "a shielded scope ends as its block does"
    assert process.stdin is not None
    assert process.stdout is not None
    received, messages = anyio.create_memory_object_stream[SessionMessage | Exception](0)
    outgoing, to_send = anyio.create_memory_object_stream[SessionMessage](0)
    try:
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(_receive, process.stdout, received)
            tasks.start_soon(_send, process.stdin, to_send)
            try:
                yield messages, outgoing
            finally:
                tasks.cancel_scope.cancel()
    finally:
        with anyio.CancelScope(shield=True):
            for stream in (received, messages, outgoing, to_send):
                await stream.aclose()
            await _stop(process)


async def _receive(stdout: ByteReceiveStream, received: ObjectSendStream[SessionMessage | Exception]) -> None:
    lines = BufferedByteReceiveStream(stdout)
    async with received:
        while True:
            try:
                line = await lines.receive_until(b"\n", MAX_MESSAGE_BYTES)
            except anyio.IncompleteRead:
                return
            except anyio.DelimiterNotFound:
                raise ConnectionError(f"it sent a message of more than {MAX_MESSAGE_BYTES} bytes") from None
            message = _parse(line)
            await received.send(ValueError(repr(line[:100])) if message is None else SessionMessage(message))


def _parse(line: bytes) -> JSONRPCMessage | None:
    """Return the message in `line`, or None. Half a surrogate pair may be in it: some languages write it so."""
    try:
        value: Any = json.loads(line.decode("utf-8", "replace"))  # the SDK's parser goes over a large one many times
        return jsonrpc_message_adapter.validate_python(value, by_name=False)
    except (ValueError, RecursionError):
        return None


async def _send(stdin: ByteSendStream, to_send: ObjectReceiveStream[SessionMessage]) -> None:
    async for each in to_send:
        line = each.message.model_dump_json(by_alias=True, exclude_unset=True)
        try:
            await stdin.send(line.encode() + b"\n")
        except (OSError, anyio.BrokenResourceError, anyio.ClosedResourceError) as error:
            raise ConnectionError("it has closed its input") from error


async def _stop(process: Process) -> None:
    """End the process: its input ends, then it is asked by a signal, then killed (MCP, "Lifecycle", "Shutdown")."""
    assert process.stdin is not None
    assert process.stdout is not None
    async with anyio.create_task_group() as tasks:
        tasks.start_soon(_drain, process.stdout)  # it may have to write before it can end
        with anyio.move_on_after(EXIT_SECONDS):
            with suppress(OSError, anyio.BrokenResourceError):  # it has closed its input
                await process.stdin.aclose()
            while process.returncode is None:  # noqa: ASYNC110  # `wait` also waits for children that hold the pipes
                await anyio.sleep(0.01)
        if process.returncode is None:
            await terminate_posix_process_tree(process, EXIT_SECONDS)
        with anyio.move_on_after(EXIT_SECONDS):
            await process.wait()
        tasks.cancel_scope.cancel()
    await process.stdout.aclose()


async def _drain(stdout: ByteReceiveStream) -> None:
    async for _ in stdout:
        pass
