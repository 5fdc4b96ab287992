"""The models file (`CHATKEEP_MODELS`): providers, and the models that clients may ask for.

docs/models.md is its reference. Wrong or unknown keys are refused, with file and line: a typing error would silently
mean the default.
"""

import re
import tomllib
from bisect import bisect_left
from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from typing import Annotated, Any, Literal, TypeAlias, cast

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, PositiveInt, ValidationError

from chatkeep.chat.model_call import CallPrice
from chatkeep.errors import CannotStart
from chatkeep.settings.faults import UNKNOWN_KEY, first_fault
from chatkeep.settings.key_reference import check_reference, read_key
from chatkeep.settings.provider import check_base_url

ModelInput: TypeAlias = Literal["text", "image", "audio", "file"]
OmittedField: TypeAlias = Literal[
    "stream_options", "strict", "temperature", "top_p", "seed", "stop", "reasoning_effort", "max_completion_tokens",
    "max_tokens", "include", "reasoning", "tool_choice", "parallel_tool_calls",
]  # fmt: skip
"""Fields of a request that servers do without. `strict` stands in the functions, all others at the top.

`include` and `reasoning` are those of the Responses API.
"""
Prefill: TypeAlias = Literal["assistant", "prefix", "partial", "continue_final_message"]
"""How a server is asked to go on with an answer: the prompt's last message is the assistant's.

`assistant`: that alone says it (llama.cpp, Ollama). `prefix` (Mistral, DeepSeek's beta API) and `partial` (Moonshot,
Qwen) are fields of that message, `continue_final_message` (vLLM) is one of the request.
"""
NOT_IN_RESPONSES = ("stop", "seed")
"""Parameters that the Responses API does not have."""

_PLACE = re.compile(r" \(at (?:line (\d+), column \d+|end of document)\)$")
"""The end of an error of tomllib, which says where it is."""
_Path: TypeAlias = Sequence[str | int]
"""The keys that lead to an entry from the top of the file."""


class _Table(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid", strict=True)


class ProviderEntry(_Table):
    """A provider: the URL below which its API is, and where its key stands, if it wants one."""

    base_url: Annotated[str, AfterValidator(check_base_url)]
    api_key: Annotated[str, AfterValidator(check_reference)] | None = None
    api: Literal["chat", "responses"] = "chat"

    def read_key(self) -> str | None:
        """Return the key, read anew; None if the provider wants none.

        Raises:
            ValueError, CannotStart: it cannot be read.
        """
        return None if self.api_key is None else read_key(self.api_key)


class Price(_Table):
    """Prices of a million tokens, in `CHATKEEP_CURRENCY`. `cached_input` None: as `input`."""

    input: Annotated[float, Field(ge=0, allow_inf_nan=False)]
    cached_input: Annotated[float | None, Field(ge=0, allow_inf_nan=False)] = None
    output: Annotated[float, Field(ge=0, allow_inf_nan=False)]

    def per_call(self) -> CallPrice:
        """Return the prices that a call is charged at."""
        return CallPrice(self.input, self.input if self.cached_input is None else self.cached_input, self.output)


class ModelParams(_Table):
    """How a model is to answer. One that is left out is not sent: the provider's own default counts then."""

    temperature: Annotated[float | None, Field(ge=0, le=2)] = None
    top_p: Annotated[float | None, Field(ge=0, le=1)] = None
    max_output_tokens: PositiveInt | None = None
    reasoning_effort: Annotated[str | None, Field(min_length=1)] = None
    stop: str | list[str] | None = None
    seed: int | None = None
    parallel_tool_calls: bool | None = None


class ModelEntry(_Table):
    """A model: which one of which provider, and how it is asked.

    `context_tokens` is the longest prompt; None: `CHATKEEP_CONTEXT_TOKENS`. `fallback`: the models that are asked when
    this one fails, in their order. `prefill` None: the model is asked in words to go on with an answer.
    """

    provider: str
    model: Annotated[str, Field(min_length=1)]
    context_tokens: PositiveInt | None = None
    input: Annotated[list[ModelInput], Field(min_length=1)] = ["text"]
    price: Price | None = None
    params: ModelParams = ModelParams()
    omit: list[OmittedField] = []
    fallback: list[str] = []
    prefill: Prefill | None = None


Name: TypeAlias = Annotated[str, Field(pattern=r"^[A-Za-z0-9_.:/@+-]{1,200}$")]


class ModelsFile(_Table):
    """The content of a models file: providers and models by their names."""

    providers: dict[Name, ProviderEntry] = {}
    models: Annotated[dict[Name, ModelEntry], Field(min_length=1)]

    def provider_of(self, entry: ModelEntry) -> ProviderEntry:
        """Return the provider of a model of this file."""
        return self.providers[entry.provider]


def parse_models(file: str, text: str) -> ModelsFile:
    """Return what `text`, the content of `file`, says. The key of every provider is read once, to see that it is there.

    Raises:
        CannotStart: something in it is wrong; the message is one line, with file and line.
    """
    text = text.replace("\r\n", "\n")
    try:
        fields = tomllib.loads(text)
        models_file = ModelsFile.model_validate(fields)
    except ValidationError as error:
        path, message = _describe(error)
        raise CannotStart(f"{file}:{_find_line(text, path)}: {message}") from None
    except (ValueError, RecursionError) as error:
        place = _PLACE.search(str(error))
        line = place[1] if place and place[1] else text.count("\n") + 1
        raise CannotStart(f"{file}:{line}: {_PLACE.sub('', str(error))}") from None
    for path, message in _find_faults(models_file):
        raise CannotStart(f"{file}:{_find_line(text, path)}: {'.'.join(map(str, path))}: {message}")
    return models_file


def _describe(error: ValidationError) -> tuple[_Path, str]:
    fault = first_fault(error)
    path = [key for key in fault["loc"] if key != "[key]"]
    if fault["type"] == UNKNOWN_KEY:
        return path, f"unknown key {path[-1]!r}; known: {', '.join(_table_of(path).model_fields)}"
    return path, f"{'.'.join(map(str, path))}: {fault['msg'].removeprefix('Value error, ')}"


def _table_of(path: _Path) -> type[BaseModel]:
    """Return the kind of table in which the key at the end of `path` stands."""
    match path:
        case [_]:
            return ModelsFile
        case ["providers", *_]:
            return ProviderEntry
        case [_, _, "params", _]:
            return ModelParams
        case [_, _, "price", _]:
            return Price
        case _:
            return ModelEntry


def _find_faults(models_file: ModelsFile) -> Iterator[tuple[_Path, str]]:
    """Yield what is wrong between the tables of a file, each with its path."""
    for name, provider in models_file.providers.items():
        try:
            provider.read_key()
        except (ValueError, CannotStart) as error:
            yield ("providers", name, "api_key"), str(error)
    for name, entry in models_file.models.items():
        for path, message in _find_model_faults(models_file, entry):
            yield ("models", name, *path), message
        if name in _find_fallbacks(models_file.models, name):
            yield ("models", name, "fallback"), f"it leads back to {name!r}"


def _find_model_faults(models_file: ModelsFile, entry: ModelEntry) -> Iterator[tuple[_Path, str]]:
    """Yield what is wrong between a model and the rest of the file, each with its path in the model's table."""
    if entry.provider not in models_file.providers:
        yield ("provider",), f"unknown provider {entry.provider!r}; known: {', '.join(models_file.providers)}"
    elif models_file.provider_of(entry).api == "responses":
        for param in NOT_IN_RESPONSES:
            if getattr(entry.params, param) is not None:
                yield ("params", param), "the Responses API has no such parameter"
        if entry.prefill is not None:
            yield ("prefill",), "the Responses API does not go on with an answer"
    for other in entry.fallback:
        if other not in models_file.models:
            yield ("fallback",), f"unknown model {other!r}; known: {', '.join(models_file.models)}"


def _find_fallbacks(models: Mapping[str, ModelEntry], name: str) -> set[str]:
    """Return all models that `name` may fall back to, over any number of steps."""
    found: set[str] = set()
    rest = list(models[name].fallback)
    while rest:
        other = rest.pop()
        if other not in found and other in models:
            found.add(other)
            rest += models[other].fallback
    return found


def _find_line(text: str, path: _Path) -> int:
    """Return the number of the line in which the entry at `path` begins; without it, of the deepest table above it.

    tomllib tells no places, but the first lines can be parsed alone, up to the end of a statement. The first line with
    which they bring the entry is the place.
    """
    lines = text.split("\n")
    depth = _count_keys(tomllib.loads(text), path)

    def brings_entry(number: int) -> bool:
        for end in range(number, len(lines)):
            with suppress(ValueError):  # a statement goes on in the next line
                return _count_keys(tomllib.loads("\n".join(lines[:end])), path) >= depth
        return True

    return bisect_left(range(1, len(lines)), True, key=brings_entry) + 1


def _count_keys(value: Any, path: _Path) -> int:
    """Return how many keys of `path`, from its beginning, lead somewhere in `value`."""
    for count, key in enumerate(path):
        if not isinstance(value, dict) or key not in value:
            return count
        value = cast("dict[Any, Any]", value)[key]
    return len(path)
