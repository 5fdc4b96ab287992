"""A service with a provider over a real connection, and checks that hold whatever the provider does."""

from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

from pydantic import SecretStr

from chatkeep.api.open_streams import TOPIC as STREAMS_TOPIC
from chatkeep.runs.file_sweeping import SWEEP_TOPIC
from chatkeep.runs.retention import REMOVAL_TOPIC
from chatkeep.runs.tool_calls import DEADLINES
from tests.api.streams import split_units, text_of, until
from tests.provider import Provider, streams, text_chunks
from tests.service import Service, serving, settings

TINY = 0.3
"""A time limit short enough to be reached, in seconds."""


@asynccontextmanager
async def serving_with(directory: Path, provider: Provider, **changes: Any) -> AsyncGenerator[Service]:
    """Run a service whose model is `provider`, without retries. When the block ends, nothing may be left over."""
    values = {"openai_base_url": provider.url, "openai_api_key": SecretStr("x"), "model_retries": 0, **changes}
    async with serving(settings(directory, **values)) as service:
        yield service
        await wait_until_idle(service)


BACKGROUND_TOPICS = {DEADLINES, REMOVAL_TOPIC, STREAMS_TOPIC, SWEEP_TOPIC}
"""Topics that background work of the service waits for."""


async def wait_until_idle(service: Service) -> None:
    """Wait until the service executes no run, holds no log and has no subscription except those of the background."""
    await until(lambda: not service.runtime.tasks)
    await until(lambda: not service.runtime.journal.run_ids)
    await until(lambda: set(service.runtime.notifier.topics) <= BACKGROUND_TOPICS)


async def check_answer(
    service: Service, provider: Provider, status: str, code: str | None = None, text: str = ""
) -> dict[str, Any]:
    """Send a message, and check its run's end, `text`, log, and that the session accepts the next message."""
    session_id = await service.session()
    answer = await service.send(session_id, "why?")
    run, message = answer["run"], answer["message"]
    assert (run["status"], run["error"] and run["error"]["code"]) == (status, code), run["error"]
    assert message["status"] == status
    assert text_of(message) == text
    await check_log(service, answer)
    await check_next_message(service, provider, session_id)
    return answer


async def check_log(service: Service, answer: dict[str, Any]) -> None:
    """Check that the run's log has the same end and the same message."""
    events = await service.events(answer["run"]["id"])
    assert (events[-1]["type"], events[-1]["run"], events[-1]["message"]) == (
        "run.finished",
        answer["run"],
        answer["message"],
    )
    assert [unit[0] for unit in split_units(events)] == list(range(1, answer["run"]["position"] + 1))


async def check_next_message(service: Service, provider: Provider, session_id: str) -> None:
    """Check that the session accepts the next message, answered by a well-behaved provider."""
    provider.answers = [streams(*text_chunks("better"))]
    answer = await service.send(session_id, "and now?")
    assert (answer["run"]["status"], text_of(answer["message"])) == ("completed", "better")
