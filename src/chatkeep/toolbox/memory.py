"""What an assistant remembers for its user, and finds again: facts the user asked to keep, and earlier messages."""

from typing import Annotated, Any

from pydantic import Field

from chatkeep import ids
from chatkeep.chat.types import Fact
from chatkeep.db import Transaction
from chatkeep.store import facts as store_facts
from chatkeep.store import runs as store_runs
from chatkeep.text import clean
from chatkeep.toolbox.context import DatabaseToolContext
from chatkeep.toolbox.search import search
from chatkeep.tools.declaration import ToolError, tool

MOST = 1_000
"""Facts that are kept for one owner."""
RECALLED = 50
"""Facts that are recalled at once."""


@tool(safety="idempotent")
async def remember(
    fact: Annotated[
        str,
        Field(min_length=1, max_length=500, description="One fact in a sentence of its own, with names, not pronouns."),
    ],
    caller: DatabaseToolContext,
) -> dict[str, Any]:
    """Keep a fact about the user, or from the user, for all later conversations. Only when the user asks you to
    remember it; never on your own, and never passwords, keys or card numbers.
    """

    async def write(tx: Transaction) -> store_facts.FactInsert:
        if await store_facts.count_facts(tx, caller.owner) >= MOST:
            raise ToolError(f"the memory is full: it holds {MOST} facts; the user has to delete some")
        return await store_facts.add_fact(tx, caller.owner, Fact(ids.new(), clean(fact.strip()), await tx.now()))

    kept = await caller.db.transaction(write)
    return {"remembered": kept.fact.text, "since": kept.fact.created_at, "is_new": kept.is_new}


@tool(safety="read_only")
async def recall(
    about: Annotated[
        str, Field(max_length=200, description="A word or two to look for; empty: whatever was remembered last.")
    ],
    caller: DatabaseToolContext,
) -> list[dict[str, str]]:
    """Look up what the user asked you to remember, in this or any earlier conversation. Use it before you say that
    you do not know something personal about the user.
    """
    facts = await caller.db.snapshot(lambda tx: store_facts.list_facts(tx, caller.owner, MOST))
    words = about.casefold().split()
    fitting = [fact for fact in facts if any(word in fact.text.casefold() for word in words)] if words else facts
    return [{"fact": fact.text, "since": fact.created_at} for fact in fitting[:RECALLED]]


@tool(safety="read_only")
async def search_history(
    words: Annotated[str, Field(min_length=1, max_length=200, description="Words that the messages must all have.")],
    caller: DatabaseToolContext,
) -> list[dict[str, Any]]:
    """Search the user's earlier conversations with this service for words. Use it when the user refers to something
    said before that you do not see.
    """
    run = await caller.db.snapshot(lambda tx: store_runs.find_run(tx, caller.run_id))
    without = (run.user_message_id, run.message_id) if run else ()
    found = await search(caller.db, caller.owner, words, 10, without)
    return [
        {"session": each.session_title, "who": each.role, "said": each.snippet, "when": each.created_at}
        for each in found
    ]
