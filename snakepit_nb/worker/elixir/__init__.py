"""A worker that the original's host starts and drives, in place of its own Python worker."""
