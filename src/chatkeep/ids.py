"""Make and read identifiers."""

import re
import uuid

import uuid_utils

_UUID = re.compile(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}", re.ASCII | re.IGNORECASE)


def new() -> str:
    """Return a new UUID version 7 (RFC 9562 §5.7) in lower case.

    Ids made later sort later, so that inserts stay at the end of an index.
    """
    return str(uuid_utils.uuid7())


def parse(text: str) -> str | None:
    """Return `text` as a UUID in canonical lower-case form, or None if it is no UUID."""
    return text.lower() if _UUID.fullmatch(text) else None


def new_call_id() -> str:
    """Return a new id for a tool call whose provider gave none, or gave one twice."""
    return "call_" + uuid.uuid4().hex[:24]
