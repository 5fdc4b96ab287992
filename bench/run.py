"""Measures the services in alternating rounds on one core, with the provider and the readers on another core.

Each figure is the median of the rounds. All services are started, and all but the one that is measured are stopped
(SIGSTOP). The machine's speed varies, but it is about the same in neighbouring rounds: so ratios can be compared
between machines and days, and single figures cannot.
"""

import argparse
import contextlib
import json
import os
import platform
import sys
import tempfile
import time
from collections.abc import Collection, Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import TypeAlias

import report
from services import SERVICES, chatkeep, with_tls

from tools import CORES, OUR_CORE, THEIR_CORE, Figures, Scenario, Service, provider, read, set_pace

Measured: TypeAlias = dict[str, dict[str, list[Figures]]]
"""The figures of each round, by scenario and service."""

DOORS = ("chatkeep", "AI SDK", "AG-UI", "Chat Completions", "Responses")
"""Ours in its own form, and in those of others."""
LIGHT = ("chatkeep", "naive", "nginx")
ALL = (*LIGHT, "litellm", "chatkit")
WARM_UP = Scenario("warm-up", streams=5, chunks=20, interval_us=2000, turns=20)
STREAMS = "200 streams of 50 chunks/s"
TURNS = "one-chunk turns, 10 callers"


def scenarios(quick: bool) -> list[tuple[Scenario, Sequence[str], int]]:
    """Return the scenarios, each with its services and its number of rounds. The usual provider has TLS."""
    short = Scenario(TURNS, 10, 1, 1000, 400, ramp_ms=0, delay_us=0)
    idle = Scenario("first token, idle", 1, 5, 10_000, 40 if quick else 100, ramp_ms=0, delay_us=0)
    if quick:
        steady = Scenario(STREAMS, 200, 100, 20_000, 200)
        return [
            (replace(steady, name=f"{STREAMS}, TLS", tls=True), (*LIGHT, "chatkeep-proxy"), 2),
            (replace(steady, name=f"{STREAMS}, plain"), LIGHT, 2),
            (Scenario("the provider as fast as it can", 4, 2500, 0, 4, ramp_ms=0), LIGHT, 2),
            (replace(short, name=f"{TURNS}, TLS", tls=True), LIGHT, 3),
            (idle, ("direct", *LIGHT), 1),
        ]
    steady = Scenario(STREAMS, 200, 300, 20_000, 200, ramp_ms=1000)
    growth = [
        (Scenario(f"{streams} streams of 20 chunks/s", streams, 100, 50_000, streams, ramp_ms=1000), LIGHT, 3)
        for streams in (10, 50, 200, 500)
    ]
    return [
        (replace(steady, name=f"{STREAMS}, TLS", tls=True), (*LIGHT, "chatkeep-proxy"), 5),
        (replace(steady, name=f"{STREAMS}, TLS, all services", tls=True), ALL, 2),
        (replace(short, name=f"{TURNS}, TLS", tls=True), ALL, 5),
        (replace(steady, name=f"{STREAMS}, plain"), ("direct", *LIGHT), 5),
        (replace(short, name=f"{TURNS}, plain"), ("direct", *LIGHT), 5),
        (replace(steady, name=f"{STREAMS}, dialects", tls=True), DOORS, 5),
        (Scenario("the provider as fast as it can", 4, 5000, 0, 4, ramp_ms=0), ("direct", *LIGHT), 5),
        (idle, ("direct", *LIGHT), 3),
        *growth,
        (Scenario("1000 streams of 20 chunks/s", 1000, 100, 50_000, 1000, ramp_ms=3000), ("direct", *LIGHT), 3),
    ]


def measure(wanted: Sequence[tuple[Scenario, Sequence[str], int]]) -> Measured:
    """Start the provider and the services, warm them up, and return the figures of all rounds."""
    measured: Measured = {}
    with contextlib.ExitStack() as stack:
        upstream = stack.enter_context(provider())
        running: dict[tuple[bool, str], Service] = {(False, "direct"): upstream}
        for tls in sorted({scenario.tls for scenario, _, _ in wanted}):
            names = {name for scenario, names, _ in wanted if scenario.tls == tls for name in names}
            running |= {(tls, name): service for name, service in _start(upstream, names, tls, stack).items()}
        for scenario, services, rounds in wanted:
            for number in range(rounds):
                for name in (name for name in services if (scenario.tls, name) in running):
                    figures = _round(upstream, running[scenario.tls, name], scenario)
                    measured.setdefault(scenario.name, {}).setdefault(name, []).append(figures)
                    told = f"{figures['cpu_us_per_chunk']:.1f} µs/chunk, {figures['failures']:.0f} failures"
                    print(f"{scenario.name}: round {number + 1} of {rounds}, {name}: {told}", file=sys.stderr)
    return measured


def _start(upstream: Service, names: Collection[str], tls: bool, stack: contextlib.ExitStack) -> dict[str, Service]:
    """Start the services of these names, with TLS to the provider or without, warm them up, and halt them."""

    def folder(name: str) -> Path:
        prefix = f"bench-{name}-{'tls' if tls else 'plain'}-"
        return Path(stack.enter_context(tempfile.TemporaryDirectory(prefix=prefix)))

    reached = stack.enter_context(with_tls(upstream, folder("provider"))) if tls else upstream
    running: dict[str, Service] = {}
    if reached is None:
        return running
    for name in (name for name in SERVICES if name in names):
        if service := stack.enter_context(SERVICES[name](reached, folder(name))):
            set_pace(upstream, WARM_UP)
            read(service, WARM_UP)
            service.idle_rss = service.rss_kb()
            service.halt()
            running[name] = service
    return running


def _round(upstream: Service, service: Service, scenario: Scenario) -> Figures:
    set_pace(upstream, scenario)
    if service is upstream:
        return read(service, scenario)
    service.go_on()
    try:
        time.sleep(0.3)
        return read(service, scenario)
    finally:
        service.halt()


def main() -> int:
    """Measure, then print and write the figures. Returns the exit status: 1 if an answer of ours failed."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--quick", action="store_true", help="under two minutes: the key ratios")
    parser.add_argument("--only", nargs="+", default=[], help="scenarios whose names contain one of these")
    parser.add_argument("--services", nargs="+", default=[], help="these alone")
    parser.add_argument("--rounds", type=int, default=0, help="so many, whatever the scenario wants")
    parser.add_argument("--json", type=Path, default=None, help="a file for every figure of every round")
    parser.add_argument("--plots", type=Path, default=None, help="a folder for the pictures")
    parser.add_argument("--beside", type=Path, nargs="+", default=[], help="other checkouts, measured beside this one")
    given = parser.parse_args()
    others = [f"beside-{number}" if number > 1 else "beside" for number, _ in enumerate(given.beside, 1)]
    for name, checkout in zip(others, given.beside, strict=True):
        SERVICES[name] = partial(chatkeep, checkout=checkout.resolve())
    os.sched_setaffinity(0, {OUR_CORE})
    if OUR_CORE == THEIR_CORE:
        print("only one core: the services share it with the readers\n")
    wanted = [
        (
            scenario,
            [name for name in (*services, *others) if not given.services or name in given.services],
            given.rounds or rounds,
        )
        for scenario, services, rounds in scenarios(given.quick)
        if not given.only or any(some in scenario.name for some in given.only)
    ]
    measured = measure(wanted)
    print(report.tables(measured))
    print(report.ratios(measured))
    machine = {"python": platform.python_version(), "system": platform.platform(), "cores": len(CORES)}
    if given.json is not None:
        given.json.write_text(json.dumps({"machine": machine, "scenarios": measured}, indent=1))
    if given.plots is not None:
        report.plot(measured, given.plots)
    ours = [figures for services in measured.values() for figures in services.get("chatkeep", [])]
    return 1 if any(figures["failures"] for figures in ours) else 0


if __name__ == "__main__":
    raise SystemExit(main())
