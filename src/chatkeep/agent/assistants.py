"""Assistants, read from Markdown files: front matter in YAML, and a body that is the system prompt.

The prompt is a Jinja template, rendered in Jinja's sandbox, with the variables in `VARIABLES` and no others. Changed
files are read again. If one of them is wrong, the error names the file and the line, and all assistants stay as they
were before the change.
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

from chatkeep.errors import CannotStart
from chatkeep.llm import Params
from chatkeep.llm.model_library import ModelLibrary
from chatkeep.settings.faults import UNKNOWN_KEY, first_fault
from chatkeep.settings.models_file import ModelParams
from chatkeep.tools.declaration import Tool
from chatkeep.tools.names import NAME_REGEX

VARIABLES = ("date", "time_zone", "session_title")
"""The variables of a prompt: today's date in words, its time zone, and the session's title or None."""

_FRONT_MATTER_LINE = 2
"""The number of the line in which the front matter of a file begins, after the opening `---`."""
_FRONT_MATTER_END = re.compile(r"\n---[ \t]*\n")
_templates = ImmutableSandboxedEnvironment(undefined=jinja2.StrictUndefined, autoescape=False)  # no HTML
_log = logging.getLogger("chatkeep")

FileStamps: TypeAlias = tuple[tuple[str, int, int], ...]
"""The path of each file, its time of change in nanoseconds, and its size in bytes."""


class Assistant(BaseModel):
    """One assistant: the fields of its front matter, and its prompt.

    `instructions`: a session may add instructions of its user to the prompt.
    Wrong or unknown fields are refused. Otherwise a typing error would silently mean the default.
    """

    model_config = ConfigDict(frozen=True, extra="forbid", strict=True)

    name: Annotated[str, Field(pattern=NAME_REGEX)]
    description: str
    model: str | None = None
    temperature: Annotated[float | None, Field(ge=0, le=2)] = None
    params: ModelParams = ModelParams()
    instructions: bool = False
    functions: list[str] = []
    starters: list[str] = []
    prompt: Annotated[str, Field(min_length=1)]

    @property
    def all_params(self) -> Params:
        """The parameters that the file gives; None removes one of the models file."""
        given = self.params.model_dump(exclude_unset=True)
        return given if self.temperature is None else {"temperature": self.temperature, **given}

    def render(self, now: datetime, time_zone: str, session_title: str | None) -> str:
        """Return the system prompt at the time `now`, in a session with that title (None: it has no title yet)."""
        local = now.astimezone(ZoneInfo(time_zone))
        return _render(self.prompt, f"{local:%A}, {local.day} {local:%B %Y}", time_zone, session_title)


class AssistantLibrary:
    """All assistants: those that come with chatkeep, and those in the operator's folder. The folder's win by name."""

    def __init__(
        self,
        directory: Path | None,
        tools: Mapping[str, Tool],
        servers: Collection[str] = (),
        models: ModelLibrary | None = None,
    ) -> None:
        """Read the assistants.

        Args:
            directory: the operator's folder of `NAME.md` files; None if there is none.
            tools: the functions that an assistant may name.
            servers: the names of MCP servers, whose functions it may name too. A server's functions are not known
                until it has been asked, so the names are not checked further.
            models: the models that an assistant may name; None: any.

        Raises:
            CannotStart: the folder does not exist, or a file is wrong; the message names the file and the line.
        """
        self.problem: str | None = None  # why the changed files are not in use; None if they are
        self._directory = directory
        self.tools = tools
        self._servers = servers
        self._models = models
        self._stamps: FileStamps = ()
        self._assistants: Mapping[str, Assistant] = {}
        self._load(self._read_stamps())

    def __contains__(self, name: str) -> bool:
        return name in self._assistants

    def __getitem__(self, name: str) -> Assistant:
        return self._assistants[name]

    def all(self) -> list[Assistant]:
        """Return all assistants, sorted by name."""
        return [each for _, each in sorted(self._assistants.items())]

    def refresh(self) -> None:
        """Read the files again if one has changed. A problem is logged once, and stays in `problem`."""
        try:
            stamps = self._read_stamps()
            if stamps != self._stamps:
                self._load(stamps)
                self.problem = None
        except (CannotStart, OSError) as error:
            if str(error) != self.problem:
                _log.error("assistants stay as they were: %s", error)
            self.problem = str(error)

    def _load(self, stamps: FileStamps) -> None:
        builtin, custom = map(self._parse_files, self._list_files())
        self._assistants, self._stamps = {**builtin, **custom}, stamps

    def _parse_files(self, files: Iterable[Traversable]) -> dict[str, Assistant]:
        """Return the assistants of one folder's files, by name."""
        assistants: dict[str, Assistant] = {}
        file_names: dict[str, str] = {}
        for file in files:
            try:
                text = file.read_text("utf-8-sig")
            except UnicodeDecodeError as error:
                raise CannotStart(f"{file.name}: not UTF-8") from error
            each, front = parse_assistant(file.name, text, self.tools, self._servers), text.partition("\n")[2]
            if each.model and self._models and (refusal := self._models.find_refusal(each.model)):
                raise CannotStart(f"{file.name}:{_find_line(front, 'model')}: {refusal}")
            if each.name in assistants:
                line, other = _find_line(front, "name"), file_names[each.name]
                raise CannotStart(f"{file.name}:{line}: the name {each.name!r} is that of {other} already")
            assistants[each.name], file_names[each.name] = each, file.name
        return assistants

    def _list_files(self) -> list[list[Traversable]]:
        """Return the files that come with chatkeep, then those of the operator.

        Raises:
            CannotStart: the operator's folder does not exist.
        """
        if self._directory is not None and not self._directory.is_dir():
            raise CannotStart(f"CHATKEEP_ASSISTANTS_DIR: {self._directory} is no directory")
        builtin = resources.files("chatkeep.agent").joinpath("builtin_assistants").iterdir()
        custom: Iterable[Traversable] = sorted(self._directory.iterdir()) if self._directory is not None else ()
        return [[file for file in files if file.name.endswith(".md") and file.is_file()] for files in (builtin, custom)]

    def _read_stamps(self) -> FileStamps:
        stats = [(file, file.stat()) for files in self._list_files() for file in files if isinstance(file, Path)]
        return tuple((str(file), stat.st_mtime_ns, stat.st_size) for file, stat in stats)


def parse_assistant(file: str, text: str, tools: Mapping[str, Tool], servers: Collection[str] = ()) -> Assistant:
    """Return the assistant that `text`, the content of `file`, describes.

    It may name the functions in `tools`, and any function of the MCP servers named in `servers`.

    Raises:
        CannotStart: there is no front matter, or something in the file is wrong; the message has file and line.
    """
    opening, _, rest = text.partition("\n")
    front, *bodies = _FRONT_MATTER_END.split(rest, maxsplit=1)
    if opening.strip() != "---" or not bodies:
        raise CannotStart(f"{file}:1: an assistant begins with front matter between two lines '---'")
    body = bodies[0]
    fields = read_yaml(file, front, _FRONT_MATTER_LINE)
    try:
        if "prompt" in fields:
            raise CannotStart(f"{file}:{_find_line(front, 'prompt')}: the prompt is what comes after the front matter")
        assistant = Assistant.model_validate({**fields, "prompt": body.strip()})
    except ValidationError as error:
        fault = first_fault(error)
        field = str(fault["loc"][0])
        message = f"{'.'.join(map(str, fault['loc']))}: {fault['msg']}"
        if fault["type"] == UNKNOWN_KEY:
            message = f"unknown key {field!r}; known: {', '.join(Assistant.model_fields).removesuffix(', prompt')}"
        raise CannotStart(f"{file}:{_find_line(front, field)}: {message}") from error
    except TypeError as error:
        raise CannotStart(f"{file}:{_FRONT_MATTER_LINE}: front matter is a mapping of names to values") from error
    _check_functions(file, front, assistant, tools, servers)
    _check_prompt(file, assistant.prompt, text.count("\n") - body.lstrip().count("\n") + 1)
    return assistant


def read_yaml(file: str, text: str, first_line: int = 1) -> Any:
    """Return the value of the YAML `text`, which begins in line `first_line` of `file`.

    Raises:
        CannotStart: it is not valid YAML; the message has file and line.
    """
    try:
        return yaml.safe_load(text)
    except (yaml.YAMLError, ValueError, RecursionError) as error:  # a date that does not exist is a ValueError
        mark = getattr(error, "problem_mark", None)
        line = first_line + (mark.line if mark else 0)
        raise CannotStart(f"{file}:{line}: {' '.join(str(getattr(error, 'problem', error)).split())}") from error


def _check_functions(
    file: str, front: str, assistant: Assistant, tools: Mapping[str, Tool], servers: Collection[str]
) -> None:
    for name in assistant.functions:
        server, separator, _ = name.partition("_")
        if separator and server in servers:
            continue  # looked up at each turn: the server may be away now
        if name not in tools:
            known = [each for each, tool in sorted(tools.items()) if tool.kind != "client"]
            listed = ", ".join([*known, *(f"{server}_*" for server in servers)])
            line = _find_line(front, "functions", name)
            raise CannotStart(f"{file}:{line}: unknown function {name}; known: {listed}")
        if tools[name].kind == "client":
            line = _find_line(front, "functions", name)
            raise CannotStart(f"{file}:{line}: {name} is a client's function: clients offer it")


def _check_prompt(file: str, prompt: str, first_line: int) -> None:
    try:
        tree = _templates.parse(prompt)
        unknown = jinja2.meta.find_undeclared_variables(tree) - {*VARIABLES}
        for node in tree.find_all(jinja2.nodes.Name):
            if node.name in unknown:
                known = ", ".join(VARIABLES)
                raise CannotStart(f"{file}:{first_line + node.lineno - 1}: unknown {node.name!r}; known: {known}")
        _render(prompt, "Monday, 1 January 2024", "UTC", None)
    except jinja2.TemplateSyntaxError as error:
        raise CannotStart(f"{file}:{first_line + error.lineno - 1}: {error.message}") from error
    except Exception as error:
        if isinstance(error, CannotStart):
            raise
        raise CannotStart(f"{file}:{first_line}: the prompt cannot be rendered: {error}") from error


def _find_line(front: str, key: str, item: str = "") -> int:
    """Return the number of the file's line in which `key` stands; with `item`, the first from there that has `item`.

    Without such a key it is the first line of the front matter.
    """
    lines = front.split("\n")
    start = next((number for number, line in enumerate(lines) if re.match(rf"{re.escape(key)}['\"]?\s*:", line)), 0)
    return _FRONT_MATTER_LINE + next((number for number in range(start, len(lines)) if item in lines[number]), start)


@lru_cache(512)
def _render(prompt: str, date: str, time_zone: str, session_title: str | None) -> str:
    """Return the rendered prompt. Cached: it changes only with the day and the title, and most prompts use neither."""
    template = _compile(prompt)
    return template.render(date=date, time_zone=time_zone, session_title=session_title)


@lru_cache(64)
def _compile(prompt: str) -> jinja2.Template:
    return _templates.from_string(prompt)
