"""Replies of the default assistant: explain a joke, tell one, and judge sarcasm."""

from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field

from chatkeep.tools.declaration import tool


class _Reply(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


@tool(kind="reply")
class ExplainJoke(_Reply):
    """Explain a joke that the user asks about, by taking it apart. Use it whenever the user wants a joke explained."""

    setup: Annotated[str, Field(min_length=1, description="The joke's set-up, as told: what leads the listener on.")]
    premise: Annotated[str, Field(min_length=1, description="What the listener is led to expect, and why.")]
    punchline: Annotated[str, Field(min_length=1, description="The punchline, and how it breaks that expectation.")]


@tool(kind="reply")
class DetectSarcasm(_Reply):
    """Judge how sarcastic something is. Use it when the user asks whether a remark is meant seriously."""

    quote: Annotated[str, Field(min_length=1, description="The remark that is judged, word for word.")]
    score: Annotated[int, Field(ge=0, le=9, description="0: entirely sincere. 9: dripping with sarcasm.")]


@tool(kind="reply")
class TellJoke(_Reply):
    """Tell the user a joke. Use it when the user asks for one."""

    text: Annotated[str, Field(min_length=1, description="The whole joke, short and corny, set-up and punchline.")]
