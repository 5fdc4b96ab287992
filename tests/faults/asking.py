"""A service that asks a provider over a real connection, and what must hold whatever that provider does."""

from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

from pydantic import SecretStr

from chatkeep.runs.tool_calls import DEADLINES
from tests.api.streams import spelled, text_of, until
from tests.provider import Provider, streams, text_chunks
from tests.service import Service, serving, settings

TINY = 0.3
"""A time limit that is reached, in seconds."""


@asynccontextmanager
async def asking(directory: Path, provider: Provider, **changes: Any) -> AsyncGenerator[Service]:
    """The service, answered by `provider`, which is asked once only. When it stops, nothing may be left over."""
    values = {"openai_base_url": provider.url, "openai_api_key": SecretStr("x"), "model_retries": 0, **changes}
    async with serving(settings(directory, **values)) as service:
        yield service
        await nothing_left(service)


async def nothing_left(service: Service) -> None:
    """Wait until the service carries no run, holds no log and listens to no bell but that of deadlines."""
    await until(lambda: not service.runtime.tasks)
    await until(lambda: not service.runtime.journal.run_ids)
    await until(lambda: set(service.runtime.notifier.topics) == {DEADLINES})


async def ends(
    service: Service, provider: Provider, status: str, code: str | None = None, text: str = ""
) -> dict[str, Any]:
    """Ask: the run ends so, keeps `text`, says the same in all places, and its session takes the next message."""
    session_id = await service.session()
    answer = await service.send(session_id, "why?")
    run, message = answer["run"], answer["message"]
    assert (run["status"], run["error"] and run["error"]["code"]) == (status, code), run["error"]
    assert message["status"] == status
    assert text_of(message) == text
    await is_told(service, answer)
    await goes_on(service, provider, session_id)
    return answer


async def is_told(service: Service, answer: dict[str, Any]) -> None:
    """The run's log tells of the same end and the same message."""
    events = await service.events(answer["run"]["id"])
    assert (events[-1]["type"], events[-1]["run"], events[-1]["message"]) == (
        "run.finished",
        answer["run"],
        answer["message"],
    )
    assert [unit[0] for unit in spelled(events)] == list(range(1, answer["run"]["position"] + 1))


async def goes_on(service: Service, provider: Provider, session_id: str) -> None:
    """The session takes the next message, and a provider that behaves answers it."""
    provider.answers = [streams(*text_chunks("better"))]
    answer = await service.send(session_id, "and now?")
    assert (answer["run"]["status"], text_of(answer["message"])) == ("completed", "better")
