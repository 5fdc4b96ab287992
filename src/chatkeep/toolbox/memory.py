"""Functions of an assistant with a memory: store and recall facts, and search earlier messages."""

from typing import Annotated, Any

from pydantic import Field

from chatkeep import ids
from chatkeep.chat.types import Fact
from chatkeep.db import Transaction
from chatkeep.store import facts as store_facts
from chatkeep.store import runs as store_runs
from chatkeep.text import clean
from chatkeep.toolbox.context import DatabaseToolContext
from chatkeep.toolbox.search import SearchScope, search
from chatkeep.tools.declaration import ToolError, tool

MAX_FACTS = 1_000
"""Facts stored for one owner."""
MAX_RECALLED_FACTS = 50
"""Facts that one call of `recall` returns."""
MAX_RESULTS = 10
"""Messages that one call of `search_history` returns."""


@tool(safety="idempotent")
async def remember(
    fact: Annotated[
        str,
        Field(min_length=1, max_length=500, description="One fact in a sentence of its own, with names, not pronouns."),
    ],
    context: DatabaseToolContext,
) -> dict[str, Any]:
    """Keep a fact about the user, or from the user, for all later conversations. Only when the user asks you to
    remember it; never on your own, and never passwords, keys or card numbers.
    """
    return await store_fact(context, fact, MAX_FACTS)


async def store_fact(context: DatabaseToolContext, text: str, max_facts: int) -> dict[str, Any]:
    """Store a fact for the owner, and return the output of `remember`. A fact in the same words is stored once.

    Raises:
        ToolError: the owner has `max_facts` facts already.
    """

    async def write(tx: Transaction) -> store_facts.FactInsert:
        if await store_facts.count_facts(tx, context.owner) >= max_facts:
            raise ToolError(f"the memory is full: it holds {max_facts} facts; the user has to delete some")
        return await store_facts.add_fact(tx, context.owner, Fact(ids.new(), clean(text.strip()), await tx.now()))

    stored = await context.db.transaction(write)
    return {"remembered": stored.fact.text, "since": stored.fact.created_at, "is_new": stored.is_new}


@tool(safety="read_only")
async def recall(
    about: Annotated[
        str, Field(max_length=200, description="A word or two to look for; empty: whatever was remembered last.")
    ],
    context: DatabaseToolContext,
) -> list[dict[str, str]]:
    """Look up what the user asked you to remember, in this or any earlier conversation. Use it before you say that
    you do not know something personal about the user.
    """
    facts = await context.db.snapshot(lambda tx: store_facts.list_facts(tx, context.owner, MAX_FACTS))
    words = about.casefold().split()
    matching = [fact for fact in facts if any(word in fact.text.casefold() for word in words)] if words else facts
    return [{"fact": fact.text, "since": fact.created_at} for fact in matching[:MAX_RECALLED_FACTS]]


@tool(safety="read_only")
async def search_history(
    words: Annotated[
        str,
        Field(
            min_length=1,
            max_length=200,
            description="Words, or beginnings of words, that a message must all have."
            ' "in quotes": a phrase. -word: not.'
            " from:user, from:assistant; before:2026-11-30, after:2026-11: when it was said.",
        ),
    ],
    context: DatabaseToolContext,
) -> list[dict[str, Any]]:
    """Search the user's earlier conversations with this service for words. Use it when the user refers to something
    said before that you do not see.
    """
    run = await context.db.snapshot(lambda tx: store_runs.find_in_session(tx, context.session_id, context.run_id))
    own_messages = (run.user_message_id, run.message_id) if run else ()
    found = await search(context.db, context.owner, words, MAX_RESULTS, SearchScope(excluded_ids=own_messages))
    return [
        {
            "session": each.session_title,
            "message_id": each.message_id,
            "who": each.role,
            "said": each.snippet,
            "when": each.created_at,
        }
        for each in found.results
    ]
