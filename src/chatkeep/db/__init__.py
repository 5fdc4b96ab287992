"""A database behind one small protocol. Statements are written once, with `$1 $2`, values only through those.

The text of a statement is `LiteralString`: pyright refuses SQL that was put together from variables.
"""

from collections.abc import Awaitable, Callable, Iterable, Sequence
from typing import Any, LiteralString, Protocol, TypeAlias, TypeVar

Param: TypeAlias = str | int | float | None
Row: TypeAlias = tuple[Any, ...]
T = TypeVar("T")


class Transaction(Protocol):
    """Where statements run: inside a transaction, where all of them happen or none."""

    async def all(self, sql: LiteralString, *params: Param) -> list[Row]:
        """Every row."""
        ...

    async def one(self, sql: LiteralString, *params: Param) -> Row | None:
        """The first row, or None."""
        ...

    async def run(self, sql: LiteralString, *params: Param) -> None:
        """Run a statement for its effect."""
        ...

    async def many(self, sql: LiteralString, rows: Iterable[Sequence[Param]]) -> None:
        """Run a statement once per row of values."""
        ...

    async def returning(self, sql: LiteralString, rows: Iterable[Sequence[Param]]) -> list[Row]:
        """Run a statement once per row of values; what they return, in that order."""
        ...

    async def now(self) -> str:
        """The database's time, as `chatkeep.clock` writes it; the same within a transaction."""
        ...

    async def lock_schema(self) -> None:
        """Wait until nobody else changes the schema, and keep others from it until the transaction ends."""
        ...


class Database(Protocol):
    """An open database. `engine` names its kind, as the files of `migrations/` do; `name` is for messages."""

    engine: str
    name: str

    async def transaction(self, fn: Callable[[Transaction], Awaitable[T]]) -> T:
        """Run `fn` in a transaction of its own; committed when this returns, rolled back when it raises.

        `fn` awaits nothing but its connection (on SQLite it runs in the writer's thread, without an event loop),
        and changes nothing else: PostgreSQL may have to begin anew. A caller that is cancelled does not undo it.

        Raises:
            StorageFailed: the database refused; nothing of it is stored.
        """
        ...

    async def snapshot(self, fn: Callable[[Transaction], Awaitable[T]]) -> T:
        """Run `fn`, which only reads, on one unchanging state of the database; the same rules for `fn`."""
        ...

    async def close(self) -> None:
        """Finish what was submitted, then let go of everything."""
        ...
