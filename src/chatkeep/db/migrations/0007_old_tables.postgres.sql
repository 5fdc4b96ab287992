-- What 0006 has moved.
DROP TABLE old_run_events, old_model_calls, old_session_prompts, old_runs, old_facts, old_messages, old_sessions, moved_rows;
