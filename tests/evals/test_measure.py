"""Suites executed by real turns: their counts, and that the practice model passes the builtin ones."""

import asyncio
from collections.abc import AsyncGenerator, Sequence
from pathlib import Path

import msgspec
import pytest

from chatkeep.agent.assistants import AssistantLibrary
from chatkeep.agent.turn_spec import TurnSpec, build_spec, hash_snapshot
from chatkeep.errors import CannotStart
from chatkeep.evals.measure import MAX_CONCURRENT_SAMPLES, EvalFilter, Report, Result, measure, rate
from chatkeep.evals.play import play
from chatkeep.evals.suite import Case, builtin_suites, load_suite
from chatkeep.evals.table import save, show
from chatkeep.llm import ModelInfo, Prompt
from chatkeep.llm.chunks import Chunk
from chatkeep.llm.practice import Practice
from chatkeep.runs.loading import load_tools
from chatkeep.settings import Settings
from tests.agent.test_assistants import EVENING

pytestmark = pytest.mark.anyio

SUITE = """
assistant: default
date: 2026-03-02
cases:
  - name: passes
    practice: true
    exchanges: [{says: count to 3, must_say: ["1 2 3"]}]
  - name: fails
    practice: true
    exchanges: [{says: tell me a joke}, {says: count to 3, must_say: ["4"]}]
  - name: breaks
    practice: true
    exchanges: [{says: fail with model_auth}]
  - name: is left out
    exchanges: [{says: understand me}]
"""


def settings(**more: str) -> Settings:
    return Settings.model_validate(more)


@pytest.fixture
def suite(tmp_path: Path) -> str:
    (tmp_path / "mine.yaml").write_text(SUITE)
    return str(tmp_path / "mine.yaml")


@pytest.mark.parametrize("name", builtin_suites())
async def test_the_practice_model_passes_what_fixed_rules_can(name: str) -> None:
    (report,) = await measure(settings(), [name], EvalFilter(), 2)
    assert [(each.case, each.first_fault) for each in report.results if each.first_fault] == []
    assert report.rate == 1
    assert report.model == "practice"
    assert report.left_out > 0
    assert len(report.results) >= 5


async def test_passes_are_counted_and_first_failures_are_shown(suite: str) -> None:
    (report,) = await measure(settings(), [suite], EvalFilter(), 2)
    assert [(each.case, each.passed, each.samples) for each in report.results] == [
        ("passes", 2, 2),
        ("fails", 0, 2),
        ("breaks", 0, 2),
    ]
    passes, fails, breaks = report.results
    assert passes.first_fault is None
    assert fails.first_fault == "exchange 2: it did not say /4/: '1 2 3'"
    assert breaks.first_fault == "model_auth: the practice model was asked to fail with model_auth"
    assert report.rate == pytest.approx(1 / 3)
    assert (report.left_out, report.date) == (1, "2026-03-02")
    assert passes.output_tokens == 6
    assert passes.input_tokens > 0
    assert not passes.estimated
    assert breaks.estimated


async def test_the_prompt_hash_is_stable_and_equals_the_run_s(suite: str) -> None:
    first, counsel = await measure(
        settings(), [suite, "counsel"], EvalFilter(cases=["passes", "asks for what a deadline lacks"]), 1
    )
    (again,) = await measure(settings(), [suite], EvalFilter(assistant="scribe", cases=["passes"]), 1)
    tools = load_tools(settings())
    library = AssistantLibrary(None, tools)
    assert first.prompt == hash_snapshot(build_spec(tools, library["default"], EVENING, "UTC").snapshot())
    assert len({first.prompt, again.prompt, counsel.prompt}) == 3
    (tomorrow,) = await measure(settings(), ["counsel"], EvalFilter(cases=["asks for what a deadline lacks"]), 1)
    assert tomorrow.prompt == counsel.prompt


async def test_cases_can_be_picked_by_name(suite: str) -> None:
    reports = await measure(settings(), [suite, "scribe"], EvalFilter(cases=["fails"]), 1)
    assert [[each.case for each in report.results] for report in reports] == [["fails"]]
    with pytest.raises(CannotStart, match="there is no case 'nothing' in scribe"):
        await measure(settings(), ["scribe"], EvalFilter(cases=["nothing"]), 1)
    with pytest.raises(CannotStart, match="there is no assistant 'nobody'"):
        await measure(settings(), [suite], EvalFilter(assistant="nobody"), 1)


async def test_a_model_that_never_answers_is_no_measurement(suite: str) -> None:
    with pytest.raises(CannotStart, match="no sample was answered: model_auth: "):
        await measure(settings(), [suite], EvalFilter(cases=["breaks"]), 2)


class CountingModel:
    """A model that counts concurrent calls, and holds them until the allowed maximum is reached."""

    def __init__(self) -> None:
        self.now = self.most = self.calls = 0
        self._full = asyncio.Event()

    def name(self, requested: str) -> str:
        return requested

    def describe(self, requested: str) -> ModelInfo:
        return ModelInfo("scripted", requested)

    async def stream(self, prompt: Prompt) -> AsyncGenerator[Sequence[Chunk]]:
        self.now, self.calls = self.now + 1, self.calls + 1
        self.most = max(self.most, self.now)
        if self.now == MAX_CONCURRENT_SAMPLES:
            self._full.set()
        await self._full.wait()
        self.now -= 1
        async for chunks in Practice(pace=0).stream(prompt):
            yield chunks

    async def close(self) -> None:
        pass


async def test_samples_run_side_by_side_and_not_all_at_once(suite: str) -> None:
    model, ticked = CountingModel(), list[str]()
    (report,) = await measure(
        settings(), [suite], EvalFilter(model="big", cases=["passes"]), 3 * MAX_CONCURRENT_SAMPLES, ticked.append, model
    )
    assert report.model == "big"
    assert (model.most, model.calls) == (MAX_CONCURRENT_SAMPLES, 3 * MAX_CONCURRENT_SAMPLES)
    assert ticked == ["passes"] * 3 * MAX_CONCURRENT_SAMPLES


def scribe_spec() -> TurnSpec:
    tools = load_tools(settings())
    return build_spec(tools, AssistantLibrary(None, tools)["scribe"], EVENING, "UTC")


async def test_later_exchanges_see_the_earlier_ones() -> None:
    suite = load_suite("scribe", load_tools(settings()))
    case: Case = next(each for each in suite.cases if each.name == "keeps what was written three versions ago")
    whole = await play(settings(), Practice(pace=0), "m", scribe_spec(), case)
    assert whole.fault is None
    last = case.model_copy(update={"exchanges": case.exchanges[-1:]})
    alone = await play(settings(), Practice(pace=0), "m", scribe_spec(), last)
    assert alone.fault is not None
    assert alone.fault.startswith("it did not call write_document")


def report(**more: int) -> Report:
    result = Result("a [b]", 4, 3, 100, 20, False, 1, 0.5, "it said [red]nothing[/red]")
    return Report("mine", "default", "practice", "2026-03-02", "f" * 64, more.get("left_out", 0), [result])


async def test_the_table_shows_what_was_measured(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("COLUMNS", "160")
    show([report(left_out=2), report()])
    printed = capsys.readouterr().out
    assert "mine: default with practice, prompt ffffffffffff, 75%" in printed
    assert "a [b]" in printed
    assert "[red]nothing[/red]" in printed
    assert "left out: 2 cases" in printed
    assert "6 of 8 samples passed: 75%" in printed


async def test_the_figures_are_saved_as_json(tmp_path: Path) -> None:
    save([report()], 4, tmp_path / "out.json")
    saved = msgspec.json.decode((tmp_path / "out.json").read_bytes())
    assert (saved["rate"], saved["samples"]) == (0.75, 4)
    (mine,) = saved["suites"]
    assert (mine["prompt"], mine["model"], mine["rate"]) == ("f" * 64, "practice", 0.75)
    assert mine["results"][0]["rate"] == 0.75
    assert mine["results"][0]["first_fault"] == "it said [red]nothing[/red]"
    with pytest.raises(CannotStart, match="cannot write"):
        save([report()], 4, tmp_path / "no" / "out.json")


async def test_no_samples_count_as_no_pass() -> None:
    assert rate([]) == 0
