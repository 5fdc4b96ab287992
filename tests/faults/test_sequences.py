"""Any sequence of requests, each with what the ones before it were answered: documented responses, and no fault.

`make fuzz` looks for longer, each time at others.
"""

import asyncio
import os
from collections.abc import AsyncGenerator, Callable
from pathlib import Path
from typing import Any

import httpx2
import pytest
import schemathesis.openapi
from hypothesis import Phase
from hypothesis import settings as hypothesis_settings

from tests.deletions import until_gone
from tests.faults.test_inputs import CHECKS, HEALTH, STREAMS, check_answer
from tests.service import Service, serving, settings

pytestmark = pytest.mark.anyio

SEQUENCES = int(os.environ.get("FUZZ_SEQUENCES", "40"))
LONGEST = 12
LASTING = ["/api/admin/users/{user_id}"]
"""Routes whose effects outlive a sequence: a limit of none would refuse all that comes after."""
IS_LONG_RUN = "FUZZ_SEQUENCES" in os.environ


def explore(url: str, wait_until_gone: Callable[[], None]) -> set[str]:
    """Try sequences of requests. Return which operations were answered with which statuses.

    `wait_until_gone` returns when nothing is left of what was deleted.
    """
    whole: Any = schemathesis.openapi.from_url(f"{url}/openapi.json")
    machine: Any = whole.exclude(path=[*STREAMS, *LASTING]).as_state_machine()
    statuses: set[str] = set()

    class Client(machine):
        def setup(self) -> None:
            """Begin with nothing: hypothesis replays the beginnings of sequences, and expects the same of them."""
            with httpx2.Client(base_url=url, trust_env=False) as client:
                client.delete("/api/me").raise_for_status()
            wait_until_gone()

        def before_call(self, case: Any) -> None:
            case.headers["accept"] = "application/json"  # waits for answers, whose ids then lead on

        def get_call_kwargs(self, case: Any) -> dict[str, Any]:
            del case
            return {"timeout": 30}

        def validate_response(self, response: Any, case: Any, *_: Any, **__: Any) -> None:
            statuses.add(f"{case.operation.method} {case.operation.path} {response.status_code}")
            check_answer(case, response, CHECKS)

    Client.run(
        settings=hypothesis_settings(
            max_examples=SEQUENCES,
            stateful_step_count=LONGEST,
            derandomize=not IS_LONG_RUN,
            phases=[Phase.generate, Phase.shrink] if IS_LONG_RUN else [Phase.generate],
            suppress_health_check=HEALTH,
            deadline=None,
        )
    )
    return statuses


@pytest.fixture
async def service(tmp_path: Path) -> AsyncGenerator[Service]:
    """The service on SQLite; the practice model answers anything."""
    async with serving(settings(tmp_path)) as service:
        yield service


@pytest.mark.timeout(7200 if IS_LONG_RUN else 120)
async def test_any_sequence_is_answered_as_documented(service: Service) -> None:
    loop = asyncio.get_running_loop()

    def wait_until_gone() -> None:
        asyncio.run_coroutine_threadsafe(until_gone(service.runtime.db), loop).result(60)

    statuses = await asyncio.to_thread(explore, service.url, wait_until_gone)
    # That the requests were sequences: what one made was there for another.
    assert [each for each in statuses if "_id}" in each and each.endswith(("200", "204"))]
