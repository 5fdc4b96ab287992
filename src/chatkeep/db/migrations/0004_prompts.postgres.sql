-- As on SQLite.
CREATE TABLE session_prompts (
    session_id uuid NOT NULL REFERENCES sessions (id) ON DELETE CASCADE,
    hash       text NOT NULL,                   -- as in prompts
    prompt     text NOT NULL,
    functions  json NOT NULL,                   -- as they were offered
    PRIMARY KEY (session_id, hash)
);
