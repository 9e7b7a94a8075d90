"""The pool for code that blocks: its thread, its loop, its handle."""
