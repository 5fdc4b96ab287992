"""Which engine? The one place that asks, and everything that follows from the answer."""

from chatkeep.config import Settings
from chatkeep.db import Database
from chatkeep.db.postgres import Postgres
from chatkeep.db.sqlite import Sqlite


async def connect(settings: Settings) -> Database:
    """The database that CHATKEEP_DATABASE_URL names, as it is.

    Raises:
        CannotStart: it cannot be opened, or the URL is wrong.
    """
    path = settings.database_path()
    if path is None:
        return await Postgres.connect(settings.database_url, settings.database_pool)
    return Sqlite(path)
