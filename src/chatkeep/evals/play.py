"""One sample of a case: the conversation as it happens, by the same turns as everywhere."""

import time
from typing import NamedTuple

from chatkeep.agent import ephemeral
from chatkeep.agent.turn import Outcome, Turn, corrections
from chatkeep.agent.turn_spec import Brief
from chatkeep.chat.types import Message, TextPart, Usage
from chatkeep.errors import TurnFailed
from chatkeep.evals.judge import fault
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


async def play(settings: Settings, model: Model, wanted: str, told: Brief, case: Case) -> Sample:
    """Let `case` happen once with an assistant that is `told` so, answered by `model` under the name `wanted`."""
    began = time.perf_counter()
    usage = Usage()
    corrected = 0
    wrong: str | None = None
    answered = True
    history: list[Message] = []
    for exchange in case.exchanges:
        history.append(ephemeral.message("user", history[-1].id if history else None, (TextPart(exchange.says),)))
        turn = Turn(model, ephemeral.start(settings, wanted, told, history))
        try:
            answer, outcome = await _answer(turn, ephemeral.message("assistant", history[-1].id, ()))
        except TurnFailed as failure:
            answered, wrong = False, f"{failure.code}: {failure}"
        else:
            wrong = fault(exchange, answer, outcome)
            corrected += corrections(answer)
            history.append(answer)
        usage = _sum(usage, turn.usage)
        if wrong is not None:
            break
    if wrong is not None and len(case.exchanges) > 1:
        wrong = f"exchange {(len(history) + 1) // 2}: {wrong}"
    return Sample(wrong, answered, usage, corrected, time.perf_counter() - began)


async def _answer(turn: Turn, message: Message) -> tuple[Message, Outcome]:
    kept = ephemeral.Kept(message)
    outcome = await turn.run(kept.take, kept.said)
    return await kept.said(), outcome


def _sum(one: Usage, other: Usage) -> Usage:
    return Usage(
        one.input_tokens + other.input_tokens,
        one.output_tokens + other.output_tokens,
        estimated=one.estimated or other.estimated,
    )
