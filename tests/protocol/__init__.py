"""Mirrors toolkit/protocol."""
