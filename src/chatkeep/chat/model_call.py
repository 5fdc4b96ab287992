"""The calls of models: each request that a run made, with its tokens and its cost.

1. A call is one request to a provider. A step has one, or several: a request that failed is repeated, and another model
   may go on where one has failed.
2. Its tokens are the provider's figures. Where it sent none, they are estimated from the length of what was sent and
   received, and the call says so.
3. A call that failed before it was read has no tokens: providers charge nothing for it.
4. The tokens and the cost of a run are the sums over its calls.
"""

from typing import TypeAlias

from chatkeep.chat.types import Value

MAX_COST = 2**53
"""The highest cost of a call. Up to it any reader of JSON is exact (RFC 8259, section 6)."""

CallOutcome: TypeAlias = str
"""`completed`, `incomplete` (cut, or too long), `cancelled`, `interrupted`, or the code of the error it failed with."""


class CallPrice(Value, frozen=True):
    """The prices of a million tokens, in the currency. Tokens of reasoning are output, and cost as much."""

    input: float
    cached_input: float
    output: float

    def cost(self, input_tokens: int, cached_input_tokens: int, output_tokens: int) -> int:
        """Return the cost of these tokens, in 10⁻⁹ of the currency. The cached ones are among the `input_tokens`."""
        per_million = (
            (input_tokens - cached_input_tokens) * self.input
            + cached_input_tokens * self.cached_input
            + output_tokens * self.output
        )
        return round(min(per_million * 1000, MAX_COST))


class ModelCall(Value, frozen=True):
    """One request to a model. `outcome` is None while it goes on.

    `number` counts the calls of the run, `step` the steps of the turn, both from 1. `model` and `provider` are named as
    in the models file. `cost` is in 10⁻⁹ of the currency, None if no price is known. `first_token_ms` is None until the
    answer has begun.
    """

    number: int
    step: int
    model: str
    provider: str
    input_tokens: int
    cached_input_tokens: int
    output_tokens: int
    reasoning_tokens: int
    estimated: bool
    cost: int | None
    first_token_ms: int | None
    duration_ms: int
    outcome: CallOutcome | None = None
