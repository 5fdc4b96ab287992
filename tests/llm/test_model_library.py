"""`ModelLibrary`: the models of a file, also after it has changed."""

import logging
from pathlib import Path
from typing import Any

import pytest
from pydantic import SecretStr

from chatkeep.errors import CannotStart
from chatkeep.llm.model_library import ModelLibrary, OfferedModel
from chatkeep.settings.models_file import ModelInput
from tests.models import PLAIN, write_models
from tests.service import settings

pytestmark = pytest.mark.anyio

URL = 'base_url = "http://127.0.0.1:9/v1"'


def library_of(path: Path, model: str = "fast") -> ModelLibrary:
    return ModelLibrary(settings(path.parent, models=path, model=model))


def test_the_models_of_the_file_are_offered(tmp_path: Path) -> None:
    library = library_of(write_models(tmp_path, {"small": PLAIN, "fast": PLAIN + "context_tokens = 9\n"}, one=URL))
    assert library.all() == [
        OfferedModel("fast", "one", 9, ["text"], None),
        OfferedModel("small", "one", 128_000, ["text"], None),
    ]
    assert library.find_refusal("small") is None
    assert library.find_refusal("gpt-5-mini") == "there is no model 'gpt-5-mini'; known: fast, small"


@pytest.mark.parametrize(
    ("changes", "provider", "given"),
    [
        ({}, "practice", ("text", "image", "audio")),
        ({"openai_api_key": SecretStr("k")}, "api.openai.com", ("text", "image")),
        ({"openai_base_url": "http://u:p@h.example:9/v1?q"}, "h.example", ("text",)),
    ],
)
def test_without_a_file_any_model_may_be_asked_for(
    changes: dict[str, Any], provider: str, given: tuple[ModelInput, ...]
) -> None:
    library = ModelLibrary(settings(Path(), **changes))
    assert library.all() == [OfferedModel("gpt-5-mini", provider, 128_000, given)]
    assert library.find_refusal("anything") is None


def test_a_file_that_cannot_be_used_stops_the_start(tmp_path: Path) -> None:
    path = tmp_path / "models.toml"
    with pytest.raises(CannotStart, match=f"^CHATKEEP_MODELS: cannot read {path}: No such file or directory$"):
        library_of(path)
    with pytest.raises(CannotStart, match=f"^CHATKEEP_MODELS: cannot read {tmp_path}: Is a directory$"):
        library_of(tmp_path)
    path.write_bytes(b"\xff")
    with pytest.raises(CannotStart, match=r"^models.toml: not UTF-8$"):
        library_of(path)
    write_models(tmp_path, {"fast": PLAIN, "other": PLAIN}, one=URL)
    with pytest.raises(CannotStart, match=f"^CHATKEEP_MODEL: there is no model 'x' in {path}; known: fast, other$"):
        library_of(path, "x")


async def test_a_changed_file_is_read_again(tmp_path: Path) -> None:
    library = library_of(write_models(tmp_path, {"fast": PLAIN}, one=URL))
    changes = 0

    async def count() -> None:
        nonlocal changes
        changes += 1

    library.on_change = count
    await library.refresh()
    assert changes == 0
    write_models(tmp_path, {"fast": PLAIN, "new": PLAIN}, one=URL)
    await library.refresh()
    assert ([each.name for each in library.all()], changes) == (["fast", "new"], 1)


WRONG = [
    ({"fast": "provider = 'none'\nmodel = 'm'\n"}, "models.toml:2: models.fast.provider: unknown provider 'none'"),
    ({"other": PLAIN}, "CHATKEEP_MODEL: there is no model 'fast'"),
]


@pytest.mark.parametrize(("models", "problem"), WRONG)
async def test_a_wrong_change_is_logged_once_and_not_used(
    tmp_path: Path, caplog: pytest.LogCaptureFixture, models: dict[str, str], problem: str
) -> None:
    library = library_of(write_models(tmp_path, {"fast": PLAIN}, one=URL))
    write_models(tmp_path, models, one=URL)
    with caplog.at_level(logging.ERROR, "chatkeep"):
        await library.refresh()
        await library.refresh()
    (said,) = [record.getMessage() for record in caplog.records]
    assert said.startswith(f"models stay as they were: {problem}")
    assert library.problem is not None
    assert [each.name for each in library.all()] == ["fast"]
    write_models(tmp_path, {"fast": PLAIN, "new": PLAIN}, one=URL)
    await library.refresh()
    assert (len(library.all()), library.problem) == (2, None)


async def test_a_file_that_is_gone_changes_nothing(tmp_path: Path) -> None:
    path = write_models(tmp_path, {"fast": PLAIN}, one=URL)
    library = library_of(path)
    path.unlink()
    await library.refresh()
    assert library.find_refusal("fast") is None
    assert library.problem == f"CHATKEEP_MODELS: cannot read {path}: No such file or directory"
