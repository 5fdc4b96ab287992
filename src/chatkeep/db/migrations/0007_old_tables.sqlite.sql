-- What 0006 has moved. Children first: SQLite deletes the rows of a table that others refer to one by one.
DROP TABLE old_run_events;
DROP TABLE old_model_calls;
DROP TABLE old_session_prompts;
DROP TABLE old_runs;
DROP TABLE old_facts;
UPDATE old_sessions SET head_id = NULL WHERE head_id IS NOT NULL;
DROP TABLE old_messages;
DROP TABLE old_sessions;
DROP TABLE moved_rows;
