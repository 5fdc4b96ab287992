"""Erasing a part of a message."""

from collections.abc import Sequence

import pytest
from hypothesis import given
from hypothesis import strategies as st

from chatkeep.chat.people import LOCAL_USER
from chatkeep.chat.texts import join_texts
from chatkeep.chat.types import HandoverPart, Part, ReasoningPart, StepPart, TextPart
from chatkeep.runs.erase import erase_part, erased
from tests.api.test_files import bring
from tests.script import Script, say, stop
from tests.service import Service
from tests.values import message

pytestmark = pytest.mark.anyio

OTHERS: Sequence[Part] = (StepPart(), HandoverPart("a", "b", "model_unavailable"), ReasoningPart("Hm."))
KINDS = st.sampled_from(["text", *OTHERS])


@given(st.lists(KINDS, min_size=1, max_size=12))
def test_a_text_goes_with_what_goes_on_with_it(kinds: list[str | Part]) -> None:
    parts = [TextPart(f"<{place}>") if isinstance(kind, str) else kind for place, kind in enumerate(kinds)]
    lines = join_texts(parts, "\n").split("\n")
    for line in filter(None, lines):
        index = parts.index(TextPart(line[: line.index(">") + 1]))
        left = erased(message("assistant", parts=tuple(parts)), index).parts
        assert join_texts(left, "\n").split("\n") == ([each for each in lines if each != line] or [""])
        assert [each for each in left if not isinstance(each, TextPart)] == [
            each for each in parts if not isinstance(each, TextPart)
        ]


async def test_a_file_goes_with_the_message_that_showed_it(service: Service, script: Script) -> None:
    session, kept, erased_one = await service.session(), await bring(service, b"one"), await bring(service, b"two")
    for file in (kept, erased_one):
        script.play([say("Seen."), stop()])
        content = [{"type": "file", "file_id": file["id"]}]
        answer = await service.client.post(f"/api/sessions/{session}/messages", json={"content": content}, timeout=30)
        assert answer.status_code == 200
    history = (await service.client.get(f"/api/sessions/{session}/messages")).json()["data"]
    messages = [each["id"] for each in history if each["role"] == "user"]
    await erase_part(service.runtime, LOCAL_USER, session, messages[1], None)
    statuses = [(await service.client.delete(f"/api/files/{file['id']}")).status_code for file in (kept, erased_one)]
    assert statuses == [409, 204]
