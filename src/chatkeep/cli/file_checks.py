"""The part of `chatkeep check` and `chatkeep doctor` that looks at the bytes of files."""

from collections.abc import AsyncGenerator

from chatkeep import ids
from chatkeep.cli.findings import Finding
from chatkeep.db import Database
from chatkeep.errors import CannotStart, NotFound
from chatkeep.files.bucket import Bucket, BucketFailed
from chatkeep.runs.bucket_bytes import connect_bucket
from chatkeep.runs.file_moving import list_all
from chatkeep.settings import Settings
from chatkeep.store import files as store_files
from chatkeep.store.examination import StoredFile

MAX_NAMED = 3
"""How many files without a row are named."""


async def check_bucket(settings: Settings) -> AsyncGenerator[Finding]:
    """Yield if a probe can be written, read and deleted in the bucket; nothing if there is none."""
    if settings.files_url is None:
        return
    folder = f"probe-{ids.new()}"
    try:
        bucket = connect_bucket(settings)
        assert bucket is not None, "a URL is set"
        await bucket.put(f"{folder}/0", b"chatkeep")
        found = await bucket.find(f"{folder}/0")
        await bucket.delete_folder(folder)
        is_left = await bucket.find(f"{folder}/0") is not None
    except (CannotStart, BucketFailed) as error:
        yield Finding("bucket", "FAILED", f"{settings.files_url}: {error}")
        return
    if found != b"chatkeep" or is_left:
        fault = "is still there after it was deleted" if is_left else "is not there after it was written"
        yield Finding("bucket", "FAILED", f"{settings.files_url}: a probe {fault}")
        return
    yield Finding("bucket", "ok", f"{settings.files_url}: a probe was written, read and deleted")


async def examine_files(db: Database, settings: Settings) -> AsyncGenerator[Finding]:
    """Yield what is wrong with the bytes of files. The bucket is listed before the rows are read, once."""
    try:
        bucket = connect_bucket(settings)
        sizes = await _list_sizes(bucket) if bucket else {}
        count = faults = 0
        async for file in list_all(db):
            in_bucket = sizes.pop(file.key.file_id, 0)
            count += 1
            if file.is_complete and file.bytes != (file.in_database or in_bucket):
                async for finding in _confirm_fault(db, bucket, file):
                    faults += 1
                    yield finding
        if not faults:
            yield Finding("files", "ok", f"{count} files have all their bytes")
        left = [file_id for file_id in sizes if bucket and await _size_of(bucket, file_id)]
    except BucketFailed as failure:
        yield Finding("bucket", "FAILED", f"{settings.files_url}: {failure}")
        return
    if left:
        named = ", ".join(left[:MAX_NAMED]) + (", …" if len(left) > MAX_NAMED else "")
        yield Finding("bucket", "warning", f"{settings.files_url}: objects of {len(left)} files without a row: {named}")


async def _list_sizes(bucket: Bucket) -> dict[str, int]:
    """Return how many bytes each file has in the bucket, by the file's id."""
    sizes: dict[str, int] = {}
    async for each in bucket.list_objects():
        file_id = each.name.partition("/")[0]
        sizes[file_id] = sizes.get(file_id, 0) + each.size
    return sizes


async def _size_of(bucket: Bucket, file_id: str) -> int:
    return sum([each.size async for each in bucket.list_objects(file_id)])


async def _confirm_fault(db: Database, bucket: Bucket | None, file: StoredFile) -> AsyncGenerator[Finding]:
    """Yield that bytes of a file are missing, unless it was completed or deleted since the bucket was listed."""
    found = file.in_database
    if bucket and not found:
        found = await _size_of(bucket, file.key.file_id)
    try:
        await db.snapshot(lambda tx: store_files.get_file(tx, *file.key))
    except NotFound:
        return
    if found != file.bytes:
        hint = "" if bucket or found else ": CHATKEEP_FILES_URL is unset"
        yield Finding("files", "FAILED", f"file {file.key.file_id} has {found} of its {file.bytes} bytes{hint}")
