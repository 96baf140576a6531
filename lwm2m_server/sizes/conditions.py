"""What is measured, whatever protects it: the names, addresses and times of one transfer.

All keys are on P-256, blocks have 1024 bytes, servers ask for a cookie, nothing is lost. The three addresses have 50,
25 and 25 characters.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

ENDPOINT: Final = "0123456789ab"
"""A device's 48-bit address in hex, as its factory certificate and everything about it names it."""
SP1: Final = "sp1"
SP2: Final = "sp2"
"""The providers' names: `iss` and `aud` of a template."""
CA_HOST: Final = "ca2.example.com"
SP1_HOST: Final = "sp1.lwm2m.example"


@dataclass(frozen=True, slots=True)
class Addresses:
    """Where a message sends its device."""

    enroll: str
    update: str
    fallback: str


ADDRESSES: Final = {
    "coaps": Addresses(
        f"coaps://{CA_HOST}/est/abcdefghijklmnopqrstuv", "coaps://sp2.lwm2m.example", f"coaps://{SP1_HOST}"
    ),
    "coap": Addresses(
        "coap://ca-2.example.com/est/abcdefghijklmnopqrstuv", "coap://sp-2.lwm2m.example", "coap://sp-1.lwm2m.example"
    ),
}
"""By the scheme of the profile; equally long."""

NOW: Final = 1_800_000_000
"""Seconds since 1970; any time until 2106 is as long."""
WINDOW: Final = 30 * 86_400
FLEET: Final = 10_000
"""Devices that share the head and the signature of a device list."""
