"""Pages of messages and runs as rows of a staged session: with the ids that they have here. Statements alone, and pure.

A message needs its parent, and a run its messages: what lacks them is left out, and said. So nothing refers to what is
not there, and no branch is a circle.
"""

from collections.abc import Iterable, Mapping, Sequence
from typing import Literal, NamedTuple, TypeAlias

import msgspec
from msgspec.structs import replace

from chatkeep import ids
from chatkeep.archives.incoming_values import claim, next_number, to_ended, to_parts
from chatkeep.archives.report import Reason
from chatkeep.chat.types import Message, Run
from chatkeep.db import Transaction
from chatkeep.store import importing

RowKind: TypeAlias = Literal["message", "run"]


class IdMap(NamedTuple):
    """How ids of the archive become ids here. `is_kept`: the session has its old id, so its rows may, too."""

    session_id: str
    is_kept: bool

    def find(self, old_id: str) -> str | None:
        """Return the id here; None if it depends on whether the old one could be kept."""
        canonical = ids.parse(old_id)
        if not self.is_kept or canonical is None:
            return ids.derive_in(self.session_id, old_id)
        return canonical if ids.key_in(canonical) == ids.session_key(self.session_id) else None


class Added(NamedTuple):
    """The outcome of a page: how many rows were added, which were not and why, and which files are not there.

    `last` is the number of the last row.
    """

    rows: int
    last: int
    omitted: Sequence[tuple[str, Reason]]
    missing_files: Sequence[str] = ()


async def add_messages(
    tx: Transaction, owner: str, id_map: IdMap, messages: Sequence[Message], file_ids: Mapping[str, str], last: int
) -> Added:
    """Add messages to the staged session. Their numbers rise, from that of its `last` one on."""
    parents = {each.parent_id for each in messages if each.parent_id is not None}
    new = await _map(tx, id_map, [each.id for each in messages], parents)
    there = await importing.find_messages(tx, id_map.session_id, new.values())
    added: list[Message] = []
    omitted: list[tuple[str, Reason]] = []
    for each in messages:
        new_id, parent_id = new[each.id], None if each.parent_id is None else new[each.parent_id]
        if new_id in there:
            omitted.append((each.id, "duplicate"))
        elif parent_id is not None and parent_id not in there:
            omitted.append((each.id, "no_parent"))
        else:
            there.add(new_id)
            last = next_number(each.seq, last)
            places = {"id": new_id, "session_id": id_map.session_id, "parent_id": parent_id, "seq": last}
            added.append(replace(claim(each), parts=to_parts(each.parts, file_ids), **places))
    return Added(len(added), last, omitted, await importing.add_messages(tx, owner, added))


async def add_runs(tx: Transaction, id_map: IdMap, runs: Sequence[Run], assistant: str, last: int) -> Added:
    """Add runs to the staged session, likewise. Their record says that the assistant made them, without functions."""
    said = {each for run in runs for each in (run.user_message_id, run.message_id)}
    new = await _map(tx, id_map, [each.id for each in runs], said)
    there = await importing.find_messages(tx, id_map.session_id, [new[each] for each in said])
    moved = [
        replace(
            to_ended(each),
            id=new[each.id],
            session_id=id_map.session_id,
            user_message_id=new[each.user_message_id],
            message_id=new[each.message_id],
        )
        for each in runs
    ]
    known = await importing.find_runs(tx, id_map.session_id, moved)
    added: list[Run] = []
    omitted: list[tuple[str, Reason]] = []
    for old, run in zip(runs, moved, strict=True):
        if run.id in known or run.message_id in known:
            omitted.append((old.id, "duplicate"))
        elif run.message_id not in there or run.user_message_id not in there:
            omitted.append((old.id, "no_message"))
        else:
            known |= {run.id, run.message_id}
            last = next_number(run.number, last)
            added.append(replace(run, number=last))
    await importing.add_runs(tx, id_map.session_id, added, _to_record(assistant))
    return Added(len(added), last, omitted)


def _to_record(assistant: str) -> str:
    """Return the record of a turn spec (`agent/turn_spec.py: to_record`) of which the assistant alone is known."""
    name = msgspec.json.encode(assistant).decode()
    return f'{{"assistant":{name},"prompt":"","params":{{}},"functions":[],"client_functions":[],"untitled":false}}'


async def find_head(tx: Transaction, id_map: IdMap, old_id: str | None) -> str | None:
    """Return the message that the archive calls the session's head; None if it is not there."""
    if old_id is None:
        return None
    head_id = (await _map(tx, id_map, [], [old_id]))[old_id]
    return head_id if await importing.find_messages(tx, id_map.session_id, [head_id]) else None


async def find_known(tx: Transaction, id_map: IdMap, messages: Iterable[Message], runs: Iterable[Run]) -> set[str]:
    """Return the old ids of those messages and runs that a session has which is there already."""
    found: set[str] = set()
    session_id = id_map.session_id
    for old_ids, find in (
        ([each.id for each in messages], importing.find_messages),
        ([each.id for each in runs], importing.find_run_ids),
    ):
        pairs = [(old, new) for old in old_ids for new in (ids.parse(old), ids.derive_in(session_id, old)) if new]
        there = await find(tx, session_id, [new for _, new in pairs])
        found |= {old for old, new in pairs if new in there}
    return found


async def _map(tx: Transaction, id_map: IdMap, own: Iterable[str], others: Iterable[str]) -> dict[str, str]:
    """Return the ids here of the `own` ids of rows that are added, and of `others` that they refer to."""
    found = {old: id_map.find(old) for old in {*own, *others}}
    unclear_own = [ids.parse(old) or old for old in own if found[old] is None]
    unclear = [ids.parse(old) or old for old, new in found.items() if new is None]
    kept: set[str] = set()
    if unclear:
        await importing.keep_ids(tx, id_map.session_id, unclear_own)
        kept = await importing.find_kept(tx, id_map.session_id, unclear)
    return {
        old: new
        or (canonical if (canonical := ids.parse(old) or old) in kept else ids.derive_in(id_map.session_id, old))
        for old, new in found.items()
    }
