"""Programs to read first, and to run: each is a whole use of the toolkit on one page."""
