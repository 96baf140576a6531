"""LwM2M interfaces of the server, sans-IO: registration and device management."""
