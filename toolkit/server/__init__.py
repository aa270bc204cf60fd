"""The server: an application of routes, served over any link by the shared protocol layer."""
