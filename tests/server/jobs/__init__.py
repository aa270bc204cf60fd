"""Tests of toolkit/server/jobs, one module for each of its modules."""
