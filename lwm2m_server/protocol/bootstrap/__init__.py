"""The bootstrap interface, sans-IO: profiles, the order of their writes, one device's session (LwM2M Core 1.2, 6.1)."""
