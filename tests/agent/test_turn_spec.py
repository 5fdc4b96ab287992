"""The turn spec in a run's record: what a run that waited goes on with."""

from datetime import UTC, datetime
from typing import Any

import pytest

from chatkeep.agent.assistants import Assistant
from chatkeep.agent.turn_spec import build_spec, restore_spec

COOK = Assistant(name="cook", description="Cooks.", temperature=0.5, prompt="You cook.")


@pytest.mark.parametrize(
    ("assistant", "params"), [(COOK, {"temperature": 0.5}), (COOK.model_copy(update={"temperature": None}), {})]
)
def test_a_spec_is_restored_from_its_record(assistant: Assistant, params: dict[str, Any]) -> None:
    spec = build_spec({}, assistant, datetime.now(UTC), "UTC", client_tools=[])
    record = spec.to_record("hash")
    assert restore_spec(spec.snapshot(), {}, record) == spec
    assert spec.params == params
    older = {**record, "temperature": assistant.temperature}
    del older["params"]
    assert restore_spec(spec.snapshot(), {}, older) == spec
