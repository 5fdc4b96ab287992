"""The tables `prompts` and `session_prompts`: a row for each prompt snapshot, by its hash.

`prompts` has the snapshots that any session may share. `session_prompts` has those that hold something of one session,
its title for example, and are deleted with it.
"""

from typing import Any

import msgspec

from chatkeep import ids
from chatkeep.chat.types import PromptSnapshot
from chatkeep.db import Transaction
from chatkeep.errors import NotFound

_encode = msgspec.json.encode
_functions = msgspec.json.Decoder(list[dict[str, Any]]).decode


async def add_prompt(tx: Transaction, hash_: str, snapshot: PromptSnapshot, session_id: str | None) -> None:
    """Store a prompt snapshot unless it is there already: for one session, or for all if that is None."""
    functions = _encode(snapshot.functions).decode()
    if session_id is None:
        await tx.run(
            "INSERT INTO prompts (hash, prompt, functions) VALUES ($1, $2, $3) ON CONFLICT (hash) DO NOTHING",
            hash_,
            snapshot.prompt,
            functions,
        )
    else:
        await tx.run(
            """INSERT INTO session_prompts (session_key, hash, prompt, functions) VALUES ($1, $2, $3, $4)
               ON CONFLICT (session_key, hash) DO NOTHING""",
            ids.session_key(session_id),
            hash_,
            snapshot.prompt,
            functions,
        )


async def get_prompt(tx: Transaction, session_id: str, hash_: str) -> PromptSnapshot:
    """Return the prompt snapshot with that hash, which a run of the session has.

    Raises:
        NotFound: there is none.
    """
    row = await tx.one(
        """SELECT prompt, functions FROM session_prompts WHERE session_key = $1 AND hash = $2
            UNION ALL
           SELECT prompt, functions FROM prompts WHERE hash = $2
            LIMIT 1""",
        ids.session_key(session_id),
        hash_,
    )
    if row is None:
        raise NotFound(f"no prompt {hash_}")
    return PromptSnapshot(row[0], _functions(row[1]))
