"""Background work that is done pass by pass."""

import logging
from collections.abc import Awaitable, Callable

from chatkeep.errors import StorageFailed
from chatkeep.files.refusals import FilesUnavailable

_log = logging.getLogger("chatkeep")


async def repeat(do_pass: Callable[[], Awaitable[object]], wait: Callable[[], Awaitable[object]], noun: str) -> None:
    """Do passes, and wait after each, until cancelled. One that a store fails is logged, with `noun` as its work.

    The next pass finds what the failed one has left.
    """
    while True:
        try:
            await do_pass()
        except (StorageFailed, FilesUnavailable) as failure:
            _log.warning("%s cannot be removed yet: %s", noun, failure)
        await wait()
