-- As on SQLite.
ALTER TABLE sessions RENAME TO old_sessions;
ALTER TABLE messages RENAME TO old_messages;
ALTER TABLE runs RENAME TO old_runs;
ALTER TABLE run_events RENAME TO old_run_events;
ALTER TABLE model_calls RENAME TO old_model_calls;
ALTER TABLE session_prompts RENAME TO old_session_prompts;
ALTER TABLE facts RENAME TO old_facts;
ALTER TABLE old_sessions RENAME CONSTRAINT sessions_pkey TO old_sessions_pkey;
ALTER TABLE old_messages RENAME CONSTRAINT messages_pkey TO old_messages_pkey;
ALTER TABLE old_messages RENAME CONSTRAINT messages_session_id_seq_key TO old_messages_session_id_seq_key;
ALTER TABLE old_runs RENAME CONSTRAINT runs_pkey TO old_runs_pkey;
ALTER TABLE old_run_events RENAME CONSTRAINT run_events_pkey TO old_run_events_pkey;
ALTER TABLE old_model_calls RENAME CONSTRAINT model_calls_pkey TO old_model_calls_pkey;
ALTER TABLE old_session_prompts RENAME CONSTRAINT session_prompts_pkey TO old_session_prompts_pkey;
ALTER TABLE old_facts RENAME CONSTRAINT facts_pkey TO old_facts_pkey;
DROP INDEX sessions_by_use, sessions_by_head, messages_by_parent, runs_open, runs_by_worker, runs_by_deadline,
    runs_to_sweep, runs_by_message, runs_by_user_message, facts_by_age;
ALTER TABLE old_sessions ADD COLUMN session_key bigint;

CREATE TABLE moved_rows (
    step     text PRIMARY KEY,
    last_key text                               -- JSON array; NULL: all are moved
);

CREATE TABLE users (
    id          text PRIMARY KEY,               -- an owner
    issuer      text,                           -- NULL: made by this service itself
    subject     text,
    name        text,
    role        text NOT NULL CHECK (role IN ('user', 'admin')),
    disabled_at timestamptz,
    created_at  timestamptz NOT NULL,
    seen_at     timestamptz,
    UNIQUE (issuer, subject)
);

INSERT INTO users (id, role, created_at) VALUES ('local', 'admin', '1970-01-01T00:00:00.000000Z');

CREATE TABLE sessions (
    session_key  bigint PRIMARY KEY,            -- computed from the id
    id           uuid NOT NULL,
    owner        text NOT NULL,                 -- a user's id; no reference: users may live on another server
    client_id    text,
    title        text,
    assistant    text NOT NULL,
    model        text,                          -- NULL: the assistant's
    metadata     json NOT NULL,                 -- an object of strings
    params       json,                          -- an object: parameters of every answer; NULL: none
    instructions text,                          -- the user's, for the system prompt
    head_id      uuid,
    next_message integer NOT NULL,              -- the next message's seq
    next_run     integer NOT NULL,              -- the next run's number
    created_at   timestamptz NOT NULL,
    updated_at   timestamptz NOT NULL,
    used_at      timestamptz,
    deleted_at   timestamptz
);

CREATE INDEX sessions_by_use ON sessions (owner, updated_at DESC, id DESC);

CREATE TABLE messages (
    search_number bigint NOT NULL GENERATED ALWAYS AS IDENTITY,
    session_key   bigint NOT NULL REFERENCES sessions (session_key) ON DELETE CASCADE,
    id            uuid NOT NULL,
    client_id     text,
    seq           integer NOT NULL,
    parent_id     uuid,
    role          text NOT NULL CHECK (role IN ('user', 'assistant')),
    parts         json NOT NULL,                -- an open run's message is '[]' here, and in its log
    created_at    timestamptz NOT NULL,
    PRIMARY KEY (session_key, id),
    UNIQUE (session_key, seq),
    FOREIGN KEY (session_key, parent_id) REFERENCES messages (session_key, id)  -- no cascade: chains of them are slow
);

CREATE INDEX messages_by_parent ON messages (session_key, parent_id);
CREATE INDEX messages_by_client_id ON messages (session_key, client_id) WHERE client_id IS NOT NULL;

ALTER TABLE sessions ADD FOREIGN KEY (session_key, head_id) REFERENCES messages (session_key, id);

CREATE TABLE runs (
    session_key     bigint NOT NULL REFERENCES sessions (session_key) ON DELETE CASCADE,
    number          integer NOT NULL,           -- 1, 2, 3 … within the session
    id              uuid NOT NULL,
    user_message_id uuid NOT NULL,
    message_id      uuid NOT NULL,
    status          text NOT NULL CHECK (status IN
        ('in_progress', 'requires_action', 'completed', 'incomplete', 'failed', 'cancelled', 'interrupted')),
    attempt         integer NOT NULL,           -- the fence: who writes names the attempt it belongs to
    position        bigint NOT NULL,            -- how far the log has come
    idempotency_key text,
    request_hash    text,
    request         json NOT NULL,              -- what the turn was given
    model           text NOT NULL,
    finish_reason   text,
    error           json,                       -- code, message, retryable
    input_tokens    bigint NOT NULL,
    output_tokens   bigint NOT NULL,
    cached_input_tokens bigint NOT NULL DEFAULT 0,   -- of the input_tokens
    reasoning_tokens bigint NOT NULL DEFAULT 0, -- of the output_tokens
    cost            bigint,                     -- in 10⁻⁹ of the currency; NULL: not known
    open_call       json,                       -- the call that goes on, as its row would be now
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
    PRIMARY KEY (session_key, number),
    UNIQUE (session_key, id),
    UNIQUE (session_key, idempotency_key),
    FOREIGN KEY (session_key, user_message_id) REFERENCES messages (session_key, id),
    FOREIGN KEY (session_key, message_id) REFERENCES messages (session_key, id),
    CHECK ((finished_at IS NULL) = (status IN ('in_progress', 'requires_action'))),
    CHECK ((worker IS NOT NULL) = (status = 'in_progress')),
    CHECK ((lease_until IS NOT NULL) = (status = 'in_progress')),
    CHECK ((deadline IS NOT NULL) = (status = 'requires_action'))
) WITH (fillfactor = 70);                       -- an open run's row is written at every flush: room for its versions

CREATE UNIQUE INDEX runs_open ON runs (session_key) WHERE status IN ('in_progress', 'requires_action');
CREATE INDEX runs_by_worker ON runs (worker, id) WHERE status = 'in_progress';
CREATE INDEX runs_by_deadline ON runs (deadline, id) WHERE status = 'requires_action';
CREATE INDEX runs_to_sweep ON runs (finished_at, id) WHERE log_kept = TRUE AND finished_at IS NOT NULL;
CREATE UNIQUE INDEX runs_by_message ON runs (session_key, message_id);
CREATE INDEX runs_by_user_message ON runs (session_key, user_message_id);

CREATE TABLE run_events (
    session_key bigint NOT NULL,
    run_number  integer NOT NULL,
    position    bigint NOT NULL,                -- of the log, after this event
    event       json NOT NULL,                  -- as clients get it
    PRIMARY KEY (session_key, run_number, position),
    FOREIGN KEY (session_key, run_number) REFERENCES runs (session_key, number) ON DELETE CASCADE
);

CREATE TABLE model_calls (
    session_key         bigint NOT NULL,
    run_number          integer NOT NULL,
    number              integer NOT NULL,       -- 1, 2, 3 … within the run
    step                integer NOT NULL,       -- of the turn, from 1; 0: the session's title, not in the run's sums
    model               text NOT NULL,          -- as the models file names it
    provider            text NOT NULL,          -- likewise
    input_tokens        bigint NOT NULL,
    cached_input_tokens bigint NOT NULL,        -- of the input_tokens
    output_tokens       bigint NOT NULL,
    reasoning_tokens    bigint NOT NULL,        -- of the output_tokens
    estimated           boolean NOT NULL,       -- the provider has not counted
    cost                bigint,                 -- in 10⁻⁹ of the currency, at the price of that time; NULL: not known
    first_token_ms      bigint,                 -- from the request to the answer's first token; NULL: none came
    duration_ms         bigint NOT NULL,
    outcome             text NOT NULL,          -- completed, incomplete, cancelled, interrupted, or an error's code
    PRIMARY KEY (session_key, run_number, number),
    FOREIGN KEY (session_key, run_number) REFERENCES runs (session_key, number) ON DELETE CASCADE
);

CREATE TABLE session_prompts (
    session_key bigint NOT NULL REFERENCES sessions (session_key) ON DELETE CASCADE,
    hash        text NOT NULL,                  -- as in prompts
    prompt      text NOT NULL,
    functions   json NOT NULL,                  -- as they were offered
    PRIMARY KEY (session_key, hash)
);

CREATE TABLE former_ids (
    id          uuid PRIMARY KEY,
    session_key bigint NOT NULL                 -- no reference: the row may live on another server than the session
);

CREATE TABLE facts (
    owner      text NOT NULL,
    id         uuid NOT NULL,
    text       text NOT NULL,
    created_at timestamptz NOT NULL,
    PRIMARY KEY (owner, id),
    UNIQUE (owner, text)
);
