"""An assistant is a Markdown file: front matter says how it works, the body is its system prompt, a template.

The template is Jinja's, in its sandbox, and knows a few variables only (`VARIABLES`). A file that is changed is
read again; one that is wrong is refused with its name and line, and what was good before stays in use.
"""

import logging
import re
from collections.abc import Collection, Iterable, Mapping
from datetime import datetime
from functools import lru_cache
from importlib import resources
from importlib.resources.abc import Traversable
from pathlib import Path
from typing import Annotated, Any, TypeAlias
from zoneinfo import ZoneInfo

import jinja2
import jinja2.meta
import jinja2.nodes
import yaml
from jinja2.sandbox import ImmutableSandboxedEnvironment
from pydantic import BaseModel, ConfigDict, Field, ValidationError
from pydantic_core import ErrorDetails

from chatkeep.errors import CannotStart
from chatkeep.tools.declaration import Tool

VARIABLES = ("date", "time_zone", "session_title")
"""What a prompt may speak of: today's date in words, the time zone it is in, and the session's title or None."""

UNKNOWN = "extra_forbidden"
"""What Pydantic calls a key that it does not know."""
_FRONT = 2
"""The line of a file that its front matter begins with."""
_ENDING = re.compile(r"\n---[ \t]*\n")
_templates = ImmutableSandboxedEnvironment(undefined=jinja2.StrictUndefined, autoescape=False)  # prose, no HTML
_log = logging.getLogger("chatkeep")

Stamp: TypeAlias = tuple[tuple[str, int, int], ...]
"""Which files there are, when each was changed, and how long it is."""


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

    def render(self, now: datetime, time_zone: str, session_title: str | None) -> str:
        """The system prompt at the time `now`, in a session with that title."""
        local = now.astimezone(ZoneInfo(time_zone))
        return _rendered(self.prompt, f"{local:%A}, {local.day} {local:%B %Y}", time_zone, session_title)


class AssistantLibrary:
    """The assistants that come with chatkeep and those in a folder, which win, by name."""

    def __init__(self, directory: Path | None, tools: Mapping[str, Tool], servers: Collection[str] = ()) -> None:
        """`directory`: a folder of `NAME.md` files. `tools`: the functions that an assistant may name, beside those
        of the MCP servers `servers`, which nobody knows before a server is asked.

        Raises:
            CannotStart: there is no such folder, or a file is wrong; the message names it and the line.
        """
        self.problem: str | None = None
        self._directory = directory
        self.tools = tools
        self._servers = servers
        self._stamp: Stamp = ()
        self._found: Mapping[str, Assistant] = {}
        self._read(self._stamped())

    def __contains__(self, name: str) -> bool:
        return name in self._found

    def __getitem__(self, name: str) -> Assistant:
        return self._found[name]

    def all(self) -> list[Assistant]:
        """Every assistant, by name."""
        return [each for _, each in sorted(self._found.items())]

    def refresh(self) -> None:
        """Read the files again if one was changed. What is wrong is logged once, and kept in `problem`."""
        try:
            stamp = self._stamped()
            if stamp != self._stamp:
                self._read(stamp)
                self.problem = None
        except (CannotStart, OSError) as error:
            if str(error) != self.problem:
                _log.error("assistants stay as they were: %s", error)
            self.problem = str(error)

    def _read(self, stamp: Stamp) -> None:
        ours, theirs = map(self._parsed, self._folders())
        self._found, self._stamp = {**ours, **theirs}, stamp

    def _parsed(self, folder: Iterable[Traversable]) -> dict[str, Assistant]:
        """The assistants of one folder, by name."""
        found: dict[str, Assistant] = {}
        files: dict[str, str] = {}
        for file in folder:
            try:
                text = file.read_text("utf-8-sig")
            except UnicodeDecodeError as error:
                raise CannotStart(f"{file.name}: not UTF-8") from error
            each = parse(file.name, text, self.tools, self._servers)
            if each.name in found:
                line = _line_of(text.partition("\n")[2], "name")
                raise CannotStart(f"{file.name}:{line}: the name {each.name!r} is that of {files[each.name]} already")
            found[each.name], files[each.name] = each, file.name
        return found

    def _folders(self) -> list[list[Traversable]]:
        """The files that come with chatkeep, and those of the operator."""
        if self._directory is not None and not self._directory.is_dir():
            raise CannotStart(f"CHATKEEP_ASSISTANTS_DIR: {self._directory} is no directory")
        ours = resources.files("chatkeep.agent").joinpath("builtin_assistants").iterdir()
        theirs: Iterable[Traversable] = sorted(self._directory.iterdir()) if self._directory is not None else ()
        return [[file for file in folder if file.name.endswith(".md") and file.is_file()] for folder in (ours, theirs)]

    def _stamped(self) -> Stamp:
        seen = [(file, file.stat()) for folder in self._folders() for file in folder if isinstance(file, Path)]
        return tuple((str(file), stat.st_mtime_ns, stat.st_size) for file, stat in seen)


def parse(file: str, text: str, tools: Mapping[str, Tool], servers: Collection[str] = ()) -> Assistant:
    """The assistant that `text`, the content of `file`, describes. It may name `tools`, and what is of `servers`.

    Raises:
        CannotStart: there is no front matter, or something in the file is wrong; the message has file and line.
    """
    opening, _, rest = text.partition("\n")
    front, *bodies = _ENDING.split(rest, maxsplit=1)
    if opening.strip() != "---" or not bodies:
        raise CannotStart(f"{file}:1: an assistant begins with front matter between two lines '---'")
    body = bodies[0]
    fields = read_yaml(file, front, _FRONT)
    try:
        if "prompt" in fields:
            raise CannotStart(f"{file}:{_line_of(front, 'prompt')}: the prompt is what comes after the front matter")
        assistant = Assistant.model_validate({**fields, "prompt": body.strip()})
    except ValidationError as error:
        fault = first_fault(error)
        field = str(fault["loc"][0])
        message = f"{'.'.join(map(str, fault['loc']))}: {fault['msg']}"
        if fault["type"] == UNKNOWN:
            message = f"unknown key {field!r}; known: {', '.join(Assistant.model_fields).removesuffix(', prompt')}"
        raise CannotStart(f"{file}:{_line_of(front, field)}: {message}") from error
    except TypeError as error:
        raise CannotStart(f"{file}:{_FRONT}: front matter is a mapping of names to values") from error
    _check_functions(file, front, assistant, tools, servers)
    _check_prompt(file, assistant.prompt, text.count("\n") - body.lstrip().count("\n") + 1)
    return assistant


def read_yaml(file: str, text: str, first_line: int = 1) -> Any:
    """The value of `text`, which begins in the line `first_line` of `file`.

    Raises:
        CannotStart: it is no YAML; the message has file and line.
    """
    try:
        return yaml.safe_load(text)
    except (yaml.YAMLError, ValueError, RecursionError) as error:  # a date that there is not is a ValueError
        mark = getattr(error, "problem_mark", None)
        line = first_line + (mark.line if mark else 0)
        raise CannotStart(f"{file}:{line}: {' '.join(str(getattr(error, 'problem', error)).split())}") from error


def first_fault(error: ValidationError) -> ErrorDetails:
    """What to tell of `error`: a key that is not known before others that are missing, as it may be one, misspelt."""
    faults = error.errors()
    return next((each for each in faults if each["type"] == UNKNOWN), faults[0])


def _check_functions(
    file: str, front: str, assistant: Assistant, tools: Mapping[str, Tool], servers: Collection[str]
) -> None:
    for name in assistant.functions:
        server, is_a_servers, _ = name.partition("_")
        if is_a_servers and server in servers:
            continue  # looked up at each turn: the server may be down now
        if name not in tools:
            known = [each for each, tool in sorted(tools.items()) if tool.kind != "client"]
            listed = ", ".join([*known, *(f"{server}_*" for server in servers)])
            raise CannotStart(f"{file}:{_line_of(front, 'functions', name)}: unknown function {name}; known: {listed}")
        if tools[name].kind == "client":
            raise CannotStart(
                f"{file}:{_line_of(front, 'functions', name)}: {name} is a client's function: clients offer it"
            )


def _check_prompt(file: str, prompt: str, first_line: int) -> None:
    try:
        tree = _templates.parse(prompt)
        unknown = jinja2.meta.find_undeclared_variables(tree) - {*VARIABLES}
        for node in tree.find_all(jinja2.nodes.Name):
            if node.name in unknown:
                known = ", ".join(VARIABLES)
                raise CannotStart(f"{file}:{first_line + node.lineno - 1}: unknown {node.name!r}; known: {known}")
        _rendered(prompt, "Monday, 1 January 2024", "UTC", None)
    except jinja2.TemplateSyntaxError as error:
        raise CannotStart(f"{file}:{first_line + error.lineno - 1}: {error.message}") from error
    except Exception as error:
        if isinstance(error, CannotStart):
            raise
        raise CannotStart(f"{file}:{first_line}: the prompt cannot be rendered: {error}") from error


def _line_of(front: str, key: str, item: str = "") -> int:
    """The line of the file where `key` stands, or from there on `item`; the front matter's first where none does."""
    lines = front.split("\n")
    begin = next((number for number, line in enumerate(lines) if re.match(rf"{re.escape(key)}['\"]?\s*:", line)), 0)
    return _FRONT + next((number for number in range(begin, len(lines)) if item in lines[number]), begin)


@lru_cache(512)
def _rendered(prompt: str, date: str, time_zone: str, session_title: str | None) -> str:
    """Rendered once for each day and title: most prompts name neither."""
    template = _compiled(prompt)
    return template.render(date=date, time_zone=time_zone, session_title=session_title)


@lru_cache(64)
def _compiled(prompt: str) -> jinja2.Template:
    return _templates.from_string(prompt)
