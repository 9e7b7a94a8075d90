"""The kernel's side of Jupyter."""
