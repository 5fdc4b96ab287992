"""The commands of an operator: check, doctor, backup, restore, move-files, usage.

Each imports its own code only when it runs, as in `cli/main.py`.
"""

import argparse
import asyncio
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import TypeAlias

from chatkeep.cli.progress import show_progress
from chatkeep.errors import CannotStart

AddParser: TypeAlias = Callable[..., argparse.ArgumentParser]
"""The method `add_parser` of the subparsers: their own type has no public name."""


def add_commands(add: AddParser) -> None:
    """Add the parsers of these commands."""
    check = add("check", help="look at everything that the service needs, a line each; exits with 1 if something fails")
    check.add_argument("--offline", action="store_true", help="ask no provider and no MCP server")
    check.set_defaults(run=_check)

    doctor = add("doctor", help="look for what should not be in the database; exits with 1 if something is left")
    doctor.add_argument("--fix", action="store_true", help="mend what can be mended without a doubt")
    doctor.set_defaults(run=_doctor)

    backup = add("backup", help="copy the database, as it is at this moment, while the service runs")
    backup.add_argument("path", type=Path, help="the file to make, which must not exist; with --keep a folder")
    backup.add_argument("--keep", type=count, metavar="N", help="a file with a date in the folder; only N newest stay")
    backup.set_defaults(run=_backup)

    restore = add("restore", help="put a backup in the place of the database, and the old one aside")
    restore.add_argument("path", type=Path, help="the backup")
    restore.set_defaults(run=_restore)

    move = add("move-files", help="move the bytes of files to the bucket of CHATKEEP_FILES_URL, or back")
    move.add_argument("to", choices=("bucket", "database"), help="where they shall be; to the database: stop first")
    move.set_defaults(run=_move_files)

    usage = add("usage", help="tokens and cost by day and model")
    usage.add_argument("--days", type=count, default=30, metavar="N", help="the last N days (default: %(default)s)")
    usage.set_defaults(run=_usage)


def _check(arguments: argparse.Namespace) -> int:
    from chatkeep.cli.check import check_all

    has_failed = False
    with show_progress("asking everything that the service needs"):
        for finding in check_all(offline=arguments.offline):
            print(finding, flush=True)
            has_failed = has_failed or finding.state == "FAILED"
    return int(has_failed)


def _doctor(arguments: argparse.Namespace) -> int:
    from chatkeep.cli.doctor import examine
    from chatkeep.settings import load_settings

    async def run() -> bool:
        has_failed = False
        with show_progress("reading all sessions") as on_progress:
            async for finding in examine(load_settings(), on_progress, fix=arguments.fix):
                print(finding, flush=True)
                has_failed = has_failed or finding.state == "FAILED"
        return has_failed

    return int(asyncio.run(run()))


def _backup(arguments: argparse.Namespace) -> int:
    from chatkeep.db.backup import back_up, list_backups, name_backup
    from chatkeep.settings import load_settings

    source, target, keep = _sqlite_file(), arguments.path, arguments.keep
    if keep is not None:
        if not target.is_dir():
            raise CannotStart(f"{target} is no folder; --keep needs one")
        target = target / name_backup(datetime.now(UTC))
    with show_progress(f"copying {source}") as on_progress:
        back_up(source, target, on_progress)
    print(f"{source} is copied to {target}")
    if url := load_settings().files_url:
        print(f"the bytes of files in {url} are not in it: back up that bucket, too, now")
    for old in list_backups(target.parent)[:-keep] if keep is not None else ():
        old.unlink()
        print(f"{old} is deleted")
    return 0


def _restore(arguments: argparse.Namespace) -> int:
    from chatkeep.db.restore import restore
    from chatkeep.runs.loading import open_database
    from chatkeep.settings import load_settings

    database = _sqlite_file()
    with show_progress(f"checking and copying {arguments.path}") as on_progress:
        aside = restore(arguments.path, database, f"replaced-{datetime.now(UTC):%Y%m%dT%H%M%SZ}", on_progress)
    print(f"{arguments.path} is whole, and now {database}" + (f"; what was there is {aside}" if aside else ""))

    async def open_it() -> None:
        with show_progress("bringing it to this version's schema") as on_progress:
            await (await open_database(load_settings(), on_progress)).close()

    asyncio.run(open_it())
    print("it opens, with this version's schema: start the service")
    return 0


def _move_files(arguments: argparse.Namespace) -> int:
    from chatkeep.errors import NotFound
    from chatkeep.files.bucket import BucketFailed
    from chatkeep.files.refusals import FilesUnavailable
    from chatkeep.runs.bucket_bytes import connect_bucket
    from chatkeep.runs.file_moving import move_to_bucket, move_to_database
    from chatkeep.runs.loading import open_database
    from chatkeep.settings import load_settings

    async def run() -> None:
        settings = load_settings()
        bucket = connect_bucket(settings)
        if bucket is None:
            raise CannotStart("CHATKEEP_FILES_URL is unset: there is no bucket")
        db = await open_database(settings)
        count = size = 0
        try:
            move = move_to_bucket if arguments.to == "bucket" else move_to_database
            async for file in move(db, bucket):
                count += 1
                size += file.bytes
        except (BucketFailed, FilesUnavailable, NotFound) as failure:
            raise CannotStart(f"{count} files are moved; {bucket.name}: {failure}") from failure
        finally:
            await db.close()
        print(f"{count} files with {size:,} bytes are moved to the {arguments.to}")

    asyncio.run(run())
    return 0


def _usage(arguments: argparse.Namespace) -> int:
    from chatkeep.cli.usage import print_usage
    from chatkeep.settings import load_settings

    asyncio.run(print_usage(load_settings(), arguments.days))
    return 0


def _sqlite_file() -> Path:
    from chatkeep.settings import load_settings

    path = load_settings().database_path()
    if path is None:
        raise CannotStart("this is for SQLite files; PostgreSQL has pg_dump and pg_restore (docs/operate.md)")
    return path


def count(text: str) -> int:
    """Return the number in `text`, for argparse: at least 1."""
    if not (text.isdecimal() and int(text) >= 1):
        raise argparse.ArgumentTypeError("a number, at least 1")
    return int(text)
