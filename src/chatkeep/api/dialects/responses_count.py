"""Counts the tokens of a request for a response, without asking a model: an estimate from the length of its prompt."""

import asyncio
import math
from collections.abc import Iterable

from chatkeep import clock, ids
from chatkeep.agent.context_window import DEFAULT_BYTES_PER_TOKEN, fit_history
from chatkeep.agent.turn_spec import TurnSpec, build_spec
from chatkeep.api.dialects.responses_place import Place
from chatkeep.chat.types import FilePart, Message, Session, TextPart
from chatkeep.db import Transaction
from chatkeep.runs.claim import to_messages
from chatkeep.runs.content import text_of
from chatkeep.runs.prompt_files import guess_bytes
from chatkeep.runs.request import ClientTurn, EarlierMessage
from chatkeep.runs.runtime import Runtime
from chatkeep.runs.turn_input import count_prompt_tokens, list_prompt_messages
from chatkeep.store import messages as store_messages
from chatkeep.store import runs as store_runs


async def count_input_tokens(
    runtime: Runtime, place: Place, assistant: str, turn: ClientTurn, files: Iterable[FilePart]
) -> int:
    """Return the tokens of the prompt that `turn` would have at `place`, where `assistant` answers.

    `files` are those of the request. They count by their kind and size, as they are not read for this.

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
    new = to_messages(said, session.id if session else ids.SMALLEST, clock.now())
    spec = await asyncio.to_thread(_build_spec, runtime, assistant, turn, session)
    offered = [tool.definition for tool in spec.tools.values()]
    fitted = fit_history(spec.prompt, [*history, *new], offered, math.inf)
    return math.ceil((fitted.size + guess_bytes(files)) / bytes_per_token)


def _build_spec(runtime: Runtime, assistant: str, turn: ClientTurn, session: Session | None) -> TurnSpec:
    return build_spec(
        runtime.tools,
        runtime.get_assistant(assistant),
        clock.parse(clock.now()),
        runtime.settings.time_zone,
        session.title if session else None,
        turn.tools,
        {**(session.params if session else {}), **turn.all_params},
        session.instructions if session and turn.instructions is None else turn.instructions,
    )
