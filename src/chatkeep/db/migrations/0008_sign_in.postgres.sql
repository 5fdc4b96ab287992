-- As on SQLite.
ALTER TABLE users ADD COLUMN joined_to text;    -- the id of the user that this way in stands for; NULL: itself

CREATE TABLE tokens (
    id         text PRIMARY KEY,
    user_id    text NOT NULL,
    name       text NOT NULL,
    hash       text NOT NULL,                   -- SHA-256 of the secret
    scope      text NOT NULL CHECK (scope IN ('chat', 'read', 'metrics')),
    created_at timestamptz NOT NULL,
    expires_at timestamptz,
    used_at    timestamptz,                     -- to the hour
    revoked_at timestamptz
);

CREATE INDEX tokens_by_user ON tokens (user_id, id);
CREATE INDEX tokens_revoked ON tokens (revoked_at) WHERE revoked_at IS NOT NULL;

CREATE TABLE sign_ins (
    hash       text PRIMARY KEY,                -- SHA-256 of the cookie
    user_id    text NOT NULL,
    created_at timestamptz NOT NULL,
    seen_at    timestamptz NOT NULL,
    expires_at timestamptz NOT NULL,
    ended_at   timestamptz                      -- signed out
);

CREATE INDEX sign_ins_by_user ON sign_ins (user_id);
CREATE INDEX sign_ins_by_end ON sign_ins (expires_at);
CREATE INDEX sign_ins_ended ON sign_ins (ended_at) WHERE ended_at IS NOT NULL;
CREATE INDEX users_disabled ON users (disabled_at) WHERE disabled_at IS NOT NULL;
CREATE INDEX users_joined ON users (joined_to) WHERE joined_to IS NOT NULL;

CREATE TABLE audit (
    id     text PRIMARY KEY,                    -- in the order of time
    at     timestamptz NOT NULL,
    actor  text NOT NULL,                       -- a user's id, or 'command line'
    action text NOT NULL,
    object text NOT NULL,                       -- the id of the user or token that it was done to
    detail json NOT NULL,                       -- an object
    peer   text                                 -- the address it came from
);
