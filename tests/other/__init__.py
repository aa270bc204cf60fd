"""Tests of the extras, one module for each."""
