"""The usage of the caller, and for admins that of all users. Days are those of UTC."""

from collections.abc import Awaitable, Callable
from datetime import date
from typing import Annotated, Literal, TypeAlias

from fastapi import APIRouter, Query, Response

from chatkeep.api.deps import AdminDep, OwnerId, RuntimeDep
from chatkeep.api.openapi import error_answers, json_answer
from chatkeep.api.responses import json_response
from chatkeep.api.views import UsagePage
from chatkeep.chat.limits import UsageSum
from chatkeep.db import Transaction
from chatkeep.errors import InvalidRequest
from chatkeep.runs.runtime import Runtime
from chatkeep.store import usage_reports
from chatkeep.store.usage import DAY_CHARS
from chatkeep.store.usage_reports import Period

router = APIRouter(prefix="/api")

MAX_DAYS, DEFAULT_DAYS = 366, 30
MAX_SUMS = 1_000
"""The most sums of a page."""

By: TypeAlias = Literal["day", "model", "user"]
Sums: TypeAlias = Callable[[Transaction, Period, str, int], Awaitable[list[UsageSum]]]
FirstDay = Annotated[str | None, Query(alias="from", description="2026-11-01; absent: 29 days before `to`")]
LastDay = Annotated[str | None, Query(alias="to", description="2026-11-30, which is included; absent: today")]
After = Annotated[str, Query(max_length=300, description="`next` of the page before this one")]
Limit = Annotated[int, Query(ge=1, le=MAX_SUMS)]


@router.get("/me/usage", tags=["people"], responses={200: json_answer(UsagePage), **error_answers()})
async def get_own_usage(
    runtime: RuntimeDep,
    owner: OwnerId,
    first: FirstDay = None,
    last: LastDay = None,
    by: Literal["day", "model"] = "day",
    after: After = "",
    limit: Limit = MAX_SUMS,
) -> Response:
    """Your runs, tokens and cost, by day or model."""

    async def read(tx: Transaction, period: Period, after: str, limit: int) -> list[UsageSum]:
        read_sums = usage_reports.sum_own_by_day if by == "day" else usage_reports.sum_own_by_model
        return await read_sums(tx, owner, period, after, limit)

    return await _answer(runtime, read, by, (first, last), after, limit)


@router.get("/admin/usage", tags=["admin"], responses={200: json_answer(UsagePage), **error_answers()})
async def get_usage(
    runtime: RuntimeDep,
    admin: AdminDep,
    first: FirstDay = None,
    last: LastDay = None,
    by: By = "user",
    after: After = "",
    limit: Limit = MAX_SUMS,
) -> Response:
    """The runs, tokens and cost of all users, by user, day or model. Those of users who are gone have one key."""
    del admin
    return await _answer(runtime, _SUMS[by], by, (first, last), after, limit)


_SUMS: dict[By, Sums] = {
    "user": usage_reports.sum_by_user,
    "day": usage_reports.sum_by_day,
    "model": usage_reports.sum_by_model,
}


async def _answer(
    runtime: Runtime, read: Sums, by: By, days: tuple[str | None, str | None], after: str, limit: int
) -> Response:
    async def read_page(tx: Transaction) -> tuple[Period, list[UsageSum]]:
        period = _period(*days, today=(await tx.now())[:DAY_CHARS])
        return period, await read(tx, period, after, limit + 1)

    period, sums = await runtime.db.snapshot(read_page)
    page = sums[:limit]
    following = page[-1].key if len(sums) > limit else None
    return json_response(UsagePage(*period, by, runtime.settings.currency, page, following))


def _period(first: str | None, last: str | None, today: str) -> Period:
    """Return the period between two days.

    Raises:
        InvalidRequest: one is no day, they are in the wrong order, or too far from each other.
    """
    end = _day(last or today, "to")
    begin = _day(first, "from") if first else date.fromordinal(max(1, end.toordinal() - DEFAULT_DAYS + 1))
    if begin > end:
        raise InvalidRequest("from: after `to`")
    if (end - begin).days >= MAX_DAYS:
        raise InvalidRequest(f"from: more than {MAX_DAYS - 1} days before `to`")
    return Period(begin.isoformat(), end.isoformat())


def _day(text: str, name: str) -> date:
    try:
        day = date.fromisoformat(text)
    except ValueError:
        raise InvalidRequest(f"{name}: no day such as 2026-11-30") from None
    if day.isoformat() != text:  # ISO 8601 has more forms
        raise InvalidRequest(f"{name}: no day such as 2026-11-30")
    return day
