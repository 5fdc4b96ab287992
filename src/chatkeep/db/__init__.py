"""A database behind one small protocol, which `sqlite.py` and `postgres.py` implement.

Each statement is written once, for both engines. Values come in only through its parameters, `$1`, `$2` and so on. Its
text is `LiteralString`: pyright refuses SQL that was put together from variables.
"""

from collections.abc import Awaitable, Callable, Iterable, Sequence
from typing import Any, LiteralString, NamedTuple, Protocol, TypeAlias, TypeVar

from chatkeep.db.word_query import WordIndex, WordQuery

Param: TypeAlias = str | int | float | bytes | None
Row: TypeAlias = tuple[Any, ...]
T = TypeVar("T")


class Transaction(Protocol):
    """A transaction or a snapshot, in which statements run. Either all of them take effect or none."""

    async def all(self, sql: LiteralString, *params: Param) -> list[Row]:
        """Return every row."""
        ...

    async def one(self, sql: LiteralString, *params: Param) -> Row | None:
        """Return the first row, or None."""
        ...

    async def run(self, sql: LiteralString, *params: Param) -> None:
        """Run a statement for its effect."""
        ...

    async def many(self, sql: LiteralString, rows: Iterable[Sequence[Param]]) -> None:
        """Run a statement once for each row of parameters."""
        ...

    async def returning(self, sql: LiteralString, rows: Iterable[Sequence[Param]]) -> list[Row]:
        """Run a statement once for each row of parameters. Return the rows that they return, in that order."""
        ...

    async def find_words(self, index: WordIndex, query: WordQuery, owner: str, limit: int) -> list[Row]:
        """Return what an index of words has, at most `limit` rows, in no order.

        A row of titles is the id, updated_at and assistant of a session; one of messages has the message's seq and
        created_at, too. The id is None where the session is not this owner's, or temporary.
        """
        ...

    async def settle_words(self) -> bool:
        """Move words that were written lately to where they are found the fastest, some at a time.

        Return False if there was none.
        """
        ...

    async def now(self) -> str:
        """Return the database's time, in the form of `chatkeep.clock`. It stays the same within a transaction."""
        ...

    async def list_columns(self, table: str) -> set[str]:
        """Return the names of a table's columns; none if there is no such table."""
        ...

    def prove(self, has_taken_place: "Callable[[Transaction], Awaitable[bool]]") -> None:
        """Name a function that finds out, in another transaction, if this one was committed. The last one named counts.

        It is called if the answer to the COMMIT is lost. It reads what this transaction wrote and no other would write.
        Before that it locks a row that this one has locked, and so waits for it to end.
        """
        ...

    async def size_bytes(self) -> int:
        """Return the size of the whole database."""
        ...

    async def lock_schema(self) -> None:
        """Lock the schema against other processes until the transaction ends. Waits while another one has the lock."""
        ...


async def can_be_repeated(tx: Transaction) -> bool:
    """Say that a transaction has not taken place: the proof of one that may take place twice, to the same effect."""
    del tx
    return False


class FailedWrite(NamedTuple):
    """A transaction that failed because the database cannot be used: why, and when, by `time.monotonic`."""

    reason: str
    at: float


class Database(Protocol):
    """An open database. `engine` is `sqlite` or `postgres`; `name` names it in messages, without a password.

    `last_failure` is the last transaction that ended in `StorageFailed`, but not for a wrong statement; None before the
    first.
    """

    engine: str
    name: str
    last_failure: FailedWrite | None

    async def transaction(self, fn: Callable[[Transaction], Awaitable[T]], *, patience_seconds: float = 0.0) -> T:
        """Run `fn` in a transaction and return its result: committed if `fn` returns, rolled back if it raises.

        1. `fn` awaits nothing but its transaction: on SQLite it runs in the writer's thread, without an event loop.
        2. `fn` changes nothing outside of the database: it may be called again, after a lost connection for example.
        3. A caller that is cancelled does not undo the transaction.
        4. If the answer to the COMMIT can be lost, `fn` says by `Transaction.prove` how its outcome is found out.
        5. A server that is away is waited for, for `patience_seconds` if that is longer than usual.

        Raises:
            StorageFailed: the database cannot be used for now.
            ValueRefused: it does not take a value, and would not the next time either.
        """
        ...

    async def snapshot(self, fn: Callable[[Transaction], Awaitable[T]]) -> T:
        """Run `fn`, which only reads, on one unchanging state of the database. The rules of `transaction` hold."""
        ...

    async def close(self) -> None:
        """Finish the transactions that are under way, then close every connection."""
        ...
