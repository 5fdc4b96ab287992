"""New identifiers."""

import re
import uuid

import uuid_utils

_UUID = re.compile(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}", re.ASCII | re.IGNORECASE)


def new() -> str:
    """A UUID version 7 (RFC 9562 §5.7) in lower case: ids made later sort later, so inserts stay at the index's end."""
    return str(uuid_utils.uuid7())


def parse(text: str) -> str | None:
    """`text` as a UUID in canonical lower-case form, or None when it is none."""
    return text.lower() if _UUID.fullmatch(text) else None


def new_call_id() -> str:
    """An id for a function call whose provider gave none, or one that was taken."""
    return "call_" + uuid.uuid4().hex[:24]
