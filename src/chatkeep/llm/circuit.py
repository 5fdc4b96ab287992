"""A provider's circuit breaker: a provider that fails again and again is left alone for a while. No I/O.

    closed ── FAILURES_TO_OPEN failures in a row ──▶ open ── OPEN_SECONDS ──▶ half open: one request tries
       ▲                                              ▲                          │
       └──────────── it begins to answer ─────────────┼──────────────────────────┤
                                                      └────────── it fails ──────┘

It only advises: a model without another one behind it is asked all the same.
Source: M. Nygard, "Release It!", chapter "Stability Patterns".
"""

import time
from collections.abc import Callable

from chatkeep.errors import (
    ModelAuth,
    ModelProtocol,
    ModelQuota,
    ModelRateLimited,
    ModelTimeout,
    ModelUnavailable,
    TurnFailed,
)

FAILURES_TO_OPEN = 3
"""Failures in a row after which the circuit opens."""
OPEN_SECONDS = 30.0
"""Seconds after which an open circuit lets one request through."""
_FAULTS_OF_PROVIDER = (ModelAuth, ModelProtocol, ModelQuota, ModelRateLimited, ModelTimeout, ModelUnavailable)
"""All others depend on the request."""


class Circuit:
    """The state of one provider, as seen by this process."""

    __slots__ = ("_failures", "_now", "_retry_at")

    def __init__(self, now: Callable[[], float] = time.monotonic) -> None:
        """`now` returns a time in seconds that never goes back."""
        self._failures = 0
        self._retry_at = 0.0  # of an open circuit
        self._now = now

    @property
    def is_open(self) -> bool:
        """True if the provider should be left alone."""
        return self._failures >= FAILURES_TO_OPEN and self._now() < self._retry_at

    def begin(self) -> None:
        """A request is sent. If the circuit was open for long enough, only this one tries whether the provider answers.

        If it is cancelled, the next one may try after another `OPEN_SECONDS`.
        """
        if self._failures >= FAILURES_TO_OPEN:
            self._retry_at = self._now() + OPEN_SECONDS

    def begin_answer(self) -> None:
        """The provider begins to answer: others may ask it, too, until it fails the next time."""
        self._failures = min(self._failures, FAILURES_TO_OPEN - 1)

    def end_answer(self) -> None:
        """The provider has answered to the end."""
        self._failures = 0

    def fail(self, failure: TurnFailed) -> None:
        """The provider has failed with `failure`."""
        if isinstance(failure, _FAULTS_OF_PROVIDER):
            self._failures += 1
            self._retry_at = self._now() + OPEN_SECONDS
