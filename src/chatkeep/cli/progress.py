"""Shows how far long work is: a bar on a terminal, else a line when it begins and one when it ends.

1. All of it goes to standard error, so that the output of a command can be piped.
2. Without a terminal, work that ends within a second says nothing.
"""

import sys
import threading
import time
from collections.abc import Generator
from contextlib import contextmanager

from chatkeep.watch.progress import OnProgress, ignore_progress

QUIET_SECONDS = 1.0
"""Seconds that work may take without a line."""


@contextmanager
def show_progress(work: str) -> Generator[OnProgress]:
    """Show how far `work` is until the block ends. Yields the function to report it to."""
    if not sys.stderr.isatty():
        with _show_ends(work):
            yield ignore_progress
        return
    from rich.console import Console
    from rich.markup import escape
    from rich.progress import BarColumn, Progress, TaskProgressColumn, TextColumn, TimeRemainingColumn

    columns = (TextColumn("{task.description}"), BarColumn(), TaskProgressColumn(), TimeRemainingColumn())
    # Lines of standard output are printed above the bar, and then go to standard error: only where both are a terminal.
    console, is_shared = Console(stderr=True), sys.stdout.isatty()
    with Progress(*columns, console=console, transient=True, redirect_stdout=is_shared) as bar:
        task = bar.add_task(escape(work), total=None)
        yield lambda done, total: bar.update(task, completed=done, total=total or None)


@contextmanager
def _show_ends(work: str) -> Generator[None]:
    began_at = time.monotonic()
    begin = threading.Timer(QUIET_SECONDS, _print, (f"{work} …",))
    begin.daemon = True
    begin.start()
    try:
        yield
    finally:
        begin.cancel()
        begin.join()
    if (seconds := time.monotonic() - began_at) >= QUIET_SECONDS:
        _print(f"{work}: done in {seconds:.0f} s")


def _print(line: str) -> None:
    print(line, file=sys.stderr, flush=True)
