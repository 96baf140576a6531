"""Tools for testing this server and its plugins: a virtual clock, a lossy network in virtual time, a lossy UDP relay."""
