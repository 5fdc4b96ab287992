-- The logs, with a rowid: what a flush adds for all runs lies side by side, and only the slimmer index is touched run by
-- run. With 200 runs a flush writes half as many bytes, and costs 17 instead of 27 µs a run.
ALTER TABLE run_events RENAME TO run_events_by_run;

CREATE TABLE run_events (
    run_id   TEXT NOT NULL REFERENCES runs (id) ON DELETE CASCADE,
    position INTEGER NOT NULL,                  -- of the log, after this event
    event    TEXT NOT NULL,                     -- JSON, as clients get it
    PRIMARY KEY (run_id, position)
) STRICT;

INSERT INTO run_events (run_id, position, event) SELECT run_id, position, event FROM run_events_by_run;
DROP TABLE run_events_by_run;
