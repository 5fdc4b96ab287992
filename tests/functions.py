"""Functions for tests, declared as an operator would declare them."""

import asyncio
import threading
from pathlib import Path
from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field

from chatkeep.tools.context import ToolContext
from chatkeep.tools.declaration import ToolError, declared_tools, tool
from chatkeep.tools.file import File


class Place(BaseModel):
    """A city in a country."""

    city: str
    country: str = "Norway"


@tool(safety="read_only")
async def weather(city: Annotated[str, Field(description="A city, e.g. Oslo")], days: int = 1) -> dict[str, object]:
    """Forecast for a city."""
    return {"city": city, "days": days}


@tool(safety="idempotent")
def locate(place: Place, thread: bool = False) -> str:
    """Say where a place is, and in which thread if asked."""
    return threading.current_thread().name if thread else f"{place.city}, {place.country}"


@tool(safety="unsafe")
async def send_letter(to: str, caller: ToolContext) -> str:
    """Send a letter."""
    sent.append(to)
    if gate := gates.get(to):
        await gate.wait()
    return f"sent to {to} for {caller.owner}"


@tool(safety="read_only")
async def draw(names: list[str], content: str = "drawn") -> dict[str, object]:
    """Draw pictures: a file for each name, nested as deep as there are."""
    files: object = [File(f"{content} {name}".encode(), name) for name in names]
    return {"count": len(names), "files": {"all": files}}


@tool(safety="read_only")
async def fetch(path: str) -> File:
    """Return the file at a path."""
    return File(Path(path), "fetched.bin")


class Panic(BaseException):
    """An error that is no Exception, as extensions in other languages raise."""


@tool(safety="unsafe")
async def complain(kind: str) -> str:
    """Fail in some way."""
    if kind == "cancelled":
        other = asyncio.ensure_future(asyncio.Event().wait())
        other.cancel()
        await other
    raise {"told": ToolError("the shop is closed"), "bug": KeyError("secret"), "exit": SystemExit(3), "panic": Panic()}[
        kind
    ]


@tool(safety="unsafe", timeout=0.05)
async def dawdle() -> None:
    """Never come back."""
    await asyncio.Event().wait()


@tool(kind="client")
class PickColour(BaseModel):
    """Let the user pick a colour."""

    among: Annotated[list[str], Field(min_length=1)]


@tool(kind="reply")
class Card(BaseModel):
    """Show a card."""

    model_config = ConfigDict(extra="forbid")

    title: str


sent: list[str] = []
"""Recipients of letters since the last `forget`."""
gates: dict[str, asyncio.Event] = {}
"""Events that delay the letters to some recipients."""

TOOLS = declared_tools()


def forget() -> None:
    """Clear all records and gates."""
    sent.clear()
    gates.clear()
