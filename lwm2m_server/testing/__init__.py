"""Tools for testing this server and its plugins: virtual clock, lossy network in virtual time, lossy UDP relay."""
