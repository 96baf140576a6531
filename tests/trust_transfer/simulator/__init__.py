"""Device, SP1, SP2, CA1 and CA2 in one deterministic world: virtual time, a bad network, crashes at every write."""
