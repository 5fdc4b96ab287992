"""The models that may answer a turn: the one that was asked for, then its fallbacks in the models file."""

import logging
from collections.abc import Sequence

from chatkeep.agent.context_window import Recipient
from chatkeep.chat.types import HandoverPart, Part
from chatkeep.errors import TurnFailed
from chatkeep.llm import Model

_log = logging.getLogger("chatkeep")


class ModelChain:
    """The models of one turn. `name` is the one that answers now, `info` describes it."""

    def __init__(self, model: Model, requested: str, parts: Sequence[Part]) -> None:
        """Begin with the model `requested`, or with the fallback that went on with the answer, whose `parts` are these.

        A model whose provider is failing is passed over, if there is another one.

        Raises:
            TurnFailed: there is no such model any more.
        """
        self._model = model
        self.name, self.info = requested, model.describe(requested)
        self._rest = list(self.info.fallbacks)
        takers = [part.to_model for part in parts if isinstance(part, HandoverPart)]
        if takers and takers[-1] in self._rest:
            del self._rest[: self._rest.index(takers[-1])]
            self.advance()
        elif self.info.is_failing:
            self.advance()

    @property
    def has_next(self) -> bool:
        """True if another model can take over."""
        return bool(self._rest)

    @property
    def recipient(self) -> Recipient:
        """The model that answers now, as the receiver of a prompt."""
        return Recipient(self.info.provider, self.info.model)

    def advance(self) -> bool:
        """Go on to the next model that is not failing, else to the last one. Return False if there is none."""
        while self._rest:
            name = self._rest.pop(0)
            try:
                info = self._model.describe(name)
            except TurnFailed as failure:
                _log.warning("the model %r cannot take over: %s", name, failure)
                continue
            if not info.is_failing or not self._rest:
                self.name, self.info = name, info
                return True
        return False
