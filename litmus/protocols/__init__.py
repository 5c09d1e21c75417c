"""Sans-I/O protocol machines: bytes in, bytes and events out. No asyncio, no sockets, no clock."""
