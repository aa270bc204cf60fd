"""Tests of toolkit/server/openapi, one module for each of its modules."""
