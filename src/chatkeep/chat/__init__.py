"""The values of a chat (sessions, messages, runs), the events of a run, and the log they make. No storage."""
