"""Make and read identifiers, and the numbers by which a database finds what belongs to a session.

The **session key** is a number of 62 bits that is computed from the session's id. It stands in the key of every row
that is the session's, so that these rows can live together on any server. Ids of messages and runs end with it: from
such an id the session is computed, not looked up (`docs/decisions/0016-session-keys.md`). Keys grow with the time in
the ids, so that sessions in use at the same time share the pages of an index.
"""

import hashlib
import re
import threading
import time
import uuid
from datetime import datetime
from functools import lru_cache

import uuid_utils

_UUID = re.compile(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}", re.ASCII | re.IGNORECASE)
_KEY_BITS = 62
"""Bits of a session key: those that a UUID version 7 has at its end (`rand_b`, RFC 9562 §5.7)."""

_VERSION_PLACE = 14
SMALLEST = "00000000-0000-0000-0000-000000000000"
"""Comes before every id that can be made (the nil UUID, RFC 9562 §5.9)."""
LARGEST = "ffffffff-ffff-ffff-ffff-ffffffffffff"
"""Comes after every id that can be made (the max UUID, RFC 9562 §5.10)."""
_IMPORTS = uuid.UUID("6b0c1d52-9d5e-4c57-9a2e-1f6b8a3f7c11")
"""The name space of `derive`, made at random once."""


def new() -> str:
    """Return a new UUID version 7 (RFC 9562 §5.7) in lower case.

    Ids made later sort later, so that inserts stay at the end of an index.
    """
    return str(uuid_utils.uuid7())


def first_at(time: datetime) -> str:
    """Return an id that comes before all that `new` made at that time or later, and after those made before."""
    return str(uuid.UUID(int=int(time.timestamp() * 1000) << 80 | 7 << 76))


def new_in(session_id: str) -> str:
    """Return a new id for a message or a run of the session: a UUID version 7 that ends with the session's key.

    Ids made later sort later. Two of a process are never equal; nor are two of a session whose clocks differ.
    """
    tick = _ticks.next()
    value = (tick >> 12) << 80 | 7 << 76 | (tick & 0xFFF) << 64 | 2 << _KEY_BITS | session_key(session_id)
    return str(uuid.UUID(int=value))


def derive(owner: str, old_id: str) -> str:
    """Return the id here of what was `old_id` elsewhere: a UUID version 5, the same at each import of the owner."""
    return str(uuid.uuid5(_IMPORTS, f"{owner}\n{old_id}"))


def derive_in(session_id: str, old_id: str) -> str:
    """Return the same for a message or a run of an imported session. It ends with the session's key."""
    value = uuid.uuid5(uuid.UUID(session_id), old_id).int >> 64
    return str(uuid.UUID(int=value << 64 | 2 << _KEY_BITS | session_key(session_id)))


@lru_cache(maxsize=4096)
def session_key(session_id: str) -> int:
    """Return the key of the session with that id (a UUID in lower case): a number of 62 bits, the same everywhere.

    Of a UUID version 7 they are 32 bits of its time, in units of 1.024 s, and 30 bits of the id's BLAKE2b hash. Of any
    other id they are 62 bits of that hash.
    """
    digest = int.from_bytes(hashlib.blake2b(session_id.encode(), digest_size=8).digest())
    if session_id[_VERSION_PLACE] != "7":
        return digest >> (64 - _KEY_BITS)
    milliseconds = int(session_id[:8] + session_id[9:13], 16)
    return (milliseconds >> 10 << 30 | digest >> 34) & (1 << _KEY_BITS) - 1


def key_in(item_id: str) -> int:
    """Return the session key that the id of a message or run ends with.

    An id that `new_in` did not make (an old or imported one) ends with 62 other bits, which are no session's key.
    """
    return int(item_id.replace("-", "")[-16:], 16) & (1 << _KEY_BITS) - 1


def parse(text: str) -> str | None:
    """Return `text` as a UUID in canonical lower-case form, or None if it is no UUID."""
    return text.lower() if _UUID.fullmatch(text) else None


def new_call_id() -> str:
    """Return a new id for a tool call whose provider gave none, or gave one twice."""
    return "call_" + uuid.uuid4().hex[:24]


class _Ticks:
    """The time as 48 bits of milliseconds and 12 bits of their fraction (RFC 9562 §6.2, method 3), each given once."""

    def __init__(self) -> None:
        self._lock = threading.Lock()  # claims make ids in the writer's thread
        self._last = 0

    def next(self) -> int:
        """Return the tick of this moment, or the one after the last if that was the same or later."""
        milliseconds, rest = divmod(time.time_ns(), 1_000_000)
        with self._lock:
            self._last = max(milliseconds << 12 | rest * 4096 // 1_000_000, self._last + 1)
            return self._last


_ticks = _Ticks()
