"""Tests of toolkit/protocol/aio, one module for each of its modules."""
