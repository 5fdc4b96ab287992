"""The data of a release, as its own service has made it: `tests/db/release_0_1_0.json`.

    python -m tests.release FOLDER

makes the file anew, with the release's source in FOLDER. Its service answers with the practice model; the last answer
is cut by a kill. The file has the rows of the database, and what the service showed of them.
"""

import json
import os
import signal
import sqlite3
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any, NamedTuple

import httpx2

from chatkeep.db import Database, Transaction, can_be_repeated
from tests.old_database import LAST_RELEASED, migrate_to

FILE = Path(__file__).parent / "db" / "release_0_1_0.json"
TABLES = ("sessions", "messages", "runs", "prompts", "session_prompts", "facts")
"""Each after those that its rows refer to. A run's events are kept beside them, by the id of the run."""
BOOLEANS = {"usage_estimated", "log_kept"}
FOREVER = "1000000000"
"""Seconds: the data is older than any that a service would keep."""
SAID = (
    "explain the joke: why did the chicken cross the road?",
    "tell me a joke",
    "think",
    "call it wrong",
    "fail with model_rate_limited",
    "stop early",
    'is "great, more rain!" sarcastic?',
    'count to 3, "naïve 鸡 🐔"',
)
PICK = {
    "name": "pick",
    "description": "Picks a colour.",
    "parameters": {"type": "object", "properties": {"colour": {"type": "string"}}, "required": ["colour"]},
}
KEY = {"idempotency-key": "first", "accept": "application/json"}


class Release(NamedTuple):
    """`rows` by table; `events` of each run; `shown` by path; `cut` and `waiting`: the sessions of open runs."""

    rows: dict[str, list[dict[str, Any]]]
    events: list[tuple[str, int, str]]
    shown: dict[str, Any]
    cut: str
    waiting: str


def read_release() -> Release:
    """Return the content of the file."""
    return Release(**json.loads(FILE.read_text("utf-8")))


async def add_release(db: Database, release: Release) -> None:
    """Bring an empty database to the release's schema, and add its rows."""
    await migrate_to(db, LAST_RELEASED)

    async def add(tx: Transaction) -> None:
        tx.prove(can_be_repeated)
        heads = [(each["id"], each["head_id"]) for each in release.rows["sessions"]]
        for table in TABLES:
            for row in release.rows[table]:
                values = {name: value for name, value in row.items() if name != "head_id"}
                numbers = ", ".join(f"${number}" for number in range(1, len(values) + 1))
                sql = f"INSERT INTO {table} ({', '.join(values)}) VALUES ({numbers})"
                await tx.run(sql, *values.values())  # type: ignore[arg-type]  # names of the list above, and of columns
        await tx.many("UPDATE sessions SET head_id = $2 WHERE id = $1", heads)
        logs = dict(await tx.all("SELECT id, log FROM runs"))
        await tx.many(
            "INSERT INTO run_events (log, position, event) VALUES ($1, $2, $3)",
            [(logs[run_id], position, event) for run_id, position, event in release.events],
        )

    await db.transaction(add)


def _make(source: Path, folder: Path) -> Release:
    given = {name: value for name, value in os.environ.items() if not name.startswith(("CHATKEEP_", "OPENAI_"))}
    environment = {**given, "PYTHONPATH": str(source / "src"), "CHATKEEP_ACTION_DEADLINE": FOREVER}
    command = [sys.executable, "-m", "chatkeep", "serve", "--port", "0"]
    with subprocess.Popen(command, cwd=folder, env=environment, stdout=subprocess.PIPE, text=True) as service:
        assert service.stdout is not None
        url = service.stdout.readline().removeprefix("chatkeep is ready: ").strip()
        with httpx2.Client(base_url=url, timeout=60, trust_env=False) as client:
            shown, cut, waiting = _use(client)
            service.send_signal(signal.SIGKILL)
    return Release(*_read_rows(folder / "chatkeep.db"), shown, cut, waiting)


def _use(client: httpx2.Client) -> tuple[dict[str, Any], str, str]:
    used, waiting, cut = (client.post("/api/sessions", json={"title": None}).json()["id"] for _ in range(3))
    path = f"/api/sessions/{used}/messages"
    client.post(path, json={"content": "count to 5"}, headers=KEY).raise_for_status()
    for content in SAID:
        client.post(path, json={"content": content}, headers={"accept": "application/json"}).raise_for_status()
    branch = {"content": "count to 4", "parent_id": None}
    client.post(path, json=branch, headers={"accept": "application/json"}).raise_for_status()
    body = {"content": 'pick "red"', "tools": [PICK]}
    asked = client.post(f"/api/sessions/{waiting}/messages", json=body, headers={"accept": "application/json"})
    assert asked.json()["run"]["status"] == "requires_action", asked.text
    with client.stream("POST", f"/api/sessions/{cut}/messages", json={"content": "count to 200"}) as answer:
        assert any(" 12 " in line or '"12 "' in line for line in answer.iter_lines())
        shown = {each: client.get(each).json() for each in (f"/api/sessions/{used}", f"{path}?branches=all")}
        for message in shown[f"{path}?branches=all"]["data"]:
            if message["run_id"]:
                run = f"/api/runs/{message['run_id']}"
                shown |= {run: client.get(run).json(), f"{run}/prompt": client.get(f"{run}/prompt").json()}
    return shown, cut, waiting


def _read_rows(file: Path) -> tuple[dict[str, list[dict[str, Any]]], list[tuple[str, int, str]]]:
    connection = sqlite3.connect(file)
    connection.row_factory = sqlite3.Row
    rows = {table: [dict(row) for row in connection.execute(f"SELECT * FROM {table}")] for table in TABLES}
    for run in rows["runs"]:
        del run["log"]
        run |= {name: bool(run[name]) for name in BOOLEANS}
    query = "SELECT r.id, e.position, e.event FROM run_events e JOIN runs r ON r.log = e.log ORDER BY r.log, e.position"
    events = [tuple(row) for row in connection.execute(query)]
    connection.close()
    return rows, events


if __name__ == "__main__":
    with tempfile.TemporaryDirectory() as name:
        made = _make(Path(sys.argv[1]), Path(name))
    FILE.write_text(json.dumps(made._asdict(), ensure_ascii=False, indent=0) + "\n", "utf-8")
