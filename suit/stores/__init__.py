"""Component stores: in memory, in a folder, and in the image slots of a bootloader."""
