"""The report of an import: all that was taken, was there already, or was not taken, and why; together all that came."""

from collections import Counter
from typing import Literal, NamedTuple, TypeAlias

from chatkeep.chat.types import Value

Kind: TypeAlias = Literal["session", "message", "run", "file", "fact", "part", "line"]
Reason: TypeAlias = Literal[
    "not_understood", "too_long", "duplicate", "no_parent", "no_session", "no_message", "no_file", "cut_off", "grown",
    "busy", "refused", "too_many", "system", "tool", "hidden", "empty", "unsupported",
]  # fmt: skip
"""Why something was not taken; `docs/archives.md` explains each."""

MAX_EXAMPLES = 20
"""How many ids a report names for one kind and reason. All are counted."""
MAX_ID_CHARS = 100


class Omission(NamedTuple):
    """Something that is not taken: its kind, an id or a place by which it is found in the archive, and why."""

    kind: Kind
    id: str
    reason: Reason


class NotTaken(Value, frozen=True):
    """Things of one kind that were not taken for one reason: how many, and the ids of the first."""

    kind: Kind
    reason: Reason
    count: int
    examples: list[str]


class ImportReport(Value, frozen=True):
    """The outcome of an import. `complete` is false for an archive that breaks off."""

    source: str
    complete: bool
    taken: dict[Kind, int]
    already: dict[Kind, int]
    not_taken: list[NotTaken]


class Tally:
    """Counts what becomes of what comes."""

    def __init__(self) -> None:
        self.taken: Counter[Kind] = Counter()
        self.already: Counter[Kind] = Counter()
        self.omitted: Counter[tuple[Kind, Reason]] = Counter()
        self.examples: dict[tuple[Kind, Reason], list[str]] = {}

    def omit(self, kind: Kind, item_id: str, reason: Reason, count: int = 1) -> None:
        """Count something that is not taken."""
        self.omitted[kind, reason] += count
        examples = self.examples.setdefault((kind, reason), [])
        if len(examples) < MAX_EXAMPLES:
            examples.append(item_id[:MAX_ID_CHARS])

    def add(self, other: "Tally") -> None:
        """Count all that `other` has counted."""
        self.taken += other.taken
        self.already += other.already
        self.omitted += other.omitted
        for key, examples in other.examples.items():
            known = self.examples.setdefault(key, [])
            known += examples[: MAX_EXAMPLES - len(known)]

    def give_up(self, item_id: str, reason: Reason) -> None:
        """Count all that was taken as not taken: the session `item_id` is not kept after all."""
        for kind, count in self.taken.items():
            self.omit(kind, item_id, reason, count)
        self.taken.clear()

    def to_report(self, source: str, *, complete: bool) -> ImportReport:
        """Return the report."""
        not_taken = [NotTaken(*key, count, self.examples[key]) for key, count in sorted(self.omitted.items())]
        return ImportReport(source, complete, dict(self.taken), dict(self.already), not_taken)
