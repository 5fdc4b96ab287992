"""Plays N samples of every case and counts: pass rates, tokens and corrections, with the model and prompt measured."""

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
from chatkeep.llm import Model, ModelLibrary, connect_model
from chatkeep.runs.loading import find_assistants, load_tools
from chatkeep.settings import Settings

MAX_CONCURRENT_SAMPLES = 4
"""Samples played at the same time: about as many as a small model server answers without a queue."""

OnSample: TypeAlias = Callable[[str], None]
"""Called after each sample, with the name of its case."""


class Result(msgspec.Struct, frozen=True):
    """The samples of one case, counted. Tokens and corrections are sums, `seconds` is the median of a sample."""

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
    """The results of one suite, and what was measured.

    `prompt`: the hash of the prompt snapshot, the system prompt and functions that the model was given. `left_out`: how
    many cases were not played, because the practice model, which follows fixed rules, cannot pass them.
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
        """The share of samples that passed, 0 to 1."""
        return rate(self.results)


class EvalFilter(NamedTuple):
    """Overrides of a measurement. None: as suite, assistant and settings say; no cases: all of them."""

    assistant: str | None = None
    model: str | None = None
    cases: Sequence[str] = ()


def rate(results: Sequence[Result]) -> float:
    """Return the share of samples that passed, 0 to 1; 0 if there are none."""
    samples = sum(each.samples for each in results)
    return sum(each.passed for each in results) / samples if samples else 0.0


async def measure(
    settings: Settings,
    suites: Sequence[str],
    selection: EvalFilter,
    samples: int,
    on_sample: OnSample = lambda case: None,
    model: Model | None = None,
) -> list[Report]:
    """Measure each of `suites` (names, or paths) with `samples` plays of each case; return a report each, in order.

    `model` replaces the one that `settings` name, and is closed at the end.

    Raises:
        CannotStart: a suite, a case, an assistant or a model is missing or not valid; or no sample of a suite was
            answered.
    """
    tools = load_tools(settings)
    models = ModelLibrary(settings)
    library = find_assistants(settings, tools, models)
    loaded = [(name, load_suite(name, tools)) for name in suites]
    selected = _select_cases(loaded, selection.cases)
    if selection.model is not None:
        ephemeral.choose_model(models, selection.model)
    model = model or connect_model(models, settings, pace=0)
    try:
        return [
            await _measure_suite(settings, model, library, selection, samples, on_sample, *each) for each in selected
        ]
    finally:
        await model.close()


def _select_cases(suites: Sequence[tuple[str, Suite]], cases: Sequence[str]) -> list[tuple[str, Suite]]:
    """Return the suites with only the named `cases`, or with all if none is named. Suites without cases are dropped."""
    if missing := [name for name in cases if not any(name == case.name for _, suite in suites for case in suite.cases)]:
        raise CannotStart(f"there is no case {missing[0]!r} in {', '.join(name for name, _ in suites)}")
    selected = [
        (name, suite, [case for case in suite.cases if not cases or case.name in cases]) for name, suite in suites
    ]
    return [(name, suite.model_copy(update={"cases": its_cases})) for name, suite, its_cases in selected if its_cases]


async def _measure_suite(
    settings: Settings,
    model: Model,
    library: AssistantLibrary,
    selection: EvalFilter,
    samples: int,
    on_sample: OnSample,
    name: str,
    suite: Suite,
) -> Report:
    assistant = ephemeral.get_assistant(library, selection.assistant or suite.assistant)
    noon = datetime.combine(suite.date, time(12), ZoneInfo(settings.time_zone))
    spec = build_spec(library.tools, assistant, noon, settings.time_zone)
    requested_model = selection.model or assistant.model or settings.model
    model_name = model.name(requested_model)
    cases = [case for case in suite.cases if case.practice or model_name != "practice"]
    return Report(
        suite=name,
        assistant=assistant.name,
        model=model_name,
        date=f"{suite.date}",
        prompt=hash_snapshot(spec.snapshot()),
        left_out=len(suite.cases) - len(cases),
        results=await _play_cases(settings, model, requested_model, spec, cases, samples, on_sample),
    )


async def _play_cases(
    settings: Settings,
    model: Model,
    model_name: str,
    spec: TurnSpec,
    cases: Sequence[Case],
    samples: int,
    on_sample: OnSample,
) -> list[Result]:
    semaphore = asyncio.Semaphore(MAX_CONCURRENT_SAMPLES)

    async def play_once(case: Case) -> Sample:
        async with semaphore:
            sample = await play(settings, model, model_name, spec, case)
        on_sample(case.name)
        return sample

    async with asyncio.TaskGroup() as group:
        tasks = {case.name: [group.create_task(play_once(case)) for _ in range(samples)] for case in cases}
    by_case = {name: [task.result() for task in case_tasks] for name, case_tasks in tasks.items()}
    all_samples = [sample for case_samples in by_case.values() for sample in case_samples]
    if all_samples and not any(each.answered for each in all_samples):  # a rate of 0 would say nothing about the prompt
        raise CannotStart(f"no sample was answered: {all_samples[0].fault}")
    return [_count(name, case_samples) for name, case_samples in by_case.items()]


def _count(case: str, samples: Sequence[Sample]) -> Result:
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
