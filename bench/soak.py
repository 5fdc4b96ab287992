"""Runs a mixed load with faults for minutes or hours, and measures what the service's process holds.

    .venv/bin/python bench/soak.py --minutes 20 --plot soak.png --json soak.json

Sessions are created and deleted, readers disconnect and resume, answers are cancelled, interrupted and repeated. The
provider fails, cuts connections, stalls and sends nonsense. Hostile clients send bad requests and half ones. Hostile
MCP servers flood, change their lists all the time, send 100 MB lines, die. Logs are deleted after seconds. A figure
that grows and does not shrink again is a leak. Needs Linux.
"""

import argparse
import asyncio
import contextlib
import json
import os
import sqlite3
import sys
import tempfile
import time
from functools import partial
from itertools import pairwise
from pathlib import Path
from statistics import mean
from typing import Any, TypeAlias

from hostile_clients import annoy, answer_oddly
from mixed import Load, Provider

Sample: TypeAlias = dict[str, float]

EVERY = 2.0
"""Seconds between two samples."""
SETTINGS = {
    "CHATKEEP_EVENTS_RETENTION": "5",
    "CHATKEEP_IDLE_TIMEOUT": "4",
    "CHATKEEP_PING_INTERVAL": "2",
    "CHATKEEP_TOOL_TIMEOUT": "3",
    "CHATKEEP_ASSISTANT": "soak",
    "CHATKEEP_ASSISTANTS_DIR": ".",
}
MCP_SERVER = Path(__file__).parent.parent / "tests" / "hostile" / "mcp_server.py"
MCP_WAYS = ("storm", "dies", "huge", "flood", "noise")
"""How the MCP servers misbehave (`tests/hostile/mcp_server.py`)."""
HOSTILE_CLIENTS = 4
ASSISTANT = "---\nname: soak\ndescription: For the soak\nfunctions: [{functions}]\n---\nYou are a test.\n"
QUIET_SECONDS = 120
"""How long to wait for quiet at the end, at most: logs are deleted and idle connections closed (15 s each)."""
FIGURES = {
    "rss_mb": "resident memory, MB",
    "fds": "file descriptors",
    "sockets": "open sockets",
    "threads": "threads",
    "streams": "open streams (clients)",
    "open_runs": "open runs",
    "event_rows": "rows in run_events",
    "sessions": "sessions",
    "db_mb": "database, MB",
    "wal_mb": "its log file (WAL), MB",
    "events_per_s": "events read a second",
}


def sample(pid: int, database: Path, load: Load, began: float) -> Sample:
    """Return what the process holds at this moment; `began`: the start of the soak, in monotonic seconds."""
    status = dict(line.split(":", 1) for line in Path(f"/proc/{pid}/status").read_text().splitlines())
    links: list[str] = []
    for descriptor in Path(f"/proc/{pid}/fd").iterdir():
        with contextlib.suppress(FileNotFoundError):  # closed since
            links.append(str(descriptor.readlink()))
    with contextlib.closing(sqlite3.connect(f"file:{database}?mode=ro", uri=True)) as connection:
        rows = connection.execute("SELECT COUNT(*) FROM run_events").fetchone()[0]
        sessions = connection.execute("SELECT COUNT(*) FROM sessions").fetchone()[0]
        open_runs = connection.execute("SELECT COUNT(*) FROM runs WHERE finished_at IS NULL").fetchone()[0]
    wal = Path(f"{database}-wal")
    return {
        "seconds": time.monotonic() - began,
        "rss_mb": int(status["VmRSS"].split()[0]) / 1024,
        "threads": int(status["Threads"]),
        "fds": len(links),
        "sockets": sum(link.startswith("socket:") for link in links),
        "streams": load.streams,
        "open_runs": open_runs,
        "event_rows": rows,
        "sessions": sessions,
        "db_mb": database.stat().st_size / 2**20,
        "wal_mb": wal.stat().st_size / 2**20 if wal.exists() else 0.0,
        "events": load.counts["events"],
    }


async def soak(minutes: float, people: int, folder: Path) -> dict[str, Any]:
    """Run the whole soak with `people` clients, and return all samples and counts."""
    odd = {way: partial(answer_oddly, way=way) for way in ("odd", "endless", "gzip", "switch", "calls")}
    functions = ("tell_joke", *(f"{way}_echo" for way in MCP_WAYS))
    provider, database, began = Provider(odd, functions), folder / "soak.db", time.monotonic()
    (folder / "soak.md").write_text(ASSISTANT.format(functions=", ".join(functions)))
    upstream = await asyncio.start_server(provider.serve, "127.0.0.1", 0, backlog=1024)
    url = f"http://127.0.0.1:{upstream.sockets[0].getsockname()[1]}/v1"
    kept = {name: value for name, value in os.environ.items() if not name.startswith(("OPENAI_", "CHATKEEP_"))}
    own = {"CHATKEEP_DATABASE_URL": f"sqlite:///{database}", "OPENAI_BASE_URL": url, "OPENAI_API_KEY": "x", **SETTINGS}
    own |= {"CHATKEEP_MCP_SERVERS": "; ".join(f"{way}={sys.executable} {MCP_SERVER} {way}" for way in MCP_WAYS)}
    with (folder / "stderr.txt").open("wb") as stderr:
        command = (sys.executable, "-m", "chatkeep", "serve", "--port", "0")
        pipe = asyncio.subprocess.PIPE
        process = await asyncio.create_subprocess_exec(*command, cwd=folder, env=kept | own, stdout=pipe, stderr=stderr)
    assert process.stdout is not None
    try:
        line = (await asyncio.wait_for(process.stdout.readline(), 60)).decode()
        load = Load(line.rpartition(" ")[2].strip())
        samples = [sample(process.pid, database, load, began)]
        tasks = [asyncio.create_task(load.person()) for _ in range(people)]
        tasks += [asyncio.create_task(annoy(load)) for _ in range(HOSTILE_CLIENTS)]
        while time.monotonic() - began < minutes * 60 and process.returncode is None:
            await asyncio.sleep(EVERY)
            samples.append(sample(process.pid, database, load, began))
            await load.ask("GET", "/readyz", (200,))
        load.stopping, loaded = True, len(samples)
        await asyncio.wait(tasks, timeout=QUIET_SECONDS)
        await load.client.aclose()
        deadline = time.monotonic() + QUIET_SECONDS
        while time.monotonic() < deadline and process.returncode is None:
            await asyncio.sleep(EVERY)
            samples.append(sample(process.pid, database, load, began))
            if samples[-1]["event_rows"] == 0 and samples[-1]["sockets"] <= samples[0]["sockets"]:
                break
        left = sum(not task.done() for task in tasks)
        process.terminate()
        status = await asyncio.wait_for(process.wait(), 60)
    finally:
        if process.returncode is None:
            process.kill()
        upstream.close()
    said = (folder / "stderr.txt").read_text("utf-8", "replace")
    return {
        "minutes": minutes,
        "people": people,
        "samples": samples,
        "loaded": loaded,
        "exit_status": status,
        "clients_stuck": left,
        "counts": dict(sorted(load.counts.items())),
        "provider": dict(sorted(provider.faults.items())),
        "wrong": dict(load.wrong),
        "examples": load.examples[:50],
        "stderr": said[-4000:],
        "tracebacks": said.count("Traceback"),
        "lag_lines": [line for line in said.splitlines() if "stood still" in line],
    }


def with_rates(samples: list[Sample]) -> list[Sample]:
    """Return the samples, each with the events per second since the one before it."""
    rated = [{**samples[0], "events_per_s": 0.0}]
    for last, this in pairwise(samples):
        rated.append({**this, "events_per_s": (this["events"] - last["events"]) / (this["seconds"] - last["seconds"])})
    return rated


def report(result: dict[str, Any]) -> str:
    """Return the table of figures, the counts and the errors, as text."""
    samples, loaded = result["samples"], result["loaded"]
    minute = max(1, min(round(60 / EVERY), loaded // 2))
    columns = [samples[:1], samples[1 : 1 + minute], samples[loaded - minute : loaded], samples[-1:]]
    lines = [f"{'':28}{'before':>10}{'first min':>11}{'last min':>11}{'after idle':>11}"]
    for name, title in FIGURES.items():
        means = [mean(each[name] for each in column) for column in columns]
        lines.append(f"{title:28}{means[0]:10.1f}{means[1]:11.1f}{means[2]:11.1f}{means[3]:11.1f}")
    half = samples[loaded // 2 : loaded]
    growth = slope(half, "rss_mb") * 3600
    lines.append(f"memory in the second half of the load: {growth:+.1f} MB an hour")
    lines += [f"{name}: {told(result[name])}" for name in ("counts", "provider", "wrong")]
    lines += [f"  {example}" for example in result["examples"]]
    lines.append(
        f"exit status {result['exit_status']}, clients stuck {result['clients_stuck']}, "
        f"tracebacks on stderr {result['tracebacks']}"
    )
    lines += [f"lag of a second or more: {len(result['lag_lines'])} lines", *result["lag_lines"][:5]]
    return "\n".join([*lines, result["stderr"][-1500:]])


def told(counts: dict[str, int]) -> str:
    """Return counts in one line."""
    return ", ".join(f"{what} {count}" for what, count in counts.items()) or "nothing"


def slope(samples: list[Sample], name: str) -> float:
    """Return the growth of a figure per second: the slope of the least-squares line."""
    times, values = [each["seconds"] for each in samples], [each[name] for each in samples]
    middle, level = mean(times), mean(values)
    spread = sum((time - middle) ** 2 for time in times)
    return sum((time - middle) * (value - level) for time, value in zip(times, values, strict=True)) / (spread or 1.0)


def plot(result: dict[str, Any], path: Path) -> None:
    """Draw each figure over the time in minutes; a vertical line marks the end of the load."""
    import matplotlib as mpl

    mpl.use("Agg")
    from matplotlib import pyplot

    samples = result["samples"]
    figure, axes = pyplot.subplots(len(FIGURES) // 2 + 1, 2, figsize=(12, 14), sharex=True, layout="constrained")
    for axis, (name, title) in zip(axes.flat, FIGURES.items(), strict=False):
        axis.plot([each["seconds"] / 60 for each in samples], [each[name] for each in samples], linewidth=1)
        axis.axvline(samples[result["loaded"] - 1]["seconds"] / 60, color="grey", linewidth=0.5)
        axis.set_title(title, fontsize=9)
        axis.set_ylim(bottom=0)
    figure.savefig(path, dpi=90)


def main() -> int:
    """Run the soak, then print and write the result. Returns the exit status: 1 after any error."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--minutes", type=float, default=20, help="of load (default: %(default)s)")
    parser.add_argument("--people", type=int, default=24, help="clients at once (default: %(default)s)")
    parser.add_argument("--plot", type=Path, help="a PNG to write")
    parser.add_argument("--json", type=Path, help="a file to write everything to")
    given = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="soak-") as folder:
        result = asyncio.run(soak(given.minutes, given.people, Path(folder)))
    result["samples"] = with_rates(result["samples"])
    if given.json:
        given.json.write_text(json.dumps(result, indent=1))
    print(report(result), flush=True)
    if given.plot:
        plot(result, given.plot)
    return 1 if result["wrong"] or result["clients_stuck"] or result["exit_status"] or result["tracebacks"] else 0


if __name__ == "__main__":
    sys.exit(main())
