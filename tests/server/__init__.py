"""Tests of toolkit/server, one module for each of its modules."""
