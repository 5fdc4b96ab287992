"""Recordings in messages: models that take them get them as they are, and others refuse them."""

import base64
from pathlib import Path

import pytest

from tests.api.shapes import problem
from tests.api.tables import nothing_stored
from tests.api.test_file_messages import content_of, part, text
from tests.api.test_files import bring
from tests.samples import MP3, recording
from tests.script import Script, say, stop
from tests.service import Service, serving, settings

pytestmark = pytest.mark.anyio

MODELS = """
[providers.one]
base_url = "http://127.0.0.1:9/v1"
[models.reads]
provider = "one"
model = "r"
[models.hears]
provider = "one"
model = "h"
input = ["text", "audio"]
"""


@pytest.mark.parametrize(("content", "name", "form"), [(recording(), "a.wav", "wav"), (MP3, "b.mp3", "mp3")])
async def test_a_model_hears_a_recording(
    service: Service, script: Script, content: bytes, name: str, form: str
) -> None:
    script.input = ("text", "audio")
    file = await bring(service, content, name)
    session_id = await service.session()
    await service.send(session_id, [part(file), text("What is said?")])
    head, sound, question = content_of(script.prompts[0])
    assert head["text"].startswith(f"[File: {name}, audio/")
    assert sound == {"type": "input_audio", "input_audio": {"data": base64.b64encode(content).decode(), "format": form}}
    assert question == text("What is said?")
    script.input = ("text",)
    await service.send(session_id, "And now?")
    assert "this model takes no recordings" in script.prompts[1].messages[-3]["content"]


async def test_a_recording_counts_as_tokens_and_not_as_bytes(service: Service, script: Script) -> None:
    script.input = ("text", "audio")
    script.play([say("a"), stop()])
    file = await bring(service, recording(60), "a.wav")
    sent = await service.send(await service.session(), [part(file)])
    assert 600 < sent["run"]["usage"]["input_tokens"] < 2_000


async def test_a_refusal_names_the_models_that_hear(database: str, script: Script, tmp_path: Path) -> None:
    models = tmp_path / "models.toml"
    models.write_text(MODELS)
    async with serving(settings(database, models=models, model="reads"), script) as service:
        script.input = ("text",)
        file = await bring(service, MP3, "b.mp3")
        session_id = await service.session()
        async with nothing_stored(service):
            answer = await service.client.post(f"/api/sessions/{session_id}/messages", json={"content": [part(file)]})
            detail = problem(answer, 422, "unsupported_media_type_for_model")["detail"]
    assert detail.startswith("b.mp3: the model takes no recordings; these do: hears. The model 'reads' is given text,")
