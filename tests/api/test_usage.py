"""What was used, as its user and as an admin see it; and limits, as an admin sets them."""

from collections.abc import AsyncGenerator
from datetime import UTC, datetime
from typing import Any

import pytest

from chatkeep.chat.people import COMMAND_LINE
from chatkeep.db import Transaction
from chatkeep.db.migrate import load_migrations
from chatkeep.runs import people
from tests.api.shapes import problem
from tests.script import Script, say, stop
from tests.service import Service, serving, settings
from tests.sign_in.test_ways_in import PROXY, user

pytestmark = pytest.mark.anyio

SUMS = {
    "runs": 1, "failures": 0, "input_tokens": 90, "cached_input_tokens": 0, "output_tokens": 20,
    "reasoning_tokens": 0, "cost": 0, "unpriced_calls": 1,
}  # fmt: skip
"""The usage of one turn of `say_yes`."""
NONE_OWN = {"open_runs": None, "messages_hour": None, "tokens_day": None, "cost_day": None}


@pytest.fixture
async def service(database: str, script: Script) -> AsyncGenerator[Service]:
    async with serving(settings(database, **PROXY, user_messages_hour=10), script) as service:
        yield service


async def sign_in(service: Service, name: str, *, is_admin: bool = False) -> str:
    """Ask as this user from now on, and return their id."""
    service.client.headers.update(user(name))
    user_id = (await service.client.get("/api/me")).json()["id"]
    if is_admin:
        await people.change_user(service.runtime.db, user_id, role="admin", actor=COMMAND_LINE)
    return user_id


async def say_yes(service: Service, script: Script, **more: Any) -> None:
    script.play([say("Yes."), stop(tokens=(90, 20))])
    await service.send(await service.session(), "Hello", **more)


async def usage(service: Service, who: str = "me", **params: Any) -> dict[str, Any]:
    answer = await service.client.get(f"/api/{who}/usage", params=params)
    assert answer.status_code == 200, answer.text
    return answer.json()


async def test_a_user_sees_their_usage_by_day_and_model(service: Service, script: Script) -> None:
    await sign_in(service, "ada")
    await say_yes(service, script, model="large")
    await say_yes(service, script, model="small")
    today = datetime.now(UTC).strftime("%Y-%m-%d")
    by_day = await usage(service)
    assert by_day["data"] == [{"key": today, **{name: 2 * value for name, value in SUMS.items()}}]
    assert (by_day["to"], by_day["by"], by_day["currency"], by_day["next"]) == (today, "day", "USD", None)
    first, second = (await usage(service, by="model"))["data"]
    assert (first, second) == ({"key": "large", **SUMS}, {"key": "small", **SUMS})
    page = await usage(service, by="model", limit=1)
    assert (page["data"], page["next"]) == ([first], "large")
    assert (await usage(service, by="model", limit=1, after="large"))["data"] == [second]
    assert (await usage(service, **{"from": "2020-01-01", "to": "2020-12-31"}))["data"] == []
    await sign_in(service, "bob")
    assert (await usage(service))["data"] == []


async def test_an_admin_sees_the_usage_of_all(service: Service, script: Script) -> None:
    ada = await sign_in(service, "ada")
    await say_yes(service, script)
    problem(await service.client.get("/api/admin/usage"), 403, "forbidden")
    bob = await sign_in(service, "bob", is_admin=True)
    await say_yes(service, script)
    assert (await usage(service, "admin"))["data"] == [{"key": ada, **SUMS}, {"key": bob, **SUMS}]
    for by in ("day", "model"):
        (both,) = (await usage(service, "admin", by=by))["data"]
        assert (both["runs"], both["output_tokens"]) == (2, 40)
    await sign_in(service, "ada")
    assert (await service.client.delete("/api/me")).json()["usage_days"] == 1
    await sign_in(service, "bob")
    assert (await usage(service, "admin"))["data"] == [{"key": bob, **SUMS}, {"key": "deleted", **SUMS}]


@pytest.mark.parametrize(
    "params",
    [
        {"from": "yesterday"},
        {"to": "20261130"},
        {"from": "2026-02-30"},
        {"from": "2026-02-02", "to": "2026-02-01"},
        {"from": "2025-01-01", "to": "2026-02-01"},
        {"by": "user"},
        {"limit": 0},
    ],
)
async def test_a_wrong_period_is_refused(service: Service, params: dict[str, Any]) -> None:
    await sign_in(service, "ada")
    answer = await service.client.get("/api/me/usage", params=params)
    assert (answer.status_code, answer.json()["code"]) == (422, "invalid_request")


async def test_the_first_days_of_all_are_a_period(service: Service) -> None:
    await sign_in(service, "ada")
    assert (await usage(service, to="0001-01-02"))["from"] == "0001-01-01"


async def test_an_admin_limits_a_user(service: Service, script: Script) -> None:
    ada = await sign_in(service, "ada")
    await say_yes(service, script)
    await sign_in(service, "bob", is_admin=True)
    path = f"/api/admin/users/{ada}"
    changed = await service.client.patch(path, json={"limits": {"messages_hour": 1, "cost_day": 0}})
    assert changed.json()["limits"] == {**NONE_OWN, "messages_hour": 1, "cost_day": 0}
    changed = await service.client.patch(path, json={"limits": {"cost_day": None}})
    assert changed.json()["limits"] == {**NONE_OWN, "messages_hour": 1}
    listed = (await service.client.get("/api/admin/users")).json()["data"]
    assert [each["limits"]["messages_hour"] for each in listed if each["id"] == ada] == [1]
    for wrong in ({"messages_hour": -1}, {"tokens_day": 2**54}, {"cost_day": 0.5}, {"tokens": 1}):
        assert (await service.client.patch(path, json={"limits": wrong})).status_code == 422
    audit = (await service.client.get("/api/admin/audit")).json()["data"]
    assert [each["detail"] for each in audit if each["action"] == "user.limits"] == [
        {"cost_day": "default"},
        {"messages_hour": 1, "cost_day": 0},
    ]
    await sign_in(service, "ada")
    me = (await service.client.get("/api/me")).json()
    assert me["limits"] == {**NONE_OWN, "messages_hour": 1}
    assert me["used"] == {"open_runs": 0, "messages_hour": 1, "tokens_day": 110, "cost_day": 0}
    problem(
        await service.client.post(f"/api/sessions/{await service.session()}/messages", json={"content": "Hello"}),
        *(429, "quota_exceeded", "limit", "resets_at"),
    )


async def test_the_usage_of_joined_users_is_one(service: Service, script: Script) -> None:
    ada = await sign_in(service, "ada")
    await say_yes(service, script)
    bob = await sign_in(service, "bob")
    await say_yes(service, script)
    await people.join_users(service.runtime.db, ada, bob, actor=COMMAND_LINE)
    assert [each["runs"] for each in (await usage(service))["data"]] == [2]
    assert (await service.client.get("/api/me")).json()["used"]["messages_hour"] == 2


async def test_the_migration_counts_what_ends_have_counted(service: Service, script: Script) -> None:
    await sign_in(service, "ada")
    await say_yes(service, script)
    script.play([say("Half"), ValueError("on purpose")])
    await service.send(await service.session(), "Fail", model="other")

    async def again(tx: Transaction) -> tuple[list[Any], list[Any]]:
        by_ends = await tx.all("SELECT * FROM usage_by_day ORDER BY owner, day, model")
        (migration,) = (each for each in load_migrations(service.runtime.db.engine) if each.version == 9)
        await tx.run("DELETE FROM usage_by_day")
        await tx.run(f"INSERT INTO {migration.sql.rpartition('INSERT INTO ')[2]}")  # type: ignore[arg-type]  # from the file
        return by_ends, await tx.all("SELECT * FROM usage_by_day ORDER BY owner, day, model")

    by_ends, by_migration = await service.runtime.db.transaction(again)
    assert by_ends == by_migration
    assert len(by_ends) == 2
