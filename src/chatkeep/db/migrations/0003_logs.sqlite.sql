-- Logs go by a number: an entry of their index takes 12 bytes, not 45, and the pages of that index, touched run by run,
-- were most of what a flush wrote. The number is this database's own; everybody else knows a run by its id.
ALTER TABLE run_events RENAME TO run_events_by_id;
ALTER TABLE runs RENAME TO runs_by_id;

CREATE TABLE runs (
    log             INTEGER PRIMARY KEY,        -- by which its log goes in this database
    id              TEXT NOT NULL UNIQUE,
    session_id      TEXT NOT NULL REFERENCES sessions (id) ON DELETE CASCADE,
    number          INTEGER NOT NULL,           -- 1, 2, 3 … within the session
    user_message_id TEXT NOT NULL REFERENCES messages (id),
    message_id      TEXT NOT NULL REFERENCES messages (id),
    status          TEXT NOT NULL CHECK (status IN
        ('in_progress', 'requires_action', 'completed', 'incomplete', 'failed', 'cancelled', 'interrupted')),
    attempt         INTEGER NOT NULL,           -- the fence: whoever writes names the attempt it belongs to
    position        INTEGER NOT NULL,           -- how far the log has come
    idempotency_key TEXT,
    request_hash    TEXT,
    request         TEXT NOT NULL,              -- JSON: what the turn was given
    model           TEXT NOT NULL,
    finish_reason   TEXT,
    error           TEXT,                       -- JSON: code, message, retryable
    input_tokens    INTEGER NOT NULL,
    output_tokens   INTEGER NOT NULL,
    usage_estimated INTEGER NOT NULL CHECK (usage_estimated IN (0, 1)),
    input_bytes     INTEGER NOT NULL,           -- of the prompts that input_tokens counts: calibrates estimates
    log_kept        INTEGER NOT NULL CHECK (log_kept IN (0, 1)),
    worker          TEXT,                       -- the process that carries it
    lease_until     TEXT,                       -- until when that process need not be asked whether it lives
    deadline        TEXT,                       -- until when it waits for the client
    created_at      TEXT NOT NULL,
    started_at      TEXT,
    first_token_at  TEXT,
    finished_at     TEXT,
    UNIQUE (session_id, number),
    UNIQUE (session_id, idempotency_key),
    CHECK ((finished_at IS NULL) = (status IN ('in_progress', 'requires_action'))),
    CHECK ((worker IS NOT NULL) = (status = 'in_progress')),
    CHECK ((lease_until IS NOT NULL) = (status = 'in_progress')),
    CHECK ((deadline IS NOT NULL) = (status = 'requires_action'))
) STRICT;

INSERT INTO runs (
    id, session_id, number, user_message_id, message_id, status, attempt, position, idempotency_key, request_hash,
    request, model, finish_reason, error, input_tokens, output_tokens, usage_estimated, input_bytes, log_kept,
    worker, lease_until, deadline, created_at, started_at, first_token_at, finished_at)
SELECT
    id, session_id, number, user_message_id, message_id, status, attempt, position, idempotency_key, request_hash,
    request, model, finish_reason, error, input_tokens, output_tokens, usage_estimated, input_bytes, log_kept,
    worker, lease_until, deadline, created_at, started_at, first_token_at, finished_at
  FROM runs_by_id
 ORDER BY id;

CREATE TABLE run_events (
    log      INTEGER NOT NULL REFERENCES runs (log) ON DELETE CASCADE,
    position INTEGER NOT NULL,                  -- of the log, after this event
    event    TEXT NOT NULL,                     -- JSON, as clients get it
    PRIMARY KEY (log, position)
) STRICT;

INSERT INTO run_events (log, position, event)
SELECT r.log, e.position, e.event
  FROM run_events_by_id e
  JOIN runs r ON r.id = e.run_id
 ORDER BY e.rowid;

DROP TABLE run_events_by_id;
DROP TABLE runs_by_id;

CREATE UNIQUE INDEX runs_open ON runs (session_id) WHERE status IN ('in_progress', 'requires_action');
CREATE INDEX runs_by_worker ON runs (worker, id) WHERE status = 'in_progress';
CREATE INDEX runs_by_deadline ON runs (deadline, id) WHERE status = 'requires_action';
CREATE INDEX runs_to_sweep ON runs (finished_at, id) WHERE log_kept = TRUE AND finished_at IS NOT NULL;
CREATE UNIQUE INDEX runs_by_message ON runs (message_id);
CREATE INDEX runs_by_user_message ON runs (user_message_id);
