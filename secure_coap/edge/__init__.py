"""The edge: sockets, the clock and the application, joined to the engines on asyncio."""
