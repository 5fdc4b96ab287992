-- What models were told of a session (its title, functions that its client described) goes with it; the rest is kept
-- once, in `prompts`, for all.
CREATE TABLE session_prompts (
    session_id TEXT NOT NULL REFERENCES sessions (id) ON DELETE CASCADE,
    hash       TEXT NOT NULL,                   -- as in prompts
    prompt     TEXT NOT NULL,
    functions  TEXT NOT NULL,                   -- JSON: as they were offered
    PRIMARY KEY (session_id, hash)
) STRICT;
