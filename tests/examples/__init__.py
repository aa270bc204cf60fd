"""The example programs, run on real input."""
