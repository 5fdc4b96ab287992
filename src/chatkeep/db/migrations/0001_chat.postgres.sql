-- The same tables as in 0001_chat.sqlite.sql, with PostgreSQL's own types (tests/test_schemas.py compares the two).
-- json, not jsonb: what was stored comes back byte for byte, and it is never looked into here.

CREATE TABLE sessions (
    id           uuid PRIMARY KEY,
    owner        text NOT NULL,
    title        text,
    assistant    text NOT NULL,
    model        text,                          -- NULL: the assistant's
    metadata     json NOT NULL,                 -- an object of strings
    head_id      uuid,
    next_message integer NOT NULL,              -- the next message's seq
    next_run     integer NOT NULL,              -- the next run's number
    created_at   timestamptz NOT NULL,
    updated_at   timestamptz NOT NULL
);

CREATE INDEX sessions_by_use ON sessions (owner, updated_at DESC, id DESC);
CREATE INDEX sessions_by_head ON sessions (head_id);

CREATE TABLE messages (
    id         uuid PRIMARY KEY,
    session_id uuid NOT NULL REFERENCES sessions (id) ON DELETE CASCADE,
    seq        integer NOT NULL,
    parent_id  uuid REFERENCES messages (id),   -- no cascade: chains of them are slow, then too deep
    role       text NOT NULL CHECK (role IN ('user', 'assistant')),
    parts      json NOT NULL,                   -- an open run's message is '[]' here, and in its log
    created_at timestamptz NOT NULL,
    UNIQUE (session_id, seq)
);

CREATE INDEX messages_by_parent ON messages (parent_id);

ALTER TABLE sessions ADD FOREIGN KEY (head_id) REFERENCES messages (id) DEFERRABLE INITIALLY DEFERRED;

CREATE TABLE runs (
    id              uuid PRIMARY KEY,
    session_id      uuid NOT NULL REFERENCES sessions (id) ON DELETE CASCADE,
    number          integer NOT NULL,           -- 1, 2, 3 … within the session
    user_message_id uuid NOT NULL REFERENCES messages (id),
    message_id      uuid NOT NULL REFERENCES messages (id),
    status          text NOT NULL CHECK (status IN
        ('in_progress', 'requires_action', 'completed', 'incomplete', 'failed', 'cancelled', 'interrupted')),
    attempt         integer NOT NULL,           -- the fence: whoever writes names the attempt it belongs to
    position        bigint NOT NULL,            -- how far the log has come
    idempotency_key text,
    request_hash    text,
    request         json NOT NULL,              -- what the turn was given
    model           text NOT NULL,
    finish_reason   text,
    error           json,                       -- code, message, retryable
    input_tokens    bigint NOT NULL,
    output_tokens   bigint NOT NULL,
    usage_estimated boolean NOT NULL,
    input_bytes     bigint NOT NULL,            -- of the prompts that input_tokens counts: calibrates estimates
    log_kept        boolean NOT NULL,
    worker          text,                       -- the process that carries it
    lease_until     timestamptz,                -- until when that process need not be asked whether it lives
    deadline        timestamptz,                -- until when it waits for the client
    created_at      timestamptz NOT NULL,
    started_at      timestamptz,
    first_token_at  timestamptz,
    finished_at     timestamptz,
    UNIQUE (session_id, number),
    UNIQUE (session_id, idempotency_key),
    CHECK ((finished_at IS NULL) = (status IN ('in_progress', 'requires_action'))),
    CHECK ((worker IS NOT NULL) = (status = 'in_progress')),
    CHECK ((lease_until IS NOT NULL) = (status = 'in_progress')),
    CHECK ((deadline IS NOT NULL) = (status = 'requires_action'))
) WITH (fillfactor = 70);                       -- an open run's row is written at every flush: room for its versions

CREATE UNIQUE INDEX runs_open ON runs (session_id) WHERE status IN ('in_progress', 'requires_action');
CREATE INDEX runs_by_worker ON runs (worker, id) WHERE status = 'in_progress';
CREATE INDEX runs_by_deadline ON runs (deadline, id) WHERE status = 'requires_action';
CREATE INDEX runs_to_sweep ON runs (finished_at, id) WHERE log_kept = TRUE AND finished_at IS NOT NULL;
CREATE UNIQUE INDEX runs_by_message ON runs (message_id);
CREATE INDEX runs_by_user_message ON runs (user_message_id);

-- What models were told: system prompts as rendered, and functions as offered, each kept once. A run's `request` names
-- the hash of its own, so that an answer can be explained, and a run that waited can go on with the same.
CREATE TABLE prompts (
    hash      text PRIMARY KEY,                 -- SHA-256 of the two
    prompt    text NOT NULL,
    functions json NOT NULL                     -- as they were offered
);

-- What users asked to be remembered.
CREATE TABLE facts (
    id         uuid PRIMARY KEY,
    owner      text NOT NULL,
    text       text NOT NULL,
    created_at timestamptz NOT NULL,
    UNIQUE (owner, text)
);

CREATE INDEX facts_by_age ON facts (owner, id DESC);

CREATE TABLE run_events (
    run_id   uuid NOT NULL REFERENCES runs (id) ON DELETE CASCADE,
    position bigint NOT NULL,                   -- of the log, after this event
    event    json NOT NULL,                     -- as clients get it
    PRIMARY KEY (run_id, position)
);
