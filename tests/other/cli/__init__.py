"""`toolkit get URL` and its kin."""
