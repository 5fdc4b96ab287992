-- Sessions that are kept for a while and stand in no list; answers that a client says were given before.
ALTER TABLE sessions ADD COLUMN temporary INTEGER NOT NULL DEFAULT 0 CHECK (temporary IN (0, 1));
ALTER TABLE messages ADD COLUMN claimed INTEGER NOT NULL DEFAULT 0 CHECK (claimed IN (0, 1));

DROP INDEX sessions_by_use;
CREATE INDEX sessions_by_use ON sessions (owner, temporary, updated_at DESC, id DESC);
CREATE INDEX sessions_to_sweep ON sessions (updated_at, id) WHERE temporary = TRUE;
