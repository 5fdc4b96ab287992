"""The models that clients may ask for: those of the models file, or, without one, any.

A changed file is read again. If it is wrong, all models stay as they were before the change.
"""

import asyncio
import logging
from collections.abc import Awaitable, Callable, Sequence
from pathlib import Path
from typing import NamedTuple
from urllib.parse import urlsplit

from chatkeep.errors import CannotStart
from chatkeep.settings import Settings
from chatkeep.settings.models_file import ModelInput, ModelsFile, Price, parse_models

_log = logging.getLogger("chatkeep")


class OfferedModel(NamedTuple):
    """A model that clients may ask for by `name`. `context_tokens` is the longest prompt."""

    name: str
    provider: str
    context_tokens: int
    input: Sequence[ModelInput] = ("text",)
    price: Price | None = None


class ModelLibrary:
    """The models of `CHATKEEP_MODELS`."""

    def __init__(self, settings: Settings) -> None:
        """Read the file that `settings` name, if they name one.

        Raises:
            CannotStart: it cannot be read, is wrong, or lacks the default model.
        """
        self.problem: str | None = None  # why the changed file is not in use; None if it is
        self.file: ModelsFile | None = None  # None: there is none, and any model may be asked for
        self.on_change: Callable[[], Awaitable[None]] | None = None  # called after a changed file is in use
        self._settings = settings
        self._stamp: tuple[int, int] | None = None  # the file's time of change in nanoseconds, and its size in bytes
        default = OfferedModel(
            settings.model, _provider_name(settings), settings.context_tokens, settings.default_input
        )
        self._offered: Sequence[OfferedModel] = [default]
        if settings.models is not None:
            self._load(settings.models)

    def find_refusal(self, name: str) -> str | None:
        """Return why the model `name` cannot be asked for, with those that can; None if it can."""
        if self.file is None or name in self.file.models:
            return None
        return f"there is no model {name!r}; known: {', '.join(sorted(self.file.models))}"

    def all(self) -> Sequence[OfferedModel]:
        """Return all models, sorted by name; without a file, the default model."""
        return self._offered

    async def refresh(self) -> None:
        """Read the file again if it has changed. A problem is logged once, and stays in `problem`."""
        if await asyncio.to_thread(self._reload) and self.on_change is not None:
            await self.on_change()

    def _reload(self) -> bool:
        """Return True if the file has changed and is in use."""
        path = self._settings.models
        if path is None:
            return False
        try:
            has_changed = _read_stamp(path) != self._stamp
            if has_changed:
                self._load(path)
            self.problem = None
        except CannotStart as error:
            if str(error) != self.problem:
                _log.error("models stay as they were: %s", error)
            self.problem = str(error)
            return False
        return has_changed

    def _load(self, path: Path) -> None:
        stamp = _read_stamp(path)
        try:
            text = path.read_text("utf-8-sig")
        except OSError as error:
            raise _unreadable(path, error) from error
        except UnicodeDecodeError:
            raise CannotStart(f"{path.name}: not UTF-8") from None
        file = parse_models(path.name, text)
        if self._settings.model not in file.models:
            known = ", ".join(sorted(file.models))
            raise CannotStart(f"CHATKEEP_MODEL: there is no model {self._settings.model!r} in {path}; known: {known}")
        self.file, self._stamp = file, stamp
        default_tokens = self._settings.context_tokens
        self._offered = [
            OfferedModel(name, each.provider, each.context_tokens or default_tokens, each.input, each.price)
            for name, each in sorted(file.models.items())
        ]


def _read_stamp(path: Path) -> tuple[int, int]:
    try:
        stat = path.stat()
    except OSError as error:
        raise _unreadable(path, error) from error
    return stat.st_mtime_ns, stat.st_size


def _unreadable(path: Path, error: OSError) -> CannotStart:
    return CannotStart(f"CHATKEEP_MODELS: cannot read {path}: {error.strerror}")


def _provider_name(settings: Settings) -> str:
    """Return the name of the one provider of `settings`: its host, or `practice`."""
    if not settings.has_provider:
        return "practice"
    return urlsplit(settings.base_url).hostname or ""
