"""For whom a tool runs: owner, session and run."""

from dataclasses import dataclass, field

from chatkeep.tools.file import SaveFile


@dataclass(frozen=True)
class ToolContext:
    """The owner, session and run that a tool call belongs to.

    An action that has a parameter of this type receives it there. The model neither sees nor fills that parameter.
    Outside of the service (`chatkeep ask`) the owner is `local`, and both ids are empty.
    """

    owner: str
    session_id: str
    run_id: str
    save_file: SaveFile | None = field(default=None, kw_only=True, repr=False, compare=False)
    """Stores the files that actions return; None where no service runs."""
