"""Objects of a device that can be transferred, as its record and its state table make them, and who may use them."""
