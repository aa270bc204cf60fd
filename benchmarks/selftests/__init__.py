"""The signaling self-test: server and clients in one process, pairs of peers that stream to each other through it."""
