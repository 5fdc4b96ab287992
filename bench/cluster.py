"""Three PostgreSQL servers under Patroni on loopback, with etcd and an HAProxy that leads to whichever is the leader.

Synchronous replication is on and strict: a COMMIT is answered when one replica has it on its disk as well. All
processes are started here, and ended here by their ids.
"""

import contextlib
import json
import os
import signal
import subprocess
from collections.abc import Generator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, NamedTuple

from tests import postgres

from programs import ask, end, find, launch, send, wait_until, write

PROGRAMS = {"etcd": "etcd-server", "haproxy": "haproxy"}
"""The programs, and the Debian packages that have them."""
OLDEST_PATRONI = (3, 1)
"""Before, a server that had stood still took the lead back from its successor: `update_leader` did not compare."""
MEMBERS = ("a", "b", "c")
HAPROXY = """
global
    maxconn 2000
defaults
    mode tcp
    timeout connect 2s
    timeout client 30m
    timeout server 30m
    timeout check 1s
listen leader
    bind 127.0.0.1:{port}
    option httpchk OPTIONS /primary
    http-check expect status 200
    default-server inter 500ms fall 2 rise 1 on-marked-down shutdown-sessions
{servers}
"""
"""As Patroni's documentation has it, with shorter intervals. Sessions at a server that is not the leader are cut."""


class Patroni(NamedTuple):
    """The program, and its settings in seconds."""

    program: str
    ttl: int
    loop_wait: int = 1

    @property
    def retry_timeout(self) -> int:
        """As long as Patroni's rule `loop_wait + 2 * retry_timeout <= ttl` allows, and at most 3."""
        return min(3, (self.ttl - self.loop_wait) // 2)


@dataclass
class Member:
    """A PostgreSQL server and its Patroni. The folder holds its data, its configuration and its log."""

    name: str
    folder: Path
    port: int
    api_port: int
    program: str = ""
    patroni: "subprocess.Popen[bytes] | None" = None
    stopped: list[int] = field(default_factory=list[int])

    def start(self) -> None:
        """Start Patroni, which starts the server."""
        self.patroni = launch([self.program, str(self.folder / "patroni.json")], self.folder / "log")

    def server_pids(self) -> list[int]:
        """Return the ids of the server's processes, its first one first; none if it does not run."""
        with contextlib.suppress(FileNotFoundError, ValueError, IndexError):
            first = int((self.folder / "data" / "postmaster.pid").read_text().splitlines()[0])
            if b"postgres" in Path(f"/proc/{first}/cmdline").read_bytes():  # the file may outlive its process
                return [first, *map(int, Path(f"/proc/{first}/task/{first}/children").read_text().split())]
        return []

    def halt(self, *, with_patroni: bool = True) -> None:
        """Stop all its processes (SIGSTOP), the ones first that would start others."""
        pids = [self.patroni.pid] if with_patroni and self.patroni is not None else []
        for pid in [*pids, *self.server_pids()[:1]]:
            self._stop(pid)
        for pid in self.server_pids()[1:]:
            self._stop(pid)

    def go_on(self) -> None:
        """Continue what was stopped (SIGCONT)."""
        for pid in self.stopped:
            send(pid, signal.SIGCONT)
        self.stopped.clear()

    def kill(self, *, with_patroni: bool = True) -> None:
        """End its processes as a loss of power would: none does anything more once the first is gone."""
        self.halt(with_patroni=with_patroni)
        for pid in self.stopped:
            send(pid, signal.SIGKILL)
        self.stopped.clear()
        if with_patroni and self.patroni is not None:
            self.patroni.wait()

    def status(self) -> int:
        """Return Patroni's answer to `GET /primary`: 200 of the leader; 0 if there is none."""
        return ask(self.api_port, "/primary")[0]

    def _stop(self, pid: int) -> None:
        send(pid, signal.SIGSTOP)
        self.stopped.append(pid)


@dataclass
class Cluster:
    """The running cluster. `port` is HAProxy's, which leads to the leader."""

    members: Sequence[Member]
    port: int

    @property
    def url(self) -> str:
        """The URL of the database, at the leader."""
        return f"postgresql://postgres@127.0.0.1:{self.port}/postgres"

    def find_leader(self, *, beside: Member | None = None) -> Member | None:
        """Return the leader as it says itself; None if there is none, or only `beside`."""
        return next((each for each in self.members if each is not beside and each.status() == 200), None)

    def is_whole(self) -> bool:
        """Return True if there is a leader, and two replicas stream its timeline, one of these synchronously."""
        states = self._states().values()
        roles = sorted(each["role"] for each in states)
        are_well = all(each["state"] == "streaming" for each in states if each["role"] != "leader")
        is_one_timeline = len({each.get("timeline") for each in states}) == 1
        return are_well and is_one_timeline and roles == ["leader", "replica", "sync_standby"]

    def find_sync(self) -> Member | None:
        """Return the synchronous replica; None if there is none."""
        states = self._states()
        return next((each for each in self.members if states.get(each.name, {}).get("role") == "sync_standby"), None)

    def make_anew(self) -> int:
        """Have each replica that does not stream copied from the leader again; return how many."""
        states = self._states()
        lost = [each for each in self.members if states.get(each.name, {}).get("state") not in ("running", "streaming")]
        for member in lost if states else []:
            ask(member.api_port, "/reinitialize", b'{"force": true}')
        return len(lost) if states else 0

    def _states(self) -> dict[str, dict[str, Any]]:
        """Return each member as the leader sees it, by name; none without a leader."""
        if (leader := self.find_leader()) is None:
            return {}
        return {each["name"]: each for each in ask(leader.api_port, "/cluster")[1].get("members", [])}


def missing(patroni: str) -> str:
    """Return what to install before this can run, with `patroni` as the program; empty if all is there."""
    packages = [package for name, package in PROGRAMS.items() if find(name) is None]
    if postgres.binaries() is None:
        packages.append("postgresql")
    if packages:
        return f"programs are not installed (Debian: apt-get install {' '.join(packages)})"
    if (path := find(patroni)) is None:
        return f"there is no program {patroni}: pip install 'patroni[etcd3]' psycopg2-binary, and name it by --patroni"
    version = subprocess.run([path, "--version"], check=True, capture_output=True, text=True).stdout.split()[-1]
    if tuple(map(int, version.split(".")[:2])) < OLDEST_PATRONI:
        return f"Patroni {version} can have two leaders: pip install a newer one, and name its program by --patroni"
    return ""


@contextmanager
def running(folder: Path, patroni: Patroni) -> Generator[Cluster]:
    """Run the cluster in `folder` until the block ends."""
    if who := postgres.unprivileged():
        os.chown(folder, who["user"], who["group"])
    with contextlib.ExitStack() as stack:
        etcd_port = start_etcd(folder, stack)
        members = [
            Member(name, folder / name, postgres.free_port(), postgres.free_port(), patroni.program) for name in MEMBERS
        ]
        for member in members:
            write_patroni(member, etcd_port, patroni)
            stack.callback(end_member, member)
            member.start()
            wait_until(lambda member=member: ask(member.api_port, "/health")[0] == 200, f"no server {member.name}")
        cluster = Cluster(members, postgres.free_port())
        lines = [f"    server {each.name} 127.0.0.1:{each.port} check port {each.api_port}" for each in members]
        write(folder / "haproxy.cfg", HAPROXY.format(port=cluster.port, servers="\n".join(lines)))
        haproxy = launch(["haproxy", "-db", "-f", str(folder / "haproxy.cfg")], folder / "haproxy.log")
        stack.callback(end, haproxy)
        wait_until(cluster.is_whole, "the cluster did not become whole")
        yield cluster


def start_etcd(folder: Path, stack: contextlib.ExitStack) -> int:
    """Start one etcd, to be ended by `stack`; return its port."""
    port, peer_port = postgres.free_port(), postgres.free_port()
    client, peer = f"http://127.0.0.1:{port}", f"http://127.0.0.1:{peer_port}"
    command = ["etcd", "--name", "etcd", "--data-dir", str(folder / "etcd"), "--unsafe-no-fsync"]
    command += ["--listen-client-urls", client, "--advertise-client-urls", client, "--listen-peer-urls", peer]
    command += ["--initial-advertise-peer-urls", peer, "--initial-cluster", f"etcd={peer}"]
    stack.callback(end, launch(command, folder / "etcd.log"))
    wait_until(lambda: ask(port, "/health")[0] == 200, "etcd did not start")
    return port


def write_patroni(member: Member, etcd_port: int, patroni: Patroni) -> None:
    """Write the configuration of a member's Patroni."""
    member.folder.mkdir()
    if who := postgres.unprivileged():
        os.chown(member.folder, who["user"], who["group"])
    found = postgres.binaries()
    assert found is not None
    parameters = {"max_connections": 200, "shared_buffers": "64MB", "wal_retrieve_retry_interval": "500ms"}
    dcs = {"synchronous_mode": True, "synchronous_mode_strict": True, "maximum_lag_on_failover": 2**30}
    dcs |= {"ttl": patroni.ttl, "loop_wait": patroni.loop_wait, "retry_timeout": patroni.retry_timeout}
    dcs |= {"postgresql": {"use_pg_rewind": True, "parameters": parameters}}
    initdb = [{"encoding": "UTF8"}, {"locale": "C.UTF-8"}, {"auth": "trust"}, "data-checksums"]
    address, api = f"127.0.0.1:{member.port}", f"127.0.0.1:{member.api_port}"
    configuration = {
        "scope": "chatkeep",
        "name": member.name,
        "restapi": {"listen": api, "connect_address": api},
        "etcd3": {"host": f"127.0.0.1:{etcd_port}"},
        "bootstrap": {"dcs": dcs, "initdb": initdb},
        "postgresql": {
            "listen": address,
            "connect_address": address,
            "data_dir": str(member.folder / "data"),
            "bin_dir": str(found),
            "pgpass": str(member.folder / "pgpass"),
            "authentication": {"superuser": {"username": "postgres"}, "replication": {"username": "replicator"}},
            "pg_hba": ["local all all trust", "host all all 127.0.0.1/32 trust", "host replication all all trust"],
            "parameters": {"unix_socket_directories": str(member.folder)},
        },
    }
    write(member.folder / "patroni.json", json.dumps(configuration, indent=1))


def end_member(member: Member) -> None:
    """End Patroni first, then its server."""
    member.go_on()
    member.kill()
