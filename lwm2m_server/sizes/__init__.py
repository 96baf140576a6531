"""Bytes on the wire of one transfer, counted by really running each operation (docs/reference/sizes.md)."""
