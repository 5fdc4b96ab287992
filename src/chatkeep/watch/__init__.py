"""A running service as its operator sees it: log lines, metrics, traces."""
