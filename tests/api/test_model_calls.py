"""The rows of `model_calls`: each request to a model, for every ending; and the run's sums over them."""

import asyncio
from pathlib import Path
from typing import Any, NamedTuple

import pytest

from chatkeep.chat.events import RunFinished
from chatkeep.runs.reaper import recover
from tests.api.shapes import usage
from tests.api.streams import streaming, until
from tests.deletions import until_gone
from tests.models import write_models
from tests.provider import Provider, refuses, streams, text_chunks
from tests.script import Script, call, say, stop
from tests.service import Service, serving, settings

pytestmark = pytest.mark.anyio

PRICED = 'provider = "one"\nmodel = "upstream"\nprice = {input = 0.25, cached_input = 0.025, output = 2.0}\n'


class Row(NamedTuple):
    """A row of `model_calls`, without its times."""

    number: int
    step: int
    model: str
    provider: str
    input_tokens: int
    output_tokens: int
    estimated: bool
    cost: int | None
    outcome: str


async def rows(service: Service, run_id: str) -> list[Row]:
    """Return the calls of a run, after checking that the run's usage is their sum and that their times are possible."""
    found = await service.runtime.db.snapshot(
        lambda tx: tx.all(
            """SELECT number, step, model, provider, input_tokens, output_tokens, estimated, cost, outcome,
                      first_token_ms, duration_ms
                 FROM model_calls
                WHERE (session_key, run_number) = (SELECT session_key, number FROM runs WHERE id = $1)
                ORDER BY number""",
            run_id,
        )
    )
    assert all(0 <= (first or 0) <= duration for *_, first, duration in found)
    calls = [Row._make((*each[:6], bool(each[6]), *each[7:9])) for each in found]
    summed = [each for each in calls if each.step]
    shown = (await service.run(run_id))["usage"]
    assert shown["input_tokens"] == sum(each.input_tokens for each in summed)
    assert shown["output_tokens"] == sum(each.output_tokens for each in summed)
    assert shown["estimated"] == any(each.estimated for each in summed)
    costs = [each.cost for each in summed if each.cost is not None]
    assert shown["cost"] == (sum(costs) if len(costs) == len(summed) else None)
    return calls


async def test_each_step_has_a_call(service: Service, script: Script) -> None:
    script.play([call("tell_joke", "{}"), stop("tool_calls", (10, 5))], [say("No joke."), stop(tokens=(20, 6))])
    run = (await service.send(await service.session(), "a joke!"))["run"]
    assert await rows(service, run["id"]) == [
        Row(1, 1, run["model"], "scripted", 10, 5, False, None, "completed"),
        Row(2, 2, run["model"], "scripted", 20, 6, False, None, "completed"),
    ]


async def test_a_run_that_waited_goes_on_counting(service: Service, script: Script) -> None:
    script.play([call("pick", "{}", call_id="c"), stop("tool_calls", (10, 5))], [say("Well."), stop(tokens=(20, 6))])
    tool = {"name": "pick", "description": "Picks.", "parameters": {"type": "object"}}
    run = (await service.send(await service.session(), "pick!", tools=[tool]))["run"]
    assert [each.outcome for each in await rows(service, run["id"])] == ["completed"]
    answer = await service.client.post(
        f"/api/runs/{run['id']}/tool-outputs", json={"outputs": [{"call_id": "c", "output": 1}]}
    )
    assert answer.is_success, answer.text
    await service.events(run["id"])
    assert [each[:2] for each in await rows(service, run["id"])] == [(1, 1), (2, 2)]


async def test_a_cancelled_call_is_estimated(service: Service, script: Script) -> None:
    script.play([say("x" * 400), asyncio.Event()])
    run = (await service.start(await service.session(), "why?"))["run"]
    async with streaming(service, f"/api/runs/{run['id']}/events") as stream:
        await stream.read_units(401)
        await service.client.post(f"/api/runs/{run['id']}/cancel")
    (row,) = await rows(service, run["id"])
    assert (row.output_tokens, row.estimated, row.outcome) == (100, True, "cancelled")
    assert row.input_tokens > 0


async def test_a_call_whose_worker_is_gone_is_estimated(service: Service, script: Script) -> None:
    script.play([say("x" * 400), asyncio.Event()])
    run = (await service.start(await service.session(), "why?"))["run"]
    async with streaming(service, f"/api/runs/{run['id']}/events") as stream:
        await stream.read_units(401)
        assert await recover(service.runtime, alone=True) == 1
        assert (await stream.rest())[-1]["type"] == RunFinished.__struct_config__.tag
    (row,) = await rows(service, run["id"])
    assert (row.output_tokens, row.estimated, row.outcome) == (100, True, "interrupted")


async def test_a_call_that_breaks_off_is_estimated(service: Service, script: Script) -> None:
    script.play([say("x" * 400), ValueError("a fault of ours")])
    run = (await service.send(await service.session(), "why?"))["run"]
    (row,) = await rows(service, run["id"])
    assert (run["error"]["code"], row.outcome, row.output_tokens) == ("internal", "internal", 100)
    script.play([say("x" * 400)])
    run = (await service.send(await service.session(), "why?"))["run"]
    (row,) = await rows(service, run["id"])
    assert (row.outcome, row.output_tokens, row.estimated) == ("incomplete", 100, True)


async def test_calls_have_names_and_prices_of_the_file(provider: Provider, tmp_path: Path, database: str) -> None:
    file = write_models(tmp_path, {"fast": PRICED}, one=provider)
    provider.answers = [refuses(503, {"error": {"message": "later"}}), streams(*text_chunks("Hi", usage=(1000, 50)))]
    async with serving(settings(database, models=file, model="fast")) as service:
        run = (await service.send(await service.session(), "why?"))["run"]
        assert run["usage"] == usage(1000, 50, cost=1000 * 250 + 50 * 2000)
        assert await rows(service, run["id"]) == [
            Row(1, 1, "fast", "one", 0, 0, False, 0, "model_unavailable"),
            Row(2, 1, "fast", "one", 1000, 50, False, 350_000, "completed"),
        ]


async def test_a_price_that_changes_changes_no_past_cost(provider: Provider, tmp_path: Path) -> None:
    file = write_models(tmp_path, {"fast": PRICED}, one=provider)
    provider.answers = [streams(*text_chunks("Hi", usage=(1000, 50)))]
    async with serving(settings(tmp_path, models=file, model="fast")) as service:
        session_id = await service.session()
        before = (await service.send(session_id, "why?"))["run"]
        write_models(tmp_path, {"fast": PRICED.replace("0.25", "1.0")}, one=provider)
        await service.runtime.models.refresh()
        after = (await service.send(session_id, "why?"))["run"]
        assert (before["usage"]["cost"], after["usage"]["cost"]) == (350_000, 1_100_000)
        assert (await service.run(before["id"]))["usage"]["cost"] == 350_000


async def test_a_title_is_a_call_beside_the_run_s_sums(database: str, script: Script) -> None:
    script.play([say("Well."), stop(tokens=(12, 4))], [say("A title"), stop(tokens=(30, 2))])
    async with serving(settings(database, titles="model"), script) as service:
        run = (await service.send(await service.session(), "why?"))["run"]
        await until(lambda: script.closed == 2)
        await until(lambda: not service.runtime.background_tasks)
        _, title = await rows(service, run["id"])
        assert title[:2] + title[4:] == (2, 0, 30, 2, False, None, "completed")


async def test_calls_are_deleted_with_their_session(service: Service, script: Script) -> None:
    script.play([say("Well."), stop(tokens=(12, 4))])
    session_id = await service.session()
    await service.send(session_id, "why?")
    await service.client.delete(f"/api/sessions/{session_id}")
    await until_gone(service.runtime.db)

    async def count() -> list[Any]:
        return await service.runtime.db.snapshot(lambda tx: tx.all("SELECT COUNT(*) FROM model_calls"))

    assert (await count()) == [(0,)]
