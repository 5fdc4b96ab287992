"""Compiles the tools in C on first use, starts and measures processes, and reads streams."""

import contextlib
import http.client
import json
import os
import signal
import subprocess
import tempfile
import threading
import time
from collections.abc import Callable, Generator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, TypeAlias

HERE = Path(__file__).parent
CORES = sorted(os.sched_getaffinity(0))
OUR_CORE, THEIR_CORE = CORES[0], CORES[-1]
"""The cores: the provider and the readers use the first one, the services the last one."""
START_SECONDS = 120

Figures: TypeAlias = dict[str, float]


@dataclass
class Service:
    """A process that is measured. `requests(n)` returns n requests as bytes, each for one answer.

    `certificate`: it speaks TLS, as `localhost`, and this is the file of its certificate.
    """

    name: str
    port: int
    pid: int
    requests: Callable[[int], list[bytes]] = lambda count: []
    repeats: Sequence[str] = ()  # lines of its streams that begin so repeat text: they are not counted
    idle_rss: int = field(default=0)
    certificate: Path | None = None

    def pids(self) -> list[int]:
        """Return the ids of its processes, children included."""
        found = [self.pid]
        for pid in found:
            with contextlib.suppress(FileNotFoundError):
                found += map(int, Path(f"/proc/{pid}/task/{pid}/children").read_text().split())
        return found

    def cpu_seconds(self) -> float:
        """Return their CPU time in seconds: all threads, ended ones too, user and system, to the nanosecond.

        Linux has a clock for that; its number is computed as clock_getcpuclockid(3) does.
        """
        return sum(time.clock_gettime(~pid << 3 | 2) for pid in self.pids())

    def rss_kb(self) -> int:
        """Return their resident memory, in KB."""
        statuses = [Path(f"/proc/{pid}/status").read_text() for pid in self.pids()]
        return sum(int(status.partition("VmRSS:")[2].split()[0]) for status in statuses if "VmRSS:" in status)

    def written_bytes(self) -> int:
        """Return the bytes that they had the kernel write to a disk."""
        accounts = [Path(f"/proc/{pid}/io").read_text() for pid in self.pids()]
        return sum(int(account.partition("\nwrite_bytes:")[2].split()[0]) for account in accounts)

    def halt(self) -> None:
        """Stop it (SIGSTOP), so that its idle work does not disturb the measurement of another service."""
        for pid in self.pids():
            os.kill(pid, signal.SIGSTOP)

    def go_on(self) -> None:
        """Continue it (SIGCONT)."""
        for pid in self.pids():
            os.kill(pid, signal.SIGCONT)


@dataclass(frozen=True)
class Scenario:
    """The load of the readers: `streams` at once, `turns` in all, each answer of `chunks`, one every `interval_us`.

    `tls`: the services reach the provider over TLS.
    """

    name: str
    streams: int
    chunks: int
    interval_us: int
    turns: int
    ramp_ms: int = 500
    delay_us: int = 20_000
    quiet: float = 0.0  # seconds between two turns of one stream
    tls: bool = False

    @property
    def at_most(self) -> float:
        """Return the seconds after which an answer counts as failed."""
        each = (self.chunks * self.interval_us + self.delay_us) / 1e6
        return 40 + self.ramp_ms / 1000 + 4 * each * self.turns / self.streams


def compiled(name: str) -> Path:
    """Return the program of `NAME.c`, compiled if its source is newer."""
    folder = Path(tempfile.gettempdir()) / f"chatkeep-bench-{os.getuid()}"
    folder.mkdir(mode=0o700, exist_ok=True)
    program, sources = folder / name, [HERE / f"{name}.c", HERE / "stamps.h"]
    if not program.exists() or program.stat().st_mtime < max(each.stat().st_mtime for each in sources):
        compiler = os.environ.get("CC", "cc")
        subprocess.run([compiler, "-O2", "-Wall", "-o", str(program), str(sources[0])], check=True)
    return program


@contextlib.contextmanager
def provider() -> Generator[Service]:
    """Start the provider. It is a service, too: measured alone, it shows the cost of the tools."""
    with started("direct", [str(compiled("provider"))], OUR_CORE, {}, HERE) as service:
        body = {"model": "bench", "stream": True, "messages": [{"role": "user", "content": "hello there"}]}
        service.requests = lambda count: [post("/v1/chat/completions", body)] * count
        yield service


def set_pace(provider: Service, scenario: Scenario) -> None:
    """Set the length and pace of the provider's answers from now on."""
    connection = http.client.HTTPConnection("127.0.0.1", provider.port, timeout=30)
    connection.request("GET", f"/pace/{scenario.chunks}/{scenario.interval_us}/{scenario.delay_us}")
    connection.getresponse().read()
    connection.close()


def read(service: Service, scenario: Scenario) -> Figures:
    """Send a scenario's requests to `service`, read the answers, and return the readers' figures and the cost."""
    requests = service.requests(scenario.turns)
    sent = b"".join(b"%d\n%b" % (len(request), request) for request in requests)
    numbers = [service.port, scenario.streams, scenario.ramp_ms, scenario.at_most, scenario.chunks]
    readers = subprocess.Popen(
        [str(compiled("readers")), *map(str, numbers), *service.repeats], stdin=subprocess.PIPE, stdout=subprocess.PIPE
    )
    os.sched_setaffinity(readers.pid, {OUR_CORE})
    before, began, cpu, busy = service.rss_kb(), time.monotonic(), service.cpu_seconds(), busy_seconds(THEIR_CORE)
    writer = threading.Thread(target=_feed, args=(readers, sent))
    writer.start()
    peak, written = before, service.written_bytes()
    while readers.poll() is None:
        time.sleep(0.05)
        peak = max(peak, service.rss_kb())
    cpu = service.cpu_seconds() - cpu
    others = max(0.0, busy_seconds(THEIR_CORE) - busy - cpu) / (time.monotonic() - began)
    writer.join()
    assert readers.stdout is not None
    seen: dict[str, Any] = json.loads(readers.stdout.read())
    if seen.pop("failure") and seen["failures"] == scenario.turns:
        seen["chunks"] = seen["chunks"] or 1
    return seen | {
        "cpu_us_per_chunk": cpu * 1e6 / max(1, seen["chunks"]),
        "cpu_ms_per_turn": cpu * 1e3 / scenario.turns,
        "events_per_chunk": seen["events"] / max(1, seen["chunks"]),
        "disk_kb_per_chunk": (service.written_bytes() - written) / 1024 / max(1, seen["chunks"]),
        "rss_kb_per_stream": (peak - service.idle_rss) / scenario.streams,
        "rss_mb": peak / 1024,
        "others": others,
    }


def busy_seconds(core: int) -> float:
    """Return the seconds that a core has worked, for all processes."""
    lines = Path("/proc/stat").read_text().splitlines()
    user, nice, system, _, _, irq, softirq, steal = next(
        map(int, line.split()[1:9]) for line in lines if line.startswith(f"cpu{core} ")
    )
    return (user + nice + system + irq + softirq + steal) / os.sysconf("SC_CLK_TCK")


def post(path: str, body: object, *headers: str) -> bytes:
    """Return a POST with `body` as JSON, as bytes."""
    content = json.dumps(body).encode()
    lines = [f"POST {path} HTTP/1.1", "host: 127.0.0.1", "accept: text/event-stream", *headers]
    lines += ["content-type: application/json", f"content-length: {len(content)}", "", ""]
    return "\r\n".join(lines).encode() + content


@contextlib.contextmanager
def started(
    name: str, command: Sequence[str], core: int | None, environment: Mapping[str, str], folder: Path, port: int = 0
) -> Generator[Service]:
    """Start a process on `core` (None: on all), with only this environment, and yield it when it is ready.

    It is ready when it prints its URL or, with a `port`, when it answers there.
    """
    with (Path(tempfile.gettempdir()) / f"chatkeep-bench-{os.getuid()}" / f"{name}.log").open("wb") as log:
        process = subprocess.Popen(
            command if core is None else ["taskset", "-c", str(core), *command],
            cwd=folder,
            env={"PATH": os.environ.get("PATH", os.defpath), "HOME": str(folder), **environment},
            stdout=log if port else subprocess.PIPE,
            stderr=log,
        )
        try:
            yield Service(name, port if port and _answers(process, port) else _announced(process), process.pid)
        finally:
            process.send_signal(signal.SIGCONT)
            process.terminate()
            try:
                process.wait(15)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()


def _feed(readers: "subprocess.Popen[bytes]", requests: bytes) -> None:
    assert readers.stdin is not None
    readers.stdin.write(requests)
    readers.stdin.close()


def _announced(process: "subprocess.Popen[bytes]") -> int:
    """Return the port in the URL that `process` prints."""
    assert process.stdout is not None
    too_late = threading.Timer(START_SECONDS, process.kill)
    too_late.start()
    try:
        for line in process.stdout:
            if b"http://" in line:
                return int(line.rpartition(b":")[2])
    finally:
        too_late.cancel()
    raise SystemExit(f"{process.args!r} did not start")


def _answers(process: "subprocess.Popen[bytes]", port: int) -> bool:
    for _ in range(START_SECONDS * 10):
        if process.poll() is not None:
            break
        with contextlib.suppress(OSError, http.client.HTTPException):
            connection = http.client.HTTPConnection("127.0.0.1", port, timeout=2)
            connection.request("GET", "/health/liveliness")
            return connection.getresponse().status > 0
        time.sleep(0.1)
    raise SystemExit(f"{process.args!r} did not start")
