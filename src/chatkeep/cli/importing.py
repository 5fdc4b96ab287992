"""`chatkeep import FILE`: an archive into the database itself, beside a running service."""

import asyncio
from pathlib import Path

from chatkeep.archives.imports import import_archive
from chatkeep.archives.item_stream import OnBytes
from chatkeep.archives.report import ImportReport
from chatkeep.errors import CannotStart, NotFound, Refused
from chatkeep.runs.startup import open_runtime
from chatkeep.settings import Settings
from chatkeep.store import users as store_users
from chatkeep.text import printable


def import_file(settings: Settings, path: Path, user: str) -> int:
    """Import the archive for a user, with a bar that shows how far it is, and print the report.

    Returns 1 if something was not taken that should be looked at: the archive breaks off. The size has no limit here.

    Raises:
        CannotStart: there is no such user or file, or it is no archive.
    """
    from rich.console import Console
    from rich.progress import BarColumn, DownloadColumn, Progress, TextColumn, TimeRemainingColumn

    columns = (TextColumn("importing"), BarColumn(), DownloadColumn(), TimeRemainingColumn())
    size = _size_of(path)
    unlimited = settings.model_copy(update={"max_import_bytes": max(size, settings.max_import_bytes)})
    console = Console(stderr=True)
    with Progress(*columns, console=console, transient=True, disable=not console.is_terminal) as progress:
        task = progress.add_task("importing", total=size)
        report = asyncio.run(_import(unlimited, path, user, lambda done: progress.update(task, completed=done)))
    for line in to_lines(report):
        print(line)
    return 0 if report.complete else 1


def _size_of(path: Path) -> int:
    try:
        return path.stat().st_size
    except OSError as error:
        raise CannotStart(f"cannot read {path}: {error.strerror}") from None


async def _import(settings: Settings, path: Path, user: str, on_bytes: OnBytes) -> ImportReport:
    async with open_runtime(settings) as runtime:
        try:
            await runtime.db.snapshot(lambda tx: store_users.get_user(tx, user))
            with await asyncio.to_thread(path.open, "rb") as file:
                return await import_archive(runtime, user, file, on_bytes)
        except NotFound:
            raise CannotStart(f"there is no user {user}; `chatkeep user list` lists them") from None
        except Refused as error:
            raise CannotStart(error.detail) from None
        except OSError as error:
            raise CannotStart(f"cannot read {path}: {error.strerror}") from None


def to_lines(report: ImportReport) -> list[str]:
    """Return the report as lines for a terminal."""
    lines = [f"from {report.source}" + ("" if report.complete else "; it breaks off")]
    for word, counts in (("taken", report.taken), ("there already", report.already)):
        lines += [f"{word:<15}{kind:<10}{count:>10,}" for kind, count in counts.items()]
    for each in report.not_taken:
        examples = ", ".join(map(printable, each.examples[:3]))
        lines.append(f"{'not taken':<15}{each.kind:<10}{each.count:>10,}  {each.reason}: {examples}")
    return lines
