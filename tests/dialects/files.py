"""Files as the clients of other services send them, and what became of them here."""

from base64 import b64encode
from typing import Any

from chatkeep.llm import Prompt
from tests.samples import picture
from tests.service import Service

PNG = picture()
"""A picture of 40 x 30 pixels."""
NOTES = b"some notes"


def data_url(content: bytes, media_type: str) -> str:
    """Return a file as a data URL (RFC 2397)."""
    return f"data:{media_type};base64,{b64encode(content).decode()}"


PNG_URL = data_url(PNG, "image/png")
NOTES_URL = data_url(NOTES, "text/plain")


async def said(service: Service, session_id: str) -> list[list[dict[str, Any]]]:
    """Return the parts of the user's messages in a session, oldest first."""
    answer = await service.client.get(f"/api/sessions/{session_id}/messages", params={"limit": 100})
    assert answer.status_code == 200, answer.text
    return [each["parts"] for each in answer.json()["data"] if each["role"] == "user"]


def names(parts: list[dict[str, Any]]) -> list[str]:
    """Return the texts of parts, and the names of files."""
    return [part["text"] if part["type"] == "text" else part["name"] for part in parts]


def pictures(prompt: Prompt) -> int:
    """Return how many pictures a prompt has."""
    contents = [each["content"] for each in prompt.messages if isinstance(each.get("content"), list)]
    return sum(part["type"] == "image_url" for content in contents for part in content)
