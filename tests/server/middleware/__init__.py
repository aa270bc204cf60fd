"""Tests of toolkit/server/middleware, one module for each of its modules."""
