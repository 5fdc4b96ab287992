"""The reply of the legal-research assistant: its reasoning step by step, and the source of each authority.

The same assistant counts deadlines with `deadlines.py`.
"""

from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field

from chatkeep.toolbox.quoting import Quotes
from chatkeep.tools.declaration import tool


class _StrictModel(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class Authority(_StrictModel):
    """A statute, rule or decision that the answer rests on. There is no source "looked up": nothing is."""

    name: Annotated[str, Field(min_length=1, description="Statute, rule or decision, no more precisely than known.")]
    source: Annotated[
        Literal["given_by_user", "general_knowledge_to_be_checked"],
        Field(description="given_by_user only for what the user named or quoted here; else the other."),
    ]
    says: Annotated[str, Field(min_length=1, description="What it is relied on for, in one sentence.")]


@tool(kind="reply")
class LegalAnswer(_StrictModel):
    """Answer a legal question that applies law to facts: issue, rule, application, conclusion, and what is unknown.
    Use it whenever the user describes a situation and asks what the law says about it.
    """

    issue: Annotated[str, Field(min_length=1, description="The legal question, in one sentence, and whose law.")]
    rule: Annotated[str, Field(min_length=1, description="The rule that governs it, in plain words.")]
    application: Annotated[str, Field(min_length=1, description="The rule applied to the facts the user gave.")]
    conclusion: Annotated[str, Field(min_length=1, description="The answer, first of all to what was asked.")]
    confidence: Annotated[Literal["low", "medium", "high"], Field(description="high only for settled law, full facts.")]
    unknown: Annotated[
        list[Annotated[str, Field(min_length=1)]],
        Field(min_length=1, description="Facts and points of law that are not known here and could change the answer."),
    ]
    authorities: Annotated[
        list[Authority], Field(description="What the rule rests on; empty rather than a citation that may not exist.")
    ]
    quotes: Quotes
