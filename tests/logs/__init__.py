"""Tests of toolkit/logs, one module for each of its modules."""
