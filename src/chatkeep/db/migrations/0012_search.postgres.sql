-- As on SQLite, but that the words stay where they are written. Written they are only with a message, so that a row has
-- them from the beginning; they are the first to be moved out of a long row.
ALTER TABLE messages ADD COLUMN words tsvector;
ALTER TABLE messages ALTER COLUMN words SET STORAGE EXTERNAL;
ALTER TABLE messages ALTER COLUMN parts SET STORAGE MAIN;
CREATE INDEX messages_by_word ON messages USING gin (words);

CREATE TABLE session_titles (
    session_key bigint PRIMARY KEY REFERENCES sessions (session_key) ON DELETE CASCADE,
    words       tsvector
);

CREATE INDEX session_titles_by_word ON session_titles USING gin (words);

CREATE TABLE search_backlog (
    session_key bigint PRIMARY KEY REFERENCES sessions (session_key) ON DELETE CASCADE,
    seq         integer NOT NULL
);

INSERT INTO search_backlog (session_key, seq) SELECT session_key, 0 FROM sessions WHERE temporary = FALSE AND owner <> '';
