"""Tests of toolkit/client, one module for each of its modules."""
