-- As on SQLite.
ALTER TABLE sessions ADD COLUMN temporary boolean NOT NULL DEFAULT FALSE;
ALTER TABLE messages ADD COLUMN claimed boolean NOT NULL DEFAULT FALSE;

DROP INDEX sessions_by_use;
CREATE INDEX sessions_by_use ON sessions (owner, temporary, updated_at DESC, id DESC);
CREATE INDEX sessions_to_sweep ON sessions (updated_at, id) WHERE temporary = TRUE;
