"""The document card."""

import pytest

from chatkeep import toolbox
from chatkeep.agent.context_window import fit_history
from chatkeep.chat.types import ToolCallPart
from chatkeep.tools.arguments import InvalidArguments
from chatkeep.tools.declaration import declared_tools
from tests.turns import answer, user

assert toolbox.writing  # importing it declares the functions

NOTE = {"title": "Thanks", "body": "Dear Maria,\n\nthank you.", "note": "A first draft.", "quotes": list[object]()}


def test_a_document_is_returned_whole() -> None:
    assert declared_tools()["write_document"].check(NOTE) == NOTE
    for field in ("title", "body", "note"):
        with pytest.raises(InvalidArguments, match=f"^{field}: "):
            declared_tools()["write_document"].check({**NOTE, field: ""})


def test_the_model_sees_the_last_version_when_revising() -> None:
    card = ToolCallPart("c", "write_document", "reply", '{"title":…', NOTE, "succeeded", NOTE)
    messages = fit_history("P", [user("Thank Maria."), answer(card), user("Shorter!")], [], 100_000).messages
    assert [message["role"] for message in messages] == ["system", "user", "assistant", "tool", "user"]
    assert "thank you." in messages[2]["tool_calls"][0]["function"]["arguments"]
