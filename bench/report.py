"""Shows measurements as tables, ratios and pictures."""

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from statistics import median
from typing import NamedTuple, TypeAlias

from tools import Figures

Rounds: TypeAlias = Mapping[str, Sequence[Figures]]
"""The figures of each round, by service."""

COLUMNS = {
    "cpu_us_per_chunk": "CPU/chunk µs",
    "cpu_ms_per_turn": "CPU/turn ms",
    "events_per_chunk": "events/chunk",
    "age_p50": "age p50 ms",
    "age_p99": "p99",
    "first_wait_p50": "first token p50 ms",
    "first_wait_p99": "p99",
    "rss_kb_per_stream": "KB/stream",
    "disk_kb_per_chunk": "KB to disk/chunk",
    "failures": "failures",
    "others": "core's time of others",
}
MOVED = ("cpu_us_per_chunk", "cpu_ms_per_turn")
"""Figures shown with their range, because the ratios are computed from them."""


class Goal(NamedTuple):
    """A ratio or figure with a limit it must keep and one it aims at. `of`: the other service; None: ours alone.

    `ours`: the service that is ours.
    """

    title: str
    scenario: str
    figure: str
    of: str | None
    must: float
    aim: float
    more_is_better: bool
    ours: str = "chatkeep"


STREAMS, TURNS = "200 streams of 50 chunks/s", "one-chunk turns, 10 callers"
GOALS = [
    Goal("CPU per chunk, TLS: cheaper than naive", f"{STREAMS}, TLS", "cpu_us_per_chunk", "naive", 6, 9, True),
    Goal(
        "… than LiteLLM's proxy, which stores nothing",
        f"{STREAMS}, TLS, all services",
        "cpu_us_per_chunk",
        "litellm",
        15,
        20,
        True,
    ),
    Goal("… against nginx (times the cost)", f"{STREAMS}, TLS", "cpu_us_per_chunk", "nginx", 2.5, 1.7, False),
    Goal(
        "… through a proxy, against the direct way (times the cost)",
        f"{STREAMS}, TLS",
        "cpu_us_per_chunk",
        "chatkeep",
        1.3,
        1.1,
        False,
        ours="chatkeep-proxy",
    ),
    *(
        Goal(
            f"CPU per chunk of {each} (times our own)",
            f"{STREAMS}, dialects",
            "cpu_us_per_chunk",
            "chatkeep",
            1.3,
            1.0,
            False,
            each,
        )
        for each in ("AI SDK", "AG-UI", "Chat Completions", "Responses")
    ),
    Goal("memory per open stream, TLS (KB)", f"{STREAMS}, TLS", "rss_kb_per_stream", None, 90, 50, False),
    Goal("CPU of a one-chunk turn, TLS: cheaper than naive", f"{TURNS}, TLS", "cpu_ms_per_turn", "naive", 3.5, 5, True),
    Goal("CPU per chunk, plain: cheaper than naive", f"{STREAMS}, plain", "cpu_us_per_chunk", "naive", 6, 13, True),
    Goal("… against nginx (times the cost)", f"{STREAMS}, plain", "cpu_us_per_chunk", "nginx", 2.5, 1, False),
    Goal("memory per open stream, plain (KB)", f"{STREAMS}, plain", "rss_kb_per_stream", None, 45, 16, False),
    Goal(
        "provider as fast as it can: cheaper than naive",
        "the provider as fast as it can",
        "cpu_us_per_chunk",
        "naive",
        60,
        120,
        True,
    ),
    Goal("added time to first token, idle, p50 (ms)", "first token, idle", "first_wait_p50", "direct", 5, 2, False),
    Goal(
        "1,000 streams of 20 chunks/s: chunk age p99 (ms)",
        "1000 streams of 20 chunks/s",
        "age_p99",
        None,
        250,
        100,
        False,
    ),
    Goal("1,000 streams of 20 chunks/s: failed turns", "1000 streams of 20 chunks/s", "failures", None, 0, 0, False),
    Goal(
        "memory per open stream, of 1,000 (KB)", "1000 streams of 20 chunks/s", "rss_kb_per_stream", None, 35, 16, False
    ),
]


def tables(measured: Mapping[str, Rounds]) -> str:
    """Return a Markdown table per scenario: a row per service, with medians (least to most)."""
    lines: list[str] = []
    for scenario, services in measured.items():
        lines += [f"\n### {scenario}\n", f"| | {' | '.join(COLUMNS.values())} |", f"|---|{'---:|' * len(COLUMNS)}"]
        for service, rounds in services.items():
            cells = [_cell([figures[name] for figures in rounds], name in MOVED) for name in COLUMNS]
            lines.append(f"| {service} | {' | '.join(cells)} |")
    return "\n".join(lines)


def ratios(measured: Mapping[str, Rounds]) -> str:
    """Return a Markdown table of the goals: what was measured, what it must reach, and what it aims at."""
    lines = ["\n### Ratios of medians\n", "| | measured | must | aim | |", "|---|---:|---:|---:|---|"]
    for goal in GOALS:
        if (reached := value(goal, measured.get(goal.scenario, {}))) is None:
            continue
        sign = "≥" if goal.more_is_better else "≤"

        def holds(limit: float, goal: Goal = goal, reached: float = reached) -> bool:
            return reached >= limit if goal.more_is_better else reached <= limit

        verdict = "aim reached" if holds(goal.aim) else "must reached" if holds(goal.must) else "**not reached**"
        lines.append(f"| {goal.title} | {_short(reached)} | {sign} {goal.must:g} | {sign} {goal.aim:g} | {verdict} |")
    return "\n".join(lines)


def value(goal: Goal, services: Rounds) -> float | None:
    """Return the measured value of a goal; None if it was not measured."""
    if goal.ours not in services or (goal.of is not None and goal.of not in services):
        return None
    ours = _median(services[goal.ours], goal.figure)
    if goal.of is None:
        return ours
    theirs = _median(services[goal.of], goal.figure)
    if goal.figure.startswith("first_wait"):
        return ours - theirs
    return theirs / ours if goal.more_is_better else ours / theirs


def plot(measured: Mapping[str, Rounds], folder: Path) -> None:
    """Draw CPU per chunk, chunk age and memory by the number of streams, each of 20 chunks/s, into `folder`."""
    import matplotlib as mpl

    mpl.use("Agg")
    from matplotlib import pyplot
    from matplotlib.ticker import LogLocator, NullFormatter

    steps = {
        int(name.partition(" ")[0]): rounds for name, rounds in measured.items() if name.endswith("of 20 chunks/s")
    }
    pictures: dict[str, tuple[str, Callable[[Figures], float]]] = {
        "cpu": ("CPU per chunk, µs", lambda figures: figures["cpu_us_per_chunk"]),
        "age": ("chunk age, p99, ms", lambda figures: figures["age_p99"]),
        "memory": ("memory per open stream, KB", lambda figures: figures["rss_kb_per_stream"]),
    }
    folder.mkdir(parents=True, exist_ok=True)
    for name, (title, read) in pictures.items():
        figure, axis = pyplot.subplots(figsize=(6, 4), layout="constrained")
        for service in ("chatkeep", "naive", "nginx"):
            points = [
                (streams, median(map(read, rounds[service])), rounds[service])
                for streams, rounds in sorted(steps.items())
                if service in rounds
            ]
            axis.plot([point[0] for point in points], [point[1] for point in points], marker="o", label=service)
            failing = [(x, y) for x, y, rounds in points if any(figures["failures"] for figures in rounds)]
            if failing:
                axis.plot(*zip(*failing, strict=True), "x", color="red", markersize=10, label=f"{service}: turns fail")
        axis.set(xscale="log", yscale="log", xlabel="streams, 20 chunks/s each", title=title)
        for each in (axis.xaxis, axis.yaxis):
            each.set_major_locator(LogLocator(subs=(1, 2, 5)))
            each.set_major_formatter("{x:g}")
            each.set_minor_formatter(NullFormatter())
        axis.grid(visible=True, alpha=0.3)
        axis.legend()
        figure.savefig(folder / f"performance-{name}.png", dpi=90)


def _median(rounds: Sequence[Figures], figure: str) -> float:
    return median(figures[figure] for figures in rounds)


def _cell(values: Sequence[float], with_range: bool) -> str:
    middle = _short(median(values))
    return f"{middle} ({_short(min(values))}-{_short(max(values))})" if with_range and len(values) > 1 else middle


def _short(value: float) -> str:
    return f"{value:.0f}" if abs(value) >= 100 or value == int(value) else f"{value:.3g}"
