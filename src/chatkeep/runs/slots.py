"""The room for runs in this process, CHATKEEP_MAX_RUNS, and its fair share.

1. Each open run has a slot, from a moment before its claim until its task has ended.
2. No request waits in the service for a slot: a full process refuses it, and its client repeats it after a second.
   So an owner counts as **waiting** for some seconds after they were refused for want of room.
3. While another owner waits, an owner with half of the slots or more gets no further one.

So one owner may use the whole process while it is theirs alone, and makes room as soon as another one comes.
"""

from collections.abc import Callable
from time import monotonic

from chatkeep.errors import TooManyRuns

WAITING_SECONDS = 5.0
"""Seconds for which an owner counts as waiting: a client that obeys `Retry-After` has asked again by then."""


class Slots:
    """The slots of one process. `now` returns a time in seconds."""

    def __init__(self, most: int, now: Callable[[], float] = monotonic) -> None:
        """`most` is how many there are."""
        self._most = most
        self._now = now
        self._reserved: dict[str, str] = {}  # owners by run, of runs that are about to be executed
        self._executing: dict[str, str] = {}  # likewise, of those that are
        self._refused_at: dict[str, float] = {}  # by owner: those who wait

    @property
    def has_reserved(self) -> bool:
        """True if a slot is reserved: a turn is being stored."""
        return bool(self._reserved)

    def reserve(self, run_id: str, owner: str, replaces: str | None = None) -> None:
        """Reserve a slot for a run. `replaces`: a run that it will end.

        Raises:
            TooManyRuns: there is none, or others wait, and the owner has half of them.
        """
        used = len(self._executing) + len(self._reserved) - (run_id in self._reserved) - (replaces in self._executing)
        if used >= self._most:
            self._refused_at[owner] = self._now()
            raise TooManyRuns(f"{self._most} runs are open already")
        if replaces is None and self._refused_at and self._is_greedy(owner):
            raise TooManyRuns("half of the runs that may be open are yours, and others wait")
        self._refused_at.pop(owner, None)
        self._reserved[run_id] = owner

    def release(self, run_id: str) -> None:
        """Give a reserved slot back, if it is reserved: the run is executed by now, or was never stored."""
        self._reserved.pop(run_id, None)

    def begin(self, run_id: str) -> None:
        """Keep the slot of a run that is executed from now on."""
        self._executing[run_id] = self._reserved.get(run_id, "")

    def owner_of(self, run_id: str) -> str:
        """Return the owner of a run that is executed; empty if it has no slot."""
        return self._executing.get(run_id, "")

    def end(self, run_id: str) -> None:
        """Give the slot of a run back that is no longer executed."""
        self._executing.pop(run_id, None)

    def _is_greedy(self, owner: str) -> bool:
        """Return True if the owner has half of the slots while another one waits."""
        since = self._now() - WAITING_SECONDS
        self._refused_at = {each: at for each, at in self._refused_at.items() if at >= since}
        if not self._refused_at.keys() - {owner}:
            return False
        own = self._executing | self._reserved
        return sum(each == owner for each in own.values()) >= max(1, self._most // 2)
