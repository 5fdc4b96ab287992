"""Both services side by side, turn and turn about, on one core; the provider and the readers on another.

Each figure is a median over the rounds. The machine's moods hit neighbouring rounds alike, so ratios are taken
round by round, and are worth more than the figures they are made of.
"""

import argparse
import contextlib
import json
import os
import platform
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Generator, Iterator, Mapping, Sequence
from pathlib import Path
from statistics import median
from typing import Any, NamedTuple, TypeAlias

import uvloop
from load import Heard, Kind, Target, listen, listen_in_turn, prepare

HERE = Path(__file__).parent
CORES = sorted(os.sched_getaffinity(0))
OUR_CORE, THEIR_CORE = CORES[0], CORES[-1]
START_SECONDS = 60

Figures: TypeAlias = dict[str, float]
"""What one round came to, by name."""


class Scenario(NamedTuple):
    """What the readers do: `streams` at once, or so many turns `in_turn`, one at a time."""

    name: str
    streams: int
    chunks: int
    interval_ms: float
    in_turn: bool = False

    @property
    def at_most(self) -> float:
        """Seconds after which an answer counts as failed."""
        return 30 + 5 * self.chunks * self.interval_ms / 1000


class Service(NamedTuple):
    """A process that is measured."""

    target: Target
    pid: int
    core: int


class Row(NamedTuple):
    """A line of the table: its title, and where in `Figures` it is."""

    title: str
    figure: str
    unit: str


STREAMS_ROWS = [
    Row("CPU per chunk", "cpu_us_per_chunk", "µs"),
    Row("chunk age, p50", "age_p50_ms", "ms"),
    Row("chunk age, p99", "age_p99_ms", "ms"),
    Row("first token after the request, p50", "first_wait_p50_ms", "ms"),
    Row("first token after the provider's first byte, p50", "first_age_p50_ms", "ms"),
    Row("events per chunk", "events_per_chunk", ""),
    Row("the provider's pace (1: on time)", "pace", ""),
    Row("its core's time that others took", "others", ""),
    Row("failures", "failures", ""),
]
FIRST_TOKEN_ROWS = [
    Row("first token after the provider's first byte, p50", "first_age_p50_ms", "ms"),
    Row("first token after the provider's first byte, p99", "first_age_p99_ms", "ms"),
    Row("CPU per turn", "cpu_ms_per_turn", "ms"),
    Row("its core's time that others took", "others", ""),
    Row("failures", "failures", ""),
]


def measure(scenario: Scenario, rounds: int) -> dict[str, list[Figures]]:
    """Start everything, warm it up, and measure the services in turn; their rounds, by name."""
    measured: dict[str, list[Figures]] = {}
    with tempfile.TemporaryDirectory(prefix="bench-") as folder, contextlib.ExitStack() as stack:
        provider = stack.enter_context(_provider(scenario))
        services = [
            stack.enter_context(_chatkeep(provider.target, Path(folder))),
            stack.enter_context(_naive(provider.target, Path(folder))),
            provider,
        ]
        for service in services:
            _round(service, scenario._replace(streams=5))
        for number in range(rounds):
            for service in services:
                print(f"{scenario.name}: round {number + 1} of {rounds}, {service.target.kind}", file=sys.stderr)
                time.sleep(0.2)
                measured.setdefault(service.target.kind, []).append(_round(service, scenario))
    return measured


def _round(service: Service, scenario: Scenario) -> Figures:
    """One service, one time."""
    requests = prepare(service.target, scenario.streams)
    listening = listen_in_turn if scenario.in_turn else listen
    began, cpu, busy = time.monotonic(), _cpu_seconds(service.pid), _busy_seconds(service.core)
    heard = uvloop.run(listening(service.target, requests, scenario.chunks, scenario.at_most))
    cpu = _cpu_seconds(service.pid) - cpu
    others = max(0.0, _busy_seconds(service.core) - busy - cpu) / (time.monotonic() - began)
    return _figures(heard, scenario, cpu) | {"others": others}


def _figures(heard: Heard, scenario: Scenario, cpu: float) -> Figures:
    on_time = max(1, scenario.chunks - 1) * scenario.interval_ms
    return {
        "cpu_us_per_chunk": cpu * 1e6 / max(1, heard.chunks),
        "cpu_ms_per_turn": cpu * 1e3 / scenario.streams,
        "age_p50_ms": _quantile(heard.ages, 0.5),
        "age_p99_ms": _quantile(heard.ages, 0.99),
        "first_wait_p50_ms": _quantile(heard.first_waits, 0.5),
        "first_age_p50_ms": _quantile(heard.first_ages, 0.5),
        "first_age_p99_ms": _quantile(heard.first_ages, 0.99),
        "events_per_chunk": heard.events / max(1, heard.chunks),
        "pace": _quantile(heard.paces, 0.5) / on_time,
        "failures": len(heard.failures),
    }


def _quantile(values: Sequence[float], share: float) -> float:
    return sorted(values)[min(len(values) - 1, int(share * len(values)))] if values else float("nan")


def _cpu_seconds(pid: int) -> float:
    """What a process has computed: all its threads, those that ended too, user and system, to the ns.

    Linux has a clock for that; this is how clock_getcpuclockid(3) makes its number.
    """
    return time.clock_gettime(~pid << 3 | 2)


def _busy_seconds(core: int) -> float:
    """How long a core has worked, for whomever."""
    lines = Path("/proc/stat").read_text().splitlines()
    user, nice, system, _, _, irq, softirq, steal = next(
        map(int, line.split()[1:9]) for line in lines if line.startswith(f"cpu{core} ")
    )
    return (user + nice + system + irq + softirq + steal) / os.sysconf("SC_CLK_TCK")


def _provider(scenario: Scenario) -> contextlib.AbstractContextManager[Service]:
    pace = ["--chunks", str(scenario.chunks), "--interval-ms", str(scenario.interval_ms)]
    return _started("direct", [str(HERE / "provider.py"), *pace], OUR_CORE, {}, HERE)


def _chatkeep(provider: Target, folder: Path) -> contextlib.AbstractContextManager[Service]:
    environment = {**_of_provider(provider), "CHATKEEP_DATABASE_URL": f"sqlite:///{folder / 'chatkeep.db'}"}
    return _started("chatkeep", ["-m", "chatkeep", "serve", "--port", "0"], THEIR_CORE, environment, folder)


def _naive(provider: Target, folder: Path) -> contextlib.AbstractContextManager[Service]:
    environment = {**_of_provider(provider), "NAIVE_DATABASE": str(folder / "naive.db")}
    return _started("naive", [str(HERE / "naive.py")], THEIR_CORE, environment, folder)


def _of_provider(provider: Target) -> dict[str, str]:
    return {"OPENAI_BASE_URL": f"http://{provider.host}:{provider.port}/v1", "OPENAI_API_KEY": "x"}


@contextlib.contextmanager
def _started(
    kind: Kind, arguments: Sequence[str], core: int, environment: Mapping[str, str], folder: Path
) -> Generator[Service]:
    """A process on `core` that prints its URL when it is ready. It gets no environment but the one given."""
    process = subprocess.Popen(
        [sys.executable, *arguments],
        cwd=folder,
        env={"PATH": os.environ.get("PATH", os.defpath), **environment},
        stdout=subprocess.PIPE,
        text=True,
    )
    os.sched_setaffinity(process.pid, {core})
    try:
        yield Service(Target.at(kind, _announced(process)), process.pid, core)
    finally:
        process.terminate()
        try:
            process.wait(15)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()


def _announced(process: "subprocess.Popen[str]") -> str:
    """The URL that `process` prints."""
    assert process.stdout is not None
    too_late = threading.Timer(START_SECONDS, process.kill)
    too_late.start()
    try:
        for line in process.stdout:
            if (begin := line.find("http://")) >= 0:
                return line[begin:].strip()
    finally:
        too_late.cancel()
    raise SystemExit(f"{process.args!r} did not start")


def _table(measured: Mapping[str, Sequence[Figures]], rows: Sequence[Row]) -> Iterator[str]:
    """The figures as Markdown: median (least to most)."""
    yield f"| {'':<48} | " + " | ".join(f"{name:>24}" for name in measured) + " |"
    yield f"|{'-' * 50}|" + "".join(f"{'-' * 25}:|" for _ in measured)
    for row in rows:
        cells = [_cell([figures[row.figure] for figures in rounds], row.unit) for rounds in measured.values()]
        yield f"| {row.title:<48} | " + " | ".join(f"{cell:>24}" for cell in cells) + " |"


def _cell(values: Sequence[float], unit: str) -> str:
    return f"{_short(median(values))} {unit} ({_short(min(values))} to {_short(max(values))})".replace("  ", " ")


def _short(value: float) -> str:
    return f"{value:.0f}" if value >= 100 or value == int(value) else f"{value:.3g}"


def _ratios(measured: Mapping[str, Sequence[Figures]], figure: str) -> list[float]:
    """How many times less ours needs, round by round."""
    pairs = zip(measured["naive"], measured["chatkeep"], strict=True)
    return [naive[figure] / ours[figure] for naive, ours in pairs]


def _report(scenario: Scenario, measured: Mapping[str, Sequence[Figures]]) -> dict[str, Any]:
    """Print what was measured; the same for the JSON file."""
    print(f"## {scenario.name}\n")
    print("\n".join(_table(measured, FIRST_TOKEN_ROWS if scenario.in_turn else STREAMS_ROWS)))
    ratios = {figure: _ratios(measured, figure) for figure in ("cpu_us_per_chunk", "first_age_p50_ms")}
    print(f"\nnaive / chatkeep: CPU {_cell(ratios['cpu_us_per_chunk'], '')}, ", end="")
    print(f"first token after the provider's first byte {_cell(ratios['first_age_p50_ms'], '')}\n", flush=True)
    return {"scenario": scenario._asdict(), "rounds": measured, "naive_to_chatkeep": ratios}


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--streams", type=int, nargs="+", default=[50], help="at once; several numbers: one by one")
    parser.add_argument("--per-second", type=float, default=50, help="chunks in each stream")
    parser.add_argument("--chunks", type=int, default=200, help="in each answer")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--turns", type=int, default=50, help="of the first-token scenario; 0: without it")
    parser.add_argument("--quick", action="store_true", help="under a minute: shorter answers, two rounds")
    parser.add_argument("--json", type=Path, default=None, help="a file for every figure of every round")
    given = parser.parse_args()
    if given.quick:
        given.chunks, given.rounds, given.turns = min(given.chunks, 100), 2, min(given.turns, 15)
    return given


def main() -> int:
    """Measure, print, and write what was measured; 1 when an answer failed."""
    given = _arguments()
    os.sched_setaffinity(0, {OUR_CORE})
    if OUR_CORE == THEIR_CORE:
        print("only one core: the services share it with the readers\n")
    interval = 1000 / given.per_second
    scenarios = [
        Scenario(f"{streams} streams of {given.per_second:g} chunks/s", streams, given.chunks, interval)
        for streams in given.streams
    ]
    if given.turns:
        scenarios.append(Scenario("first token, one turn at a time", given.turns, 5, 10, in_turn=True))
    load_average = os.getloadavg()
    reports = [_report(scenario, measure(scenario, given.rounds)) for scenario in scenarios]
    if given.json is not None:
        machine = {"python": platform.python_version(), "system": platform.platform(), "cores": len(CORES)}
        given.json.write_text(
            json.dumps({"machine": {**machine, "load": load_average}, "scenarios": reports}, indent=1)
        )
    ours = [figures for report in reports for figures in report["rounds"]["chatkeep"]]
    return 1 if any(figures["failures"] for figures in ours) else 0


if __name__ == "__main__":
    raise SystemExit(main())
