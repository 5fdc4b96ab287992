"""A suite: cases in YAML, each with what the user says and what must come of it. Wrong ones are refused by line."""

import datetime
import re
from collections.abc import Iterator, Mapping, Sequence
from importlib import resources
from pathlib import Path
from typing import Annotated, Any, TypeAlias, cast

import yaml
from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict, Field, ValidationError, ValidationInfo

from chatkeep.agent.assistants import UNKNOWN, first_fault, read_yaml
from chatkeep.errors import CannotStart
from chatkeep.tools.declaration import Tool

Fault: TypeAlias = tuple[tuple[int | str, ...], str]
"""What is wrong in a suite: where, as keys and numbers, and what."""
NONE = "none"
"""What `calls` says where the assistant has to answer in words alone."""


class _SuiteModel(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


def _pattern(text: str) -> str:
    try:
        re.compile(text)
    except re.error as error:
        raise ValueError(f"not a regular expression: {error}") from error
    return text


def _known_function(name: str, info: ValidationInfo) -> str:
    known = cast("Mapping[str, Tool]", info.context)
    if name != NONE and name not in known:
        raise ValueError(f"unknown function {name}; known: {', '.join(sorted(known))}, or {NONE}")
    return name


def _as_constraint(value: Any) -> Any:
    if value == {}:
        raise ValueError(f"say one of {', '.join(Constraint.model_fields)}")
    return cast("Any", value) if isinstance(value, dict) else {"equals": value}


Pattern = Annotated[str, AfterValidator(_pattern)]
"""A regular expression; found anywhere, in upper or lower case."""
Function = Annotated[str, AfterValidator(_known_function)]


class Constraint(_SuiteModel):
    """What an argument has to be; where it is no text, `contains` and `matches` look at its JSON."""

    equals: Any = None
    contains: str | None = None
    matches: Pattern | None = None
    at_least: float | None = None
    at_most: float | None = None


class Exchange(_SuiteModel):
    """What the user says, and what must come of it. What is not said here does not matter."""

    says: Annotated[str, Field(min_length=1)]
    calls: Function | None = None
    arguments: dict[str, Annotated[Constraint, BeforeValidator(_as_constraint)]] = {}
    may_call: list[Function] = ["suggest_replies"]
    must_say: list[Pattern] = []
    must_not_say: list[Pattern] = []
    corrections: Annotated[int | None, Field(ge=0)] = None


class Case(_SuiteModel):
    """A conversation of one or several exchanges. `practice`: a model that follows fixed rules can pass it."""

    name: Annotated[str, Field(min_length=1)]
    practice: bool = False
    exchanges: Annotated[list[Exchange], Field(min_length=1)]


class Suite(_SuiteModel):
    """The cases for an assistant. `date`: the day on which they happen, so that the prompt is the same every day; today
    where none is said.
    """

    assistant: str
    date: Annotated[datetime.date, Field(default_factory=lambda: datetime.datetime.now(datetime.UTC).date())]
    cases: Annotated[list[Case], Field(min_length=1)]


def builtin_suites() -> list[str]:
    """The names of the suites that come with chatkeep."""
    files = resources.files("chatkeep").joinpath("evals").iterdir()
    return sorted(file.name.removesuffix(".yaml") for file in files if file.name.endswith(".yaml"))


def load_suite(name: str, functions: Mapping[str, Tool]) -> Suite:
    """The suite of that name that comes with chatkeep, or that at the path `name`.

    `functions`: all that a case may expect, by name.

    Raises:
        CannotStart: there is none, or it is wrong; the message has file and line.
    """
    if name in builtin_suites():
        return parse_suite(
            f"{name}.yaml", (resources.files("chatkeep") / "evals" / f"{name}.yaml").read_text("utf-8"), functions
        )
    try:
        return parse_suite(name, Path(name).read_text("utf-8"), functions)
    except OSError as error:
        known = ", ".join(builtin_suites())
        raise CannotStart(f"there is no suite {name!r}; known: {known}, or a path") from error
    except UnicodeDecodeError as error:
        raise CannotStart(f"{name}: not UTF-8") from error


def parse_suite(file: str, text: str, functions: Mapping[str, Tool]) -> Suite:
    """The suite that `text`, the content of `file`, describes.

    Raises:
        CannotStart: something in the file is wrong; the message has file and line.
    """
    value = _without_dates(read_yaml(file, text))
    tree = cast("yaml.Node | None", yaml.compose(text, yaml.SafeLoader))  # pyright: ignore[reportUnknownMemberType]  # its stubs leave the stream's type open
    try:
        suite = Suite.model_validate(value, context=functions)
    except ValidationError as error:
        where, message = _describe(error)
        raise CannotStart(f"{file}:{_line_of(tree, where)}: {message}") from error
    for where, message in [*_duplicate_names(suite), *_wrong_arguments(suite, functions)]:
        raise CannotStart(f"{file}:{_line_of(tree, where)}: {message}")
    return suite


def _describe(error: ValidationError) -> Fault:
    fault = first_fault(error)
    where = fault["loc"]
    if fault["type"] == UNKNOWN:
        *inside, key = map(str, where)
        known = ", ".join((Suite, Case, Exchange, Constraint)[len(inside) // 2].model_fields)
        path = f"{'.'.join(inside)}: " if inside else ""
        return where, f"{path}unknown key {key!r}; known: {known}"
    return where, f"{'.'.join(map(str, where)) or 'suite'}: {fault['msg'].removeprefix('Value error, ')}"


def _duplicate_names(suite: Suite) -> Iterator[Fault]:
    names = [case.name for case in suite.cases]
    for number, name in enumerate(names):
        if name in names[:number]:
            yield ("cases", number, "name"), f"a case {name!r} is there already"


def _wrong_arguments(suite: Suite, functions: Mapping[str, Tool]) -> Iterator[Fault]:
    """Expectations that no call could meet."""
    for number, case in enumerate(suite.cases):
        for nth, exchange in enumerate(case.exchanges):
            where = ("cases", number, "exchanges", nth, "arguments")
            if exchange.calls is None or exchange.calls == NONE:
                if exchange.arguments:
                    yield where, "arguments: of which function? calls names none"
                continue
            schema = functions[exchange.calls].parameters
            known = schema.get("properties", {})
            for name in exchange.arguments:
                if name not in known and not schema.get("additionalProperties"):
                    listed = ", ".join(known) or "none"
                    yield (*where, name), f"{exchange.calls} has no argument {name!r}; known: {listed}"


def _without_dates(value: Any) -> Any:
    """`value` with the dates that YAML makes of text made text again: functions take JSON."""
    match value:
        case dict():
            return {str(key): _without_dates(each) for key, each in cast("Mapping[Any, Any]", value).items()}
        case list():
            return [_without_dates(each) for each in cast("list[Any]", value)]
        case datetime.date():
            return value.isoformat()
        case _:
            return value


def _line_of(node: yaml.Node | None, where: Sequence[int | str]) -> int:
    """The line of what stands at `where`, or of the nearest that is there."""
    line = 1
    for step in where:
        children: Any = {}
        if isinstance(node, yaml.MappingNode):
            children = {key.value: (key, value) for key, value in node.value}
        elif isinstance(node, yaml.SequenceNode):
            children = dict(enumerate((each, each) for each in node.value))
        if step not in children:
            return line
        mark, node = children[step]
        line = mark.start_mark.line + 1
    return line
