"""The seam between the pool and one worker."""
