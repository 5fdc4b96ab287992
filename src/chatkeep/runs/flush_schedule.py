"""When the journal flushes, and how many turns it resumes for that. Pure: the caller brings the time.

Each flush is a commit that serves all runs, so the fewer there are, the cheaper a token. But readers wait for it.

    flush ──▶ gap ──▶ resume a slice of turns, flush ──▶ the next slice, flush ──▶ … ──▶ gap ──▶

1. With few open runs there is no gap: commits are cheap then, and readers are few.
2. Else the gap grows with the time that a flush takes (which includes the event loop's lag), up to a maximum.
3. Turns that wait for the gap are resumed in slices, each with a flush of its own: the first ones need not wait for
   the last. The slices of one gap are a round.
"""

QUIET_RUNS = 4
"""Up to this many open runs there is no gap."""
GAP_PER_FLUSH = 10.0
"""The gap, as a multiple of the time a flush takes: at most a tenth of the time is spent flushing."""
SLICE_SIZE = 250
"""How many turns are resumed per flush. Resuming 1,000 at once made chunks 9 % dearer and 20 % older."""


class FlushSchedule:
    """The state of the rounds: how long a flush takes, when the last round ended, how many turns it still has."""

    def __init__(
        self, max_gap_seconds: float, gap_per_flush: float = GAP_PER_FLUSH, slice_size: int = SLICE_SIZE
    ) -> None:
        self._max_gap_seconds = max_gap_seconds
        self._gap_per_flush = gap_per_flush
        self._slice_size = slice_size
        self._flush_seconds = 0.0  # a moving average over rounds
        self._round_began = 0.0
        self._round_ended = 0.0
        self._remaining = 0  # turns that this round has not resumed yet

    @property
    def has_more_slices(self) -> bool:
        """True if turns of this round still wait to be resumed."""
        return self._remaining > 0

    def gap(self, open_runs: int) -> float:
        """Return the seconds between two rounds, with so many open runs."""
        if open_runs <= QUIET_RUNS:
            return 0.0
        return min(self._max_gap_seconds, self._flush_seconds * self._gap_per_flush)

    def due_in(self, now: float, open_runs: int) -> float:
        """Return the seconds until the next slice is due; 0 or less: it is due now."""
        return 0.0 if self._remaining else self._round_ended + self.gap(open_runs) - now

    def next_slice(self, waiting: int, now: float) -> int:
        """Return how many of the `waiting` turns, the first ones, to resume now. Begins a round if none is on."""
        if not self._remaining:
            self._remaining, self._round_began = waiting, now
        size = min(self._remaining, self._slice_size)
        self._remaining -= size
        return size

    def on_flushed(self, now: float) -> None:
        """Note that a slice's flush is over. The last one ends the round, and the gap begins."""
        if not self._remaining:
            self._round_ended = now
            self._flush_seconds += (now - self._round_began - self._flush_seconds) / 4
