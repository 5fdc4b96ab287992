"""One sample of a case: the conversation as it happens, by the same turns as everywhere."""

import time
from typing import NamedTuple

from chatkeep.agent import ephemeral
from chatkeep.agent.turn import Outcome, Turn, count_corrections
from chatkeep.agent.turn_spec import TurnSpec
from chatkeep.chat.types import Message, TextPart, Usage
from chatkeep.errors import TurnFailed
from chatkeep.evals.judge import find_fault
from chatkeep.evals.suite import Case
from chatkeep.llm import Model
from chatkeep.settings import Settings


class Sample(NamedTuple):
    """What came of a case, once. `fault`: why it did not pass; None when it did. `answered`: no turn of it failed."""

    fault: str | None
    answered: bool
    usage: Usage
    corrections: int
    seconds: float


async def play(settings: Settings, model: Model, wanted: str, spec: TurnSpec, case: Case) -> Sample:
    """Let `case` happen once with an assistant that is `spec` so, answered by `model` under the name `wanted`."""
    began = time.perf_counter()
    usage = Usage()
    corrected = 0
    wrong: str | None = None
    answered = True
    history: list[Message] = []
    for exchange in case.exchanges:
        history.append(ephemeral.new_message("user", history[-1].id if history else None, (TextPart(exchange.says),)))
        turn = Turn(model, ephemeral.ephemeral_input(settings, wanted, spec, history))
        try:
            answer, outcome = await _answer(turn, ephemeral.new_message("assistant", history[-1].id, ()))
        except TurnFailed as failure:
            answered, wrong = False, f"{failure.code}: {failure}"
        else:
            wrong = find_fault(exchange, answer, outcome)
            corrected += count_corrections(answer)
            history.append(answer)
        usage = _sum(usage, turn.usage)
        if wrong is not None:
            break
    if wrong is not None and len(case.exchanges) > 1:
        wrong = f"exchange {(len(history) + 1) // 2}: {wrong}"
    return Sample(wrong, answered, usage, corrected, time.perf_counter() - began)


async def _answer(turn: Turn, message: Message) -> tuple[Message, Outcome]:
    collector = ephemeral.EventCollector(message)
    outcome = await turn.run(collector.emit, collector.load_message)
    return await collector.load_message(), outcome


def _sum(one: Usage, other: Usage) -> Usage:
    return Usage(
        one.input_tokens + other.input_tokens,
        one.output_tokens + other.output_tokens,
        estimated=one.estimated or other.estimated,
    )
