"""Kills the leader of three PostgreSQL servers under Patroni, again and again, while two processes stream.

    .venv/bin/python bench/failover.py --kills 100 --json failover.json

Needs Linux, the Debian packages `etcd-server haproxy postgresql`, and Patroni from 3.1 on (`pip install
'patroni[etcd3]' psycopg2-binary`, in an environment that the user `postgres` can read). Patroni 4 makes a `ttl` below
20 seconds 20. Clients send messages with keys, read their answers, leave and come back, and repeat. Afterwards each
event that a client was sent must be in the log, each message must have one answer, and each session must accept a
message. Everything runs on loopback, in a temporary folder. The ways to kill:

    power     the server and its Patroni at one moment; they start again some seconds later
    server    the server alone: its Patroni starts it again, or gives the lead away
    stopped   both stand still (SIGSTOP) until another server leads, and then go on
    two       the leader and the synchronous replica: no other server may lead before one of them is back
"""

import argparse
import asyncio
import contextlib
import json
import random
import shutil
import signal
import sys
import time
from collections import Counter
from collections.abc import Callable, Sequence
from contextlib import AsyncExitStack
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).parent.parent))  # the root of the project, for `tests`

import cluster
from accounts import check_answers, lost_units, percentile
from chatting import Client, Findings, seconds_until_accepted, speak
from cluster import Cluster, Member, Patroni
from tests import postgres
from tests.faults.client_records import Reading, SessionRecord
from tests.faults.process import Home, Service
from tests.faults.process import running as running_service
from tests.provider import Provider

WAYS = {"power": 10, "server": 4, "stopped": 4, "two": 2}
"""How many of 20 kills are of each way."""
LIMIT_SECONDS = 180
"""Seconds after which something counts as stuck."""
ANEW_SECONDS = 30
"""Seconds after which a replica that does not come back is copied from the leader again."""
BATCH = 20
"""How many sessions are checked at once."""


@dataclass
class Result:
    """Everything that is reported. `accepted`: by way, seconds from a kill until both processes accept a message."""

    ttl: int
    streams: int
    kills: int = 0
    accepted: dict[str, list[float]] = field(default_factory=dict[str, list[float]])
    whole: list[float] = field(default_factory=list[float])
    counts: Counter[str] = field(default_factory=Counter[str])
    findings: Findings = field(default_factory=Findings)


async def measure(found: Cluster, folder: Path, result: Result, kills: int, minutes: float) -> None:
    """Start the processes and the clients, kill the leader so many times or minutes, then check everything."""
    async with AsyncExitStack() as stack:
        provider = await stack.enter_async_context(Provider([speak]))
        settings = {"OPENAI_BASE_URL": provider.url, "OPENAI_API_KEY": "x", "CHATKEEP_TITLES": "words"}
        home = Home(folder, found.url, settings)
        services = [await stack.enter_async_context(running_service(home)) for _ in range(2)]
        clients = [Client(services, result.findings) for _ in range(result.streams)]
        tasks = [asyncio.create_task(client.chat()) for client in clients]
        try:
            until_time = time.monotonic() + minutes * 60
            while result.kills < kills and time.monotonic() < until_time:
                try:
                    await kill_once(found, services, clients, result)
                except (AssertionError, TimeoutError) as error:
                    result.findings.wrong.append(f"kill {result.kills + 1}: {error!r}")
                    break
            for client in clients:
                client.stopping = True
            done, stuck = await asyncio.wait(tasks, timeout=LIMIT_SECONDS)
            result.findings.wrong += [f"a client: {task.exception()!r}" for task in done if task.exception()]
            result.counts["clients stuck"] = len(stuck)
        finally:
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)
        sessions = [session for client in clients for session in client.sessions if session.is_created]
        for begin in range(0, len(sessions), BATCH):
            await asyncio.gather(*(check(each, services, result) for each in sessions[begin : begin + BATCH]))
        complaints = home.complaints
        result.counts["processes that ended"] = sum(each.process.returncode is not None for each in services)
    result.counts["tracebacks"] = complaints.count("Traceback")


async def kill_once(found: Cluster, services: Sequence[Service], clients: Sequence[Client], result: Result) -> None:
    """Kill the leader once, at random, and wait until the cluster is whole again."""
    await asyncio.sleep(random.uniform(0.5, 3))  # the random moment itself
    leader = await leading(found)
    way = random.choices(list(WAYS), list(WAYS.values()))[0]
    replica = await asyncio.to_thread(found.find_sync) if way == "two" else None
    killed_at = time.monotonic()
    strike(leader, replica, way)
    for client in clients:
        client.on_kill(killed_at)
    repair = asyncio.create_task(bring_back(found, leader, replica, way, result.ttl))
    async with asyncio.timeout(LIMIT_SECONDS):
        accepted = await asyncio.gather(*(seconds_until_accepted(service) for service in services))
    result.accepted.setdefault(way, []).append(max(accepted))
    await repair
    with contextlib.suppress(AssertionError):
        await until(found.is_whole, "", ANEW_SECONDS)
    result.counts["replicas made anew"] += await asyncio.to_thread(found.make_anew)
    await until(found.is_whole, "the cluster did not become whole again")
    result.whole.append(time.monotonic() - killed_at)
    result.kills += 1
    new = await leading(found)
    print(
        f"{result.kills}. {way}: {leader.name} -> {new.name}, accepts again after {max(accepted):.1f} s,"
        f" whole after {result.whole[-1]:.1f} s; {dict(result.findings.endings)}",
        flush=True,
    )


async def leading(found: Cluster) -> Member:
    """Return the leader. On a busy machine its answer may come too late once or twice."""
    found_leader: list[Member] = []

    def look() -> bool:
        found_leader.extend(member for member in [found.find_leader()] if member is not None)
        return bool(found_leader)

    await until(look, "there was no leader")
    return found_leader[0]


def strike(leader: Member, replica: Member | None, way: str) -> None:
    """Kill or stop the leader, and kill the replica, if there is one."""
    if way == "stopped":
        leader.halt()
    else:
        leader.kill(with_patroni=way != "server")
    if replica is not None:
        replica.kill()


async def bring_back(found: Cluster, leader: Member, replica: Member | None, way: str, ttl: int) -> None:
    """Start or continue the killed members some seconds later; one that was stopped when another one leads."""
    if way == "stopped":
        await until(lambda: found.find_leader(beside=leader) is not None, "no other server leads")
        await asyncio.sleep(random.uniform(0, 3))
        leader.go_on()
    elif way != "server":
        for member in (leader, replica) if random.random() < 0.5 else (replica, leader):
            if member is not None:
                await asyncio.sleep(random.uniform(0, ttl + 4 if way == "power" else 4))
                member.start()


async def until(is_true: Callable[[], bool], complaint: str, seconds: float = LIMIT_SECONDS) -> None:
    """Wait until it is true, without holding up the clients."""
    deadline = time.monotonic() + seconds
    while not await asyncio.to_thread(is_true):
        assert time.monotonic() < deadline, f"{complaint} in {seconds} s"
        await asyncio.sleep(0.1)


async def check(session: SessionRecord, services: Sequence[Service], result: Result) -> None:
    """Compare all that the session's client was sent with what is stored, and send one more message."""
    client, counts = services[0].client, result.counts
    answer = await client.get(f"/api/sessions/{session.id}/messages", params={"branches": "all", "limit": 200})
    if answer.status_code != 200:
        counts["sessions lost"] += 1
        return
    texts = [sent.body["content"] for sent in session.requests if sent.run_id is not None]
    answers = check_answers(texts, answer.json()["data"])
    counts["messages acknowledged"] += len(texts)
    counts["messages lost"] += len(answers.lost)
    counts["messages stored twice"] += len(answers.stored_twice)
    counts["messages without an answer"] += len(answers.unanswered)
    counts["messages answered twice"] += len(answers.answered_twice)
    for reading in session.readings:
        whole = Reading(reading.run_id, 0)
        async with client.stream("GET", f"/api/runs/{reading.run_id}/events") as log:
            await whole.follow(log)
        counts["events seen"] += len(reading.events)
        counts["characters and events seen"] += reading.position
        lost = lost_units(reading.events, whole.events)
        counts["characters and events lost"] += len(lost)
        result.findings.wrong += [f"lost from {reading.run_id}: {unit}" for unit in lost[:3]]
    path, body = f"/api/sessions/{session.id}/messages", {"content": "and now?"}
    go_on = await services[-1].client.post(path, json=body, headers={"prefer": "respond-async"})
    counts["sessions that accept no message"] += go_on.status_code != 202
    counts["sessions"] += 1


MUST_BE_NONE = (
    *("sessions lost", "messages lost", "messages stored twice", "messages without an answer"),
    *("messages answered twice", "characters and events lost", "sessions that accept no message", "clients stuck"),
    *("tracebacks", "processes that ended"),
)


def report(result: Result) -> str:
    """Return everything as text."""
    lines = [f"{result.kills} kills, ttl {result.ttl} s, {result.streams} streams"]
    every = [seconds for way in result.accepted.values() for seconds in way]
    groups = {**result.accepted, "all": every, "answers go on": result.findings.went_on, "cluster whole": result.whole}
    lines += [f"{'':16}{'number':>8}{'p50, s':>8}{'p95, s':>8}{'max, s':>8}"]
    for name, seconds in groups.items():
        figures = "".join(f"{percentile(seconds, share):8.1f}" for share in (0.5, 0.95, 1))
        lines.append(f"{name:16}{len(seconds):8}{figures}")
    lines += [f"{name}: {count}" for name, count in sorted(result.counts.items())]
    lines += [f"runs that ended as {name}: {count}" for name, count in sorted(result.findings.endings.items())]
    lines += [f"{name}: {count}" for name, count in sorted(result.findings.statuses.items())]
    return "\n".join([*lines, f"wrong: {len(result.findings.wrong)}", *result.findings.wrong[:30]])


def main() -> int:
    """Run the command line. Returns the exit status: 1 if anything was lost, doubled, stuck or wrong."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--kills", type=int, default=100, help="default: %(default)s")
    parser.add_argument("--minutes", type=float, default=120, help="at most (default: %(default)s)")
    parser.add_argument("--streams", type=int, default=12, help="clients at once (default: %(default)s)")
    parser.add_argument("--ttl", type=int, default=8, help="seconds until a dead leader is replaced (%(default)s)")
    parser.add_argument("--patroni", default="patroni", help="its program; 3.1 or newer (default: %(default)s)")
    parser.add_argument("--json", type=Path, help="a file to write everything to")
    parser.add_argument("--logs", type=Path, help="a folder to copy all logs to")
    given = parser.parse_args()
    if why := cluster.missing(given.patroni):
        raise SystemExit(why)
    signal.signal(signal.SIGTERM, signal.default_int_handler)  # as Ctrl+C: all processes are ended
    folder, result = postgres.new_home(), Result(given.ttl, given.streams)
    try:
        with cluster.running(folder, Patroni(given.patroni, given.ttl)) as found:
            asyncio.run(measure(found, folder, result, given.kills, given.minutes))
    except KeyboardInterrupt:
        result.findings.wrong.append("stopped before the end: nothing was checked")
    finally:
        if given.logs:
            given.logs.mkdir(exist_ok=True)
            for log in (*folder.glob("*/log"), *folder.glob("*.log"), *folder.glob("*.txt")):
                shutil.copy(log, given.logs / "-".join(log.relative_to(folder).parts))
        shutil.rmtree(folder)
        print(report(result), flush=True)
    if given.json:
        everything: dict[str, Any] = {**vars(result), "findings": vars(result.findings)}
        given.json.write_text(json.dumps(everything, indent=1, ensure_ascii=False))
    return 1 if result.findings.wrong or any(result.counts[name] for name in MUST_BE_NONE) else 0


if __name__ == "__main__":
    sys.exit(main())
