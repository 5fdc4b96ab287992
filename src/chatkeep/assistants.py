"""An assistant is a Markdown file: front matter says how it works, the body is its system prompt."""

from collections.abc import Mapping
from importlib import resources
from pathlib import Path
from typing import Annotated, Any

import yaml
from pydantic import BaseModel, ConfigDict, Field, ValidationError

from chatkeep.errors import CannotStart
from chatkeep.tools import Tool


class Assistant(BaseModel):
    """One assistant. Wrong or unknown front matter is refused, so that a typing error is no silent default."""

    model_config = ConfigDict(frozen=True, extra="forbid", strict=True)

    name: Annotated[str, Field(pattern=r"^[A-Za-z0-9_-]{1,64}$")]
    description: str
    model: str | None = None
    temperature: Annotated[float | None, Field(ge=0, le=2)] = None
    functions: list[str] = []
    starters: list[str] = []
    prompt: Annotated[str, Field(min_length=1)]


def load(directory: Path | None, tools: Mapping[str, Tool]) -> dict[str, Assistant]:
    """The assistants that come with chatkeep and those in `directory`, which win, by name.

    Raises:
        CannotStart: a file is wrong; the message names it.
    """
    if directory is not None and not directory.is_dir():
        raise CannotStart(f"CHATKEEP_ASSISTANTS_DIR: {directory} is no directory")
    ours = resources.files("chatkeep").joinpath("assistants").iterdir()
    files = [*ours, *(sorted(directory.iterdir()) if directory is not None else ())]
    found: dict[str, Assistant] = {}
    for file in files:
        if file.name.endswith(".md"):
            assistant = parse(file.name, file.read_text("utf-8"), tools)
            found[assistant.name] = assistant
    return found


def parse(file: str, text: str, tools: Mapping[str, Tool]) -> Assistant:
    """The assistant that `text`, the content of `file`, describes.

    Raises:
        CannotStart: there is no front matter, or something in it is wrong.
    """
    opening, _, rest = text.partition("\n")
    front, ending, body = rest.partition("\n---\n")
    if opening.strip() != "---" or not ending:
        raise CannotStart(f"{file}: an assistant begins with front matter between two lines '---'")
    try:
        fields: Any = yaml.safe_load(front)
        assistant = Assistant.model_validate({**fields, "prompt": body.strip()})
    except yaml.YAMLError as error:
        raise CannotStart(f"{file}: {' '.join(str(error).split())}") from error
    except (ValidationError, TypeError) as error:
        raise CannotStart(f"{file}: {_first(error)}") from error
    if unknown := [name for name in assistant.functions if name not in tools]:
        raise CannotStart(f"{file}: unknown function {unknown[0]}")
    return assistant


def _first(error: Exception) -> str:
    if not isinstance(error, ValidationError):
        return "front matter is a mapping of names to values"
    first = error.errors()[0]
    return f"{'.'.join(map(str, first['loc']))}: {first['msg']}"
