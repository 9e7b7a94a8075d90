"""Decides which worker runs which call. Pure: no clock, no loop, no process."""
