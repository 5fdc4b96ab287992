"""A client that a generator makes of the OpenAPI document, used against the service.

The generator is `openapi-python-client`: it leaves out what it does not understand and says so, and here each of its
warnings is a failure.
"""

import importlib
import json
import subprocess
import sys
from collections.abc import AsyncGenerator
from pathlib import Path
from typing import Any

import pytest

from chatkeep.api.app import create_api
from chatkeep.settings import Settings
from tests.api.test_functions import DONE, PICK, TWO, functional
from tests.script import Script, say, stop
from tests.service import Service, serving

pytestmark = pytest.mark.anyio

PACKAGE = "chatkeep_client"
WORDS = (
    f"generate --path openapi.json --meta none --output-path {PACKAGE} --config config.yaml --fail-on-warning".split()
)

OF_ANY_TYPE = {"*/*": "application/octet-stream", "image/*": "application/octet-stream"}
"""Types of bytes, in the words of this generator (docs/http-api.md)."""


@pytest.fixture
async def service(tmp_path: Path, script: Script) -> AsyncGenerator[Service]:
    """A service whose assistant has functions of every kind."""
    async with serving(functional(tmp_path), script) as service:
        yield service


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The generated client: a folder that it can be imported from."""
    folder = tmp_path_factory.mktemp("generated")
    (folder / "openapi.json").write_text(json.dumps(create_api(Settings.model_construct()).openapi()))
    (folder / "config.yaml").write_text(json.dumps({"post_hooks": [], "content_type_overrides": OF_ANY_TYPE}))
    made = subprocess.run(
        [sys.executable, "-m", "openapi_python_client", *WORDS],
        cwd=folder,
        capture_output=True,
        text=True,
        check=False,
        timeout=100,
    )
    assert (made.returncode, "WARNING" in made.stdout) == (0, False), made.stdout + made.stderr
    return folder


class Generated:
    """The generated client of a service."""

    def __init__(self, client: Any) -> None:
        self.models: Any = importlib.import_module(f"{PACKAGE}.models")
        self._client = client

    async def call(self, tag: str, operation: str, *arguments: Any, **fields: Any) -> Any:
        """Call an operation, and return its answer as a value of the client's."""
        module = importlib.import_module(f"{PACKAGE}.api.{tag}.{operation}")
        return (await module.asyncio_detailed(*arguments, client=self._client, **fields)).parsed


@pytest.fixture
async def generated(service: Service, folder: Path, monkeypatch: pytest.MonkeyPatch) -> AsyncGenerator[Generated]:
    """The generated client of `service`."""
    monkeypatch.syspath_prepend(folder)  # pyright: ignore[reportUnknownMemberType]  # its type has no argument
    client = importlib.import_module(PACKAGE).Client(base_url=service.url, raise_on_unexpected_status=True)
    async with client:
        yield Generated(client)


async def test_a_generated_client_talks(generated: Generated, script: Script) -> None:
    models = generated.models
    script.play([say("To get to the other side."), stop(tokens=(10, 5))])
    session = await generated.call("sessions", "create_session", body=models.NewSession(title="Jokes"))
    assert (type(session), session.title) == (models.Session, "Jokes")
    asked = models.NewMessage(content="why?", params=models.ModelParams(temperature=0.5))
    answer = await generated.call("messages", "send_message", session.id, body=asked, accept="application/json")
    assert (answer.run.status, answer.run.usage.output_tokens) == ("completed", 5)
    (part,) = answer.message.parts
    assert (type(part), part.text) == (models.TextPart, "To get to the other side.")
    page = await generated.call("messages", "list_messages", session.id)
    assert [message.id for message in page.data] == [answer.user_message.id, answer.message.id]
    assert page.data[1] == answer.message
    sessions = await generated.call("sessions", "list_sessions", limit=5)
    assert [each.id for each in sessions.data] == [session.id]
    assert (await generated.call("runs", "cancel_run", answer.run.id)).to_dict() == answer.run.to_dict()
    assert await generated.call("sessions", "delete_session", session.id) is None


async def test_it_answers_calls_that_wait(generated: Generated, script: Script) -> None:
    models = generated.models
    script.play(TWO, DONE)
    session = await generated.call("sessions", "create_session", body=models.NewSession())
    asked = models.NewMessage(content="Pick!", tools=[models.ClientTool.from_dict(PICK)])
    answer = await generated.call("messages", "send_message", session.id, body=asked, accept="application/json")
    assert [(part.name, part.state) for part in answer.message.parts] == [("pick", "waiting"), ("pick", "waiting")]
    outputs = [models.ToolOutput(call_id="a", output={"colour": "red"}), models.ToolOutput(call_id="b", error="no")]
    body = models.ToolOutputs(outputs=outputs)
    answer = await generated.call("runs", "answer_calls", answer.run.id, body=body, accept="application/json")
    first, second = answer.message.parts[:2]
    assert (first.output, second.error.code) == ({"colour": "red"}, "tool_error")
    again = await generated.call("runs", "answer_calls", answer.run.id, body=body)
    assert (type(again), again.code) == (models.ProblemDocument, "call_not_waiting")


async def test_its_events_are_those_of_the_stream(generated: Generated, service: Service, script: Script) -> None:
    """The generator makes no streams, but its types read their events."""
    models = generated.models
    script.play([say("Hello."), stop()])
    session = await service.session()
    run = (await service.send(session, "hi"))["run"]["id"]
    kinds = {"run.started": models.RunStarted, "text.delta": models.TextDelta, "run.finished": models.RunFinished}
    events = await service.events(run)
    read = [kinds[event["type"]].from_dict({name: event[name] for name in event if name != "id"}) for event in events]
    assert read[0].message.parts == []
    assert read[-1].message.parts[0].text == "Hello."
