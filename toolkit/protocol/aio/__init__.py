"""The only I/O of the protocol layer: transports, flow control, time, zero copy. The same code for both ends."""
