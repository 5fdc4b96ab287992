-- The schema of a new SQLite database: src/chatkeep/db/migrations, applied in order. A test keeps this page current.

CREATE TABLE prompts (
    hash      TEXT PRIMARY KEY,                 -- SHA-256 of the two
    prompt    TEXT NOT NULL,
    functions TEXT NOT NULL                     -- JSON, as they were offered
) STRICT, WITHOUT ROWID;

CREATE TABLE users (
    id          TEXT PRIMARY KEY,               -- an owner
    issuer      TEXT,                           -- NULL: made by this service itself
    subject     TEXT,
    name        TEXT,
    role        TEXT NOT NULL CHECK (role IN ('user', 'admin')),
    disabled_at TEXT,
    created_at  TEXT NOT NULL,
    seen_at     TEXT, joined_to TEXT,
    UNIQUE (issuer, subject)
) STRICT;

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
    deleted_at   TEXT, temporary INTEGER NOT NULL DEFAULT 0 CHECK (temporary IN (0, 1)),
    FOREIGN KEY (session_key, head_id) REFERENCES messages (session_key, id)
) STRICT;

CREATE TABLE messages (
    search_number INTEGER PRIMARY KEY,
    session_key   INTEGER NOT NULL REFERENCES sessions (session_key) ON DELETE CASCADE,
    id            TEXT NOT NULL,
    client_id     TEXT,
    seq           INTEGER NOT NULL,
    parent_id     TEXT,
    role          TEXT NOT NULL CHECK (role IN ('user', 'assistant')),
    parts         TEXT NOT NULL,                -- JSON; an open run's message is '[]' here, and in its log
    created_at    TEXT NOT NULL, claimed INTEGER NOT NULL DEFAULT 0 CHECK (claimed IN (0, 1)), words TEXT,
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

CREATE TABLE run_events (
    session_key INTEGER NOT NULL,
    run_number  INTEGER NOT NULL,
    position    INTEGER NOT NULL,               -- of the log, after this event
    event       TEXT NOT NULL,                  -- JSON, as clients get it
    PRIMARY KEY (session_key, run_number, position),
    FOREIGN KEY (session_key, run_number) REFERENCES runs (session_key, number) ON DELETE CASCADE
) STRICT;

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

CREATE TABLE session_prompts (
    session_key INTEGER NOT NULL REFERENCES sessions (session_key) ON DELETE CASCADE,
    hash        TEXT NOT NULL,                  -- as in prompts
    prompt      TEXT NOT NULL,
    functions   TEXT NOT NULL,                  -- JSON: as they were offered
    PRIMARY KEY (session_key, hash)
) STRICT;

CREATE TABLE former_ids (
    id          TEXT PRIMARY KEY,
    session_key INTEGER NOT NULL                -- no reference: the row may live on another server than the session
) STRICT, WITHOUT ROWID;

CREATE TABLE facts (
    owner      TEXT NOT NULL,
    id         TEXT NOT NULL,
    text       TEXT NOT NULL,
    created_at TEXT NOT NULL,
    PRIMARY KEY (owner, id),
    UNIQUE (owner, text)
) STRICT;

CREATE TABLE tokens (
    id         TEXT PRIMARY KEY,
    user_id    TEXT NOT NULL,
    name       TEXT NOT NULL,
    hash       TEXT NOT NULL,                   -- SHA-256 of the secret
    scope      TEXT NOT NULL CHECK (scope IN ('chat', 'read', 'metrics')),
    created_at TEXT NOT NULL,
    expires_at TEXT,
    used_at    TEXT,                            -- to the hour
    revoked_at TEXT
) STRICT;

CREATE INDEX tokens_by_user ON tokens (user_id, id);

CREATE INDEX tokens_revoked ON tokens (revoked_at) WHERE revoked_at IS NOT NULL;

CREATE TABLE sign_ins (
    hash       TEXT PRIMARY KEY,                -- SHA-256 of the cookie
    user_id    TEXT NOT NULL,
    created_at TEXT NOT NULL,
    seen_at    TEXT NOT NULL,
    expires_at TEXT NOT NULL,
    ended_at   TEXT                             -- signed out
) STRICT;

CREATE INDEX sign_ins_by_user ON sign_ins (user_id);

CREATE INDEX sign_ins_by_end ON sign_ins (expires_at);

CREATE INDEX sign_ins_ended ON sign_ins (ended_at) WHERE ended_at IS NOT NULL;

CREATE INDEX users_disabled ON users (disabled_at) WHERE disabled_at IS NOT NULL;

CREATE INDEX users_joined ON users (joined_to) WHERE joined_to IS NOT NULL;

CREATE TABLE audit (
    id     TEXT PRIMARY KEY,                    -- in the order of time
    at     TEXT NOT NULL,
    actor  TEXT NOT NULL,                       -- a user's id, or 'command line'
    action TEXT NOT NULL,
    object TEXT NOT NULL,                       -- the id of the user or token that it was done to
    detail TEXT NOT NULL,                       -- JSON object
    peer   TEXT                                 -- the address it came from
) STRICT;

CREATE TABLE usage_by_day (
    owner               TEXT NOT NULL,          -- a user's id; 'deleted' for those who are gone
    day                 TEXT NOT NULL,          -- of UTC: 2026-11-30
    model               TEXT NOT NULL,
    assistant           TEXT NOT NULL,
    runs                INTEGER NOT NULL,       -- that have ended
    failures            INTEGER NOT NULL,       -- of the runs
    input_tokens        INTEGER NOT NULL,
    cached_input_tokens INTEGER NOT NULL,       -- of the input_tokens
    output_tokens       INTEGER NOT NULL,
    reasoning_tokens    INTEGER NOT NULL,       -- of the output_tokens
    cost                INTEGER NOT NULL,       -- in 10⁻⁹ of the currency, without the unpriced calls
    unpriced_calls      INTEGER NOT NULL,       -- calls of models whose price was not known
    PRIMARY KEY (owner, day, model, assistant)
) STRICT, WITHOUT ROWID;

CREATE INDEX usage_by_day_of_all ON usage_by_day (day, model);

CREATE TABLE limits (
    owner         TEXT PRIMARY KEY,             -- also the lock that puts the claims of an owner in line
    open_runs     INTEGER,                      -- NULL, as below: the setting's
    messages_hour INTEGER,
    tokens_day    INTEGER,
    cost_day      INTEGER                       -- in 10⁻⁹ of the currency
) STRICT, WITHOUT ROWID;

CREATE TABLE holds (
    owner   TEXT NOT NULL,
    run_id  TEXT NOT NULL,
    made_at TEXT NOT NULL,
    is_open INTEGER NOT NULL CHECK (is_open IN (0, 1)),
    tokens  INTEGER NOT NULL,                   -- estimated; 0 once the run has ended
    cost    INTEGER NOT NULL,                   -- likewise
    PRIMARY KEY (owner, run_id)
) STRICT, WITHOUT ROWID;

CREATE INDEX sessions_by_use ON sessions (owner, temporary, updated_at DESC, id DESC);

CREATE INDEX sessions_to_sweep ON sessions (updated_at, id) WHERE temporary = TRUE;

CREATE TABLE files (
    owner        TEXT NOT NULL,                 -- a user's id
    id           TEXT NOT NULL,
    sha256       TEXT,                          -- of the bytes; NULL: not complete, dropped, or another row has the same
    bytes        INTEGER NOT NULL,
    media_type   TEXT,                          -- as found in the bytes; NULL: not complete, or dropped
    name         TEXT NOT NULL,
    width        INTEGER,                       -- of a picture as it is shown, in pixels
    height       INTEGER,
    pages        INTEGER,                       -- of a PDF
    created_at   TEXT NOT NULL,
    unused_since TEXT,                          -- since when no message refers to it; NULL: one does
    PRIMARY KEY (owner, id),
    UNIQUE (owner, sha256)
) STRICT;

CREATE INDEX files_unused ON files (unused_since) WHERE unused_since IS NOT NULL;

CREATE TABLE file_chunks (
    owner   TEXT NOT NULL,
    file_id TEXT NOT NULL,
    number  INTEGER NOT NULL,                   -- 0, 1, 2 …
    content BLOB NOT NULL,
    PRIMARY KEY (owner, file_id, number),
    FOREIGN KEY (owner, file_id) REFERENCES files (owner, id)
) STRICT;

CREATE TABLE message_files (
    session_key INTEGER NOT NULL,
    message_id  TEXT NOT NULL,
    file_id     TEXT NOT NULL,                  -- no reference: files live with their owner, maybe on another server
    owner       TEXT NOT NULL,                  -- of the file
    PRIMARY KEY (session_key, message_id, file_id),
    FOREIGN KEY (session_key, message_id) REFERENCES messages (session_key, id)
) STRICT;

CREATE INDEX message_files_by_file ON message_files (file_id);

CREATE TABLE pending_words (
    search_number INTEGER PRIMARY KEY,          -- of the message
    words         TEXT NOT NULL
) STRICT;

CREATE VIRTUAL TABLE message_words USING fts5(words, content='', contentless_delete=1, detail=none, tokenize='ascii');

CREATE TABLE 'message_words_data'(id INTEGER PRIMARY KEY, block BLOB);

CREATE TABLE 'message_words_idx'(segid, term, pgno, PRIMARY KEY(segid, term)) WITHOUT ROWID;

CREATE TABLE 'message_words_docsize'(id INTEGER PRIMARY KEY, sz BLOB, origin INTEGER);

CREATE TABLE 'message_words_config'(k PRIMARY KEY, v) WITHOUT ROWID;

CREATE TRIGGER messages_added AFTER INSERT ON messages WHEN NEW.words IS NOT NULL BEGIN
    INSERT INTO pending_words (search_number, words) VALUES (NEW.search_number, NEW.words); UPDATE messages SET words = NULL WHERE search_number = NEW.search_number; END;

CREATE TRIGGER messages_changed BEFORE UPDATE OF words ON messages WHEN NEW.words IS NOT NULL BEGIN
    INSERT OR REPLACE INTO pending_words (search_number, words) VALUES (NEW.search_number, NEW.words); UPDATE messages SET parts = NEW.parts WHERE search_number = NEW.search_number; SELECT RAISE(IGNORE); END;

CREATE TRIGGER messages_deleted AFTER DELETE ON messages BEGIN
    DELETE FROM pending_words WHERE search_number = OLD.search_number; DELETE FROM message_words WHERE rowid = OLD.search_number; END;

CREATE TABLE session_titles (
    session_key INTEGER PRIMARY KEY REFERENCES sessions (session_key) ON DELETE CASCADE,
    words       TEXT                            -- of the title; NULL: they are in the index
) STRICT;

CREATE INDEX session_titles_pending ON session_titles (session_key) WHERE words IS NOT NULL;

CREATE VIRTUAL TABLE title_words USING fts5(words, content='', contentless_delete=1, detail=none, tokenize='ascii');

CREATE TABLE 'title_words_data'(id INTEGER PRIMARY KEY, block BLOB);

CREATE TABLE 'title_words_idx'(segid, term, pgno, PRIMARY KEY(segid, term)) WITHOUT ROWID;

CREATE TABLE 'title_words_docsize'(id INTEGER PRIMARY KEY, sz BLOB, origin INTEGER);

CREATE TABLE 'title_words_config'(k PRIMARY KEY, v) WITHOUT ROWID;

CREATE TRIGGER titles_deleted AFTER DELETE ON session_titles BEGIN
    DELETE FROM title_words WHERE rowid = OLD.session_key; END;

CREATE TABLE search_backlog (
    session_key INTEGER PRIMARY KEY REFERENCES sessions (session_key) ON DELETE CASCADE,
    seq         INTEGER NOT NULL                -- the last message that is in the index; 0: not even the title is
) STRICT;
