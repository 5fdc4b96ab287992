"""Removes files that are not needed: dropped ones at once, others when no message has referred to them for
CHATKEEP_FILES_GRACE. What is left of an upload that broke off is such a file, too.
"""

from chatkeep import clock
from chatkeep.db import Transaction
from chatkeep.runs.passes import repeat
from chatkeep.runs.runtime import Runtime
from chatkeep.store import files as store_files
from chatkeep.store.files import FileKey

PASS_SECONDS = 10.0
"""Seconds between two passes."""
SWEEP_TOPIC = "dropped files"
"""The notifier's topic by which a file that was dropped starts a pass at once."""
BATCH_SIZE = 100
"""How many files a pass looks up at once."""


async def sweep_files_forever(runtime: Runtime) -> None:
    """Remove unused files, as they are dropped and pass by pass, until cancelled."""
    with runtime.notifier.subscribe(SWEEP_TOPIC) as subscription:
        await repeat(lambda: sweep_files(runtime), lambda: subscription.wait(PASS_SECONDS), "unused files")


async def sweep_files(runtime: Runtime) -> None:
    """Remove every file whose time is over, in many small transactions."""
    grace_seconds = runtime.settings.files_grace

    async def list_unused(tx: Transaction) -> tuple[list[FileKey], str]:
        before = clock.add_seconds(await tx.now(), -grace_seconds)
        return await store_files.list_unused(tx, before, BATCH_SIZE), before

    while True:
        keys, before = await runtime.db.snapshot(list_unused)
        removed = [key for key in keys if await _remove(runtime, key, before)]
        if not removed:
            return


async def _remove(runtime: Runtime, key: FileKey, before: str) -> bool:
    """Remove a file, unless a message has come to refer to it: then return False."""
    if not await runtime.db.transaction(lambda tx: store_files.drop_file(tx, key, before)):
        return False
    await runtime.file_bytes.remove(key)
    return True
