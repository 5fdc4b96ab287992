"""Quotations of a reply: those that stand in the document are found, however a PDF breaks lines, and others are not."""

from typing import Any

import msgspec
import pytest

from chatkeep.agent.quotes import QuotedFile, check_quotes, find_quote
from chatkeep.agent.user_content import PromptFile, PromptPicture
from chatkeep.chat.events import Event, ToolCallFinished
from chatkeep.chat.types import FilePart, TextPart
from tests.turns import turn_input, user

pytestmark = pytest.mark.anyio

LEASE = FilePart("l", "Lease.pdf", "application/pdf", 9, pages=3)
TEXT = (
    "[Page 1]\nThe tenant pays a depo-\nsit of three months'\nrent.\n\n"
    "[Page 3]\nThe land\u00adlord keeps it in a “well-known” bank. No pets, ex-\ncept fish. The profit is -5 %."
)


async def checked(*quotes: dict[str, Any], file: PromptFile | None = None, asks: str = "?") -> list[dict[str, Any]]:
    """Return the quotations of a reply to a message with the lease, or with no file."""
    start = turn_input(asks)
    if file is not None:
        start = start._replace(
            history=[msgspec.structs.replace(user(asks), parts=(LEASE, TextPart(asks)))], files={"l": file}
        )
    events: list[Event] = [ToolCallFinished(index=0, state="succeeded", output={"title": "T", "quotes": list(quotes)})]
    (event,) = await check_quotes(events, start)
    assert isinstance(event, ToolCallFinished)
    return event.output["quotes"]


def quote(text: str, file: str | None = None, page: int | None = None) -> dict[str, Any]:
    return {"text": text, "file": file, "page": page}


@pytest.mark.parametrize(
    ("text", "page"),
    [
        ("The tenant pays a deposit of three months' rent.", 1),
        ("the TENANT  pays\na deposit of three months\u2019 rent", 1),
        ("The landlord keeps it in a 'well-known' bank.", 3),
        ("a wellknown bank", 3),
        ("No pets, except fish.", 3),
        ("The tenant pays … three months' rent. The landlord keeps it", 1),
        ("three months' rent. [...] No pets", 1),
        ("The profit is -5 %", 3),
    ],
)
async def test_words_of_the_document_are_found(text: str, page: int) -> None:
    (found,) = await checked(quote(text, "lease.pdf", 2), file=PromptFile(TEXT))
    assert found == {**quote(text, "lease.pdf", 2), "found": True, "found_page": page}


@pytest.mark.parametrize(
    "text",
    ["The tenant pays no deposit", "Pets except fish", "No pets … The tenant pays", "The profit is 5 %", "…", "'"],
)
async def test_other_words_are_not(text: str) -> None:
    (found,) = await checked(quote(text), file=PromptFile(TEXT))
    assert found == {**quote(text), "found": False}


async def test_what_may_stand_in_a_picture_is_not_known() -> None:
    scan = PromptFile(TEXT, [PromptPicture("[Page 2]", "data:")])
    assert [each["found"] for each in await checked(quote("No pets"), quote("No dogs"), file=scan)] == [True, None]


async def test_without_files_the_user_s_words_are_the_document() -> None:
    found = await checked(quote("the deposit"), quote("a deposit"), asks="He keeps “the  Deposit”.")
    assert [each["found"] for each in found] == [True, False]


def test_a_file_that_is_named_is_searched_alone() -> None:
    files = [QuotedFile("a.txt", [(None, "words")]), QuotedFile("b.txt", [(None, "others")])]
    assert find_quote(quote("words", "B.txt"), files)["found"] is False
    assert find_quote(quote("words", "unknown.txt"), files)["found"] is True


@pytest.mark.parametrize("output", [None, "text", {}, {"quotes": 7}, {"quotes": []}, {"quotes": ["x"]}])
async def test_what_has_no_quotations_stays_as_it_is(output: Any) -> None:
    events: list[Event] = [ToolCallFinished(index=0, state="succeeded", output=output)]
    assert await check_quotes(events, turn_input("?")) is events
