"""Functions that help the user to answer: a question with choices, and suggestions of what to say next.

`ask_user` is a client function: a client that can show the question offers it by its name.
"""

from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field

from chatkeep.tools.declaration import tool


@tool(kind="client")
class AskUser(BaseModel):
    """Ask the user one question and offer answers to choose from. Use it when you cannot go on without a decision
    that only the user can take; not for small talk, and not for what you can find out yourself.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    question: Annotated[str, Field(min_length=1, description="The question, in one sentence.")]
    choices: Annotated[
        list[Annotated[str, Field(min_length=1)]],
        Field(min_length=2, max_length=5, description="Two to five answers, a few words each."),
    ]


@tool(kind="reply")
class SuggestReplies(BaseModel):
    """Offer the user what to say next, beside your answer. First answer in words, then call this once, in the same
    turn, when there are natural ways to go on.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    replies: Annotated[
        list[Annotated[str, Field(min_length=1, max_length=80)]],
        Field(min_length=2, max_length=4, description="Two to four things the user might say, in the user's words."),
    ]
