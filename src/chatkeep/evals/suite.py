"""Reads suites: YAML files of cases, each with messages of the user and expectations of the answers.

A suite that is not valid is refused with file and line, before any model is asked.
"""

import datetime
import re
from collections.abc import Iterator, Mapping, Sequence
from importlib import resources
from pathlib import Path
from typing import Annotated, Any, TypeAlias, cast

import yaml
from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict, Field, ValidationError, ValidationInfo

from chatkeep.agent.assistants import read_yaml
from chatkeep.errors import CannotStart
from chatkeep.settings.faults import UNKNOWN_KEY, first_fault
from chatkeep.tools.declaration import Tool

Fault: TypeAlias = tuple[tuple[int | str, ...], str]
"""An error in a suite: where it is, as a path of keys and list indexes, and a message."""
NONE = "none"
"""The value of `calls` that expects an answer without calls."""


class _SuiteModel(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


def _check_pattern(text: str) -> str:
    try:
        re.compile(text)
    except re.error as error:
        raise ValueError(f"not a regular expression: {error}") from error
    return text


def _check_function(name: str, info: ValidationInfo) -> str:
    known = cast("Mapping[str, Tool]", info.context)
    if name != NONE and name not in known:
        raise ValueError(f"unknown function {name}; known: {', '.join(sorted(known))}, or {NONE}")
    return name


def _as_constraint(value: Any) -> Any:
    if value == {}:
        raise ValueError(f"say one of {', '.join(Constraint.model_fields)}")
    return cast("Any", value) if isinstance(value, dict) else {"equals": value}


Pattern = Annotated[str, AfterValidator(_check_pattern)]
"""A regular expression, searched for anywhere in a text, in upper or lower case."""
Function = Annotated[str, AfterValidator(_check_function)]
"""The name of a declared function, or `NONE`."""


class Constraint(_SuiteModel):
    """The rules for an argument; all must hold. `contains` and `matches` search the JSON of a value that is no text."""

    equals: Any = None
    contains: str | None = None
    matches: Pattern | None = None
    at_least: float | None = None
    at_most: float | None = None


class Exchange(_SuiteModel):
    """A message of the user (`says`), and what is expected of the answer. An expectation left out is not checked."""

    says: Annotated[str, Field(min_length=1)]
    calls: Function | None = None
    arguments: dict[str, Annotated[Constraint, BeforeValidator(_as_constraint)]] = {}
    may_call: list[Function] = ["suggest_replies"]
    must_say: list[Pattern] = []
    must_not_say: list[Pattern] = []
    corrections: Annotated[int | None, Field(ge=0)] = None


class Case(_SuiteModel):
    """A conversation of one or more exchanges. `practice`: the practice model, with its fixed rules, can pass it."""

    name: Annotated[str, Field(min_length=1)]
    practice: bool = False
    exchanges: Annotated[list[Exchange], Field(min_length=1)]


class Suite(_SuiteModel):
    """The cases for an assistant.

    `date`: the day that the prompt names, so that the prompt is the same every day; by default today, in UTC.
    """

    assistant: str
    date: Annotated[datetime.date, Field(default_factory=lambda: datetime.datetime.now(datetime.UTC).date())]
    cases: Annotated[list[Case], Field(min_length=1)]


def builtin_suites() -> list[str]:
    """Return the names of the suites that come with chatkeep, sorted."""
    files = resources.files("chatkeep").joinpath("evals").iterdir()
    return sorted(file.name.removesuffix(".yaml") for file in files if file.name.endswith(".yaml"))


def load_suite(name: str, functions: Mapping[str, Tool]) -> Suite:
    """Return the suite of that name that comes with chatkeep, or else the one in the file `name`.

    `functions`: those that a case may expect, by name.

    Raises:
        CannotStart: there is no such suite, or it is not valid; then the message has file and line.
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
    """Return the suite in `text`, which is the content of `file`.

    Raises:
        CannotStart: the suite is not valid; the message has file and line.
    """
    value = _dates_to_text(read_yaml(file, text))
    tree = cast("yaml.Node | None", yaml.compose(text, yaml.SafeLoader))  # pyright: ignore[reportUnknownMemberType]  # its stubs do not type the stream
    try:
        suite = Suite.model_validate(value, context=functions)
    except ValidationError as error:
        where, message = _describe(error)
        raise CannotStart(f"{file}:{_line_of(tree, where)}: {message}") from error
    for where, message in [*_find_duplicate_names(suite), *_find_wrong_arguments(suite, functions)]:
        raise CannotStart(f"{file}:{_line_of(tree, where)}: {message}")
    return suite


def _describe(error: ValidationError) -> Fault:
    """Return the first error of a validation; for an unknown key, with the keys that are known there."""
    fault = first_fault(error)
    where = fault["loc"]
    if fault["type"] == UNKNOWN_KEY:
        *inside, key = map(str, where)
        known = ", ".join((Suite, Case, Exchange, Constraint)[len(inside) // 2].model_fields)
        path = f"{'.'.join(inside)}: " if inside else ""
        return where, f"{path}unknown key {key!r}; known: {known}"
    return where, f"{'.'.join(map(str, where)) or 'suite'}: {fault['msg'].removeprefix('Value error, ')}"


def _find_duplicate_names(suite: Suite) -> Iterator[Fault]:
    names = [case.name for case in suite.cases]
    for number, name in enumerate(names):
        if name in names[:number]:
            yield ("cases", number, "name"), f"a case {name!r} is there already"


def _find_wrong_arguments(suite: Suite, functions: Mapping[str, Tool]) -> Iterator[Fault]:
    """Yield expectations that no call can meet: of an argument that the function does not have."""
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


def _dates_to_text(value: Any) -> Any:
    """Return `value` with dates, which YAML reads from plain text, as text again: functions take JSON."""
    match value:
        case dict():
            return {str(key): _dates_to_text(each) for key, each in cast("Mapping[Any, Any]", value).items()}
        case list():
            return [_dates_to_text(each) for each in cast("list[Any]", value)]
        case datetime.date():
            return value.isoformat()
        case _:
            return value


def _line_of(node: yaml.Node | None, where: Sequence[int | str]) -> int:
    """Return the line, from 1, of the node at the path `where`, or of the last node on the way to it that exists."""
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
