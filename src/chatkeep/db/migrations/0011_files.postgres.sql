-- As on SQLite.
CREATE TABLE files (
    owner        text NOT NULL,                 -- a user's id
    id           uuid NOT NULL,
    sha256       text,                          -- of the bytes; NULL: not complete, dropped, or another row has the same
    bytes        bigint NOT NULL,
    media_type   text,                          -- as found in the bytes; NULL: not complete, or dropped
    name         text NOT NULL,
    width        integer,                       -- of a picture as it is shown, in pixels
    height       integer,
    pages        integer,                       -- of a PDF
    created_at   timestamptz NOT NULL,
    unused_since timestamptz,                   -- since when no message refers to it; NULL: one does
    PRIMARY KEY (owner, id),
    UNIQUE (owner, sha256)
);

CREATE INDEX files_unused ON files (unused_since) WHERE unused_since IS NOT NULL;

CREATE TABLE file_chunks (
    owner   text NOT NULL,
    file_id uuid NOT NULL,
    number  integer NOT NULL,                   -- 0, 1, 2 …
    content bytea NOT NULL,
    PRIMARY KEY (owner, file_id, number),
    FOREIGN KEY (owner, file_id) REFERENCES files (owner, id)
);

CREATE TABLE message_files (
    session_key bigint NOT NULL,
    message_id  uuid NOT NULL,
    file_id     uuid NOT NULL,                  -- no reference: files live with their owner, maybe on another server
    owner       text NOT NULL,                  -- of the file
    PRIMARY KEY (session_key, message_id, file_id),
    FOREIGN KEY (session_key, message_id) REFERENCES messages (session_key, id)
);

CREATE INDEX message_files_by_file ON message_files (file_id);
