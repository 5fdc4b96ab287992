"""A function that the client runs, as a client offers it with its message."""

from typing import Annotated, Any, Self

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, model_validator

from chatkeep.text import clean_json
from chatkeep.tools.names import NAME_REGEX


class ClientTool(BaseModel):
    """A function that the client runs. One that is declared in the service may be named alone."""

    model_config = ConfigDict(extra="forbid", frozen=True, strict=True)

    name: Annotated[str, Field(pattern=NAME_REGEX)]
    description: Annotated[str, Field(min_length=1, max_length=4096), BeforeValidator(clean_json)] | None = None
    parameters: Annotated[dict[str, Any], BeforeValidator(clean_json)] | None = None

    @property
    def is_described(self) -> bool:
        """True if the client brings the function's description; False if it names one that is declared here."""
        return self.description is not None

    @model_validator(mode="after")
    def _check_fields(self) -> Self:
        if (self.description is None) != (self.parameters is None):
            raise ValueError("description and parameters: both, or neither for a function that is known here")
        if self.parameters is not None and self.parameters.get("type", "object") != "object":
            raise ValueError("parameters: a JSON Schema of an object")
        return self
