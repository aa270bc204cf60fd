"""The only I/O of the protocol layer: asyncio transports, flow control, time, zero copy. The same code for both ends."""
