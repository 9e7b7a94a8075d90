"""One id from the cell to the worker and back."""
