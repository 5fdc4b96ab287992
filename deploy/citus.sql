-- Distributes chatkeep's tables over the servers of a Citus cluster (docs/scale.md), once, while no process uses them:
--
--     chatkeep migrate                                   the schema, on the coordinator
--     psql "$CHATKEEP_DATABASE_URL" -f deploy/citus.sql
--
-- All rows of a session go to one server, by `session_key`; facts, files, usage and limits go by owner. `prompts`, `users`,
-- `tokens` and `sign_ins` are small, seldom written, and on every server. Before a later migration of chatkeep the
-- tables have to be undistributed (`undistribute_table`).

SELECT create_reference_table('prompts');
SELECT create_reference_table('users');
SELECT create_reference_table('tokens');
SELECT create_reference_table('sign_ins');

SELECT create_distributed_table('sessions', 'session_key');
SELECT create_distributed_table('messages', 'session_key', colocate_with => 'sessions');
SELECT create_distributed_table('runs', 'session_key', colocate_with => 'sessions');
SELECT create_distributed_table('run_events', 'session_key', colocate_with => 'sessions');
SELECT create_distributed_table('model_calls', 'session_key', colocate_with => 'sessions');
SELECT create_distributed_table('session_prompts', 'session_key', colocate_with => 'sessions');
SELECT create_distributed_table('message_files', 'session_key', colocate_with => 'sessions');
SELECT create_distributed_table('session_titles', 'session_key', colocate_with => 'sessions');
SELECT create_distributed_table('search_backlog', 'session_key', colocate_with => 'sessions');

SELECT create_distributed_table('former_ids', 'id', colocate_with => 'none');

SELECT create_distributed_table('facts', 'owner', colocate_with => 'none');
SELECT create_distributed_table('usage_by_day', 'owner', colocate_with => 'facts');
SELECT create_distributed_table('limits', 'owner', colocate_with => 'facts');
SELECT create_distributed_table('holds', 'owner', colocate_with => 'facts');
SELECT create_distributed_table('audit', 'id', colocate_with => 'none');

SELECT create_distributed_table('files', 'owner', colocate_with => 'none');
SELECT create_distributed_table('file_chunks', 'owner', colocate_with => 'files');
