"""Bootstrap as a client does it (LwM2M Core 1.2, 6.1): asking for accounts, and taking them all or none."""
