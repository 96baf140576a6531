"""Firmware: images, bringing them to devices by push or pull, and seeing each update through."""
