"""The client: sessions with a keep-alive pool, on the shared protocol layer."""
