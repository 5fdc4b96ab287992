"""Prints reports as tables, and saves them as JSON."""

from collections.abc import Generator, Sequence
from contextlib import contextmanager
from itertools import count
from pathlib import Path

import msgspec

import chatkeep
from chatkeep.errors import CannotStart
from chatkeep.evals.measure import OnSample, Report, Result, rate


@contextmanager
def progress() -> Generator[OnSample]:
    """Show how many samples are done, on one line of a terminal. Yields the function to call after each sample."""
    from rich.console import Console
    from rich.markup import escape

    counter = count(1)
    with Console(stderr=True).status("asking …") as status:
        yield lambda case: status.update(f"{next(counter)} samples done; the last: {escape(case)}")


def show(reports: Sequence[Report]) -> None:
    """Print a table for each report, and the pass rate of all of them together."""
    from rich.console import Console

    console = Console(highlight=False)
    for report in reports:
        console.print(_table(report))
        if report.left_out:
            console.print(f"left out: {report.left_out} cases that take more than fixed rules", style="dim")
    results = [result for report in reports for result in report.results]
    passed = sum(each.passed for each in results)
    console.print(f"{passed} of {sum(each.samples for each in results)} samples passed: {rate(results):.0%}")


def save(reports: Sequence[Report], samples: int, file: Path) -> None:
    """Write the reports to `file` as JSON, with pass rates; `samples`: how often each case was played.

    Raises:
        CannotStart: the file cannot be written.
    """
    suites = [
        {**msgspec.to_builtins(report), "rate": report.rate, "results": [_with_rate(each) for each in report.results]}
        for report in reports
    ]
    content = {
        "chatkeep": chatkeep.__version__,
        "samples": samples,
        "rate": rate([each for report in reports for each in report.results]),
        "suites": suites,
    }
    try:
        file.write_bytes(msgspec.json.format(msgspec.json.encode(content)) + b"\n")
    except OSError as error:
        raise CannotStart(f"cannot write {file}: {error.strerror}") from error


def _with_rate(result: Result) -> dict[str, object]:
    return {**msgspec.to_builtins(result), "rate": rate([result])}


def _table(report: Report) -> object:
    from rich.box import SIMPLE
    from rich.markup import escape
    from rich.table import Table

    title = f"{report.suite}: {report.assistant} with {report.model}, prompt {report.prompt[:12]}, {report.rate:.0%}"
    table = Table(title=escape(title), title_justify="left", title_style="bold", box=SIMPLE)
    table.add_column("case")
    for name in ("passed", "corrected", "tokens in", "out", "s"):
        table.add_column(name, justify="right")
    table.add_column("first fault")
    for each in report.results:
        style = "" if each.passed == each.samples else "yellow" if each.passed else "red"
        figures = (
            f"{each.passed}/{each.samples}",
            each.corrections,
            each.input_tokens,
            each.output_tokens,
            each.seconds,
        )
        table.add_row(escape(each.case), *map(str, figures), escape(each.first_fault or ""), style=style)
    return table
