"""The way of a message, end to end."""

import pytest

from tests.script import Script, say, stop
from tests.service import Service

pytestmark = pytest.mark.anyio


async def test_a_message_is_answered_and_kept(service: Service, script: Script) -> None:
    script.play([say("To get "), say("across."), stop(tokens=(12, 4))])
    session_id = await service.session()
    answer = await service.send(session_id, "why?")
    assert answer["run"]["status"] == "completed"
    assert answer["message"]["parts"] == [{"type": "text", "text": "To get across."}]
    history = (await service.client.get(f"/api/sessions/{session_id}/messages")).json()
    assert history["data"] == [answer["user_message"], answer["message"]]
    assert history["position"] == f"1.{answer['run']['position']}"
    events = await service.events(answer["run"]["id"])
    assert events[0]["type"] == "run.started"
    assert events[-1]["message"] == answer["message"]
