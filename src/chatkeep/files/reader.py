"""Reads files in processes apart (`files/child.py`): begun when they are needed, ended when they are idle.

What a file makes a library do may be anything. So no file is decoded in the process that has the database, the keys and
everyone's streams.
"""

import asyncio
import logging
import os
import sys
from asyncio.subprocess import PIPE, Process
from collections.abc import Awaitable, Callable

from chatkeep.files.jobs import LENGTH_BYTES, MAX_PICTURE_EDGE, Answer, Job, JobKind, answer_from, to_frame
from chatkeep.files.media_types import PDF, UNKNOWN_TYPE, is_picture

MAX_PROCESSES = 2
"""How many files are read at a time; the others wait."""
JOB_TIMEOUT_SECONDS = 40.0
"""After so long a process is given up: it ends each job itself after half of that."""
IDLE_SECONDS = 60.0
"""How long a process is kept that has nothing to do."""
MAX_KEPT_BYTES = 67_108_864
"""The most that is kept of answers: a picture is sent again with every message that follows it."""
ANSWER_BYTES = 1_000
"""Bytes that an answer without texts and pictures counts."""
_FAILED = Answer(problem="it cannot be read at the moment")
_KEPT_VARIABLES = ("PATH", "PYTHONPATH", "LANG", "LC_ALL", "SYSTEMROOT")
"""Variables that the processes get: no key is among them."""
_log = logging.getLogger("chatkeep")


class FileReader:
    """The processes that read files for this one."""

    def __init__(self) -> None:
        self._limit = asyncio.Semaphore(MAX_PROCESSES)
        self._idle: list[Process] = []
        self._timer: asyncio.TimerHandle | None = None
        self._kept = _KeptAnswers()

    async def do(
        self,
        kind: JobKind,
        media_type: str,
        load: Callable[[], Awaitable[bytes]],
        edge: int = MAX_PICTURE_EDGE,
        file_id: str = "",
    ) -> Answer:
        """Return what comes of a job. A file that cannot be read is an answer too, with a problem.

        `load` loads the file when it is its turn: so only a few are in memory. What it raises is raised here. With a
        `file_id`, the answer is kept for a while.
        """
        key = (file_id, kind, edge)
        if (kept := self._kept.find(key)) is not None:
            return kept
        answer = await self._do(kind, media_type, load, edge)
        if file_id and answer is not _FAILED:
            self._kept.add(key, answer)
        return answer

    async def inspect(self, media_type: str, load: Callable[[], Awaitable[bytes]]) -> tuple[str, Answer]:
        """Return the media type and the size of a file whose first bytes say `media_type`. See `do`."""
        if media_type != PDF and not is_picture(media_type):
            return media_type, Answer()
        found = await self.do("inspect", media_type, load)
        return PDF if media_type == PDF else found.media_type or UNKNOWN_TYPE, found

    async def _do(self, kind: JobKind, media_type: str, load: Callable[[], Awaitable[bytes]], edge: int) -> Answer:
        async with self._limit:
            job = Job(kind, media_type, await load(), edge)
            process: Process | None = None
            try:
                process = self._take_idle() or await _begin()
                async with asyncio.timeout(JOB_TIMEOUT_SECONDS):
                    answer = await _ask(process, job)
            except (OSError, EOFError, ValueError, RuntimeError) as error:  # TimeoutError, uvloop's of a closed pipe
                _log.warning("the process that reads files failed: %r", error)
                _kill(process)
                return _FAILED
            except BaseException:
                _kill(process)
                raise
            self._idle.append(process)
            self._end_later()
            return answer

    async def close(self) -> None:
        """End the processes."""
        if self._timer is not None:
            self._timer.cancel()
        for process in self._idle:
            _kill(process)
            await process.wait()
        self._idle.clear()

    def _take_idle(self) -> Process | None:
        while self._idle:
            if (process := self._idle.pop()).returncode is None:
                return process
        return None

    def _end_later(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
        self._timer = asyncio.get_running_loop().call_later(IDLE_SECONDS, self._end_idle)

    def _end_idle(self) -> None:
        for process in self._idle:
            _kill(process)
        self._idle.clear()


class _KeptAnswers:
    """The latest answers, of at most `MAX_KEPT_BYTES`. Files never change, so an answer stays right."""

    def __init__(self) -> None:
        self._answers: dict[tuple[str, JobKind, int], tuple[Answer, int]] = {}  # with its size, the oldest first
        self._size = 0

    def find(self, key: tuple[str, JobKind, int]) -> Answer | None:
        if key not in self._answers:
            return None
        self._answers[key] = kept = self._answers.pop(key)
        return kept[0]

    def add(self, key: tuple[str, JobKind, int], answer: Answer) -> None:
        self._size -= self._answers.pop(key, (answer, 0))[1]
        size = ANSWER_BYTES + sum(map(len, answer.pictures)) + 4 * sum(map(len, answer.texts))
        self._answers[key] = (answer, size)
        self._size += size
        while self._size > MAX_KEPT_BYTES:
            self._size -= self._answers.pop(next(iter(self._answers)))[1]


async def _begin() -> Process:
    env = {name: os.environ[name] for name in _KEPT_VARIABLES if name in os.environ}
    return await asyncio.create_subprocess_exec(
        sys.executable, "-m", "chatkeep.files.child", stdin=PIPE, stdout=PIPE, env=env
    )


async def _ask(process: Process, job: Job) -> Answer:
    assert process.stdin is not None, "a pipe"
    assert process.stdout is not None, "a pipe"
    process.stdin.write(to_frame(job))
    await process.stdin.drain()
    length = int.from_bytes(await process.stdout.readexactly(LENGTH_BYTES))
    return answer_from(await process.stdout.readexactly(length))


def _kill(process: Process | None) -> None:
    if process is not None and process.returncode is None:
        process.kill()
