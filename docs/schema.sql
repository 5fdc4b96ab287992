-- The schema of a new SQLite database: src/chatkeep/migrations, applied in order. A test keeps this page current.

CREATE TABLE sessions (
    id           TEXT PRIMARY KEY,
    owner        TEXT NOT NULL,
    title        TEXT,
    assistant    TEXT NOT NULL,
    model        TEXT,                          -- NULL: the assistant's
    metadata     TEXT NOT NULL,                 -- JSON object of strings
    head_id      TEXT REFERENCES messages (id) DEFERRABLE INITIALLY DEFERRED,
    next_message INTEGER NOT NULL,              -- the next message's seq
    next_run     INTEGER NOT NULL,              -- the next run's number
    created_at   TEXT NOT NULL,
    updated_at   TEXT NOT NULL
) STRICT;

CREATE INDEX sessions_by_use ON sessions (owner, updated_at DESC, id DESC);
CREATE INDEX sessions_by_head ON sessions (head_id);

CREATE TABLE messages (
    id         TEXT PRIMARY KEY,
    session_id TEXT NOT NULL REFERENCES sessions (id) ON DELETE CASCADE,
    seq        INTEGER NOT NULL,
    parent_id  TEXT REFERENCES messages (id),   -- no cascade: chains of them are slow, then too deep
    role       TEXT NOT NULL CHECK (role IN ('user', 'assistant')),
    parts      TEXT NOT NULL,                   -- JSON; an open run's message is '[]' here, and in its log
    created_at TEXT NOT NULL,
    UNIQUE (session_id, seq)
) STRICT;

CREATE INDEX messages_by_parent ON messages (parent_id);

CREATE TABLE prompts (
    hash      TEXT PRIMARY KEY,                 -- SHA-256 of the two
    prompt    TEXT NOT NULL,
    functions TEXT NOT NULL                     -- JSON, as they were offered
) STRICT, WITHOUT ROWID;

CREATE TABLE facts (
    id         TEXT PRIMARY KEY,
    owner      TEXT NOT NULL,
    text       TEXT NOT NULL,
    created_at TEXT NOT NULL,
    UNIQUE (owner, text)
) STRICT;

CREATE INDEX facts_by_age ON facts (owner, id DESC);

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
    finished_at     TEXT, cached_input_tokens INTEGER NOT NULL DEFAULT 0, reasoning_tokens INTEGER NOT NULL DEFAULT 0, cost INTEGER, open_call TEXT,
    UNIQUE (session_id, number),
    UNIQUE (session_id, idempotency_key),
    CHECK ((finished_at IS NULL) = (status IN ('in_progress', 'requires_action'))),
    CHECK ((worker IS NOT NULL) = (status = 'in_progress')),
    CHECK ((lease_until IS NOT NULL) = (status = 'in_progress')),
    CHECK ((deadline IS NOT NULL) = (status = 'requires_action'))
) STRICT;

CREATE TABLE run_events (
    log      INTEGER NOT NULL REFERENCES runs (log) ON DELETE CASCADE,
    position INTEGER NOT NULL,                  -- of the log, after this event
    event    TEXT NOT NULL,                     -- JSON, as clients get it
    PRIMARY KEY (log, position)
) STRICT;

CREATE UNIQUE INDEX runs_open ON runs (session_id) WHERE status IN ('in_progress', 'requires_action');
CREATE INDEX runs_by_worker ON runs (worker, id) WHERE status = 'in_progress';
CREATE INDEX runs_by_deadline ON runs (deadline, id) WHERE status = 'requires_action';
CREATE INDEX runs_to_sweep ON runs (finished_at, id) WHERE log_kept = TRUE AND finished_at IS NOT NULL;
CREATE UNIQUE INDEX runs_by_message ON runs (message_id);
CREATE INDEX runs_by_user_message ON runs (user_message_id);

CREATE TABLE session_prompts (
    session_id TEXT NOT NULL REFERENCES sessions (id) ON DELETE CASCADE,
    hash       TEXT NOT NULL,                   -- as in prompts
    prompt     TEXT NOT NULL,
    functions  TEXT NOT NULL,                   -- JSON: as they were offered
    PRIMARY KEY (session_id, hash)
) STRICT;

CREATE TABLE model_calls (
    log                 INTEGER NOT NULL REFERENCES runs (log) ON DELETE CASCADE,  -- of its run
    number              INTEGER NOT NULL,       -- 1, 2, 3 … within the run
    step                INTEGER NOT NULL,       -- of the turn, from 1; 0: the session's title, not in the run's sums
    model               TEXT NOT NULL,          -- as the models file names it
    provider            TEXT NOT NULL,          -- likewise
    input_tokens        INTEGER NOT NULL,
    cached_input_tokens INTEGER NOT NULL,       -- of the input_tokens
    output_tokens       INTEGER NOT NULL,
    reasoning_tokens    INTEGER NOT NULL,       -- of the output_tokens
    estimated           INTEGER NOT NULL CHECK (estimated IN (0, 1)),  -- the provider has not counted
    cost                INTEGER,                -- in 10⁻⁹ of the currency, at the price of that time; NULL: not known
    first_token_ms      INTEGER,                -- from the request to the answer's first token; NULL: none came
    duration_ms         INTEGER NOT NULL,
    outcome             TEXT NOT NULL,          -- completed, incomplete, cancelled, interrupted, or an error's code
    PRIMARY KEY (log, number)
) STRICT, WITHOUT ROWID;
