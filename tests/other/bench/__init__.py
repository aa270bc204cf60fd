"""Tests of `toolkit bench`, one module for each."""
