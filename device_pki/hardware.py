"""hardwareModuleName, an otherName of the subject alternative name (RFC 4108 5)."""

from __future__ import annotations

from typing import Final

from cryptography import x509
from cryptography.hazmat import asn1

HARDWARE_MODULE_NAME: Final = x509.ObjectIdentifier("1.3.6.1.5.5.7.8.4")


@asn1.sequence
class HardwareModuleName:
    """The value of the name: what kind of hardware, and which."""

    hw_type: x509.ObjectIdentifier
    hw_serial_num: bytes


def hardware_module_name(hardware_type: x509.ObjectIdentifier, serial: bytes) -> x509.OtherName:
    """Return the general name that says which kind of hardware a device is, and its serial number."""
    value = HardwareModuleName(hw_type=hardware_type, hw_serial_num=serial)
    return x509.OtherName(HARDWARE_MODULE_NAME, asn1.encode_der(value))
