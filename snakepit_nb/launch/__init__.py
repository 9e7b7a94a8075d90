"""Starts worker processes and sees to it that none outlives its kernel."""
