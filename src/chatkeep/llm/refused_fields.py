"""Learns which fields of a request a server refuses: they are left out from then on. Pure.

Servers differ in the fields that they know, and some refuse a request with any other: strict ones, and those of models
that have no such choice. A refusal names the field.
"""

import re
from collections import defaultdict
from collections.abc import Collection, Iterator, Mapping
from typing import Any, cast, get_args

from chatkeep.llm import Prompt
from chatkeep.settings.models_file import OmittedField

_OPTIONAL = get_args(OmittedField)

_UNKNOWN = re.compile(
    r"(?i)unrecogni[sz]ed|unknown|unsupported|not support|not (?:permitted|allowed)|unexpected"
    r"|extra_forbidden|additional propert"
)
"""Words of a refusal of a field; one of its value has others."""
_BAD_VALUE = re.compile(r"(?i)unsupported[ _]value")
"""OpenAI's words for a value that is not among those of the field: the operator chooses another."""
_NO_CHOICE = re.compile(r"(?i)only the default")
"""Its words for a field that has but one value."""
_MAX_DEPTH = 8


def find_refused(request: Mapping[str, Any], refusal: Any) -> list[str]:
    """Return the optional fields of `request` that `refusal` names as unknown; it is the JSON of an error, or a text.

    Any word of `strict` counts, since it may also be the schema that is of no use in the strict form.
    """
    text = "\n".join(_texts(refusal))
    is_unknown = bool(_UNKNOWN.search(text)) and (not _BAD_VALUE.search(text) or bool(_NO_CHOICE.search(text)))
    sent = [name for name in _OPTIONAL if name in request and is_unknown]
    if any("strict" in tool.get("function", tool) for tool in request.get("tools", ())):
        sent.append("strict")
    return [name for name in sent if re.search(rf"(?<!\w){name}(?!\w)", text)]


class RefusedFields:
    """The fields that each model of a provider has refused since the process began."""

    def __init__(self) -> None:
        self._by_model: defaultdict[str, set[str]] = defaultdict(set)

    def of(self, prompt: Prompt) -> set[str]:
        """Return the fields that a request for `prompt` does without."""
        return {*prompt.omit, *self._by_model.get(prompt.model, ())}

    def add(self, model: str, names: Collection[str]) -> set[str]:
        """Remember that `model` refuses the fields `names`; return those that were not known to be refused."""
        new = set(names) - self._by_model[model]
        self._by_model[model] |= new
        return new


def _texts(value: Any, depth: int = 0) -> Iterator[str]:
    """Yield every text in a JSON value but those of `input`, where a refusal may repeat what was sent."""
    if isinstance(value, str):
        yield value
    elif isinstance(value, list | dict) and depth < _MAX_DEPTH:
        items = (
            cast("dict[Any, Any]", value).items() if isinstance(value, dict) else enumerate(cast("list[Any]", value))
        )
        for key, item in items:
            if key != "input":
                yield from _texts(item, depth + 1)
