"""Measures the index of words in an archive: `python bench/search.py [MESSAGES [URL]]`. The database is new or empty.

Messages have 200 words of a vocabulary of 48,600, some far more often than others, as in a language (Zipf's law).
"""

import asyncio
import itertools
import random
import sys
import tempfile
import time
from functools import partial
from pathlib import Path

from archive import OWNER, add_session

from chatkeep.db import Database
from chatkeep.db.migrate import load_migrations, migrate
from chatkeep.db.open import connect
from chatkeep.settings import Settings
from chatkeep.toolbox.search import search

SESSION_MESSAGES = 20
SYLLABLES = [f"{a}{b}" for a, b in itertools.product("bcdfghklmnprstvwxz", "aeiou")]
WORDS = ["".join(each) for each in itertools.product(SYLLABLES, SYLLABLES, SYLLABLES[:6])]
WEIGHTS = list(itertools.accumulate(1 / rank for rank in range(1, len(WORDS) + 1)))
QUERIES = {
    "a rare word": "platypus",
    "none": "nowheretobefound",
    "a common word": WORDS[0],
    "two": f"{WORDS[0]} {WORDS[40]}",
    "a phrase": f'"{WORDS[1]} {WORDS[0]}"',
    "a common beginning": WORDS[0][:2],
}


async def main(messages: int, url: str) -> None:
    with tempfile.TemporaryDirectory() as directory:
        settings = Settings(_env_file=None, database_url=url or f"sqlite:///{Path(directory) / 'search.db'}")
        db = await connect(settings)
        await migrate(db, load_migrations(db.engine))
        chance = random.Random(1)
        began = time.process_time()
        for number in range(messages // SESSION_MESSAGES):
            words = chance.choices(WORDS, cum_weights=WEIGHTS, k=200) + ["platypus"] * (number % 400 == 7)
            await db.transaction(partial(add_session, length=SESSION_MESSAGES, text=" ".join(words)))
            await db.transaction(lambda tx: tx.settle_words())
        print(f"{messages} messages, {1e6 * (time.process_time() - began) / messages:.0f} µs of CPU for each")
        await _print_sizes(db, messages)
        for name, query in QUERIES.items():
            times: list[float] = []
            for _ in range(11):
                began = time.perf_counter()
                found = await search(db, OWNER, query, 20)
                times.append(time.perf_counter() - began)
            print(f"{name:20} {len(found.results):3} results {1000 * sorted(times)[5]:6.1f} ms (median of 11)")
        await db.close()


async def _print_sizes(db: Database, messages: int) -> None:
    if db.engine == "sqlite":
        sql = "SELECT name, sum(pgsize) FROM dbstat GROUP BY name ORDER BY 2 DESC LIMIT 12"
    else:
        sql = "SELECT relname, pg_total_relation_size(oid) FROM pg_class WHERE relname LIKE 'messages%' ORDER BY 2 DESC"

    for name, size in await db.snapshot(lambda tx: tx.all(sql)):
        print(f"{name:32} {size / messages:8.0f} bytes a message")


asyncio.run(main(int(sys.argv[1]) if len(sys.argv) > 1 else 10_000, sys.argv[2] if len(sys.argv) > 2 else ""))
