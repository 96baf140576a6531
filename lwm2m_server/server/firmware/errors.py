"""Errors of firmware services. Nothing was changed; every text names the fix."""

from __future__ import annotations


class FirmwareError(Exception):
    """Something that was asked for cannot be done."""


class UnknownFirmware(FirmwareError):
    """No such image or update."""


class ImageTooLarge(FirmwareError):
    """An image is larger than this server takes."""

    def __init__(self, limit: int) -> None:
        super().__init__(f"an image has at most {limit} bytes; raise firmware.max_image in the settings")


class ImageInUse(FirmwareError):
    """An image cannot be removed."""


class WrongOrder(FirmwareError):
    """An order that contradicts itself."""
