"""Bodies that are wrong in thousands of places: the answer stays short, and so does the time that it takes."""

from pathlib import Path
from typing import Any

import pytest

from chatkeep.api.responses import MAX_LISTED_ERRORS, MAX_NAME_CHARS
from chatkeep.runs.request import MAX_ERRORS
from tests.api.shapes import problem
from tests.api.tables import nothing_stored
from tests.service import Service

pytestmark = pytest.mark.anyio


@pytest.fixture
def database(tmp_path: Path) -> str:
    """Nothing reaches the database: one engine is enough."""
    return f"sqlite:///{tmp_path}/test.db"


async def refused(service: Service, path: str, body: Any) -> list[dict[str, Any]]:
    """Send a wrong body, and return the errors that the answer lists."""
    async with nothing_stored(service):
        answer = await service.client.post(path, json=body)
    assert len(answer.content) < 10_000
    problem(answer, 422, "invalid_request", "errors")
    return answer.json()["errors"]


MANY = {f"f{number}": 0 for number in range(60_000)}
SOME = {f"f{number}": 0 for number in range(MAX_ERRORS)}


async def test_the_first_errors_are_listed(service: Service) -> None:
    errors = await refused(service, "/api/sessions", SOME)
    assert [each["loc"] for each in errors] == [["body", name] for name in list(SOME)[:MAX_LISTED_ERRORS]]


async def test_thousands_of_errors_are_not_even_read(service: Service) -> None:
    session_id = await service.session()
    for path, body in (
        ("/api/sessions", MANY),
        ("/api/sessions", {"metadata": MANY}),
        (f"/api/sessions/{session_id}/messages", {"content": "why?", **MANY}),
        (f"/api/sessions/{session_id}/messages", {"content": "why?", "tools": [SOME] * 20}),
    ):
        (error,) = await refused(service, path, body)
        assert error["type"] == "too_many_errors"


async def test_a_long_name_is_not_repeated(service: Service) -> None:
    (error,) = await refused(service, "/api/sessions", {"x" * 900_000: 0})
    assert error["loc"] == ["body", "x" * MAX_NAME_CHARS]
