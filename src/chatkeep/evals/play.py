"""Plays one sample of a case: its conversation, with the same turns as the service runs."""

import time
from typing import NamedTuple

from chatkeep.agent import ephemeral
from chatkeep.agent.turn import Outcome, Turn, count_corrections
from chatkeep.agent.turn_spec import TurnSpec
from chatkeep.chat.types import Message, Usage
from chatkeep.errors import TurnFailed
from chatkeep.evals.judge import find_fault
from chatkeep.evals.suite import Case
from chatkeep.llm import Model
from chatkeep.settings import Settings


class Sample(NamedTuple):
    """One play of a case. `fault`: why it did not pass, or None. `answered`: no turn of it failed."""

    fault: str | None
    answered: bool
    usage: Usage
    corrections: int
    seconds: float


async def play(settings: Settings, model: Model, model_name: str, spec: TurnSpec, case: Case) -> Sample:
    """Play `case` once with the assistant of `spec`. `model_name`: the name under which `model` is asked.

    The first exchange with a fault is the last one played.
    """
    started_at = time.perf_counter()
    usage = Usage()
    corrections = 0
    fault: str | None = None
    answered = True
    history: list[Message] = []
    for exchange in case.exchanges:
        history.append(ephemeral.new_user_message(exchange.says, history[-1].id if history else None))
        turn = Turn(model, ephemeral.ephemeral_input(settings, model_name, spec, history))
        try:
            answer, outcome = await _run(turn, ephemeral.new_answer(history[-1].id))
        except TurnFailed as failure:
            answered, fault = False, f"{failure.code}: {failure}"
        else:
            fault = find_fault(exchange, answer, outcome)
            corrections += count_corrections(answer)
            history.append(answer)
        usage = _add(usage, turn.usage)
        if fault is not None:
            break
    if fault is not None and len(case.exchanges) > 1:
        fault = f"exchange {(len(history) + 1) // 2}: {fault}"
    return Sample(fault, answered, usage, corrections, time.perf_counter() - started_at)


async def _run(turn: Turn, message: Message) -> tuple[Message, Outcome]:
    """Run `turn`, which answers with `message`, and return the complete answer and how the turn ended."""
    collector = ephemeral.EventCollector(message)
    outcome = await turn.run(collector.emit, collector.load_message)
    return await collector.load_message(), outcome


def _add(one: Usage, other: Usage) -> Usage:
    return Usage(
        one.input_tokens + other.input_tokens,
        one.output_tokens + other.output_tokens,
        estimated=one.estimated or other.estimated,
    )
