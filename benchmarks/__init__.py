"""Our server beside Eclipse Leshan's, in one run on one machine: `make bench`, or `python -m benchmarks --help`."""
