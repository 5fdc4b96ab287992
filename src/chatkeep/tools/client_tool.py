"""A function of a client, as it offers it with its message: one that it runs, or a form for the answer."""

from typing import Annotated, Any, Literal, Self

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, model_validator

from chatkeep.text import clean_json
from chatkeep.tools.names import NAME_REGEX


def _is_client(kind: str) -> bool:
    """Return True for the usual kind. It is left out of records and hashes, which are older than the other one."""
    return kind == "client"


class ClientTool(BaseModel):
    """A function of the client. One that is declared in the service may be named alone.

    `kind`: `client` is run by the client, and its output goes back to the model. The validated arguments of a `reply`
    are the answer itself.
    """

    model_config = ConfigDict(extra="forbid", frozen=True, strict=True)

    name: Annotated[str, Field(pattern=NAME_REGEX)]
    description: Annotated[str, Field(min_length=1, max_length=4096), BeforeValidator(clean_json)] | None = None
    parameters: Annotated[dict[str, Any], BeforeValidator(clean_json)] | None = None
    kind: Annotated[Literal["client", "reply"], Field(exclude_if=_is_client)] = "client"

    @property
    def is_described(self) -> bool:
        """True if the client brings the function's description; False if it names one that is declared here."""
        return self.description is not None

    @model_validator(mode="after")
    def _check_fields(self) -> Self:
        if (self.description is None) != (self.parameters is None):
            raise ValueError("description and parameters: both, or neither for a function that is known here")
        if self.kind == "reply" and self.parameters is None:
            raise ValueError("kind: a function of the kind reply has a description and parameters")
        if self.parameters is not None and self.parameters.get("type", "object") != "object":
            raise ValueError("parameters: a JSON Schema of an object")
        return self
