-- Logs go by a number, as on SQLite: 8 bytes of a key, not 16. It is this database's own; everybody else knows a run by
-- its id.
ALTER TABLE runs ADD COLUMN log bigint NOT NULL GENERATED ALWAYS AS IDENTITY UNIQUE;

ALTER TABLE run_events RENAME TO run_events_by_id;
ALTER TABLE run_events_by_id RENAME CONSTRAINT run_events_pkey TO run_events_by_id_pkey;

CREATE TABLE run_events (
    log      bigint NOT NULL REFERENCES runs (log) ON DELETE CASCADE,
    position bigint NOT NULL,                   -- of the log, after this event
    event    json NOT NULL,                     -- as clients get it
    PRIMARY KEY (log, position)
);

INSERT INTO run_events (log, position, event)
SELECT r.log, e.position, e.event
  FROM run_events_by_id e
  JOIN runs r ON r.id = e.run_id;

DROP TABLE run_events_by_id;
