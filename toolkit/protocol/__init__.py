"""The protocol layer, shared by both ends: no socket, loop or clock outside `toolkit.protocol.aio`."""
