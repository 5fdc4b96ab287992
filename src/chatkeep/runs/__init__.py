"""Runs: started, executed, written to the journal, followed, ended, and reaped."""
