"""The two APIs over which a provider is asked. Requests and event streams differ; all else is `openai_model.py`."""

from collections.abc import Callable, Collection
from typing import Any, NamedTuple

from chatkeep.llm import Prompt
from chatkeep.llm.completions.parser import CompletionsParser
from chatkeep.llm.completions.request import completions_request
from chatkeep.llm.responses.parser import ResponsesParser
from chatkeep.llm.responses.request import responses_request
from chatkeep.llm.sse_parser import SseParser
from chatkeep.settings.provider import COMPLETIONS_PATH


class Api(NamedTuple):
    """One API.

    `path` is its path below the base URL. `build_request` returns the parameters of a request (JSON) without some
    fields, by name. `parser` makes chunks of the answer. `state_suffix` ends the provider's name: one API cannot take
    back the state that another gave.
    """

    path: str
    build_request: Callable[[Prompt, Collection[str]], dict[str, Any]]
    parser: Callable[[str | None], SseParser]
    state_suffix: str


COMPLETIONS = Api(COMPLETIONS_PATH, completions_request, CompletionsParser, "")
RESPONSES = Api("/responses", responses_request, ResponsesParser, "/responses")
