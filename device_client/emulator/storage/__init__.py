"""What the device keeps, and how it survives a power cut at any moment."""
