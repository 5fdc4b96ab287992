"""The table `prompts`: what models were told, each prompt once, by its hash."""

from typing import Any, NamedTuple

import msgspec

from chatkeep.db import Connection

_functions = msgspec.json.Decoder(list[dict[str, Any]]).decode


class Told(NamedTuple):
    """A system prompt as it was rendered, and the functions as they were offered with it."""

    prompt: str
    functions: list[dict[str, Any]]


async def add_prompt(tx: Connection, hash_: str, told: Told) -> None:
    """Keep a prompt; it may be there already."""
    await tx.run(
        "INSERT INTO prompts (hash, prompt, functions) VALUES ($1, $2, $3) ON CONFLICT (hash) DO NOTHING",
        hash_,
        told.prompt,
        msgspec.json.encode(told.functions).decode(),
    )


async def find_prompt(tx: Connection, hash_: str) -> Told | None:
    """The prompt with that hash."""
    row = await tx.one("SELECT prompt, functions FROM prompts WHERE hash = $1", hash_)
    return Told(row[0], _functions(row[1])) if row else None
