"""A certification authority's data folder, and what its operator does with it."""
