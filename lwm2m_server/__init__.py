"""The device-management server: LwM2M, fleet, store, API, command line."""
