"""Firmware of a standard client: components that take packages by push and by pull, and install them."""
