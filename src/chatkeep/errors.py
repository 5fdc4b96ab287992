"""Every error that chatkeep raises on purpose, as one tree.

ChatkeepError
├─ Refused                     a request that gets a problem document (RFC 9457); nothing is stored
│  ├─ NotFound  InvalidRequest  ModelNotAllowed  BodyTooLarge  IdTaken  SessionBusy  IdempotencyMismatch  CallNotWaiting
│  ├─ BadPosition  EventsExpired  ShuttingDown  TooManyRuns  BadHost  CrossSite  UnsupportedMediaType  MethodNotAllowed
│  ├─ Unauthenticated  Forbidden  AccountDisabled  UntrustedProxy  SignInUnavailable       sign_in/refusals.py
│  ├─ FileInUse  UnsupportedFile  FilesUnavailable                                         files/refusals.py
│  ├─ BadRequest  HeadTooLarge  RequestTimeout  TooManyConnections      before there is a request
│  ├─ QuotaExceeded                                                     runs/quota.py
│  └─ DatabaseUnavailable  Internal
├─ TurnFailed                  a turn that ends as `failed`, with its code in `run.error`
│  ├─ ModelUnavailable  ModelRateLimited  ModelQuota  ModelAuth  ModelRejected  ModelTimeout  ModelProtocol
│  └─ ContextOverflow  ToolStepsExceeded  InternalFailure
├─ StorageFailed               a transaction that failed because the database cannot be used for now
│  └─ StatementFailed          a statement does not fit the schema
├─ ValueRefused                a transaction that the database would refuse again
└─ CannotStart  BucketFailed   one line for the operator: settings, database, migrations; the bucket of files

`code`, `status` and `retryable` stand on the class. `docs/http-api.md` lists them: "Error codes" has the refusals,
"Errors of a run" the failed turns.
"""

from collections.abc import Mapping
from typing import Any, ClassVar

from chatkeep.chat.types import Problem


class ChatkeepError(Exception):
    """The base of all errors that chatkeep raises on purpose."""


class Refused(ChatkeepError):
    """A request that is refused. `fields` are added to the problem document, `headers` to the HTTP response."""

    status: ClassVar[int]
    code: ClassVar[str]
    title: ClassVar[str]
    headers: ClassVar[Mapping[str, str]] = {}

    def __init__(self, detail: str, **fields: Any) -> None:
        super().__init__(detail)
        self.detail = detail
        self.fields = fields

    def response_headers(self) -> Mapping[str, str]:
        """Return the headers of the HTTP response."""
        return self.headers

    def document(self) -> dict[str, Any]:
        """Return the members of the problem document (RFC 9457 §3)."""
        return {
            "type": "about:blank",
            "title": self.title,
            "status": self.status,
            "detail": self.detail,
            "code": self.code,
            **self.fields,
        }


class NotFound(Refused):
    """An id or path that does not exist, or belongs to another owner. Both get the same answer."""

    status, code, title = 404, "not_found", "Not found"


class InvalidRequest(Refused):
    """A body, header or parameter that breaks the rules of the HTTP API."""

    status, code, title = 422, "invalid_request", "Invalid request"


class ModelNotAllowed(Refused):
    """A model that is not in `CHATKEEP_MODELS`."""

    status, code, title = 422, "model_not_allowed", "Model not allowed"


class BodyTooLarge(Refused):
    """A body of more than `CHATKEEP_MAX_BODY_BYTES`."""

    status, code, title = 413, "body_too_large", "Body too large"


class IdTaken(Refused):
    """A session id, chosen by the client, that belongs to another owner, or to a session that is being removed."""

    status, code, title = 409, "id_taken", "Id taken"


class SessionBusy(Refused):
    """A session that has an open run. `x-should-retry` keeps the OpenAI SDKs from retrying a 409 by themselves."""

    status, code, title = 409, "session_busy", "Session busy"
    headers: ClassVar = {"retry-after": "1", "x-should-retry": "false"}


class IdempotencyMismatch(Refused):
    """An idempotency key that was used for another request."""

    status, code, title = 422, "idempotency_mismatch", "Idempotency key used for another request"


class CallNotWaiting(Refused):
    """An output for a call that does not wait for one."""

    status, code, title = 409, "call_not_waiting", "Call not waiting"


class BadPosition(Refused):
    """A text that is no position of this log, or a position beyond its end."""

    status, code, title = 400, "bad_position", "Bad position"


class EventsExpired(Refused):
    """A log that is no longer kept. The run's message still is."""

    status, code, title = 410, "events_expired", "Events expired"


class ShuttingDown(Refused):
    """A request for new work while the service drains."""

    status, code, title = 503, "shutting_down", "Shutting down"
    headers: ClassVar = {"retry-after": "2"}


class TooManyRuns(Refused):
    """A request for a new run while the process has `CHATKEEP_MAX_RUNS` open runs."""

    status, code, title = 429, "too_many_runs", "Too many runs"
    headers: ClassVar = {"retry-after": "1"}


class BadHost(Refused):
    """A `Host` header that is not in `CHATKEEP_ALLOWED_HOSTS`."""

    status, code, title = 400, "bad_host", "Bad host"


class BadRequest(Refused):
    """Bytes that are not HTTP."""

    status, code, title = 400, "bad_request", "Bad request"


class HeadTooLarge(Refused):
    """A request whose target and headers are too long."""

    status, code, title = 431, "head_too_large", "Head too large"


class RequestTimeout(Refused):
    """A request that takes too long to arrive."""

    status, code, title = 408, "request_timeout", "Request timeout"


class TooManyConnections(Refused):
    """A connection beyond `CHATKEEP_MAX_CONNECTIONS`, or beyond the share of its address."""

    status, code, title = 503, "too_many_connections", "Too many connections"
    headers: ClassVar = {"retry-after": "2"}


class CrossSite(Refused):
    """A request that changes something, which a browser sends for a page of another site."""

    status, code, title = 403, "cross_site", "Cross-site request"


class UnsupportedMediaType(Refused):
    """A body that is not `application/json`."""

    status, code, title = 415, "unsupported_media_type", "Unsupported media type"


class MethodNotAllowed(Refused):
    """A method that the path does not have."""

    status, code, title = 405, "invalid_request", "Method not allowed"


class DatabaseUnavailable(Refused):
    """A database that cannot be used for now: its disk is full, or another program holds its lock.

    Repeating helps as soon as the cause is gone. `Internal` is for faults that a repetition would meet again.
    """

    status, code, title = 503, "database_unavailable", "Database unavailable"
    headers: ClassVar = {"retry-after": "5"}


class Internal(Refused):
    """A fault of the service itself. Its log has the traceback."""

    status, code, title = 500, "internal", "Internal error"


class TurnFailed(ChatkeepError):
    """A turn that cannot go on. The text so far is kept; the error's message is sent to the client.

    `is_charged`: the model may have read the prompt by then, so the provider may charge for it.
    """

    code: ClassVar[str]
    retryable: ClassVar[bool]
    is_charged: bool = False

    def problem(self) -> Problem:
        """Return this error as the value of `run.error`."""
        return Problem(self.code, str(self), self.retryable)


class ModelUnavailable(TurnFailed):
    """No connection, a 408 or 5xx, a connection torn in mid-stream, or an error frame of unknown kind."""

    code, retryable = "model_unavailable", True


class ModelRateLimited(TurnFailed):
    """The provider answered 429, and the service's own retries did not help."""

    code, retryable = "model_rate_limited", True


class ModelQuota(TurnFailed):
    """The provider's account is used up: its quota, its credit or its budget."""

    code, retryable = "model_quota", False


class ModelAuth(TurnFailed):
    """The provider refused the key (401, 403)."""

    code, retryable = "model_auth", False


class ModelRejected(TurnFailed):
    """The provider refused the request for another reason."""

    code, retryable = "model_rejected", False


class ModelTimeout(TurnFailed):
    """The provider sent nothing for the time limit."""

    code, retryable = "model_timeout", True
    is_charged = True


class ModelProtocol(TurnFailed):
    """The provider's answer cannot be understood."""

    code, retryable = "model_protocol", True
    is_charged = True


class ContextOverflow(TurnFailed):
    """The last user message alone is over `CHATKEEP_CONTEXT_TOKENS`, or the provider calls the prompt too long."""

    code, retryable = "context_overflow", False


class ToolStepsExceeded(TurnFailed):
    """The model still called functions in the last step that a turn may have."""

    code, retryable = "tool_steps_exceeded", False


class InternalFailure(TurnFailed):
    """A fault of the service itself. Its log has the traceback."""

    code, retryable = "internal", True


class StorageFailed(ChatkeepError):
    """A transaction that failed because the database cannot be used for now: its disk is full, for example.

    Nothing of it is stored, and it may be repeated. One exception: a COMMIT whose outcome cannot be found out
    (`db/postgres.py`). It may have been stored.
    """


class StatementFailed(StorageFailed):
    """A transaction with a statement that the schema does not allow: a fault of ours, or a schema changed by hand."""


class ValueRefused(ChatkeepError):
    """A transaction with a value that the database does not take: too large, or against a constraint.

    It would be refused again, and others are not: the fault lies with the value. So this is no `StorageFailed`.
    """


class CannotStart(ChatkeepError):
    """The service cannot start. The message is one line for the operator."""
