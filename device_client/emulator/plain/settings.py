"""What a run of standard clients is told, checked as a whole before the first one starts."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from ipaddress import ip_address
from typing import Final
from urllib.parse import urlsplit

from device_client.emulator.plain.accounts import Account, SecurityMode
from device_client.emulator.settings import RunSettings
from device_pki.names import check_endpoint_name
from objects.path import Path

VERSIONS: Final = ("1.0", "1.1", "1.2")
OBJECTS: Final = (
    "connectivity",
    "firmware",
    "location",
    "statistics",
    "temperature",
    "test",
    "advanced-firmware",
)
"""Words for `--objects`; 0 to 3 are always there."""
PORTS: Final = {"coap": 5683, "coaps": 5684}
AWAKE: Final = 93.0
"""Seconds a sleeping device stays awake after an exchange: MAX_TRANSMIT_WAIT (RFC 7252 section 4.8.2)."""
UUID: Final = 16
"""Bytes."""
MIN_PSK: Final = 16
"""Bytes of a pre-shared key (security rule 30)."""


@dataclass(frozen=True, slots=True)
class Credentials:
    """What the device shows a server: nothing, a pre-shared key, or a certificate. DER throughout."""

    psk_identity: str | None = None
    psk: bytes = field(default=b"", repr=False)
    certificate: bytes = b""
    private_key: bytes = field(default=b"", repr=False)
    anchor: bytes = b""
    """What the server's certificate is judged by: itself, or a CA certificate."""
    anchor_is_ca: bool = False

    @property
    def mode(self) -> SecurityMode:
        if self.psk_identity is not None:
            return SecurityMode.PSK
        return SecurityMode.CERTIFICATE if self.certificate else SecurityMode.NO_SEC

    def __post_init__(self) -> None:
        if self.psk_identity is not None and self.certificate:
            raise ValueError("a device has a pre-shared key or a certificate: leave out one of the two")
        if (self.psk_identity is None) != (not self.psk):
            raise ValueError("--psk-identity and --psk-key-file belong together")
        if self.psk and len(self.psk) < MIN_PSK:
            raise ValueError(f"a pre-shared key has at least {MIN_PSK} bytes, this one {len(self.psk)}")
        if not all((self.certificate, self.private_key, self.anchor)) and any(
            (self.certificate, self.private_key, self.anchor)
        ):
            raise ValueError("--certificate, --key and --anchor belong together")


@dataclass(frozen=True, slots=True)
class ClientSettings:
    """Of one run of standard clients; times in seconds."""

    endpoint: str
    count: int = 1
    server: str | None = None
    bootstrap: str | None = None
    credentials: Credentials = field(default_factory=Credentials)
    version: str = "1.1"
    lifetime: int = 86400
    queue_mode: bool = False
    awake: float = AWAKE
    objects: tuple[str, ...] = OBJECTS
    insecure: bool = False
    """Whether NoSec may leave this machine."""
    jitter: float = 0.0
    """The devices of the run start spread over so many seconds."""
    period: float = 5.0
    """Seconds between two steps of the simulated world."""
    send: tuple[Path, ...] = ()
    """What every server is told by Send, every `send_every` seconds."""
    send_every: float = 60.0
    firmware_authority: bytes = b""
    """Authority key by which packages are SUIT envelopes; without one any bytes are a package."""
    vendor_id: bytes = b""
    class_id: bytes = b""
    """SUIT identifiers, UUIDs of 16 bytes: what the manifests are made for."""
    install_seconds: float = 1.0
    """How long an update takes."""
    run: RunSettings = field(default_factory=RunSettings)

    def __post_init__(self) -> None:
        check_endpoint_name(self.endpoint)
        if self.version not in VERSIONS:
            raise ValueError(f"--version is one of {', '.join(VERSIONS)}, not {self.version}")
        if self.server is None and self.bootstrap is None:
            raise ValueError(
                "name the server the devices register with (--server), or a bootstrap server (--bootstrap)"
            )
        if self.lifetime < 1 or self.awake <= 0 or self.jitter < 0 or self.period <= 0 or self.install_seconds < 0:
            raise ValueError("--lifetime, --awake, --period: seconds above 0; --jitter, --install-seconds: 0 or more")
        if self.send_every <= 0 or (self.send and self.version == "1.0"):
            raise ValueError("--send-every is seconds above 0, and --send needs a --version that knows it: 1.1 or 1.2")
        suit = (bool(self.firmware_authority), len(self.vendor_id) == UUID, len(self.class_id) == UUID)
        if any(suit) and not all(suit):
            raise ValueError("--firmware-authority, --vendor-id and --class-id belong together")
        unknown = [word for word in self.objects if word not in OBJECTS]
        if unknown:
            raise ValueError(f"--objects knows no {unknown[0]!r}: choose from {', '.join(OBJECTS)}")
        for uri in filter(None, (self.server, self.bootstrap)):
            check_uri(uri, self.credentials.mode, insecure=self.insecure)

    def endpoints(self) -> Iterator[str]:
        """The names of the devices: the one given, or with a count numbered ones that begin with it."""
        if self.count == 1:
            yield self.endpoint
        else:
            yield from (f"{self.endpoint}{number:05d}" for number in range(self.count))


def address(uri: str) -> tuple[str, str, int]:
    """Scheme, host and port of a server's URI. Raises ValueError for any other URI."""
    parts = urlsplit(uri)
    if parts.scheme not in PORTS or not parts.hostname or parts.username or parts.query or parts.fragment:
        raise ValueError(f"a server's URI is coap://host[:port] or coaps://host[:port], not {uri!r}")
    try:
        return parts.scheme, parts.hostname, parts.port or PORTS[parts.scheme]
    except ValueError as error:
        raise ValueError(f"no port in {uri!r}: {error}") from error


def check_uri(uri: str, mode: int, *, insecure: bool) -> None:
    """Raise ValueError for a URI this device may not go to with credentials of this mode."""
    scheme, host, _ = address(uri)
    if (scheme == "coap") != (mode == SecurityMode.NO_SEC):
        raise ValueError(f"{uri} does not fit the credentials: coap goes with none, coaps with a key or a certificate")
    if scheme == "coap" and not insecure and not is_loopback(host):
        raise ValueError(f"{uri} is unprotected and not on this machine: say --insecure if that is meant")


def check_account(account: Account, *, insecure: bool) -> None:
    """Raise ValueError unless this device can use the account."""
    if account.mode not in (SecurityMode.PSK, SecurityMode.CERTIFICATE, SecurityMode.NO_SEC):
        raise ValueError(f"security mode {account.mode} is not offered: pre-shared key, certificate or none")
    check_uri(account.uri, account.mode, insecure=insecure)
    if account.mode == SecurityMode.PSK and not (account.identity and account.secret):
        raise ValueError("a pre-shared key needs identity and key")
    if account.mode == SecurityMode.CERTIFICATE and not (account.identity and account.secret and account.server_key):
        raise ValueError("a certificate needs certificate, private key and server's certificate or anchor")


def is_loopback(host: str) -> bool:
    """Whether this name or address is this machine for certain; names other than localhost are not looked up."""
    try:
        return host == "localhost" or ip_address(host).is_loopback
    except ValueError:
        return False
