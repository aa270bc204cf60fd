"""Each benchmark runs once, briefly, so that none of them rots."""
