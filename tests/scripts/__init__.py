"""Tests of the scripts that the project's own checks rest on."""
