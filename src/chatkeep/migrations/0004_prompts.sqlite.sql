-- A prompt that names its session (by its title) goes with it; all others are kept once, in `prompts`, for whoever
-- was told the same.
CREATE TABLE session_prompts (
    session_id TEXT NOT NULL REFERENCES sessions (id) ON DELETE CASCADE,
    hash       TEXT NOT NULL,                   -- as in prompts
    prompt     TEXT NOT NULL,
    functions  TEXT NOT NULL,                   -- JSON: as they were offered
    PRIMARY KEY (session_id, hash)
) STRICT;
