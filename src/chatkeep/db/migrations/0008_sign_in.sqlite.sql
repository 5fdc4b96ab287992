-- Who may ask as a user: their own tokens, and the browsers in which they are signed in. Of secrets only hashes are kept.
ALTER TABLE users ADD COLUMN joined_to TEXT;    -- the id of the user that this way in stands for; NULL: itself

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

-- Never content, never a secret.
CREATE TABLE audit (
    id     TEXT PRIMARY KEY,                    -- in the order of time
    at     TEXT NOT NULL,
    actor  TEXT NOT NULL,                       -- a user's id, or 'command line'
    action TEXT NOT NULL,
    object TEXT NOT NULL,                       -- the id of the user or token that it was done to
    detail TEXT NOT NULL,                       -- JSON object
    peer   TEXT                                 -- the address it came from
) STRICT;
