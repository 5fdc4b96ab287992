-- Every row of a session is keyed by the session, so that it can live on any server of a distributed database. The key
-- is a number that is computed from the session's id (chatkeep/ids.py): 9 bytes in each row and index, not 37. The old
-- tables are moved into these page by page (db/moving.py); 0007 then drops them.
ALTER TABLE sessions RENAME TO old_sessions;
ALTER TABLE messages RENAME TO old_messages;
ALTER TABLE runs RENAME TO old_runs;
ALTER TABLE run_events RENAME TO old_run_events;
ALTER TABLE model_calls RENAME TO old_model_calls;
ALTER TABLE session_prompts RENAME TO old_session_prompts;
ALTER TABLE facts RENAME TO old_facts;
DROP INDEX sessions_by_use;
DROP INDEX messages_by_parent;
DROP INDEX runs_open;
DROP INDEX runs_by_worker;
DROP INDEX runs_by_deadline;
DROP INDEX runs_to_sweep;
DROP INDEX runs_by_message;
DROP INDEX runs_by_user_message;
DROP INDEX facts_by_age;
ALTER TABLE old_sessions ADD COLUMN session_key INTEGER;
CREATE INDEX old_messages_by_parent ON old_messages (parent_id);

CREATE TABLE moved_rows (
    step     TEXT PRIMARY KEY,
    last_key TEXT                               -- JSON array; NULL: all are moved
) STRICT;

-- Who owns sessions and facts. `local` is who asks where no sign-in is set.
CREATE TABLE users (
    id          TEXT PRIMARY KEY,               -- an owner
    issuer      TEXT,                           -- NULL: made by this service itself
    subject     TEXT,
    name        TEXT,
    role        TEXT NOT NULL CHECK (role IN ('user', 'admin')),
    disabled_at TEXT,
    created_at  TEXT NOT NULL,
    seen_at     TEXT,
    UNIQUE (issuer, subject)
) STRICT;

INSERT INTO users (id, role, created_at) VALUES ('local', 'admin', '1970-01-01T00:00:00.000000Z');

-- Not used yet, and here so that rows are moved once: client_id, the client's own id; used_at, by which sessions are
-- to be listed; deleted_at, from when on a session is being removed; search_number, a message's number in an index.
CREATE TABLE sessions (
    session_key  INTEGER PRIMARY KEY,           -- computed from the id
    id           TEXT NOT NULL,
    owner        TEXT NOT NULL,                 -- a user's id; no reference: users may live on another server
    client_id    TEXT,
    title        TEXT,
    assistant    TEXT NOT NULL,
    model        TEXT,                          -- NULL: the assistant's
    metadata     TEXT NOT NULL,                 -- JSON object of strings
    params       TEXT,                          -- JSON object: parameters of every answer; NULL: none
    instructions TEXT,                          -- the user's, for the system prompt
    head_id      TEXT,
    next_message INTEGER NOT NULL,              -- the next message's seq
    next_run     INTEGER NOT NULL,              -- the next run's number
    created_at   TEXT NOT NULL,
    updated_at   TEXT NOT NULL,
    used_at      TEXT,
    deleted_at   TEXT,
    FOREIGN KEY (session_key, head_id) REFERENCES messages (session_key, id)
) STRICT;

CREATE INDEX sessions_by_use ON sessions (owner, updated_at DESC, id DESC);

CREATE TABLE messages (
    search_number INTEGER PRIMARY KEY,
    session_key   INTEGER NOT NULL REFERENCES sessions (session_key) ON DELETE CASCADE,
    id            TEXT NOT NULL,
    client_id     TEXT,
    seq           INTEGER NOT NULL,
    parent_id     TEXT,
    role          TEXT NOT NULL CHECK (role IN ('user', 'assistant')),
    parts         TEXT NOT NULL,                -- JSON; an open run's message is '[]' here, and in its log
    created_at    TEXT NOT NULL,
    UNIQUE (session_key, id),
    UNIQUE (session_key, seq),
    FOREIGN KEY (session_key, parent_id) REFERENCES messages (session_key, id)  -- no cascade: chains of them are slow
) STRICT;

CREATE INDEX messages_by_parent ON messages (session_key, parent_id);
CREATE INDEX messages_by_client_id ON messages (session_key, client_id) WHERE client_id IS NOT NULL;

CREATE TABLE runs (
    session_key     INTEGER NOT NULL REFERENCES sessions (session_key) ON DELETE CASCADE,
    number          INTEGER NOT NULL,           -- 1, 2, 3 … within the session
    id              TEXT NOT NULL,
    user_message_id TEXT NOT NULL,
    message_id      TEXT NOT NULL,
    status          TEXT NOT NULL CHECK (status IN
        ('in_progress', 'requires_action', 'completed', 'incomplete', 'failed', 'cancelled', 'interrupted')),
    attempt         INTEGER NOT NULL,           -- the fence: who writes names the attempt it belongs to
    position        INTEGER NOT NULL,           -- how far the log has come
    idempotency_key TEXT,
    request_hash    TEXT,
    request         TEXT NOT NULL,              -- JSON: what the turn was given
    model           TEXT NOT NULL,
    finish_reason   TEXT,
    error           TEXT,                       -- JSON: code, message, retryable
    input_tokens    INTEGER NOT NULL,
    output_tokens   INTEGER NOT NULL,
    cached_input_tokens INTEGER NOT NULL DEFAULT 0,  -- of the input_tokens
    reasoning_tokens INTEGER NOT NULL DEFAULT 0,     -- of the output_tokens
    cost            INTEGER,                    -- in 10⁻⁹ of the currency; NULL: not known
    open_call       TEXT,                       -- JSON: the call that goes on, as its row would be now
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
    PRIMARY KEY (session_key, number),
    UNIQUE (session_key, id),
    UNIQUE (session_key, idempotency_key),
    FOREIGN KEY (session_key, user_message_id) REFERENCES messages (session_key, id),
    FOREIGN KEY (session_key, message_id) REFERENCES messages (session_key, id),
    CHECK ((finished_at IS NULL) = (status IN ('in_progress', 'requires_action'))),
    CHECK ((worker IS NOT NULL) = (status = 'in_progress')),
    CHECK ((lease_until IS NOT NULL) = (status = 'in_progress')),
    CHECK ((deadline IS NOT NULL) = (status = 'requires_action'))
) STRICT;

CREATE UNIQUE INDEX runs_open ON runs (session_key) WHERE status IN ('in_progress', 'requires_action');
CREATE INDEX runs_by_worker ON runs (worker, id) WHERE status = 'in_progress';
CREATE INDEX runs_by_deadline ON runs (deadline, id) WHERE status = 'requires_action';
CREATE INDEX runs_to_sweep ON runs (finished_at, id) WHERE log_kept = TRUE AND finished_at IS NOT NULL;
CREATE UNIQUE INDEX runs_by_message ON runs (session_key, message_id);
CREATE INDEX runs_by_user_message ON runs (session_key, user_message_id);

-- With a rowid: what a flush adds for all runs lies side by side, and only the slimmer index is touched run by run.
CREATE TABLE run_events (
    session_key INTEGER NOT NULL,
    run_number  INTEGER NOT NULL,
    position    INTEGER NOT NULL,               -- of the log, after this event
    event       TEXT NOT NULL,                  -- JSON, as clients get it
    PRIMARY KEY (session_key, run_number, position),
    FOREIGN KEY (session_key, run_number) REFERENCES runs (session_key, number) ON DELETE CASCADE
) STRICT;

-- Every request to a model has a row, so that an operator can see where the money goes.
CREATE TABLE model_calls (
    session_key         INTEGER NOT NULL,
    run_number          INTEGER NOT NULL,
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
    PRIMARY KEY (session_key, run_number, number),
    FOREIGN KEY (session_key, run_number) REFERENCES runs (session_key, number) ON DELETE CASCADE
) STRICT, WITHOUT ROWID;

-- What models were told of a session (its title, functions that its client described) goes with it; the rest is kept
-- once, in `prompts`, for all.
CREATE TABLE session_prompts (
    session_key INTEGER NOT NULL REFERENCES sessions (session_key) ON DELETE CASCADE,
    hash        TEXT NOT NULL,                  -- as in prompts
    prompt      TEXT NOT NULL,
    functions   TEXT NOT NULL,                  -- JSON: as they were offered
    PRIMARY KEY (session_key, hash)
) STRICT;

-- Ids of messages and runs that do not end with their session's key: those from before this migration.
CREATE TABLE former_ids (
    id          TEXT PRIMARY KEY,
    session_key INTEGER NOT NULL                -- no reference: the row may live on another server than the session
) STRICT, WITHOUT ROWID;

-- What users asked to be remembered.
CREATE TABLE facts (
    owner      TEXT NOT NULL,
    id         TEXT NOT NULL,
    text       TEXT NOT NULL,
    created_at TEXT NOT NULL,
    PRIMARY KEY (owner, id),
    UNIQUE (owner, text)
) STRICT;
