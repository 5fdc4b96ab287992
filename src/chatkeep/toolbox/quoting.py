"""A quotation in a reply. `agent/quotes.py` checks if it stands in the user's documents."""

from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field


class Quote(BaseModel):
    """Words of a document that the user gave, exactly as they stand there."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    text: Annotated[str, Field(min_length=1, description="The words, copied exactly; … where some are left out.")]
    file: Annotated[str | None, Field(description="The file's name; null for what the user wrote in a message.")]
    page: Annotated[int | None, Field(ge=1, description="The page, if the document has marks of pages.")]


Quotes = Annotated[
    list[Quote], Field(max_length=50, description="What is quoted of the user's documents; empty if nothing is.")
]
"""The field `quotes` of a reply. Each is checked, and the card says which were not found."""
