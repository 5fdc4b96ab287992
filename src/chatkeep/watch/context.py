"""Which request, session and run the code at hand works for. Each task inherits them from the task that has made it.

So a run's lines in the log name the request that began it, and no function passes ids on for the log's sake.
"""

from contextvars import ContextVar

request_id: ContextVar[str | None] = ContextVar("request_id", default=None)
"""The id of the request; None outside of requests."""
session_id: ContextVar[str | None] = ContextVar("session_id", default=None)
"""The id of the session whose run is executed; None outside of runs."""
run_id: ContextVar[str | None] = ContextVar("run_id", default=None)
"""The id of the run that is executed; None outside of runs."""
