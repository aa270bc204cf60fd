"""Logs: lines for people and programs out of `logging` records, written by a thread, so that no loop waits for a disk.

Anyone may import it; it imports nothing of the package but its errors. What is logged goes through loggers of the
standard library (`toolkit.server`, `toolkit.client`, `toolkit.access`); nothing here is needed by who has set those up.
"""
