"""The load: one socket, many devices, each with a source address of its own."""
