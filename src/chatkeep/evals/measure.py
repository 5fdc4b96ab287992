"""N samples of every case, counted: pass rates with what they were measured on."""

import asyncio
import statistics
from collections.abc import Callable, Sequence
from datetime import datetime, time
from typing import NamedTuple, TypeAlias
from zoneinfo import ZoneInfo

import msgspec

from chatkeep.agent import ephemeral
from chatkeep.agent.assistants import AssistantLibrary
from chatkeep.agent.turn_spec import TurnSpec, build_spec, hash_snapshot
from chatkeep.errors import CannotStart
from chatkeep.evals.play import Sample, play
from chatkeep.evals.suite import Case, Suite, load_suite
from chatkeep.llm import Model, connect_model
from chatkeep.runs.startup import find_assistants, load_tools
from chatkeep.settings import Settings

AT_ONCE = 4
"""Samples under way at a time: a small server answers about as many without letting them wait."""


Tick: TypeAlias = Callable[[str], None]


class Result(msgspec.Struct, frozen=True):
    """What came of a case. Tokens and corrections are of all samples, `seconds` the median of one's."""

    case: str
    samples: int
    passed: int
    input_tokens: int
    output_tokens: int
    estimated: bool
    corrections: int
    seconds: float
    first_fault: str | None


class Report(msgspec.Struct, frozen=True):
    """What came of a suite, and on what: `prompt` is the hash of all that the model was told beside the messages.

    `left_out`: cases that a model of fixed rules cannot pass, left out because it was one.
    """

    suite: str
    assistant: str
    model: str
    date: str
    prompt: str
    left_out: int
    results: list[Result]

    @property
    def rate(self) -> float:
        """The part of the samples that passed, 0 to 1."""
        return rate(self.results)


class EvalFilter(NamedTuple):
    """What is to be measured, where it is not what suites and settings say."""

    assistant: str | None = None
    model: str | None = None
    cases: Sequence[str] = ()


def rate(results: Sequence[Result]) -> float:
    """The part of the samples that passed, 0 to 1; 0 of nothing."""
    samples = sum(each.samples for each in results)
    return sum(each.passed for each in results) / samples if samples else 0.0


async def measure(
    settings: Settings,
    suites: Sequence[str],
    selection: EvalFilter,
    samples: int,
    tick: Tick = lambda case: None,  # nobody looks on
    model: Model | None = None,
) -> list[Report]:
    """A report for each of `suites` (names, or paths), in that order, from so many `samples` of each case.

    `tick`: called with the case's name after each sample. `model`: in place of the one that `settings` ask for.

    Raises:
        CannotStart: a suite, a case or an assistant is not there, or wrong; or the model answered nothing at all.
    """
    tools = load_tools(settings)
    library = find_assistants(settings, tools)
    read = [(name, load_suite(name, tools)) for name in suites]
    chosen = _chosen(read, selection.cases)
    answering = model or connect_model(settings, pace=0)
    try:
        return [await _report(settings, answering, library, selection, samples, tick, *each) for each in chosen]
    finally:
        await answering.close()


def _chosen(read: Sequence[tuple[str, Suite]], cases: Sequence[str]) -> list[tuple[str, Suite]]:
    """The suites with the `cases` alone, where any are named, and without suites that have none of them."""
    if missing := [name for name in cases if not any(name == case.name for _, suite in read for case in suite.cases)]:
        raise CannotStart(f"there is no case {missing[0]!r} in {', '.join(name for name, _ in read)}")
    kept = [(name, [case for case in suite.cases if not cases or case.name in cases], suite) for name, suite in read]
    return [(name, suite.model_copy(update={"cases": some})) for name, some, suite in kept if some]


async def _report(
    settings: Settings,
    model: Model,
    library: AssistantLibrary,
    selection: EvalFilter,
    samples: int,
    tick: Tick,
    name: str,
    suite: Suite,
) -> Report:
    assistant = ephemeral.get_assistant(library, selection.assistant or suite.assistant)
    noon = datetime.combine(suite.date, time(12), ZoneInfo(settings.time_zone))
    spec = build_spec(library.tools, assistant, noon, settings.time_zone)
    asked = selection.model or assistant.model or settings.model
    called = model.name(asked)
    cases = [case for case in suite.cases if case.practice or called != "practice"]
    return Report(
        suite=name,
        assistant=assistant.name,
        model=called,
        date=f"{suite.date}",
        prompt=hash_snapshot(spec.snapshot()),
        left_out=len(suite.cases) - len(cases),
        results=await _results(settings, model, asked, spec, cases, samples, tick),
    )


async def _results(
    settings: Settings, model: Model, asked: str, spec: TurnSpec, cases: Sequence[Case], samples: int, tick: Tick
) -> list[Result]:
    gate = asyncio.Semaphore(AT_ONCE)

    async def once(case: Case) -> Sample:
        async with gate:
            sample = await play(settings, model, asked, spec, case)
        tick(case.name)
        return sample

    async with asyncio.TaskGroup() as group:
        tasks = {case.name: [group.create_task(once(case)) for _ in range(samples)] for case in cases}
    counted = {name: [task.result() for task in some] for name, some in tasks.items()}
    all_samples = [each for some in counted.values() for each in some]
    if all_samples and not any(each.answered for each in all_samples):  # says nothing about the prompt
        raise CannotStart(f"no sample was answered: {all_samples[0].fault}")
    return [_counted(name, some) for name, some in counted.items()]


def _counted(case: str, samples: Sequence[Sample]) -> Result:
    return Result(
        case=case,
        samples=len(samples),
        passed=sum(each.fault is None for each in samples),
        input_tokens=sum(each.usage.input_tokens for each in samples),
        output_tokens=sum(each.usage.output_tokens for each in samples),
        estimated=any(each.usage.estimated for each in samples),
        corrections=sum(each.corrections for each in samples),
        seconds=round(statistics.median(each.seconds for each in samples), 3),
        first_fault=next((each.fault for each in samples if each.fault), None),
    )
