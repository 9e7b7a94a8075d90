"""Looks whether pools can work here. `looking` and `trial` see, `judging` gives the verdicts."""
