-- An index of the words of messages and titles (chat/words.py), in full-text tables that keep no copy of a text. To write
-- to them with each message would cost more than the message: words wait in pending_words, or with their title, until
-- they are moved there together (db/sqlite_words.py). Both places are searched.
ALTER TABLE messages ADD COLUMN words TEXT;     -- the way into the index, as on PostgreSQL: a trigger takes them from here

CREATE TABLE pending_words (
    search_number INTEGER PRIMARY KEY,          -- of the message
    words         TEXT NOT NULL
) STRICT;

CREATE VIRTUAL TABLE message_words USING fts5(words, content='', contentless_delete=1, detail=none, tokenize='ascii');

CREATE TRIGGER messages_added AFTER INSERT ON messages WHEN NEW.words IS NOT NULL BEGIN
    INSERT INTO pending_words (search_number, words) VALUES (NEW.search_number, NEW.words); UPDATE messages SET words = NULL WHERE search_number = NEW.search_number; END;

-- Instead of the update itself: so the row is written once. It stores `parts` and `words`, which no statement sets together with another column.
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

CREATE TRIGGER titles_deleted AFTER DELETE ON session_titles BEGIN
    DELETE FROM title_words WHERE rowid = OLD.session_key; END;

CREATE TABLE search_backlog (
    session_key INTEGER PRIMARY KEY REFERENCES sessions (session_key) ON DELETE CASCADE,
    seq         INTEGER NOT NULL                -- the last message that is in the index; 0: not even the title is
) STRICT;

INSERT INTO search_backlog (session_key, seq) SELECT session_key, 0 FROM sessions WHERE temporary = 0 AND owner <> '';
