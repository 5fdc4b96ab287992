"""The limits of users: checked as a turn is claimed, and settled where its run ends (`runs/end.py`).

1. Before the claim, a request that would pass a limit is refused without a write. A repeated request comes first.
2. The claim checks again, with the owner's row in `limits` locked. So claims of one owner come one by one, in all
   processes, and however many are sent at once, none passes a limit of runs or messages.
3. The claim stores a hold: the tokens of the estimated prompt, and their cost. It counts as used until the run ends.
   Then what was really used counts in its place.
4. Answers under way may pass a limit of tokens or cost: by their output, and by the prompts of further steps.
5. For owners without any limit, nothing of this is written, and their own limits are read once, before the claim.
"""

import math
from collections.abc import Iterable, Sequence
from typing import NamedTuple

import msgspec

from chatkeep import clock
from chatkeep.agent.context_window import DEFAULT_BYTES_PER_TOKEN
from chatkeep.chat.limits import LimitName, Limits, Used
from chatkeep.chat.types import Part, PromptSnapshot
from chatkeep.db import Transaction
from chatkeep.errors import Refused
from chatkeep.llm import ModelInfo
from chatkeep.store import holds as store_holds
from chatkeep.store import limits as store_limits
from chatkeep.store import runs as store_runs
from chatkeep.store.holds import Hold
from chatkeep.store.usage import DAY_CHARS

HOUR_SECONDS, DAY_SECONDS = 3600.0, 86_400.0
OPEN_RUN_SECONDS = 2
"""Seconds after which a client may repeat a request that was one open run too many: when one ends is not known."""

_WORDS: dict[LimitName, str] = {
    "open_runs": "{} answers at a time",
    "messages_hour": "{} messages an hour",
    "tokens_day": "{} tokens a day",
    "cost_day": "a cost of {} a day",
}


class QuotaExceeded(Refused):
    """A request for a run that would pass a limit of its user. `resets_at` is None if that is not known."""

    status, code, title = 429, "quota_exceeded", "Quota exceeded"

    def __init__(self, limit: LimitName, most: int, resets_at: str | None, seconds: int) -> None:
        """`most` is the limit itself, `seconds` how long to wait before the request may be repeated."""
        shown = f"{most / 10**9:g}" if limit == "cost_day" else f"{most}"
        super().__init__(f"your limit is {_WORDS[limit].format(shown)}", limit=limit, resets_at=resets_at)
        self._seconds = seconds

    def response_headers(self) -> dict[str, str]:
        """Return the headers of the HTTP response."""
        return {"retry-after": str(self._seconds)}


class Quota(NamedTuple):
    """The share that a turn takes of its owner's limits. `defaults` hold where the owner has none of their own."""

    defaults: Limits
    hold: Hold


def estimate_hold(
    info: ModelInfo, context_tokens: int, prompt: PromptSnapshot, parts: Iterable[Sequence[Part]], ratio: float | None
) -> Hold:
    """Return what a prompt with these parts of messages is estimated to take.

    `context_tokens` is the longest prompt where the model says nothing else. `ratio`: bytes of prompt per token, None
    if it was not measured.
    """
    size = len(msgspec.json.encode(prompt)) + sum(len(msgspec.json.encode(each)) for each in parts)
    tokens = min(math.ceil(size / (ratio or DEFAULT_BYTES_PER_TOKEN)), info.context_tokens or context_tokens)
    return Hold(tokens, info.price.cost(tokens, 0, 0) if info.price else 0)


async def refuse_early(
    tx: Transaction, owner: str, session_id: str, key: str | None, limits: Limits, hold: Hold
) -> Hold:
    """Return what a turn is to hold, before its claim; it may be refused by now, without a write.

    While a run is open, the session's history is not known. A turn that ends this run holds at least what it holds.

    Raises:
        QuotaExceeded: it would pass a limit.
    """
    if open_run := await store_runs.find_open(tx, session_id):
        held = await store_holds.find_hold(tx, owner, open_run.id)
        return Hold(max(hold.tokens, held.tokens), max(hold.cost, held.cost))
    if key is None or await store_runs.find_by_key(tx, session_id, key) is None:
        await _check(tx, owner, limits, hold)
    return hold


async def take_hold(tx: Transaction, owner: str, run_id: str, quota: Quota) -> None:
    """Store what a new run holds of its owner's limits. The owner's claims wait for each other from here on.

    Raises:
        QuotaExceeded: it would pass a limit.
    """
    limits = (await store_limits.lock_own(tx, owner)).or_else(quota.defaults)
    await _check(tx, owner, limits, quota.hold)
    now = await tx.now()
    kept_seconds = 0.0 if limits.messages_hour is None else HOUR_SECONDS
    await store_holds.delete_old(tx, owner, clock.add_seconds(now, -kept_seconds))
    await store_holds.add_hold(tx, owner, run_id, quota.hold)


async def read_used(tx: Transaction, owner: str, limits: Limits) -> Used:
    """Return what the owner has used of their limits, at this moment."""
    now = await tx.now()
    used = await store_holds.read_used(tx, owner, clock.add_seconds(now, -HOUR_SECONDS), now[:DAY_CHARS])
    return used if limits.is_any else Used(None, None, used.tokens_day, used.cost_day)


async def _check(tx: Transaction, owner: str, limits: Limits, hold: Hold) -> None:
    exceeded = _find_exceeded(limits, await read_used(tx, owner, limits), hold)
    if exceeded is None:
        return
    name, most = exceeded
    now = await tx.now()
    resets_at = await _find_reset(tx, owner, name, most, now)
    wait = OPEN_RUN_SECONDS if resets_at is None else _seconds_between(now, resets_at)
    raise QuotaExceeded(name, most, resets_at, wait)


def _find_exceeded(limits: Limits, used: Used, hold: Hold) -> tuple[LimitName, int] | None:
    """Return a limit that one more run would pass. One of which all is used is passed by a run that holds nothing."""
    sums: tuple[tuple[LimitName, int | None, int], ...] = (
        ("messages_hour", limits.messages_hour, (used.messages_hour or 0) + 1),
        ("tokens_day", limits.tokens_day, used.tokens_day + max(hold.tokens, 1)),
        ("cost_day", limits.cost_day, used.cost_day + max(hold.cost, 1)),
        ("open_runs", limits.open_runs, (used.open_runs or 0) + 1),
    )
    return next(((name, most) for name, most, count in sums if most is not None and count > most), None)


async def _find_reset(tx: Transaction, owner: str, name: LimitName, most: int, now: str) -> str | None:
    """Return from when on there is room under a limit again; None if that is not known, or never."""
    match name:
        case "open_runs":
            return None
        case "messages_hour":
            begun_at = await store_holds.find_begin(tx, owner, most) if most else None
            return clock.add_seconds(begun_at, HOUR_SECONDS) if begun_at else None
        case "tokens_day" | "cost_day":
            return f"{clock.add_seconds(now, DAY_SECONDS)[:DAY_CHARS]}T00:00:00.000000Z"


def _seconds_between(begin: str, end: str) -> int:
    return max(1, math.ceil((clock.parse(end) - clock.parse(begin)).total_seconds()))
