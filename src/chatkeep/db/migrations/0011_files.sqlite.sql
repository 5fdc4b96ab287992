-- Files of users. Their bytes stand in chunks, once for each owner and content; messages refer to them.
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
