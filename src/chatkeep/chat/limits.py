"""The limits of a user, and what they have used of them, as frozen values.

Costs are integers in 10⁻⁹ of the currency. An hour is the last 60 minutes, a day one of UTC.
"""

from typing import Literal, TypeAlias

from msgspec import structs

from chatkeep.chat.types import Value

MAX_LIMIT = 2**53
"""The highest limit. Up to it any reader of JSON is exact (RFC 8259, section 6)."""
LimitName: TypeAlias = Literal["open_runs", "messages_hour", "tokens_day", "cost_day"]
LIMIT_NAMES: tuple[LimitName, ...] = ("open_runs", "messages_hour", "tokens_day", "cost_day")
"""The fields of `Limits`, in their order."""


class Limits(Value, frozen=True):
    """The limits of a user; None: there is none of their own, or none at all."""

    open_runs: int | None = None
    messages_hour: int | None = None
    tokens_day: int | None = None
    cost_day: int | None = None

    @property
    def is_any(self) -> bool:
        """True if there is a limit."""
        return self != NO_LIMITS

    def or_else(self, defaults: "Limits") -> "Limits":
        """Return these limits, and those of `defaults` where there is none."""
        pairs = zip(structs.astuple(self), structs.astuple(defaults), strict=True)
        return Limits(*(default if own is None else own for own, default in pairs))


class Used(Value, frozen=True):
    """The use of the limits now, that of open runs as it was reserved.

    `open_runs` and `messages_hour` are None for a user without limits: they are not counted then.
    """

    open_runs: int | None
    messages_hour: int | None
    tokens_day: int
    cost_day: int


class UsageSum(Value, frozen=True):
    """The usage of a day, a model or a user, which `key` names.

    `runs` have ended, `failures` are those of them that failed. The cached input is part of the input, the reasoning
    part of the output. `cost` is without the `unpriced_calls`, those of models whose price is not known.
    """

    key: str
    runs: int
    failures: int
    input_tokens: int
    cached_input_tokens: int
    output_tokens: int
    reasoning_tokens: int
    cost: int
    unpriced_calls: int


NO_LIMITS = Limits()
