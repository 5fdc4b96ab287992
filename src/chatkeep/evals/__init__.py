"""`chatkeep eval`: what an assistant's prompt is worth with a model, measured case by case, so that a change of prompt
is a measured change.

`suite.py` reads the cases, `play.py` lets one happen, `judge.py` says whether it passed, `measure.py` does so N times
and counts, `table.py` shows it. The suites that come with chatkeep stand beside them.
"""
