"""Checks arguments against JSON Schemas that others wrote: clients, and MCP servers.

A schema is refused when it could keep the service busy: when it is too large, too heavy (`schema_weight`), or refers
to anything outside itself. Nothing is fetched. Arguments are refused, as not valid, when they would take too long to
check. So both are bounded, and checking may be done on the event loop.

Compiling takes longer, above all of regular expressions: call `schema_check` in a thread. Compiled schemas are kept.
"""

from functools import lru_cache
from typing import Any

import jsonschema_rs
import msgspec

from chatkeep.tools.arguments import MAX_ERROR_FIELDS, ArgumentCheck, InvalidArguments, error_line, one_line
from chatkeep.tools.schema_weight import TooManyVisits, count_visits, weigh_schema

MAX_SCHEMA_BYTES = 32_768
"""The size of the largest schema, in bytes of JSON: it goes into every prompt."""
MAX_SCHEMA_WEIGHT = 10_000
"""The weight of the heaviest schema, in visits (`schema_weight`)."""
MAX_VISITS = 200_000
"""The visits that checking arguments may take."""
_MAX_ERRORS = 4_000
"""Visits up to which a refusal names the wrong fields: each could make an error, which costs far more than a visit."""
_MAX_ERROR_BYTES = 50_000_000
"""The same limit as memory: each error holds a copy of the value, in bytes of JSON."""
_CACHED_SCHEMAS = 64
_REGEX_BYTES = 262_144
"""The size of the largest compiled regular expression, in bytes."""
_BACKTRACKS = 1_000
"""Steps back that a match may take. Only patterns with look-around or back-references take any."""
_LINEAR_VISITS, _FANCY_VISITS = 1, 80
"""Visits that a character counts which a pattern is matched against: without and with steps back."""


def schema_check(schema: dict[str, Any], subject: str = "arguments") -> ArgumentCheck:
    """Return a check against a JSON Schema that a client or an MCP server sent. `subject` is what its errors call it.

    Raises:
        ValueError: the schema is not valid, or exceeds a limit. The message is one line.
    """
    try:
        encoded = msgspec.json.encode(schema)
    except RecursionError as error:
        raise ValueError("the schema is nested too deeply") from error
    if len(encoded) > MAX_SCHEMA_BYTES:
        raise ValueError(f"the schema is longer than {MAX_SCHEMA_BYTES} bytes")
    return _compiled(encoded, subject).check


@lru_cache(_CACHED_SCHEMAS)
def _compiled(encoded: bytes, subject: str) -> "_SchemaValidator":
    return _SchemaValidator(msgspec.json.decode(encoded), subject)


class _SchemaValidator:
    """A compiled schema.

    Raises:
        ValueError: it is not valid, or too heavy.
    """

    def __init__(self, schema: dict[str, Any], subject: str) -> None:
        self._schema = schema
        self._subject = subject
        self._weight = weigh_schema(schema, MAX_SCHEMA_WEIGHT)
        limits = {"size_limit": _REGEX_BYTES, "dfa_size_limit": _REGEX_BYTES}
        try:
            self._validator = _compile(schema, jsonschema_rs.RegexOptions(**limits))
            self._visits_per_char = _LINEAR_VISITS
        except ValueError:  # perhaps a pattern that only the other engine takes
            self._validator = _compile(schema, jsonschema_rs.FancyRegexOptions(backtrack_limit=_BACKTRACKS, **limits))
            self._visits_per_char = _FANCY_VISITS

    def check(self, arguments: dict[str, Any]) -> dict[str, Any]:
        """Return `arguments` if they are valid.

        Raises:
            InvalidArguments: they are not, or checking them would take too long.
        """
        try:
            size = len(msgspec.json.encode(arguments))
            if self._weight.is_recursive or self._weight.nodes * size * self._visits_per_char > MAX_VISITS:
                self._count(arguments)
            if self._validator.is_valid(arguments):
                return arguments
            reason = self._explain(arguments, size)
        except (TooManyVisits, RecursionError) as error:
            raise InvalidArguments(f"the {self._subject} cannot be checked: too large, or too deep") from error
        except (ValueError, OverflowError) as error:  # an integer that is too large for the validator
            raise InvalidArguments(one_line(str(error))) from error
        raise InvalidArguments(reason)

    def _count(self, arguments: dict[str, Any]) -> int:
        return count_visits(self._schema, arguments, MAX_VISITS, self._visits_per_char)

    def _explain(self, arguments: dict[str, Any], size: int) -> str:
        """Return what is wrong. The validator makes all errors at once, so only where there can be few."""
        visits = self._count(arguments)
        if visits > _MAX_ERRORS or visits * size > _MAX_ERROR_BYTES:
            return f"the {self._subject} do not fit the schema of the function"
        problems = list(self._validator.iter_errors(arguments))[:MAX_ERROR_FIELDS]
        return error_line([(tuple(each.instance_path), each.message) for each in problems], self._subject)


def _compile(
    schema: dict[str, Any], patterns: jsonschema_rs.RegexOptions | jsonschema_rs.FancyRegexOptions
) -> jsonschema_rs.Validator:
    try:
        return jsonschema_rs.validator_for(schema, offline=True, pattern_options=patterns)
    except (ValueError, jsonschema_rs.ValidationError) as error:
        raise ValueError(one_line(str(error).partition("\n")[0])) from error
