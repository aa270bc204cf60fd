"""Tests: mirrors of the package, conformance, architecture, examples; helpers shared by all."""
