"""The figures of `GET /metrics`: the only file that imports prometheus-client.

1. Everything is counted always; `CHATKEEP_METRICS` says who may read it. Counting costs about a microsecond, and
   nothing is counted per chunk of a stream.
2. No label has a user, a session or a text of a client in it. A model's name may be any text where there is no models
   file: after `MAX_MODELS` names, further ones are `other`.
3. Several processes (`--workers`) share a folder of small files, and each of them shows the sums of all
   (prometheus-client, "Multiprocess Mode"). The folder must be named before the library is imported.
"""

import os
import tempfile
from collections.abc import Generator
from contextlib import contextmanager, nullcontext
from functools import lru_cache

from prometheus_client import (
    CONTENT_TYPE_LATEST,
    REGISTRY,
    CollectorRegistry,
    Counter,
    Gauge,
    Histogram,
    disable_created_metrics,
    generate_latest,
    multiprocess,
)

from chatkeep import clock

disable_created_metrics()  # series with the time of a figure's first value, which no rule asks for

CONTENT_TYPE = CONTENT_TYPE_LATEST
"""The media type of `exposition()`."""
MAX_MODELS = 100
"""How many names of models have figures of their own."""
MAX_SERIES = 1000
"""How many series are kept at hand; further ones are looked for by their labels."""
OTHER = "other"
"""The label in place of further names."""
_FOLDER = "PROMETHEUS_MULTIPROC_DIR"
_SHORT = (0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10)
_LONG = (0.1, 0.25, 0.5, 1, 2.5, 5, 10, 20, 30, 60, 120, 300, 600)

HTTP_REQUESTS = Counter(
    "chatkeep_http_requests", "Requests that were answered, by the route's pattern.", ["route", "method", "status"]
)
HTTP_SECONDS = Histogram(
    "chatkeep_http_request_seconds", "Seconds until a request was answered; of a stream, its head.", ["route"]
)
RUNS = Counter("chatkeep_runs", "Runs that have ended.", ["status", "model"])
RUNS_OPEN = Gauge("chatkeep_runs_open", "Runs that are being executed.", multiprocess_mode="livesum")
RUN_SECONDS = Histogram("chatkeep_run_seconds", "Seconds from a run's claim to its end.", buckets=_LONG)
FIRST_TOKEN_SECONDS = Histogram(
    "chatkeep_first_token_seconds", "Seconds from a run's claim to its first delta.", buckets=_LONG
)
TOKENS = Counter("chatkeep_tokens", "Tokens of runs that have ended, estimates included.", ["model", "kind"])
PROVIDER_REQUESTS = Counter(
    "chatkeep_provider_requests",
    "Requests to a provider, by their beginning: ok, or an error's code.",
    ["provider", "code"],
)
PROVIDER_RETRIES = Counter("chatkeep_provider_retries", "Requests to a provider that were tried again.", ["provider"])
TOOL_SECONDS = Histogram("chatkeep_tool_seconds", "Seconds that a function ran.", ["name", "state"], buckets=_LONG)
FLUSH_SECONDS = Histogram("chatkeep_flush_seconds", "Seconds that a flush of the journal took.", buckets=_SHORT)
FLUSH_FAILURES = Counter("chatkeep_flush_failures", "Flushes that the database refused.")
STREAMS_OPEN = Gauge("chatkeep_streams_open", "Event streams that are open.", multiprocess_mode="livesum")
LOOP_LAG_SECONDS = Histogram(
    "chatkeep_loop_lag_seconds", "Seconds that the event loop was late, measured four times a second.", buckets=_SHORT
)
LEASES_TAKEN_OVER = Counter("chatkeep_leases_taken_over", "Runs that were ended because their process was gone.")
DATABASE_BYTES = Gauge("chatkeep_database_bytes", "The size of the database.", multiprocess_mode="mostrecent")
DATABASE_FREE_BYTES = Gauge(
    "chatkeep_database_free_bytes", "Free space where the SQLite file is.", multiprocess_mode="mostrecent"
)

_models: set[str] = set()


@lru_cache(maxsize=MAX_SERIES)
def counter(of: Counter, *labels: str | int) -> Counter:
    """Return the series of the counter with these labels. To find it by `labels()` costs more than to count."""
    return of.labels(*labels)


@lru_cache(maxsize=MAX_SERIES)
def histogram(of: Histogram, *labels: str | int) -> Histogram:
    """Return the series of the histogram with these labels."""
    return of.labels(*labels)


def count_run(status: str, model: str, tokens: dict[str, int], created_at: str, finished_at: str | None) -> None:
    """Count a run that has ended. `tokens` are by kind; the times are of `chatkeep.clock`."""
    label = _model_label(model)
    counter(RUNS, status, label).inc()
    for kind, count in tokens.items():
        counter(TOKENS, label, kind).inc(count)
    if finished_at is not None:
        RUN_SECONDS.observe(_seconds(created_at, finished_at))


def count_first_token(created_at: str, first_token_at: str | None) -> None:
    """Note how long the first delta of a run took; None: it had none."""
    if first_token_at is not None:
        FIRST_TOKEN_SECONDS.observe(_seconds(created_at, first_token_at))


def count_provider_request(provider: str, code: str) -> None:
    """Count a request to a provider whose answer has begun (`ok`), or that failed with the error `code` before that."""
    counter(PROVIDER_REQUESTS, provider, code).inc()


def exposition() -> bytes:
    """Return all figures in Prometheus' text format; with several processes, the sums of all."""
    if _FOLDER not in os.environ:
        return generate_latest(REGISTRY)
    registry = CollectorRegistry()
    multiprocess.MultiProcessCollector(registry)
    return generate_latest(registry)


@contextmanager
def shared_by_processes() -> Generator[None]:
    """Have processes that are started within the block count together."""
    with nullcontext() if _FOLDER in os.environ else tempfile.TemporaryDirectory(prefix="chatkeep-metrics-") as folder:
        if folder is not None:
            os.environ[_FOLDER] = folder
        try:
            yield
        finally:
            if folder is not None:
                del os.environ[_FOLDER]


def forget_process(pid: int | None) -> None:
    """Leave out the open runs and streams of a process that is gone. What it counted stays."""
    if _FOLDER in os.environ:
        multiprocess.mark_process_dead(pid)  # pyright: ignore[reportUnknownMemberType]  # the library has no type for it


def _model_label(model: str) -> str:
    if len(_models) < MAX_MODELS:
        _models.add(model)
    return model if model in _models else OTHER


def _seconds(begin: str, end: str) -> float:
    return max(0.0, (clock.parse(end) - clock.parse(begin)).total_seconds())
