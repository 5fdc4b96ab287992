"""Profiles the CPU time of a chunk: by thread and library (perf), and in Python by the stage of the work (py-spy).

    .venv/bin/python bench/hotpath.py

The load is 200 streams of 50 chunks/s, as in `run.py`. Needs `perf` (Debian: linux-perf) and the right to trace a
process of the same user; py-spy comes with the bench's requirements. py-spy samples a thread while it holds the GIL,
which includes system calls that do not release it.
"""

import os
import shutil
import subprocess
import sys
import tempfile
import threading
import time
from collections import Counter
from collections.abc import Callable, Sequence
from pathlib import Path

from services import chatkeep

from tools import OUR_CORE, Scenario, Service, provider, read, set_pace

SCENARIO = Scenario("", 200, 700, 20_000, 200, ramp_ms=1000)
SECONDS = 10
STAGES: Sequence[tuple[str, Sequence[str]]] = (
    ("writer thread", ("_Writer._run",)),
    ("reader threads", ("_read (chatkeep/db/sqlite",)),
    ("send: uvicorn and write(2)", ("StreamSender._send_all", "RequestResponseCycle.send")),
    ("delivery: wake, look, frame", ("StreamSender._send_all",)),
    ("flush: gather, encode, deliver", ("Journal._flush_buffers",)),
    ("flush: gather, encode, deliver", ("resolve (chatkeep/db/sqlite",)),
    ("turn: read, split, decode, place", ("Turn._ask_model",)),
    ("flush: gather, encode, deliver", ("Journal.",)),
    ("turn: read, split, decode, place", ("_run_turn (chatkeep/runs/execute",)),
    ("turn: read, split, decode, place", ("data_received (chatkeep/llm",)),
    ("begin and end of turns", ("run_asgi",)),
    ("begin and end of turns", ("_execute (chatkeep/runs/execute",)),
    ("begin and end of turns", ("httptools_impl",)),
    ("the event loop itself", ("Runner.run",)),
)
"""The stages: a stack belongs to the first one whose words it all contains."""


def main() -> None:
    """Run the command line."""
    os.sched_setaffinity(0, {OUR_CORE})
    with tempfile.TemporaryDirectory(prefix="bench-hotpath-") as name, provider() as upstream:
        folder = Path(name)
        with chatkeep(upstream, folder) as service:
            for title, record in (("Thread and library", by_library), ("Python, by stage", by_stage)):
                shares = _while_streaming(upstream, service, record, folder)
                print(f"\n### {title}\n\n| | % |\n|---|---:|")
                for what, count in shares.most_common(16):
                    print(f"| {what} | {100 * count / shares.total():.1f} |")


def _while_streaming(
    upstream: Service, service: Service, record: Callable[[int, Path], Counter[str]], folder: Path
) -> Counter[str]:
    set_pace(upstream, SCENARIO)
    readers = threading.Thread(target=read, args=(service, SCENARIO))
    readers.start()
    time.sleep(3)  # all streams have begun
    try:
        return record(service.pid, folder)
    finally:
        readers.join()


def by_library(pid: int, folder: Path) -> Counter[str]:
    """Count the samples of perf by thread, and by system call or library."""
    if shutil.which("perf") is None:
        print("perf: skipped, it is not installed (Debian: apt-get install linux-perf)", file=sys.stderr)
        return Counter()
    data = folder / "perf.data"
    command = ["perf", "record", "-q", "-g", "-F", "1000", "-e", "cpu-clock", "-p", str(pid), "-o", str(data)]
    subprocess.run([*command, "--", "sleep", str(SECONDS)], check=True, stderr=subprocess.DEVNULL)
    text = subprocess.run(
        ["perf", "script", "-i", str(data)], check=True, capture_output=True, text=True, errors="replace"
    ).stdout
    counted: Counter[str] = Counter()
    for sample in text.split("\n\n"):
        head, *frames = sample.strip().splitlines() or [""]
        if frames:
            counted[f"{_thread(pid, head)}: {_place(frames)}"] += 1
    return counted


def _thread(pid: int, head: str) -> str:
    tid = next(int(word) for word in head.split() if word.isdecimal())
    return "event loop" if tid == pid else "other threads, the writer above all"


def _place(frames: Sequence[str]) -> str:
    names = [words[1].partition("+")[0] for frame in frames if len(words := frame.split()) > 1]
    calls = [name for name in names if name.startswith(("__x64_sys_", "__arm64_sys_", "ksys_"))]
    return calls[-1] if calls else frames[0].rpartition("(")[2].rstrip(")").rpartition("/")[2]


def by_stage(pid: int, folder: Path) -> Counter[str]:
    """Count the samples of py-spy by stage."""
    stacks = folder / "stacks"
    program = Path(sys.executable).parent / "py-spy"
    command = [str(program), "record", "-p", str(pid), "-d", str(SECONDS), "-r", "400", "--gil", "-f", "raw"]
    subprocess.run([*command, "-o", str(stacks)], check=True, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    counted: Counter[str] = Counter()
    for line in stacks.read_text().splitlines():
        stack, _, count = line.rpartition(" ")
        stage = next((stage for stage, words in STAGES if all(word in stack for word in words)), "other")
        counted[stage] += int(count)
    return counted


if __name__ == "__main__":
    main()
