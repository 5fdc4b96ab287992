"""Chats of every kind for exports: branches, files, functions, an answer that failed, odd characters."""

import json
from typing import Any

from tests.samples import picture
from tests.script import Script, say, stop
from tests.service import Service

HOSTILE = "<script>alert(1)</script> & \"quotes\" 'single' </article> ``` \u202e ]]> --> 🐔"
"""What would run, or end something, in a document that is not careful."""

LARGE = "a line of a large file 🐔\n".encode() * 20_000
"""A file of three chunks."""


async def add_file(service: Service, content: bytes, name: str) -> str:
    headers = {"content-disposition": f'attachment; filename="{name}"', "content-type": "application/octet-stream"}
    answer = await service.client.post("/api/files", content=content, headers=headers)
    assert answer.status_code in (200, 201), answer.text
    return answer.json()["id"]


async def add_chats(service: Service, script: Script) -> dict[str, str]:
    """Add three chats and a temporary one; return their ids by what they have."""
    script.play(*[[say(HOSTILE), stop()] for _ in range(9)])
    branches = await service.session(title=HOSTILE, metadata={"a": "b"}, params={"temperature": 0.5})
    first = await service.send(branches, HOSTILE)
    await service.send(branches, "second")
    await service.send(branches, "second, edited", parent_id=first["message"]["id"], client_id="c-1")
    photo, large = (await add_file(service, picture(), "photo.png"), await add_file(service, LARGE, "a.txt"))
    files = await service.session(title="files/../x")
    parts = [{"type": "file", "file_id": photo}, {"type": "file", "file_id": large}, {"type": "text", "text": "look"}]
    await service.send(files, parts)
    await service.send(files, parts[:1])
    empty = await service.session()
    hidden = await service.session(temporary=True, title="hidden")
    await service.send(hidden, [{"type": "file", "file_id": await add_file(service, b"secret", "secret.txt")}])
    return {"branches": branches, "files": files, "empty": empty, "hidden": hidden, "photo": photo, "large": large}


def lines_of(content: bytes) -> list[dict[str, Any]]:
    return [json.loads(line) for line in content.splitlines()]
