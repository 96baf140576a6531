"""The device as an LwM2M client: its objects, who may touch them, its registration."""
