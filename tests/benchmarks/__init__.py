"""The benchmarks in small, so that they cannot rot."""
