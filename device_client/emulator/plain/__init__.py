"""A standard LwM2M client: its accounts are objects 0 and 1, its servers any; it has no factory and no transfer."""
