"""How far long work is: the function that long work reports to.

A command shows it (`cli/progress.py`), a service logs it.
"""

import time
from collections.abc import Callable
from logging import Logger
from typing import TypeAlias

OnProgress: TypeAlias = Callable[[int, int], None]
"""A function that gets how much of the work is done, and how much there is in all; 0 in all: that is not known."""

LOG_SECONDS = 5.0
"""Seconds between two lines in the log."""


def ignore_progress(done: int, total: int) -> None:
    """Do nothing."""


def log_progress(log: Logger, work: str) -> OnProgress:
    """Return a function that logs how far `work` is, at most once in `LOG_SECONDS`."""
    next_at = time.monotonic() + LOG_SECONDS

    def report(done: int, total: int) -> None:
        nonlocal next_at
        if time.monotonic() >= next_at:
            next_at = time.monotonic() + LOG_SECONDS
            log.warning("%s: %d of %d", work, done, total)

    return report
