"""The device side: emulator and firmware."""
