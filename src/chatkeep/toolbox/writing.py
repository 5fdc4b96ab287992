"""The reply of the writing assistant: the whole document each time, so that the last card is the current version."""

from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field

from chatkeep.toolbox.quoting import Quotes
from chatkeep.tools.declaration import tool


@tool(kind="reply")
class WriteDocument(BaseModel):
    """Write or revise the document. Use it for every new version, and give the whole text each time: the user sees
    this version in place of the last one.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    title: Annotated[str, Field(min_length=1, max_length=200, description="The document's title; kept when revising.")]
    body: Annotated[str, Field(min_length=1, description="The whole document in Markdown, without the title.")]
    note: Annotated[str, Field(min_length=1, description="What changed and why, or what was assumed, in a sentence.")]
    quotes: Quotes
