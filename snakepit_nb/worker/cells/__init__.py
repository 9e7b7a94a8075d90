"""The worker's IPython shell."""
