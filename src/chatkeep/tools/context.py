"""For whom a tool runs."""

from dataclasses import dataclass


@dataclass(frozen=True)
class ToolContext:
    """For whom a function runs. An action gets it by a parameter of this type, which the model does not see."""

    owner: str
    session_id: str
    run_id: str
