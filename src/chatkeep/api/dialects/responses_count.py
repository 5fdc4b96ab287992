"""Counts the tokens of a request for a response, without asking a model: an estimate from the length of its prompt."""

import asyncio
import math

from chatkeep import clock
from chatkeep.agent.context_window import DEFAULT_BYTES_PER_TOKEN, fit_history
from chatkeep.agent.turn_spec import TurnSpec, build_spec
from chatkeep.api.dialects.responses_place import Place
from chatkeep.chat.types import Message, TextPart
from chatkeep.db import Transaction
from chatkeep.runs.claim import to_messages
from chatkeep.runs.content import text_of
from chatkeep.runs.request import ClientTurn, EarlierMessage
from chatkeep.runs.runtime import Runtime
from chatkeep.runs.turn_input import count_prompt_tokens, list_prompt_messages
from chatkeep.store import messages as store_messages
from chatkeep.store import runs as store_runs

_NO_SESSION = "00000000-0000-0000-0000-000000000000"


async def count_input_tokens(runtime: Runtime, place: Place, assistant: str, turn: ClientTurn) -> int:
    """Return the tokens of the prompt that `turn` would have at `place`, where `assistant` answers.

    Raises:
        InvalidRequest: a function cannot be offered.
    """
    session, max_tokens = place.session, count_prompt_tokens(runtime)

    async def read(tx: Transaction) -> tuple[list[Message], dict[str, float]]:
        head_id = None if session is None else place.parent_id or session.head_id
        if session is None or head_id is None:
            return [], {}
        ratios = await store_runs.get_bytes_per_token(tx, session.id)
        limit = store_messages.MAX_HISTORY_MESSAGES
        return await list_prompt_messages(tx, session.id, head_id, limit, ratios, max_tokens), ratios

    history, ratios = await runtime.db.snapshot(read)
    bytes_per_token = max(ratios.values(), default=DEFAULT_BYTES_PER_TOKEN)
    question = EarlierMessage("user", (TextPart(text_of(turn.content)),))
    said = [*turn.earlier, question, EarlierMessage("assistant", turn.begun)]
    new = to_messages(said, session.id if session else _NO_SESSION, clock.now())
    spec = await asyncio.to_thread(_build_spec, runtime, assistant, turn, session.title if session else None)
    offered = [tool.definition for tool in spec.tools.values()]
    fitted = fit_history(spec.prompt, [*history, *new], offered, math.inf)
    return math.ceil(fitted.size / bytes_per_token)


def _build_spec(runtime: Runtime, assistant: str, turn: ClientTurn, title: str | None) -> TurnSpec:
    return build_spec(
        runtime.tools,
        runtime.get_assistant(assistant),
        clock.parse(clock.now()),
        runtime.settings.time_zone,
        title,
        turn.tools,
        turn.all_params,
        turn.instructions,
    )
