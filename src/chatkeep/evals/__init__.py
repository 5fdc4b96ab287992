"""`chatkeep eval`: measures how often an assistant passes the cases of a suite with a model.

So a change of a prompt is a measured change. `suite.py` reads the cases, `play.py` plays one, `judge.py` finds faults
in its answers, `measure.py` plays each case N times and counts, and `table.py` prints the result. The suites that come
with chatkeep are the YAML files here.
"""
