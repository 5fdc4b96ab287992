"""A service whose models are those of the fake provider, and the history that it keeps."""

from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

from tests.aimock.provider import KEY, Aimock
from tests.faults.provider_checks import check_log, wait_until_idle
from tests.models import write_models
from tests.service import Service, serving, settings

PROVIDERS = {
    "chat": 'base_url = "{}/v1"',
    "responses": 'base_url = "{}/v1"\napi = "responses"',
    "azure": 'base_url = "{}/openai/deployments/gpt-5-azure?api-version=2026-01-01"',
    "openrouter": 'base_url = "{}/api/v1"',
}
"""Lines of a models file. The last two answer like the first, but for the address and what each adds to a stream."""
ASSISTANT = """---
name: default
description: For tests.
functions: [weather, locate, send_letter]
---
You are a test.
"""


@asynccontextmanager
async def serving_with(
    aimock: Aimock, directory: Path, model: str, *, key: str = KEY, fallback: str | None = None, **changes: Any
) -> AsyncGenerator[Service]:
    """Run a service that asks `model`, one of `PROVIDERS`, without retries. Afterwards nothing may be left over.

    For aimock it is `gpt-5-MODEL`. `fallback` is the model that goes on when it fails. `key` stands in a file of that
    name in `directory`.
    """
    (folder := directory / "assistants").mkdir()
    (folder / "default.md").write_text(ASSISTANT)
    (directory / "key").write_text(key)
    with_key = f'{{}}\napi_key = "file:{directory}/key"'
    models = {name: f'provider = "{name}"\nmodel = "gpt-5-{name}"' for name in PROVIDERS}
    models[model] += f'\nfallback = ["{fallback}"]' if fallback else ""
    providers = {name: with_key.format(lines.format(aimock.url)) for name, lines in PROVIDERS.items()}
    file = write_models(directory, models, **providers)
    values = {"models": file, "model": model, "tools": ("tests.functions",), "assistants_dir": folder}
    async with serving(settings(directory, **values, **{"model_retries": 0, **changes})) as service:
        yield service
        await wait_until_idle(service)


async def ask(service: Service, content: str = "why?", session_id: str | None = None) -> dict[str, Any]:
    """Send a message and return run and answer, once they are found the same in the log and in the history."""
    session_id = session_id or await service.session()
    answer = await service.send(session_id, content)
    await check_log(service, answer)
    listed = await service.client.get(f"/api/sessions/{session_id}/messages")
    assert listed.json()["data"][-2:] == [answer["user_message"], answer["message"]]
    return answer
