"""Everything that can go wrong, as one tree.

ChatkeepError
├─ Refused                     a request that is answered with a problem document (RFC 9457), nothing stored
│  ├─ NotFound  InvalidRequest  BodyTooLarge  IdTaken  SessionBusy  IdempotencyMismatch  CallNotWaiting
│  ├─ BadPosition  EventsExpired  ShuttingDown  TooManyRuns  BadHost  UnsupportedMediaType  MethodNotAllowed
│  └─ Internal
├─ TurnFailed                  a turn that ends as `failed`, with its code in `run.error`
│  ├─ ModelUnavailable  ModelRateLimited  ModelAuth  ModelRejected  ModelTimeout  ModelProtocol
│  └─ ContextOverflow  ToolStepsExceeded  InternalFailure
├─ StorageFailed               the database refused; nothing of the transaction is stored
└─ CannotStart                 a sentence for the operator: settings, database, migrations

`code`, `status` and `retryable` stand on the class, as `docs/protocol.md` §7 lists them.
"""

from collections.abc import Mapping
from typing import Any, ClassVar

from chatkeep.chat.types import Problem


class ChatkeepError(Exception):
    """Base of all errors that chatkeep raises on purpose."""


class Refused(ChatkeepError):
    """A request that cannot be done. `fields` are added to the problem document, `headers` to the answer."""

    status: ClassVar[int]
    code: ClassVar[str]
    title: ClassVar[str]
    headers: ClassVar[Mapping[str, str]] = {}

    def __init__(self, detail: str, **fields: Any) -> None:
        super().__init__(detail)
        self.detail = detail
        self.fields = fields

    def document(self) -> dict[str, Any]:
        """The problem document's members (RFC 9457 §3)."""
        return {
            "type": "about:blank",
            "title": self.title,
            "status": self.status,
            "detail": self.detail,
            "code": self.code,
            **self.fields,
        }


class NotFound(Refused):
    """Not there, or not the caller's: the two are not told apart."""

    status, code, title = 404, "not_found", "Not found"


class InvalidRequest(Refused):
    """The body, a header or a parameter does not say what the protocol asks for."""

    status, code, title = 422, "invalid_request", "Invalid request"


class BodyTooLarge(Refused):
    """The body is over `CHATKEEP_MAX_BODY_BYTES`."""

    status, code, title = 413, "body_too_large", "Body too large"


class IdTaken(Refused):
    """The id the client chose belongs to a session that is not its own."""

    status, code, title = 409, "id_taken", "Id taken"


class SessionBusy(Refused):
    """The session has an open run. `x-should-retry` keeps the OpenAI SDKs from retrying a 409 by themselves."""

    status, code, title = 409, "session_busy", "Session busy"
    headers: ClassVar = {"retry-after": "1", "x-should-retry": "false"}


class IdempotencyMismatch(Refused):
    """The key was used for another request."""

    status, code, title = 422, "idempotency_mismatch", "Idempotency key used for another request"


class CallNotWaiting(Refused):
    """An output for a call that does not wait for one."""

    status, code, title = 409, "call_not_waiting", "Call not waiting"


class BadPosition(Refused):
    """Not a position of this log."""

    status, code, title = 400, "bad_position", "Bad position"


class EventsExpired(Refused):
    """The run's log is no longer kept; its message is."""

    status, code, title = 410, "events_expired", "Events expired"


class ShuttingDown(Refused):
    """The service takes no new work."""

    status, code, title = 503, "shutting_down", "Shutting down"
    headers: ClassVar = {"retry-after": "2"}


class TooManyRuns(Refused):
    """The process has `CHATKEEP_MAX_RUNS` open runs."""

    status, code, title = 429, "too_many_runs", "Too many runs"
    headers: ClassVar = {"retry-after": "1"}


class BadHost(Refused):
    """The `Host` header is not in `CHATKEEP_ALLOWED_HOSTS`."""

    status, code, title = 400, "bad_host", "Bad host"


class UnsupportedMediaType(Refused):
    """A body that is not `application/json`."""

    status, code, title = 415, "unsupported_media_type", "Unsupported media type"


class MethodNotAllowed(Refused):
    """The path exists, the method does not."""

    status, code, title = 405, "invalid_request", "Method not allowed"


class Internal(Refused):
    """A fault of ours; the log has the traceback."""

    status, code, title = 500, "internal", "Internal error"


class TurnFailed(ChatkeepError):
    """A turn that cannot go on; the text so far is kept. The message reaches the client."""

    code: ClassVar[str]
    retryable: ClassVar[bool]

    def problem(self) -> Problem:
        """What `run.error` says."""
        return Problem(self.code, str(self), self.retryable)


class ModelUnavailable(TurnFailed):
    """No connection, a 5xx, a connection torn in mid-stream, or an error frame of unknown kind."""

    code, retryable = "model_unavailable", True


class ModelRateLimited(TurnFailed):
    """The provider said 429, and our own retries did not help."""

    code, retryable = "model_rate_limited", True


class ModelAuth(TurnFailed):
    """The provider refused the key (401, 403)."""

    code, retryable = "model_auth", False


class ModelRejected(TurnFailed):
    """The provider refused the request (any other 4xx)."""

    code, retryable = "model_rejected", False


class ModelTimeout(TurnFailed):
    """Nothing came for the time limit."""

    code, retryable = "model_timeout", True


class ModelProtocol(TurnFailed):
    """What came could not be understood."""

    code, retryable = "model_protocol", True


class ContextOverflow(TurnFailed):
    """The last user message alone does not fit, or the provider says so."""

    code, retryable = "context_overflow", False


class ToolStepsExceeded(TurnFailed):
    """The model was asked as often as a turn allows and still wants functions."""

    code, retryable = "tool_steps_exceeded", False


class InternalFailure(TurnFailed):
    """A fault of ours; the log has the traceback."""

    code, retryable = "internal", True


class StorageFailed(ChatkeepError):
    """The database refused, e.g. a full disk. Nothing of the transaction is stored."""


class CannotStart(ChatkeepError):
    """The service cannot start; the message is one line for the operator."""
